"""Tenants whose applications have no secret, and gateways set up for them."""

import json
import urllib.request
import uuid

from stage import gateway, tenant
from stage.dialog import Dialog, queued_id
from stage.process import wait_until

SUBJECT = "system:serviceaccount:mail:postern"
WORKLOAD = "00000000-0000-0000-0000-0000000000f1"
MACHINE = "00000000-0000-0000-0000-0000000000a1"
ASSIGNED = "00000000-0000-0000-0000-0000000000a2"

APPS = f"""\
[[tenant.app]]
client_id = "{WORKLOAD}"
name = "Workload"
roles = ["Mail.Send"]
federated = [{{ issuer = "kubernetes", subject = "{SUBJECT}" }}]
[[tenant.app]]
client_id = "{MACHINE}"
name = "The machine"
managed_identity = "system"
roles = ["Mail.Send", "SMTP.SendAsApp"]
[[tenant.app]]
client_id = "{ASSIGNED}"
name = "Assigned to the machine"
managed_identity = "user"
roles = ["Mail.Send"]
"""


def settings(more=""):
    whole = tenant.UNLIMITED + tenant.tenant_toml()
    return whole.replace("[[tenant.user]]", APPS + "[[tenant.user]]", 1) + more


def workload_token(sandbox, subject=SUBJECT, issuer="kubernetes", **order):
    """What the cluster writes into the file. The issuer's name is the address it is asked at."""
    body = json.dumps({"subject": subject, **order}).encode()
    request = urllib.request.Request(f"{sandbox.url}/sandbox/api/issuers/{issuer}/token", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())["token"]


def setup(sandbox, client_id, credential, service="Microsoft Entra ID Graph API", smtp_port=9587):
    """A setup file whose tenant proves itself by `credential`, a line of it."""
    name = "Contoso Graph"
    kind = "graph" if "Graph" in service else "smtp"
    text = gateway.setup_toml(sandbox.url)
    text = text.replace(f'client_secret = "{tenant.CLIENT_SECRET}"', credential)
    text = text.replace(f'client_id = "{tenant.CLIENT_ID}"', f'client_id = "{client_id}"' if client_id else "")
    text = text.replace('service = "Microsoft Entra ID Graph API"', f'service = "{service}"')
    text = text.replace("127.0.0.1:9587", f"localhost:{smtp_port}").replace('connection_type = "graph"', f'connection_type = "{kind}"')
    assert name in text
    return text


def send(through, sender=tenant.MAILBOX, rest=b"\r\nHello\r\n"):
    """Queues one message that ends with `rest`, from its MIME fields on; returns its id and its recipient."""
    recipient = f"{uuid.uuid4().hex}@example.test"
    with Dialog(through.doors["plain"]) as dialog:
        dialog.hello()
        content = f"From: {sender}\r\nTo: {recipient}\r\nSubject: identity\r\n".encode() + rest
        return queued_id(dialog.message(sender, [recipient], content)), recipient


def explanation(of, message):
    """Why the message is still here, as soon as an attempt has told."""
    attempts = wait_until(lambda: of.queued_message(message)["attempts"], 30, "nothing was tried")
    wait_until(lambda: of.queued_message(message)["attempts"][-1]["explanation"], 30, "nothing was explained")
    assert attempts
    return of.queued_message(message)["attempts"][-1]["explanation"]
