"""`postern sandbox`: the stand-in Microsoft 365 tenant, and what one can look up in it."""

import json
import urllib.error
import urllib.request
from pathlib import Path

from .process import Program, answers, free_ports, postern_binary, wait_until

TENANT_ID = "11111111-2222-3333-4444-555555555555"
CLIENT_ID = "66666666-7777-8888-9999-000000000000"
CLIENT_SECRET = "sandbox-secret"
MAILBOX = "noreply@contoso.test"


def tenant_toml(users=(), send_as=(), certificates=(), client_id=CLIENT_ID, secret=CLIENT_SECRET):
    """The settings of a tenant `contoso.test` with one app that may send mail."""
    lines = [
        "[[tenant]]",
        f'id = "{TENANT_ID}"',
        'name = "Contoso"',
        'domains = ["contoso.test"]',
        "[[tenant.app]]",
        f'client_id = "{client_id}"',
        'name = "Gateway"',
        'roles = ["Mail.Send"]',
        f"send_as = {json.dumps(list(send_as), ensure_ascii=False)}",
        f'secret = [{{ value = "{secret}" }}]',
        f"certificate = [{', '.join(f'{{ file = {json.dumps(str(path))} }}' for path in certificates)}]",
    ]
    for user in (MAILBOX, "anna@contoso.test", "ben@contoso.test", *users):
        lines += ["[[tenant.user]]", f"upn = {json.dumps(user, ensure_ascii=False)}"]
    return "\n".join(lines) + "\n"


# One mailbox sends what a whole company would; the limits have tests of their own.
UNLIMITED = """\
[limits]
requests_per_window = 100000000
upload_bytes_per_window = 1000000000000
recipients_per_day = 0
smtp_messages_per_minute = 0
[storage]
keep_messages = 100000
keep_bytes = 1073741824
keep_deliveries = 200000
keep_requests = 200000
"""


class Sandbox:
    """A running sandbox; a context manager."""

    def __init__(self, home, settings=None, certificate=None):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.settings = settings if settings is not None else UNLIMITED + tenant_toml()
        self.port, https_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.https_url = f"https://localhost:{https_port}"
        self._certificate = certificate
        if certificate:
            self.settings += f'[listener]\nhttps_listen = "127.0.0.1:{https_port}"\n'

    def __enter__(self):
        config = self.home / "sandbox.toml"
        config.write_text(self.settings)
        arguments = [postern_binary(), "sandbox", "--listen", f"127.0.0.1:{self.port}", "--config", config]
        if self._certificate:
            arguments += ["--tls-cert", self._certificate[0], "--tls-key", self._certificate[1]]
        self.program = Program(arguments, self.home / "sandbox.log")
        https_port = int(self.https_url.rpartition(":")[2])
        self.program.wait_for(lambda: answers(self.port) and (not self._certificate or answers(https_port)))
        return self

    def __exit__(self, *_):
        self.program.kill()

    def request(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def _rows(self, path, key):
        answer = json.loads(self.request("GET", path))
        return answer[key] if isinstance(answer, dict) else answer

    def deliveries(self):
        return self._rows("/sandbox/api/deliveries?limit=200000", "deliveries")

    def requests(self):
        return self._rows("/sandbox/api/requests?limit=200000", "requests")

    def stats(self):
        return json.loads(self.request("GET", "/sandbox/api/stats"))

    def raw(self, delivery):
        """The MIME as it was submitted."""
        return self.request("GET", f"/sandbox/api/messages/{delivery['id']}/raw")

    def fault(self, kind, **details):
        self.request("POST", "/sandbox/api/faults", {"kind": kind, **details})

    def no_faults(self):
        self.request("DELETE", "/sandbox/api/faults")

    def forget(self):
        self.request("DELETE", "/sandbox/api/messages")

    def deliveries_to(self, recipient):
        wanted = recipient.lower()
        return [row for row in self.deliveries() if wanted in (address.lower() for address in row["recipients"])]

    def wait_for_delivery_to(self, recipient, deadline_seconds=30):
        """The first delivery that mailed `recipient`."""
        return wait_until(
            lambda: self.deliveries_to(recipient), deadline_seconds, f"nothing was delivered to {recipient} in {deadline_seconds} s"
        )[0]

    def wait_for_count(self, count, deadline_seconds):
        def enough():
            return self.stats()["deliveries"] >= count

        wait_until(enough, deadline_seconds, lambda: f"{self.stats()['deliveries']} of {count} messages were delivered in {deadline_seconds} s")
