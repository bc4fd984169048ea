"""A program that webhooks tell: a real HTTP server that believes only what is signed."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from stage.process import wait_until

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


class Receiver:
    """A context manager; `news` is what was verified, `refused` what was not. The first calls get `answers`."""

    def __init__(self, answers=()):
        self.news, self.refused, self.ids = [], [], []
        self._answers = list(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(receiver._take(body, dict(self.headers.items())))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/news"

    def _take(self, body, headers):
        headers = {name.lower(): value for name, value in headers.items()}
        if self._answers:
            self.ids.append(headers["webhook-id"])
            return self._answers.pop(0)
        try:
            Webhook(SECRET).verify(body, headers)
        except WebhookVerificationError as error:
            self.refused.append(str(error))
            return 401
        self.ids.append(headers["webhook-id"])
        self.news.append(json.loads(body))
        return 204

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()

    def wait_for(self, kind, of=None, deadline_seconds=40):
        """The first news of that kind, about the message `of` or the alarm `of`."""

        def found():
            return [it for it in self.news if it["type"] == kind and of in (None, it["data"].get("id"), it["data"].get("alarm"))]

        return wait_until(found, deadline_seconds, lambda: f"no {kind}: {self.news} {self.refused}")[0]

    def setup(self, name="hook", *lines):
        """A section of a setup file."""
        return "\n".join([f'[[webhook]]\nname = "{name}"\nurl = "{self.url}"\nsecret = "{SECRET}"', *lines, ""])
