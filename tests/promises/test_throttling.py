"""What Microsoft asks for is done: a lane that is told to wait waits, and sends the same bytes again."""

from datetime import datetime

from stage.dialog import Dialog, queued_id
from stage.gateway import setup_toml
from stage.process import wait_until
from stage.tenant import MAILBOX


def seconds(row):
    return datetime.fromisoformat(row["at"]).timestamp()


def send(gateway, recipient, sender=MAILBOX):
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        content = f"From: {sender}\r\nSubject: throttled\r\n\r\n{'x' * 70}\r\n".encode()
        return queued_id(dialog.message(sender, [recipient], content))


def sends(sandbox):
    return [row for row in sandbox.requests() if "/sendmail" in row["target"].lower()]


def test_a_429_stops_the_lane_for_as_long_as_it_says_and_the_retry_is_identical(stage, recipient):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    sandbox.fault("throttle", count=1, retry_after=3)
    send(gateway, recipient)
    sandbox.wait_for_delivery_to(recipient)
    first, *rest = sends(sandbox)
    assert first["status"] == 429
    assert [row["status"] for row in rest] == [202]
    waited = seconds(rest[0]) - seconds(first)
    assert 3.0 <= waited < 5.0
    assert rest[0]["body_sha256"] == first["body_sha256"]
    assert rest[0]["body_bytes"] == first["body_bytes"] > 0


def test_a_429_stops_the_messages_that_come_after_it_too(stage, recipient):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    sandbox.fault("throttle", count=1, retry_after=3)
    send(gateway, recipient)
    wait_until(lambda: sends(sandbox), 30, "no request reached Graph")
    others = [f"{number}{recipient}" for number in range(5)]
    for other in others:
        send(gateway, other)
    for other in [recipient, *others]:
        sandbox.wait_for_delivery_to(other)
    first, *rest = sends(sandbox)
    assert [row["status"] for row in [first, *rest]] == [429] + [202] * 6
    assert all(seconds(row) - seconds(first) >= 3.0 for row in rest)


def test_another_mailboxs_lane_goes_on_meanwhile(stage, recipient):
    sandbox = stage.sandbox()
    route = '[[route]]\nname = "Anna"\nsender = "anna@contoso.test"\nservice_connection = "Contoso Graph"\nmailbox = "sender"\n'
    gateway = stage.gateway(setup_toml(sandbox.url, more=route)).start()
    sandbox.fault("throttle", count=1, retry_after=4, mailbox=MAILBOX)
    send(gateway, recipient)
    wait_until(lambda: sends(sandbox), 30, "no request reached Graph")
    send(gateway, "other" + recipient, "anna@contoso.test")
    delivery = sandbox.wait_for_delivery_to("other" + recipient, 3)
    assert delivery["mailbox"] == "anna@contoso.test"
    assert not sandbox.deliveries_to(recipient)
    sandbox.wait_for_delivery_to(recipient)


def test_a_lost_answer_is_not_forgotten(stage, recipient):
    """The mail left, then the gateway in front of Graph timed out: the record says that it may be delivered twice."""
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    sandbox.fault("gateway_timeout_after_commit", count=1)
    message = send(gateway, recipient)
    wait_until(lambda: len(sandbox.deliveries_to(recipient)) == 2, 120, "the policy `retry` did not send again")
    wait_until(lambda: gateway.queued_message(message)["status"] == "sent", 30, "not recorded as sent")
    assert gateway.queued_message(message)["may_be_duplicated"]


def test_a_lost_answer_is_held_if_the_connection_says_so(stage, recipient):
    sandbox = stage.sandbox()
    setup = setup_toml(sandbox.url).replace('permission = "application"', 'permission = "application"\non_uncertain = "hold"')
    gateway = stage.gateway(setup).start()
    sandbox.fault("reset_after_commit", count=1)
    message = send(gateway, recipient)
    wait_until(lambda: gateway.queued_message(message)["status"] == "uncertain", 60, "not recorded as uncertain")
    assert len(sandbox.deliveries_to(recipient)) == 1
    assert gateway.queued_message(message)["error"]
