"""Fallbacks and testing environments, from a message handed in to where it arrives."""

import json

import pytest

from smtp_out.servers import Aiosmtpd
from smtp_out.ways import connection, hand_in, letter, until
from stage.gateway import setup_toml
from stage.tenant import MAILBOX

GHOST = "ghost@contoso.test"


@pytest.fixture
def smarthost():
    with Aiosmtpd() as server:
        yield server


def two_ways(sandbox, server, mailbox=MAILBOX, more_emails=""):
    """Graph first, a smarthost to fall back to."""
    text = setup_toml(sandbox.url, mailbox, more=connection("Smarthost", server.port))
    return text.replace('service_connection = "Contoso Graph"', f'service_connection = "Contoso Graph"\nfallback = ["Smarthost"]\n{more_emails}')


def events(gateway, message_id):
    return [event["kind"] for event in gateway.queued_message(message_id)["events"]]


def test_mail_takes_the_fallback_while_graph_is_broken_and_comes_back(stage, sandbox, smarthost, recipient):
    gateway = stage.gateway(two_ways(sandbox, smarthost, GHOST)).start()
    first = hand_in(gateway, MAILBOX, [recipient], letter("by the fallback"))
    until(gateway, first, {"sent"})
    [(_, recipients, _, _)] = smarthost.collector.with_marker(b"by the fallback")
    assert recipients == (recipient,) and "moved_to_fallback" in events(gateway, first)
    assert sandbox.deliveries_to(recipient) == []

    gateway.apply(two_ways(sandbox, smarthost))
    second = hand_in(gateway, MAILBOX, [recipient], letter("by Graph again"))
    until(gateway, second, {"sent"})
    assert sandbox.wait_for_delivery_to(recipient)["subject"] == "by Graph again"
    assert smarthost.collector.with_marker(b"by Graph again") == []


def test_a_refusal_of_the_message_itself_takes_no_fallback(stage, sandbox, smarthost, recipient):
    gateway = stage.gateway(two_ways(sandbox, smarthost).replace('from_policy = "rewrite"', 'from_policy = "keep"')).start()
    message_id = hand_in(gateway, "ceo@contoso.test", [recipient], letter("as somebody else", "ceo@contoso.test"))
    message = until(gateway, message_id, {"failed"})
    assert message["attempts"][-1]["explanation"]["code"] == "ErrorSendAsDenied"
    assert "moved_to_fallback" not in events(gateway, message_id) and smarthost.collector.received == []


def test_a_testing_environment_holds_all_until_somebody_releases_one(stage, sandbox, recipient):
    text = setup_toml(sandbox.url).replace("enabled = true", "enabled = true\nhold_all = true")
    gateway = stage.gateway(text).start()
    held = [hand_in(gateway, MAILBOX, [recipient], letter(f"held {number}")) for number in range(2)]
    assert [gateway.queued_message(each)["status"] for each in held] == ["held", "held"]
    gateway.run("queue", "release", held[0])
    until(gateway, held[0], {"sent"})
    assert [row["subject"] for row in sandbox.deliveries_to(recipient)] == ["held 0"]
    assert gateway.queued_message(held[1])["status"] == "held"


def test_a_testing_environment_sends_all_to_one_address(stage, sandbox, recipient):
    tester = f"qa.{recipient}"
    text = setup_toml(sandbox.url).replace("enabled = true", f'enabled = true\nredirect_all_to = "{tester}"')
    gateway = stage.gateway(text).start()
    others = [recipient, f"bcc.{recipient}"]
    until(gateway, hand_in(gateway, MAILBOX, others, letter("for real people")), {"sent"})
    delivery = sandbox.wait_for_delivery_to(tester)
    assert delivery["recipients"] == [tester]
    assert all(sandbox.deliveries_to(each) == [] for each in others)
    raw = sandbox.raw(delivery).decode()
    assert all(each in raw.partition("\r\n\r\n")[0] for each in others), raw
    shown = json.loads(gateway.run("queue", "show", "--json", gateway.queue()[0]["id"]).stdout)
    assert {each["address"] for each in shown["recipients"]} == set(others)
