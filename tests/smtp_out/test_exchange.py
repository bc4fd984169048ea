"""Exchange Online's submission: the gateway through the sandbox's, and other clients against the sandbox's."""

import base64
import json
import shutil
import smtplib
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest

from smtp_out.ways import exchange, hand_in, letter, until
from stage.dialog import Dialog
from stage.gateway import Door
from stage.process import Program, answers, free_ports, postern_binary
from stage.tenant import CLIENT_ID, CLIENT_SECRET, MAILBOX, TENANT_ID, UNLIMITED, Sandbox, tenant_toml

OFF = "smtp-off@contoso.test"


class ExchangeSandbox(Sandbox):
    """A sandbox that takes submissions with the tests' certificate."""

    def __init__(self, home, certificate, more=""):
        users = f'[[tenant.user]]\nupn = "{OFF}"\nsmtp_auth_disabled = true\n'
        roles = tenant_toml().replace('roles = ["Mail.Send"]', 'roles = ["Mail.Send", "SMTP.SendAsApp"]')
        self.smtp_port = free_ports(1)[0]
        super().__init__(home, UNLIMITED + roles + users + f'[listener]\nsmtp_listen = "127.0.0.1:{self.smtp_port}"\n')
        self.files = certificate

    def __enter__(self):
        config = self.home / "sandbox.toml"
        config.write_text(self.settings)
        arguments = [postern_binary(), "sandbox", "--listen", f"127.0.0.1:{self.port}", "--config", config]
        arguments += ["--tls-cert", self.files[0], "--tls-key", self.files[1]]
        self.program = Program(arguments, self.home / "sandbox.log")
        self.program.wait_for(lambda: answers(self.port) and answers(self.smtp_port))
        return self

    def token(self, scope="https://outlook.office365.com/.default"):
        form = dict(grant_type="client_credentials", client_id=CLIENT_ID, client_secret=CLIENT_SECRET, scope=scope)
        url = f"{self.url}/{TENANT_ID}/oauth2/v2.0/token"
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=30) as answer:
            return json.loads(answer.read())["access_token"]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory, authority):
    with ExchangeSandbox(tmp_path_factory.mktemp("exchange"), authority.leaf("exchange")) as running:
        yield running


def test_mail_leaves_through_exchange_with_a_token(tenant, gateway_to, recipient):
    gateway = gateway_to(exchange(tenant.url, tenant.smtp_port))
    sent = letter("by exchange", "erp@contoso.test")
    message_id = hand_in(gateway, "erp@contoso.test", [recipient], sent)
    until(gateway, message_id, {"sent"})
    delivery = tenant.wait_for_delivery_to(recipient)
    assert (delivery["form"], delivery["mailbox"], delivery["recipients"]) == ("smtp", MAILBOX, [recipient])
    raw = tenant.raw(delivery)
    assert b"\r\nFrom: noreply@contoso.test\r\nReply-To: <erp@contoso.test>\r\n" in raw, raw
    assert raw.endswith(sent.split(b"\r\n\r\n", 1)[1])
    assert json.loads(gateway.run("connection", "test", "Exchange", "--json").stdout)["smtp"]["authenticated"]
    checks = json.loads(gateway.run("doctor", "--json", check=False).stdout)
    found = {check["name"]: check["status"] for check in (checks["checks"] if isinstance(checks, dict) else checks)}
    assert (found["smtp_session"], found["credential_expiry"]) == ("ok", "warn")  # nobody entered when the secret expires


def test_a_mailbox_with_smtp_auth_switched_off_is_explained(tenant, gateway_to):
    gateway = gateway_to(exchange(tenant.url, tenant.smtp_port).replace(f'mailbox = "{MAILBOX}"', f'mailbox = "{OFF}"'))
    message_id = hand_in(gateway, MAILBOX, ["a@x.test"], letter("off"))
    explanation = until(gateway, message_id, {"queued"})["attempts"][-1]["explanation"]
    assert "Set-CASMailbox" in explanation["fix"] and "Exchange administrator" in explanation["who"]


def test_many_messages_keep_to_three_sessions(tenant, gateway_to, recipient):
    gateway = gateway_to(exchange(tenant.url, tenant.smtp_port))
    ids = [hand_in(gateway, MAILBOX, [recipient], letter(f"many {n}")) for n in range(30)]
    for message_id in ids:
        assert len(until(gateway, message_id, {"sent"})["attempts"]) == 1
    assert len([each for each in tenant.deliveries() if each["recipients"] == [recipient]]) == 30


def test_curl_submits_with_a_bearer_token(tenant, authority, recipient, tmp_path):
    file = tmp_path / "message"
    file.write_bytes(letter("by curl"))
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", authority.ca, f"smtp://localhost:{tenant.smtp_port}"),
            *("--user", MAILBOX, "--oauth2-bearer", tenant.token(), "--login-options", "AUTH=XOAUTH2"),
            *("--mail-from", MAILBOX, "--mail-rcpt", recipient, "--upload-file", file),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert tenant.wait_for_delivery_to(recipient)["form"] == "smtp"


def test_msmtp_submits_with_xoauth2(tenant, authority, recipient, tmp_path):
    if not shutil.which("msmtp"):
        pytest.skip("msmtp is not installed")
    token = tmp_path / "token"
    token.write_text(tenant.token())
    done = subprocess.run(
        [
            *("msmtp", "--host=localhost", f"--port={tenant.smtp_port}", "--tls=on", "--tls-starttls=on"),
            *(f"--tls-trust-file={authority.ca}", "--auth=xoauth2", f"--user={MAILBOX}", f"--passwordeval=cat {token}"),
            *(f"--from={MAILBOX}", recipient),
        ],
        input=letter("by msmtp").replace(b"\r\n", b"\n"),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert tenant.wait_for_delivery_to(recipient)["form"] == "smtp"


EMAIL_PROXY = """\
[SMTP-{local}]
local_address = 127.0.0.1
server_address = localhost
server_port = {server}
server_starttls = True

[{mailbox}]
token_url = {tenant}/oauth2/v2.0/token
oauth2_scope = https://outlook.office365.com/.default
oauth2_flow = client_credentials
client_id = {client_id}
client_secret = {client_secret}
"""


def test_email_oauth2_proxy_signs_in_and_submits(tenant, authority, recipient, tmp_path):
    (local,) = free_ports(1)
    config = tmp_path / "emailproxy.config"
    values = dict(tenant=f"{tenant.url}/{TENANT_ID}", client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    config.write_text(EMAIL_PROXY.format(local=local, server=tenant.smtp_port, mailbox=MAILBOX, **values))
    arguments = [sys.executable, "-m", "emailproxy", "--no-gui", "--debug", "--config-file", config]
    proxy = Program(arguments, tmp_path / "emailproxy.log", {"SSL_CERT_FILE": str(authority.ca)})
    try:
        proxy.wait_for(lambda: answers(local))
        with smtplib.SMTP("127.0.0.1", local, timeout=60) as client:
            client.login(MAILBOX, "what encrypts its token on disk")
            sent = letter("by proxy")
            client.sendmail(MAILBOX, [recipient], sent)
        delivery = tenant.wait_for_delivery_to(recipient)
        assert (delivery["form"], delivery["mailbox"]) == ("smtp", MAILBOX)
        assert tenant.raw(delivery) == sent
    finally:
        proxy.kill()


class Submission(Dialog):
    """A dialog that has begun TLS."""

    def __init__(self, port, ca):
        super().__init__(Door("exchange", port, "starttls"))
        self.hello()
        assert self.command("STARTTLS")[0] == 220
        self.socket = ssl.create_default_context(cafile=str(ca)).wrap_socket(self.socket, server_hostname="localhost")
        self.reader = self.socket.makefile("rb")
        self.hello()

    def bearer(self, user, token):
        return base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()


def test_the_sandbox_refuses_what_exchange_refuses(tenant, authority):
    with Dialog(Door("exchange", tenant.smtp_port, "starttls")) as plain:
        assert "STARTTLS" in plain.hello()[1]
        assert plain.command("AUTH XOAUTH2 x")[0] == 504
        assert plain.command("MAIL FROM:<a@b.test>")[0] == 530
    token, graph = tenant.token(), tenant.token("https://graph.microsoft.com/.default")
    for user, secret, words in [
        (MAILBOX, graph, "535 5.7.3"),
        (MAILBOX, token[:-4] + "AAAA", "535 5.7.3"),
        ("nobody@contoso.test", token, "535 5.7.3"),
        (OFF, token, "535 5.7.139"),
    ]:
        with Submission(tenant.smtp_port, authority.ca) as dialog:
            code, text = dialog.command("AUTH XOAUTH2 " + dialog.bearer(user, secret))
            assert f"{code} {text}".startswith(words), (user, text)
    with Submission(tenant.smtp_port, authority.ca) as dialog:
        assert "SIZE 157286400" in dialog.hello()[1]
        assert dialog.command("AUTH XOAUTH2") == (334, "")
        assert dialog.command(dialog.bearer(MAILBOX, token))[0] == 235
        assert dialog.command("MAIL FROM:<other@contoso.test>")[1].startswith("5.7.60")
        assert dialog.message(MAILBOX, ["a@x.test"], letter("x", "other@contoso.test"))[1].startswith("5.2.252")
        dialog.command("RSET")
        dialog.envelope(MAILBOX, "a@x.test")
        dialog.command("DATA")
        dialog.send(letter("x", body=b"bare\nfeed\r\n.\r\n"))
        assert dialog.reply()[1].startswith("5.6.11")


def test_a_fourth_session_of_a_mailbox_is_put_off(tenant, authority):
    token, open_ones = tenant.token(), []
    for expected in (235, 235, 235, 432):
        dialog = Submission(tenant.smtp_port, authority.ca)
        open_ones.append(dialog)
        assert dialog.command("AUTH XOAUTH2 " + dialog.bearer("anna@contoso.test", token))[0] == expected
    for dialog in open_ones:
        dialog.__exit__()
