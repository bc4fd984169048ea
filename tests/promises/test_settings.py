"""Settings take effect at once, in a running server, and one token serves all mail of a connection."""

from stage import tenant
from stage.certificates import app_certificate
from stage.dialog import Dialog, queued_id
from stage.gateway import setup_toml
from stage.process import wait_until
from stage.tenant import MAILBOX

CONTENT = b"From: noreply@contoso.test\r\nSubject: settings\r\n\r\nHello\r\n"


def send(gateway, *recipients):
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        return [queued_id(dialog.message(MAILBOX, [recipient], CONTENT)) for recipient in recipients]


def test_mail_waits_while_sending_is_switched_off_and_leaves_when_it_is_on(stage, recipient):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url, emails_enabled=False)).start()
    [message] = send(gateway, recipient)
    assert gateway.queued_message(message)["status"] == "queued"
    assert sandbox.stats()["requests"] == 0
    gateway.apply(setup_toml(sandbox.url))
    sandbox.wait_for_delivery_to(recipient, 10)


def test_a_rotated_secret_is_used_without_a_restart_and_no_message_fails(stage, recipient):
    sandbox = stage.sandbox(tenant.UNLIMITED + tenant.tenant_toml(secret="the new one"))
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    [message] = send(gateway, recipient)

    def explained():
        return gateway.queued_message(message)["error"]

    error = wait_until(explained, 30, "the wrong secret is not explained")
    assert "AADSTS7000215" in str(error)
    assert gateway.queued_message(message)["status"] == "queued"
    gateway.apply(setup_toml(sandbox.url).replace(tenant.CLIENT_SECRET, "the new one"))
    sandbox.wait_for_delivery_to(recipient, 15)


def test_a_certificate_alone_signs_in_and_sends(stage, tmp_path, recipient):
    certificate, key = app_certificate(tmp_path)
    both = tmp_path / "app-both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    sandbox = stage.sandbox(tenant.UNLIMITED + tenant.tenant_toml(certificates=[certificate], secret="unknown to the gateway"))
    setup = setup_toml(sandbox.url).replace(f'client_secret = "{tenant.CLIENT_SECRET}"', f'certificate = {{ file = "{both}" }}')
    gateway = stage.gateway(setup).start()
    send(gateway, recipient)
    sandbox.wait_for_delivery_to(recipient, 15)
    assert "BEGIN" not in gateway.run("export").stdout.replace("BEGIN CERTIFICATE", ""), "a private key left the store"


def test_one_token_serves_all_messages_and_no_limit_is_broken(stage, recipient):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    send(gateway, *(f"{number}.{recipient}" for number in range(100)))
    sandbox.wait_for_count(100, 60)
    stats = sandbox.stats()
    assert stats["tokens_issued"] == 1
    assert stats["by_status"] == {"202": 100}, "more at once than a mailbox takes"


def test_a_mailbox_that_may_not_send_stops_its_own_lane_and_says_why(stage, recipient):
    sandbox = stage.sandbox(tenant.UNLIMITED + tenant.tenant_toml() + '[[tenant.user]]\nupn = "closed@contoso.test"\nstate = "out-of-scope"\n')
    gateway = stage.gateway(setup_toml(sandbox.url, mailbox="closed@contoso.test")).start()
    messages = send(gateway, *(f"{number}.{recipient}" for number in range(20)))

    def explained():
        return gateway.queued_message(messages[0])["error"]

    error = wait_until(explained, 30, "not explained")
    assert error["fix"] and error["who"]
    assert gateway.queued_message(messages[-1])["status"] == "queued"
    # Not one request for each message: the lane stands.
    assert sandbox.stats()["requests"] <= 4


def test_what_was_accepted_survives_a_restart_in_between(stage, recipient):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url, emails_enabled=False)).start()
    send(gateway, recipient)
    assert gateway.stop() == 0
    gateway.apply(setup_toml(sandbox.url))
    gateway.start()
    sandbox.wait_for_delivery_to(recipient, 15)
