"""Users who sign in for Exchange by SMTP, and for drafts, whose permissions the connection's settings ask for."""

import json

import pytest

from delegated.connection import NAME, MAILBOX, SignIn, delegated_setup, sign_in, standing, tenant_settings, token_requests
from delegated.person import Person
from smtp_out.test_exchange import ExchangeSandbox
from stage.gateway import Gateway
from stage.process import wait_until

from .tenants import explanation, send

# Too large for one request; its text alone is small.
LARGE = (
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nsee below\r\n'
    b'--b\r\nContent-Type: application/octet-stream; name="large.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + (b"eHh4" * 19 + b"\r\n") * 60_000
    + b"--b--\r\n"
)


def exchange_setup(sandbox):
    text = delegated_setup(sandbox.url).replace("Microsoft Entra ID Graph API", "Microsoft Entra ID Exchange")
    return text.replace('connection_type = "graph"', 'connection_type = "smtp"').replace("127.0.0.1:9587", f"localhost:{sandbox.smtp_port}")


@pytest.fixture
def exchange(tmp_path, authority):
    """A tenant that takes submissions by SMTP, and a gateway that sends by it as a user."""
    sandbox = ExchangeSandbox(tmp_path / "exchange", authority.leaf("users-exchange"))
    listener = sandbox.settings[sandbox.settings.index("[listener]") :]
    sandbox.settings = tenant_settings().replace('"Mail.Send.Shared"', '"Mail.Send.Shared", "SMTP.Send"') + listener
    with sandbox:
        gateway = Gateway(tmp_path / "gateway", extra_config=f'[proxy]\nca_bundle = "{authority.ca}"\n')
        gateway.apply(exchange_setup(sandbox))
        yield sandbox, gateway
        gateway.tidy()


def test_a_user_signs_in_with_a_code_and_mail_leaves_by_smtp_as_that_user(exchange):
    sandbox, gateway = exchange
    gateway.start()
    message, recipient = send(gateway, MAILBOX)
    assert "sends as anna@contoso.test" in sign_in(gateway)
    delivery = sandbox.wait_for_delivery_to(recipient, 30)
    assert (delivery["form"], delivery["mailbox"]) == ("smtp", MAILBOX)
    grant = standing(gateway)["grant"]
    assert any(scope.endswith("/SMTP.Send") for scope in grant["scopes"]), grant
    [asked] = token_requests(sandbox, "device_authorization")
    assert "https://outlook.office.com/SMTP.Send" in asked["scope"] and "Mail.Send" not in asked["scope"]
    assert json.loads(gateway.run("connection", "test", NAME, "--json").stdout)["smtp"]["authenticated"]


def test_the_same_grant_is_good_for_both_services(exchange):
    """A refresh token belongs to user and application, not to a service."""
    sandbox, gateway = exchange
    # In the same cloud: to another one a grant is never shown.
    graph = delegated_setup(sandbox.url).replace("127.0.0.1:9587", f"localhost:{sandbox.smtp_port}")
    gateway.apply(graph)
    gateway.start()
    sign_in(gateway)
    _, by_graph = send(gateway, MAILBOX)
    assert sandbox.wait_for_delivery_to(by_graph, 30)["form"] == "mime"
    gateway.apply(exchange_setup(sandbox))
    # The user allowed Graph alone: that is said, and mended by signing in again.
    message, by_smtp = send(gateway, MAILBOX)
    told = explanation(gateway, message)
    assert told.get("code") == "AADSTS65001" and "Setup Authentication" in told["fix"], told
    assert standing(gateway)["needs_sign_in"]
    sign_in(gateway)
    assert sandbox.wait_for_delivery_to(by_smtp, 30)["form"] == "smtp"
    # Both are allowed now, and back on Graph nobody signs in again.
    gateway.apply(graph)
    _, again = send(gateway, MAILBOX)
    assert sandbox.wait_for_delivery_to(again, 30)["form"] == "mime"


def test_large_messages_of_a_user_want_a_sign_in_that_allows_drafts(stage):
    sandbox = stage.sandbox(tenant_settings())
    plain = delegated_setup(sandbox.url)
    gateway = stage.gateway(plain).start()
    sign_in(gateway)
    assert "lacks" not in standing(gateway)
    large = plain.replace('permission = "delegated"', 'permission = "delegated"\nlarge_messages = true')
    gateway.apply(large)
    assert standing(gateway)["lacks"] == ["Mail.ReadWrite"]
    message, recipient = send(gateway, MAILBOX, LARGE)
    told = explanation(gateway, message)
    assert "Mail.ReadWrite" in told["why"] and "Sign in again" in told["fix"], told
    # What needs no draft goes on leaving.
    _, small = send(gateway, MAILBOX)
    sandbox.wait_for_delivery_to(small, 30)

    begun = SignIn(gateway)
    [*_, asked] = token_requests(sandbox, "device_authorization")
    assert "Mail.ReadWrite" in asked["scope"]
    Person("anna").enter_code(begun.page, begun.code)
    assert begun.ended()[0] == 0
    assert "lacks" not in standing(gateway)
    gateway.run("queue", "retry", message, check=False)
    sandbox.wait_for_delivery_to(recipient, 60)
    wait_until(lambda: gateway.queued_message(message)["status"] == "sent", 20, "not sent")
