"""A token endpoint and the introspection (RFC 7662) of its tokens, as an organisation's own identity service has them."""

import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCOPE = "https://mail.contoso.test/.default"


class TokenDesk:
    """Issues `good token` for SCOPE. `knows`: the user that introspection knows it as; None: it is not good any more."""

    def __init__(self, knows, token="good-token"):
        self.knows, self.token = knows, token
        self.asked, self.introspected = [], []

    def __enter__(self):
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(body))
                answer = desk.introspect(form) if self.path.startswith("/introspect") else desk.issue(form)
                content = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def issue(self, form):
        self.asked.append(form)
        return {"token_type": "Bearer", "expires_in": 3600, "access_token": self.token}

    def introspect(self, form):
        self.introspected.append(form)
        if form.get("token") != self.token or not self.knows:
            return {"active": False}
        return {"active": True, "username": self.knows, "scope": "mail.submit"}
