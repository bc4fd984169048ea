"""`postern serve` with a data folder of its own, and the ways into it."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from . import tenant
from .process import Program, answers, free_ports, postern_binary

ACCOUNT, PASSWORD, TOKEN = "erp", "correct horse battery staple", "erp-token-0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Door:
    """One SMTP listener, as a client has to know it."""

    name: str
    port: int
    security: str  # none | starttls | implicit
    username: str | None = None
    password: str | None = None
    ca: str | None = None
    host: str = "localhost"


def setup_toml(graph_url, mailbox=tenant.MAILBOX, from_policy="rewrite", emails_enabled=True, more=""):
    """A setup file for the sandbox's tenant with one account that may use every sender."""
    return f"""\
[[tenant]]
name = "Contoso"
service = "Microsoft Entra ID"
cloud = {{ login = "{graph_url}", graph = "{graph_url}", smtp = "127.0.0.1:9587" }}
tenant_id = "{tenant.TENANT_ID}"
client_id = "{tenant.CLIENT_ID}"
client_secret = "{tenant.CLIENT_SECRET}"

[[connection]]
name = "Contoso Graph"
service = "Microsoft Entra ID Graph API"
tenant = "Contoso"
permission = "application"

[emails]
enabled = {str(emails_enabled).lower()}
smtp_authentication = true
modern_authentication = true
mailbox = "{mailbox}"
service_connection = "Contoso Graph"
connection_type = "graph"
from_policy = "{from_policy}"

[[account]]
name = "{ACCOUNT}"
password = "{PASSWORD}"
token = "{TOKEN}"
{more}
"""


# Mail of each sender leaves from their own mailbox: more together than Microsoft allows one.
OWN_MAILBOXES = """
[[route]]
name = "Own mailboxes"
sender = "*@contoso.test"
service_connection = "Contoso Graph"
mailbox = "sender"
"""


class Gateway:
    """A gateway in the folder `home`. `start` and `kill` may be called again and again: the data stays."""

    def __init__(self, home, certificate=None, ca=None, extra_config="", loopback="127.0.0.1"):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.data_dir = self.home / "data"
        self.program = None
        plain, starttls, implicit, normalize, http = free_ports(5)
        self.loopback = loopback
        self.url = f"http://{loopback}:{http}"
        login = dict(username=ACCOUNT, password=PASSWORD, ca=str(ca))
        self.doors = {"plain": Door("plain", plain, "none"), "normalize": Door("normalize", normalize, "none")}
        listeners = [
            _listener(f"{loopback}:{plain}", "none", "optional"),
            _listener(f"{loopback}:{normalize}", "none", "optional", 'line_endings = "normalize"'),
        ]
        if certificate:
            files = f'tls_cert = "{certificate[0]}"\ntls_key = "{certificate[1]}"'
            self.doors["starttls"] = Door("starttls", starttls, "starttls", **login)
            self.doors["implicit"] = Door("implicit", implicit, "implicit", **login)
            listeners += [
                _listener(f"{loopback}:{starttls}", "starttls", "required", files),
                _listener(f"{loopback}:{implicit}", "implicit", "required", files),
            ]
        self.config = self.home / "postern.toml"
        self.config.write_text(
            f'data_dir = "{self.data_dir}"\npublic_url = "{self.url}"\n{extra_config}\n[http]\nlisten = "{loopback}:{http}"\n\n' + "\n".join(listeners)
        )

    def arguments(self, *command):
        return [str(postern_binary()), *map(str, command), "--config", str(self.config)]

    def run(self, *command, check=True, **options):
        """Runs another `postern` command on the same data folder."""
        done = subprocess.run(self.arguments(*command), capture_output=True, text=True, timeout=120, **options)
        if check and done.returncode != 0:
            raise RuntimeError(f"postern {' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def apply(self, setup):
        path = self.home / "setup.toml"
        path.write_text(setup)
        return self.run("apply", path)

    def start(self, under=()):
        """`under`: a program to run it under, such as strace."""
        self.program = Program([*under, *self.arguments("serve")], self.home / "serve.log")
        self.program.wait_for(self.is_ready, 60)
        return self

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=5) as answer:
                return answer.status == 200 and all(answers(door.port, self.loopback.strip("[]")) for door in self.doors.values())
        except OSError:
            return False

    @property
    def pid(self):
        return self.program.pid

    def is_alive(self):
        return self.program.is_alive()

    def kill(self):
        self.program.kill()

    def stop(self):
        return self.program.terminate()

    def call(self, method, path, body=None, content_type="application/json", headers=None, token=TOKEN):
        """One call of the HTTP API; returns status and decoded answer."""
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        request = urllib.request.Request(self.url + "/api/v1" + path, data=data, method=method, headers=headers or {})
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if data is not None:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def queue(self, *filters):
        """Every message in the store, oldest first, as `postern queue list --json` prints them."""
        found, page = [], {"next": None}
        while True:
            before = ["--before", page["next"]] if page["next"] else []
            page = json.loads(self.run("queue", "list", "--json", "--limit", 1000, *before, *filters).stdout)
            found += page["messages"]
            if not page["next"]:
                return found[::-1]

    def queued_message(self, message_id):
        return json.loads(self.run("queue", "show", message_id, "--json").stdout)

    def metric(self, name):
        """The value of one line of `/metrics`, such as `postern_queue_messages{state="queued"}`."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.rpartition(" ")[2])
        raise KeyError(name)

    def tidy(self):
        if self.program:
            self.program.kill()

    def resident_bytes(self):
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def _listener(address, tls, auth, more=""):
    # Who must sign in has no network to rely on; so passwords are taken under TLS only.
    allow = '["127.0.0.0/8", "::1/128"]' if auth == "optional" else "[]"
    return f'[[smtp]]\nlisten = "{address}"\ntls = "{tls}"\nauth = "{auth}"\nallow = {allow}\n{more}\n'
