"""Setup files whose way out is SMTP, and messages on their way."""

import smtplib

from stage import tenant
from stage.dialog import queued_id
from stage.gateway import ACCOUNT, PASSWORD, TOKEN
from stage.process import wait_until

SENDER = "noreply@contoso.test"


def connection(name, port, security="none", host="localhost", login=None, more=""):
    lines = ["[[connection]]", f'name = "{name}"', 'service = "SMTP Server"', f'host = "{host}"', f"port = {port}", f'security = "{security}"']
    if login:
        lines += [f'username = "{login[0]}"', f'password = "{login[1]}"']
    return "\n".join([*lines, more]) + "\n"


def with_tokens(name, port, issuer, scope, user=SENDER):
    """A tenant whose tokens come from `issuer`, and a connection that signs in with them."""
    lines = ["[[tenant]]", f'name = "{name} tokens"', f'cloud = {{ login = "{issuer}", graph = "{issuer}" }}']
    lines += [f'tenant_id = "{tenant.TENANT_ID}"', f'client_id = "{tenant.CLIENT_ID}"', f'client_secret = "{tenant.CLIENT_SECRET}"']
    more = f'tenant = "{name} tokens"\noauth_scope = "{scope}"\nusername = "{user}"\n'
    return "\n".join(lines) + "\n" + connection(name, port, more=more)


def setup(connections, main, from_policy="keep", routes=()):
    """`main`: the connection of the Emails settings. `routes`: sender patterns with the names of their connections."""
    ways = "".join(
        f'[[route]]\nname = "{pattern}"\nsender = "{pattern}"\nservice_connection = "{name}"\nmailbox = "sender"\n'
        for pattern, name in routes
    )
    return f"""\
{connections}
[emails]
mailbox = "{SENDER}"
service_connection = "{main}"
connection_type = "smtp"
from_policy = "{from_policy}"
{ways}
[[account]]
name = "{ACCOUNT}"
password = "{PASSWORD}"
token = "{TOKEN}"
"""


def exchange(sandbox_url, smtp_port):
    """A setup file whose way out is the sandbox's Exchange."""
    return f"""\
[[tenant]]
name = "Contoso"
cloud = {{ login = "{sandbox_url}", graph = "{sandbox_url}", smtp = "localhost:{smtp_port}" }}
tenant_id = "{tenant.TENANT_ID}"
client_id = "{tenant.CLIENT_ID}"
client_secret = "{tenant.CLIENT_SECRET}"
""" + setup(
        '[[connection]]\nname = "Exchange"\nservice = "Microsoft Entra ID Exchange"\ntenant = "Contoso"\n', "Exchange", "rewrite"
    )


def hand_in(gateway, sender, recipients, content, options=(), recipient_options=()):
    """Hands one message in by SMTP; returns its id."""
    with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port, timeout=60) as client:
        client.ehlo()
        client.command_encoding = "utf-8" if "SMTPUTF8" in options else "ascii"
        assert client.mail(sender, options)[0] == 250
        for recipient in recipients:
            assert client.rcpt(recipient, recipient_options)[0] == 250
        code, text = client.data(content)
        return queued_id((code, text.decode()))


def letter(marker, sender=SENDER, body=b"Hello\r\n.\r\n..\r\n.dot\r\nend\r\n"):
    header = f"From: <{sender}>\r\nTo: everybody@example.test\r\nBcc: hidden@example.test\r\nSubject: {marker}\r\n\r\n"
    return header.encode() + body


def until(gateway, message_id, states, seconds=60):
    """The message as the API shows it, once it is in one of these states and not under way any more."""

    def settled():
        message = gateway.queued_message(message_id)
        return message if message["status"] in states and message["attempts"] else None

    return wait_until(settled, seconds, lambda: str(gateway.queued_message(message_id)))
