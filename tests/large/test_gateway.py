"""Messages beyond one Graph request through the whole gateway: what the client hears, what arrives, what it costs."""

import email
import email.policy
import os
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest

from stage.gateway import setup_toml
from stage.process import wait_until
from stage.tenant import MAILBOX, UNLIMITED, tenant_toml

READ_WRITE = tenant_toml().replace('roles = ["Mail.Send"]', 'roles = ["Mail.Send", "Mail.ReadWrite"]')
MIB = 1024 * 1024


def setup(sandbox, *lines):
    connection = 'permission = "application"'
    return setup_toml(sandbox.url, from_policy="keep").replace(connection, "\n".join([connection, *lines]))


@pytest.fixture
def sandbox(stage):
    return stage.sandbox(UNLIMITED + READ_WRITE)


def letter(recipient, size):
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = MAILBOX, recipient, "Große Datei"
    message.set_content("plain")
    message.add_alternative('<p>gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n <img src="cid:logo"></p>', subtype="html")
    message.get_payload()[1].add_related(b"\x89PNG", "image", "png", cid="<logo>")
    content = os.urandom(size)
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename="größe.bin")
    return message.as_bytes(), content


def hand_in(gateway, recipient, raw):
    with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port, timeout=120) as client:
        assert client.sendmail(MAILBOX, [recipient], raw) == {}


def peak_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def forget_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def test_a_message_of_35_mb_arrives_whole_and_costs_little_memory(stage, sandbox, recipient):
    gateway = stage.gateway(setup(sandbox, "large_messages = true")).start()
    warm_up, _ = letter("warm@example.test", 100)
    hand_in(gateway, "warm@example.test", warm_up)
    sandbox.wait_for_delivery_to("warm@example.test")
    # Taken in first, and sent only then: what is measured is the sending.
    sandbox.fault("unavailable_json", count=1, retry_after=3)
    raw, content = letter(recipient, 26_500_000)
    assert 34 * MIB < len(raw) < 35 * MIB
    hand_in(gateway, recipient, raw)
    before = gateway.resident_bytes()
    forget_peak(gateway.pid)
    row = sandbox.wait_for_delivery_to(recipient, 200)
    grown = peak_bytes(gateway.pid) - before
    print(f"sending {len(raw) / MIB:.1f} MiB: resident memory grew by {grown / MIB:.1f} MiB")
    assert grown < 40 * MIB
    message = email.message_from_bytes(sandbox.raw(row), policy=email.policy.default)
    assert message["Subject"] == "Große Datei"
    files = {part.get_filename(): part for part in message.walk() if part.get_content_disposition()}
    assert files["größe.bin"].get_content() == content
    (logo,) = (part for part in message.walk() if part["Content-ID"] == "<logo>")
    assert logo.get_content_disposition() == "inline"


def test_without_leave_the_size_is_refused_as_early_as_it_is_known(stage, sandbox, recipient):
    gateway = stage.gateway(setup(sandbox)).start()
    with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port, timeout=60) as client:
        client.ehlo()
        code, text = client.mail(MAILBOX, [f"SIZE={4 * MIB}"])
        assert (code, text[:5]) == (552, b"5.3.4")
    assert sandbox.requests() == []


def test_tracked_delivery_can_be_chosen_and_says_nothing_is_in_doubt(stage, sandbox, recipient):
    gateway = stage.gateway(setup(sandbox, 'delivery = "tracked"')).start()
    sandbox.fault("gateway_timeout_after_commit", operation="send")
    raw, _ = letter(recipient, 1000)
    hand_in(gateway, recipient, raw)
    row = sandbox.wait_for_delivery_to(recipient)
    assert row["form"] == "mime" and row["target"].endswith("/send")

    def settled():
        (message,) = gateway.queue()
        return message if message["status"] == "sent" else None

    message = wait_until(settled, 30, "the message is not sent")
    assert not message["may_be_duplicated"]
    assert len(gateway.queued_message(message["id"])["attempts"]) == 1
    assert len(sandbox.deliveries_to(recipient)) == 1


def test_a_gateway_killed_while_it_sends_leaves_one_copy_and_no_draft(stage, sandbox, recipient):
    gateway = stage.gateway(setup(sandbox, 'delivery = "tracked"')).start()
    # Graph has sent it; the answer is ten minutes late, and the power goes.
    sandbox.fault("gateway_timeout_after_commit", operation="send")
    sandbox.fault("slow", delay_ms=600_000, operation="getMessage")
    raw, _ = letter(recipient, 1000)
    hand_in(gateway, recipient, raw)
    sandbox.wait_for_delivery_to(recipient)
    gateway.kill()
    sandbox.no_faults()
    gateway.start()
    wait_until(lambda: gateway.queue()[0]["status"] == "sent", 60, "the message is not sent")
    assert len(sandbox.deliveries_to(recipient)) == 1
