"""A gateway that has seen everything: several tenants, every state of a message, names as long as they may be.

Everything in it came about the ordinary way: by a setup file, by mail that was handed in, and by a sandbox that refused.
"""

import json
import re
import smtplib
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage

from stage.administrator import NAME, PASSWORD, Administrator
from stage.gateway import ACCOUNT, TOKEN, Gateway
from stage.gateway import PASSWORD as ACCOUNT_PASSWORD
from stage.process import wait_until
from stage.tenant import CLIENT_ID, CLIENT_SECRET, TENANT_ID, UNLIMITED, Sandbox

LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz Abteilung für Angelegenheiten ohne Zwischenräume"
LONG_ADDRESS = "a.person.whose.local.part.is.as.long.as.sixty-four.octets.allow@" + "a-domain-of-many-letters." * 4 + "example.test"
LONG_SUBJECT = "Quarterly figures " * 30 + "X" * 200
HOSTILE = [
    '<script>document.title="taken over"</script>',
    '"><img src=http://evil.test/pixel.png onerror=alert(1)>',
    "{{ 7 * 7 }} ${7*7} <%= 7 * 7 %>",
    "\u202egnp.exe \u2066right to left\u2069 \u200b\u200d",
    "Grüße aus Köln – 日本語 🎉 مرحبا",
]
HTML = """<html><head><style>body{background:url(http://evil.test/style.png)}</style><script src="http://evil.test/x.js"></script></head>
<body onload="fetch('http://evil.test/loaded')"><h1>Your invoice</h1><img src="http://evil.test/open.png" alt="logo">
<p>Please <a href="http://evil.test/pay" target="_top">pay here</a>.</p><script>parent.document.title = "taken over"</script>
<form action="http://evil.test/form"><input name="password"></form></body></html>"""


def tenant(name, url, more, client_id=CLIENT_ID):
    return f"""
[[tenant]]
name = "{name}"
service = "Microsoft Entra ID"
cloud = {{ login = "{url}", graph = "{url}" }}
tenant_id = "{TENANT_ID}"
client_id = "{client_id}"
{more}
"""


def connection(name, tenant_name, permission="application", more=""):
    return f"""
[[connection]]
name = "{name}"
service = "Microsoft Entra ID Graph API"
tenant = "{tenant_name}"
permission = "{permission}"
{more}
"""


def route(name, sender, way, mailbox):
    return f"""
[[route]]
name = "{name}"
sender = "{sender}"
service_connection = "{way}"
mailbox = "{mailbox}"
"""


def setup_toml(url, certificate):
    """What `postern apply` makes of an empty gateway."""
    soon, past = date.today() + timedelta(days=10), date.today() - timedelta(days=3)
    secret = f'client_secret = "{CLIENT_SECRET}"'
    pem = certificate.parent / "both.pem"
    pem.write_text(certificate.read_text() + certificate.with_suffix(".key").read_text())
    return "".join(
        [
            tenant("Contoso", url, f"{secret}\nclient_secret_expires = {soon.isoformat()!r}"),
            tenant(LONG, url, f'client_secret = "not the secret"\nclient_secret_expires = {past.isoformat()!r}'),
            tenant("Fabrikam", url, f'certificate = {{ file = "{pem}" }}'),
            tenant("Fabrikam, without a secret", url, "", "66666666-7777-8888-9999-000000000001"),
            connection("Devices", "Fabrikam, without a secret", "delegated"),
            connection("Contoso Graph", "Contoso", more="large_messages = true"),
            connection("Contoso, held when uncertain", "Contoso", more='on_uncertain = "hold"'),
            connection("Contoso as Anna", "Contoso", "delegated"),
            connection(f"{LONG} – Graph", LONG),
            f'[emails]\nenabled = true\nsmtp_authentication = true\nmodern_authentication = true\nmailbox = "noreply@contoso.test"\n'
            f'service_connection = "Contoso Graph"\nconnection_type = "graph"\nfrom_policy = "rewrite"\n',
            route("Unlicensed", "*@unlicensed.example.test", "Contoso Graph", "unlicensed@contoso.test"),
            route("Refused", "*@refused.example.test", "Contoso Graph", "admin@contoso.test"),
            route("Blocked", "*@blocked.example.test", "Contoso Graph", "blocked@contoso.test"),
            route("Lost answers", "*@uncertain.example.test", "Contoso, held when uncertain", "ben@contoso.test"),
            route("Throttled", "*@throttled.example.test", "Contoso Graph", "scanner@contoso.test"),
            route("Slow", "*@slow.example.test", "Contoso Graph", "erp@contoso.test"),
            route("Anna's own", "anna@contoso.test", "Contoso as Anna", "anna@contoso.test"),
            route(f"{LONG} – everything that this department sends", "*@" + LONG_ADDRESS.partition("@")[2], f"{LONG} – Graph", "sender"),
            f'[[account]]\nname = "{ACCOUNT}"\npassword = "{ACCOUNT_PASSWORD}"\ntoken = "{TOKEN}"\n',
            f"[[account]]\nname = {json.dumps(LONG, ensure_ascii=False)}\npassword = {json.dumps(ACCOUNT_PASSWORD)}\n",
            f'allowed_senders = ["*@{LONG_ADDRESS.partition("@")[2]}", "*@contoso.test", "{LONG_ADDRESS}"]\n',
            'networks = ["10.0.0.0/8", "192.168.0.0/16", "2001:db8:1234:5678::/64", "127.0.0.0/8"]\nmessages_per_minute = 600\n',
            '[[webhook]]\nname = "Tickets"\nurl = "http://127.0.0.1:9/hook"\nevents = ["message.failed"]\ndisabled = true\n',
            f"[[webhook]]\nname = {json.dumps(LONG, ensure_ascii=False)}\ndisabled = true\n",
            f'url = "https://{"long." * 30}example.test/{"path/" * 20}"\n',
            '[notices]\nfailures = false\n[notices.alarms]\nto = ["operations@contoso.test"]\nconnection = "Contoso Graph"\n',
        ]
    )


def letter(sender, recipients, subject, text="All is well.\n", html=None):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(recipients), subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def hand_in(gateway, letters):
    """All over one SMTP session."""
    with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port) as client:
        for message in letters:
            client.send_message(message)


def people(gateway):
    """Every role, and one who may not sign in."""
    for name, role in [(NAME, "administrator"), ("otto", "operator"), ("vera", "viewer"), (LONG[:60].strip(), "viewer")]:
        gateway.run("user", "add", name, "--role", role, "--password-stdin", input=PASSWORD + "\n")
    gateway.run("user", "disable", LONG[:60].strip())
    gateway.run("token", "create", "monitoring", "--role", "viewer")
    gateway.run("token", "create", LONG[:60].strip(), "--role", "administrator", "--expires-in-days", 3)


def faults(sandbox):
    sandbox.fault("reset_after_commit", mailbox="ben@contoso.test", count=0)
    sandbox.fault("throttle", mailbox="scanner@contoso.test", count=0, retry_after=3600)
    message = "At least one recipient is not valid., Recipient 'nobody@' is not resolved. All recipients must be resolved."
    sandbox.fault("error", mailbox="admin@contoso.test", count=0, status=400, code="ErrorInvalidRecipients", message=message)
    sandbox.fault("slow", mailbox="erp@contoso.test", count=0, delay_ms=3_600_000)


def mail(gateway):
    """Two hundred ordinary messages, and one of everything that can become of one."""
    sender = "noreply@contoso.test"
    hand_in(gateway, [letter(f"shop{n % 7}@example.test", [f"customer{n}@example.test"], f"Your order {10_000 + n}") for n in range(200)])
    hand_in(gateway, [letter(sender, ["anna@contoso.test"], subject) for subject in HOSTILE])
    hand_in(
        gateway,
        [
            letter(LONG_ADDRESS, [LONG_ADDRESS], "Through a tenant whose secret is wrong"),
            letter(sender, [LONG_ADDRESS, *(f"list{n}@example.test" for n in range(60))], LONG_SUBJECT),
            letter(sender, ["ben@contoso.test"], "", "A message without a subject.\n"),
            letter(sender, ["anna@contoso.test"], "Invoice with pictures", html=HTML),
            letter("box@unlicensed.example.test", ["ben@contoso.test"], "From a mailbox without a licence"),
            letter("box@refused.example.test", ["ben@contoso.test"], "Refused for good"),
            letter("box@refused.example.test", ["anna@contoso.test", LONG_ADDRESS], "Refused for good and for many"),
            letter("box@blocked.example.test", ["ben@contoso.test"], "From a mailbox that is blocked"),
            letter("box@uncertain.example.test", ["ben@contoso.test"], "The answer was lost"),
            letter("box@throttled.example.test", ["ben@contoso.test"], "Told to wait"),
            letter("box@slow.example.test", ["ben@contoso.test"], "On its way"),
            letter("anna@contoso.test", ["ben@contoso.test"], "Waits for a sign-in"),
            letter("anna@contoso.test", ["ben@contoso.test"], "Kept back"),
            letter("anna@contoso.test", ["ben@contoso.test"], "Given up on"),
        ],
    )
    over_http = {"from": sender, "to": ["anna@contoso.test"], "subject": "Over HTTP", "text": "Hello", "metadata": {"order": 7}}
    gateway.call("POST", "/messages", over_http)
    gateway.run("sendmail", "-t", "-f", sender, input=letter(sender, ["anna@contoso.test"], "By sendmail").as_string())


def damage_one(gateway):
    """A message whose body on the disk is gone when its time comes."""
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    body = {"from": "noreply@contoso.test", "to": ["anna@contoso.test"], "subject": "Damaged on the disk", "text": "x" * 100_000, "send_at": later}
    status, answer = gateway.call("POST", "/messages", body)
    assert status == 202, answer
    for spooled in (gateway.data_dir / "spool").rglob("*"):
        if spooled.is_file():
            spooled.unlink()
    gateway.run("queue", "retry", answer["id"])


def by_subject(gateway):
    return {row["subject"]: row for row in gateway.queue()}


# What became of the messages of `mail`, once everything has settled.
ENDS = {
    "Your order 10000": "sent",
    "Refused for good": "failed",
    "The answer was lost": "uncertain",
    "Told to wait": "queued",
    "On its way": "sending",
    "Waits for a sign-in": "queued",
    "Kept back": "held",
    "Given up on": "cancelled",
    "Damaged on the disk": "quarantined",
}


def settle(gateway):
    """Until every message is what it should be."""
    known = by_subject(gateway)
    gateway.run("queue", "hold", known["Kept back"]["id"])
    gateway.run("queue", "cancel", known["Given up on"]["id"])
    damage_one(gateway)

    def states():
        rows = by_subject(gateway)
        return {subject: rows[subject]["status"] for subject in ENDS}

    wait_until(lambda: states() == ENDS, 60, lambda: f"not as it should be: {states()}")


class EmptyWorld:
    """A gateway with an administrator and nothing else; a context manager."""

    def __init__(self, home, browser):
        self.gateway = Gateway(home / "gateway")
        self.context = browser.new_context(reduced_motion="reduce")
        self.context.set_default_timeout(20_000)

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        self.gateway.run("user", "add", NAME, "--role", "administrator", "--password-stdin", input=PASSWORD + "\n")
        self.gateway.start()
        self.administrator = Administrator(self.context.new_page(), self.gateway.url)
        self.administrator.sign_in()

    def __exit__(self, *_):
        self.context.close()
        self.gateway.tidy()


class FullWorld(EmptyWorld):
    """The other extreme. `address` fills the placeholders of a visit in."""

    def __init__(self, home, browser, certificate):
        super().__init__(home, browser)
        self.sandbox = Sandbox(home / "sandbox", UNLIMITED)
        self.certificate = certificate

    def begin(self):
        self.sandbox.__enter__()
        self.gateway.apply(setup_toml(self.sandbox.url, self.certificate))
        people(self.gateway)
        faults(self.sandbox)
        self.gateway.start()
        self.administrator = Administrator(self.context.new_page(), self.gateway.url, [self.sandbox.url])
        self.administrator.sign_in()
        self._sign_anna_in_and_take_it_back()
        mail(self.gateway)
        settle(self.gateway)
        self._addresses = {
            "message": {subject: row["id"] for subject, row in by_subject(self.gateway).items()},
            "user": self._links("/administration/users"),
            "tenant": self._links("/integration/tenants"),
            "connection": self._links("/integration/connections"),
            "route": self._links("/integration/routes"),
            "account": self._links("/integration/accounts"),
            "webhook": self._links("/settings/webhooks"),
        }

    def __exit__(self, *_):
        super().__exit__()
        self.sandbox.__exit__()

    def _sign_anna_in_and_take_it_back(self):
        anna, here = "anna@contoso.test", self.administrator
        here.open("/integration/connections")
        here.press("Contoso as Anna")
        here.press("Sign in with Microsoft")
        here.page.wait_for_url(self.sandbox.url + "/**")
        here.fill("User name", anna)
        here.fill("Password", "anna-password")
        here.press("Sign in")
        here.press("Accept")
        here.sees("Authentication has been set up.")
        self.sandbox.request("POST", f"/sandbox/api/users/{anna}/revoke")
        self.sandbox.request("POST", "/sandbox/api/tokens/revoke")

    def _links(self, path):
        """Where the names in a list lead."""
        self.administrator.open(path)
        links = self.administrator.page.locator("main table a")
        return {link.inner_text(): link.get_attribute("href").removesuffix("/authentication") for link in links.all()}

    def address(self, visit):
        def one(match):
            kind, name = match.groups()
            return next(address for known, address in self._addresses[kind].items() if known.startswith(name))

        return re.sub(r"\{(\w+):([^}]+)\}", one, visit)
