"""A delegated connection: the tenant it belongs to, its setup file, and signing in for it from the command line."""

import json
import re
import subprocess
import uuid

from stage import gateway, tenant
from stage.dialog import Dialog, queued_id
from stage.process import wait_until

from .person import Person

NAME = "Contoso Graph"
MAILBOX = "anna@contoso.test"
METRIC = f'postern_connection_needs_sign_in{{connection="{NAME}"}}'

# A device may ask every second; access tokens live as long as the test says.
TENANT = """\
{limits}
[token]
min_lifetime_seconds = {lifetime}
max_lifetime_seconds = {lifetime}
device_code_interval_seconds = 1
[[tenant]]
id = "{tenant_id}"
name = "Contoso"
domains = ["contoso.test"]
[[tenant.app]]
client_id = "{client_id}"
name = "Gateway"
roles = ["Mail.Send"]
delegated_scopes = ["Mail.Send", "Mail.Send.Shared", "offline_access", "openid", "profile"]
allow_public_client = true
secret = [{{ value = "{secret}" }}]
[[tenant.user]]
upn = "anna@contoso.test"
password = "anna-password"
[[tenant.user]]
upn = "ben@contoso.test"
password = "ben-password"
"""


def tenant_settings(token_lifetime_seconds=3600):
    return TENANT.format(
        limits=tenant.UNLIMITED,
        lifetime=token_lifetime_seconds,
        tenant_id=tenant.TENANT_ID,
        client_id=tenant.CLIENT_ID,
        secret=tenant.CLIENT_SECRET,
    )


def delegated_setup(url):
    setup = gateway.setup_toml(url, mailbox=MAILBOX)
    return setup.replace('permission = "application"', 'permission = "delegated"')


class SignIn:
    """`postern connection authenticate` while it waits; the code it told is read from `stream`."""

    def __init__(self, of, *options):
        self.is_json = "--json" in options
        self.program = subprocess.Popen(
            of.arguments("connection", "authenticate", NAME, *options),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        told = ""
        while "Waiting for you" not in told:
            line = (self.program.stderr if self.is_json else self.program.stdout).readline()
            assert line, f"it ended without a code:\n{told}{self.program.communicate()}"
            told += line
        self.page = re.search(r"page\s+(\S+)", told)[1]
        self.code = re.search(r"code\s+([A-Z]{4}-[A-Z]{4})\n", told)[1]
        self.told = told

    def ended(self):
        """Exit status, and what was said since."""
        said, complained = self.program.communicate(timeout=60)
        return self.program.returncode, said, complained


def sign_in(of, name="anna"):
    begun = SignIn(of)
    Person(name).enter_code(begun.page, begun.code)
    status, said, complained = begun.ended()
    assert status == 0, said + complained
    return said


def send(through):
    """Queues one message; returns its id and its recipient."""
    recipient = f"{uuid.uuid4().hex}@example.test"
    with Dialog(through.doors["plain"]) as dialog:
        dialog.hello()
        content = f"From: {MAILBOX}\r\nTo: {recipient}\r\nSubject: delegated\r\n\r\nHello\r\n".encode()
        return queued_id(dialog.message(MAILBOX, [recipient], content)), recipient


def standing(of):
    """The connection as `postern connection show` tells it."""
    return json.loads(of.run("connection", "show", NAME, "--json").stdout)


def events(of, name):
    """The lines of the server's log about that event."""
    log = (of.home / "serve.log").read_text(errors="replace")
    return [line for line in log.splitlines() if name in line]


def wait_for_rest(of):
    """Until the lane rests for an administrator."""
    wait_until(lambda: events(of, "lane_paused"), 30, lambda: f"the lane does not rest:\n{of.program.last_words()}")


def token_requests(at, grant_type):
    rows = json.loads(at.request("GET", "/sandbox/api/token_requests?limit=100000"))["token_requests"]
    return [row for row in rows if row["grant_type"] == grant_type]
