"""The way to the tenant's sign-in service: everything passes, but the answer with a token can be held back."""

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Way:
    """Listens on a loopback port of its own and asks `target`. A context manager."""

    def __init__(self, target):
        self.target = target
        # Set: tokens pass. Cleared: the tenant issues one, and its answer stays here.
        self.is_open = threading.Event()
        self.is_open.set()
        self.holds_one = threading.Event()
        way = self

        class Passing(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                way.carry(self, urllib.request.Request(way.target + self.path, data=body, headers=dict(self.headers)))

            def do_GET(self):
                way.carry(self, urllib.request.Request(way.target + self.path))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.is_open.set()
        self.server.shutdown()
        self.server.server_close()

    def carry(self, to, request):
        # The tenant knows itself by its own address.
        request.headers.pop("Host", None)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            status, body = refused.code, refused.read()
        if to.path.endswith("/token") and status == 200 and not self.is_open.is_set():
            self.holds_one.set()
            self.is_open.wait(60)
        try:
            to.send_response(status)
            to.send_header("Content-Type", "application/json")
            to.send_header("Content-Length", str(len(body)))
            to.end_headers()
            to.wfile.write(body)
        except OSError:
            pass  # whoever asked was killed
