"""Who hears what became of a message: senders, programs, administrators; and what comes back."""

import email
import email.policy
import smtplib
import time

import pytest

from stage.gateway import setup_toml
from stage.process import wait_until
from stage.tenant import CLIENT_ID, MAILBOX, TENANT_ID, UNLIMITED, tenant_toml

from .receiver import Receiver

SENDER = "anna@contoso.test"
# Graph cannot resolve it, and refuses.
IMPOSSIBLE = "x.@gmail.test"


def hand_in(gateway, sender, recipients, subject="Order 7", mail_options=(), rcpt_options=()):
    """By SMTP; returns the id of the message."""
    with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port, timeout=60) as client:
        client.ehlo()
        client.mail(sender, list(mail_options))
        for recipient in recipients:
            assert client.rcpt(recipient, list(rcpt_options))[0] == 250
        message = f"From: {sender or SENDER}\r\nTo: {', '.join(recipients)}\r\nSubject: {subject}\r\nMessage-ID: <{time.monotonic_ns()}@erp.test>\r\n\r\nHello\r\n"
        code, answer = client.data(message)
        assert code == 250, answer
        return answer.decode().split()[-1]


def status(gateway, message_id):
    return gateway.queued_message(message_id)["status"]


def letters(gateway):
    """The gateway's own letters, oldest first."""
    return [row["id"] for row in gateway.queue() if row["via"] == "gateway"]


def about(gateway, letter):
    return gateway.queued_message(letter)["metadata"]["about"]


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


def test_a_failed_message_comes_back_to_its_sender_as_a_report(stage):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    hand_in(
        gateway, SENDER, [IMPOSSIBLE], mail_options=["ENVID=QQ314159", "RET=HDRS"], rcpt_options=[f"ORCPT=rfc822;{IMPOSSIBLE}"]
    )
    report = email.message_from_bytes(sandbox.raw(sandbox.wait_for_delivery_to(SENDER)), policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["Auto-Submitted"] == "auto-replied"
    words, fields, header = report.iter_parts()
    assert IMPOSSIBLE in words.get_content()
    of_message, of_recipient = fields.get_payload()
    assert of_message["Original-Envelope-Id"] == "QQ314159"
    assert of_message["Reporting-MTA"].startswith("dns; ")
    assert of_recipient["Final-Recipient"] == of_recipient["Original-Recipient"] == f"rfc822; {IMPOSSIBLE}"
    assert (of_recipient["Action"], of_recipient["Status"][0]) == ("failed", "5")
    assert header.get_content_type() == "text/rfc822-headers"
    assert "Subject: Order 7" in header.get_payload()


def test_who_does_not_want_a_report_gets_none(stage):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    hand_in(gateway, "", [IMPOSSIBLE])
    hand_in(gateway, SENDER, [IMPOSSIBLE], rcpt_options=["NOTIFY=NEVER"])
    last = hand_in(gateway, "ben@contoso.test", [IMPOSSIBLE])
    sandbox.wait_for_delivery_to("ben@contoso.test")
    assert [about(gateway, letter) for letter in letters(gateway)] == [last]


def test_a_report_is_made_once_however_often_the_gateway_is_killed(stage):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    handed_in = []
    for round_ in range(3):
        handed_in += [hand_in(gateway, SENDER, [IMPOSSIBLE], f"{round_}.{each}") for each in range(8)]
        gateway.kill()
        gateway.start()

    wait_until(lambda: len(letters(gateway)) >= len(handed_in), 60, lambda: f"{len(letters(gateway))} of {len(handed_in)}")
    assert sorted(about(gateway, letter) for letter in letters(gateway)) == sorted(handed_in)


def test_webhooks_are_signed_and_come_again_until_they_are_taken(stage):
    sandbox = stage.sandbox()
    with Receiver(answers=[500]) as receiver:
        gateway = stage.gateway(setup_toml(sandbox.url, more=receiver.setup())).start()
        sent = hand_in(gateway, SENDER, ["ben@contoso.test"])
        told = receiver.wait_for("message.sent", sent)
        assert receiver.ids[0] == receiver.ids[1], "the same news has the same id"
        data = told["data"]
        assert (data["sender"], data["subject"], data["status"]) == (SENDER, "Order 7", "sent")
        assert data["recipients"] == [{"address": "ben@contoso.test", "status": "sent", "code": None}]
        failed = hand_in(gateway, SENDER, [IMPOSSIBLE])
        assert receiver.wait_for("message.failed", failed)["data"]["error"]["what"]
        assert receiver.refused == []


def test_a_broken_connection_is_told_by_another_one_and_by_webhook(stage, receiver):
    sandbox = stage.sandbox()
    second = f"""
[[tenant]]
name = "Second"
service = "Microsoft Entra ID"
cloud = {{ login = "{sandbox.url}", graph = "{sandbox.url}" }}
tenant_id = "{TENANT_ID}"
client_id = "{CLIENT_ID}"
client_secret = "sandbox-secret"

[[connection]]
name = "Second"
service = "Microsoft Entra ID Graph API"
tenant = "Second"

[notices.alarms]
to = ["ben@contoso.test"]
connection = "Second"
"""
    setup = setup_toml(sandbox.url, more=second + receiver.setup("hook", 'events = ["alarm.raised", "alarm.cleared"]'))
    # The first of the two is the tenant that the Emails settings use.
    gateway = stage.gateway(setup.replace('"sandbox-secret"', '"wrong"', 1)).start()
    message = hand_in(gateway, SENDER, ["anna@contoso.test"])
    alarm = receiver.wait_for("alarm.raised", "connection")["data"]
    assert "AADSTS7000215" in alarm["why"]
    mail = email.message_from_bytes(sandbox.raw(sandbox.wait_for_delivery_to("ben@contoso.test")), policy=email.policy.default)
    assert mail["Subject"] == "[Postern alarm] A connection does not work: Contoso Graph"
    assert "What to do:" in mail.get_content()
    assert gateway.metric('postern_alarm{kind="connection"}') == 1
    assert status(gateway, message) == "queued"
    gateway.kill()
    gateway.start()
    gateway.apply(setup)
    sandbox.wait_for_delivery_to("anna@contoso.test")
    assert [it["data"]["alarm"] for it in receiver.news] == ["connection"], "a restart repeats nothing"
    assert len(sandbox.deliveries_to("ben@contoso.test")) == 1


def test_a_report_in_the_inbox_marks_the_recipient_bounced(stage, receiver):
    reads = tenant_toml().replace('roles = ["Mail.Send"]', 'roles = ["Mail.Send", "Mail.Read"]')
    sandbox = stage.sandbox(UNLIMITED + reads)
    setup = setup_toml(sandbox.url, more=receiver.setup()).replace(
        'permission = "application"', 'permission = "application"\nread_bounces = true'
    )
    gateway = stage.gateway(setup).start()
    message = hand_in(gateway, SENDER, ["ben@contoso.test", "gone@contoso.test"])
    told = receiver.wait_for("message.bounced", message, deadline_seconds=150)["data"]
    assert told["recipients"] == [
        {"address": "ben@contoso.test", "status": "sent", "code": None},
        {"address": "gone@contoso.test", "status": "bounced", "code": "5.1.10"},
    ]
    shown = gateway.queued_message(message)
    assert [it["status"] for it in shown["recipients"]] == ["sent", "bounced"]
    assert "RecipientNotFound" in shown["error"]["why"]
    reading = [it for it in sandbox.requests() if "mailFolders/inbox" in it["target"]]
    assert 1 <= len(reading) <= 10, "it reads at a slow pace"
