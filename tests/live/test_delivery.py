"""The gateway delivers through the tenant."""

import smtplib
import uuid

import pytest

from stage.dialog import queued_id
from stage.letter import letters
from stage.process import wait_until

SETTLED = {"sent", "failed", "uncertain", "quarantined"}


def deliver(gateway, tenant, content, recipients=None):
    """Hands one message in and waits for its end."""
    with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port, timeout=60) as client:
        client.ehlo()
        client.mail(tenant.mailbox)
        for recipient in recipients or [tenant.recipient]:
            client.rcpt(recipient)
        code, text = client.data(content)
    assert code == 250, text
    identity = queued_id((code, text.decode()))

    def ended():
        message = gateway.queued_message(identity)
        # Back in the queue, to wait for an administrator or for better times, is an end, too: the words say what is missing.
        waits = message["status"] == "queued" and message["attempts"]
        return message if message["status"] in SETTLED or waits else None

    return wait_until(ended, 300, f"{identity} had no attempt in five minutes")


@pytest.mark.parametrize("kind", ["ascii", "utf8", "attachment"])
def test_a_message_is_accepted(kind, gateway, tenant, deliveries, comparison, tmp_path):
    letter = letters(tmp_path, tenant.recipient)[kind].as_message()
    letter.replace_header("From", tenant.mailbox)
    result = deliver(gateway, tenant, letter.as_bytes())
    deliveries.append(f"{kind}: {result['status']}")
    assert result["status"] == "sent", result.get("error")


def test_an_envelope_only_recipient_is_mailed(gateway, tenant, deliveries, comparison):
    content = f"From: {tenant.mailbox}\r\nTo: {tenant.mailbox}\r\nSubject: live: bcc {uuid.uuid4()}\r\n\r\nx\r\n".encode()
    result = deliver(gateway, tenant, content, [tenant.mailbox, tenant.recipient])
    deliveries.append(f"envelope-only recipient: {result['status']}")
    assert result["status"] == "sent", result.get("error")


def test_a_large_message_is_accepted(gateway, tenant, deliveries, comparison, tmp_path):
    if not tenant.may("Mail.ReadWrite"):
        pytest.skip("the application has not Mail.ReadWrite")
    letter = letters(tmp_path, tenant.recipient)["ascii"].as_message()
    letter.replace_header("From", tenant.mailbox)
    letter.add_attachment(bytes(5_000_000), maintype="application", subtype="octet-stream", filename="zeros.bin")
    result = deliver(gateway, tenant, letter.as_bytes())
    deliveries.append(f"large message: {result['status']}")
    assert result["status"] == "sent", result.get("error")
