"""The envelope decides who gets the mail: Graph mails everybody in To, Cc and Bcc, so these must say what RCPT TO said."""

import email
from email.utils import getaddresses

import pytest

from stage.dialog import Dialog, queued_id


@pytest.fixture
def names(recipient):
    """Three addresses of this test's own."""
    return {name: f"{name}.{recipient}" for name in ("to", "cc", "bcc")}


def send(gateway, recipients, header, body=b"Hello\r\n"):
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        return queued_id(dialog.message("noreply@contoso.test", recipients, header.encode() + b"\r\n" + body))


def addresses(raw, field):
    message = email.message_from_bytes(raw)
    return [address for _, address in getaddresses(message.get_all(field, []))]


HEADER = "From: noreply@contoso.test\r\nSubject: envelope\r\n"


def test_a_recipient_only_in_the_envelope_gets_the_mail_and_nobody_sees_it(names, gateway, sandbox):
    send(gateway, [names["to"], names["bcc"]], HEADER + f"To: <{names['to']}>\r\n")
    delivery = sandbox.wait_for_delivery_to(names["bcc"])
    assert sorted(delivery["recipients"]) == sorted([names["to"], names["bcc"]])
    assert delivery["to"] == [names["to"]] and delivery["cc"] == [] and delivery["bcc"] == [names["bcc"]]


def test_redirected_mail_does_not_reach_those_its_header_still_names(names, gateway, sandbox):
    header = HEADER + f"To: customer@elsewhere.test, <{names['to']}>\r\nCc: boss@elsewhere.test\r\nBcc: audit@elsewhere.test\r\n"
    send(gateway, [names["to"]], header)
    delivery = sandbox.wait_for_delivery_to(names["to"])
    assert delivery["recipients"] == [names["to"]]
    assert not sandbox.deliveries_to("customer@elsewhere.test")


def test_a_bcc_field_is_not_a_recipient_by_itself(names, gateway, sandbox):
    send(gateway, [names["to"]], HEADER + f"To: {names['to']}\r\nBcc: {names['bcc']}\r\n")
    delivery = sandbox.wait_for_delivery_to(names["to"])
    assert delivery["recipients"] == [names["to"]]
    assert addresses(sandbox.raw(delivery), "Bcc") == []


def test_a_message_without_recipient_fields_goes_to_its_envelope_in_bcc(names, gateway, sandbox):
    send(gateway, list(names.values()), HEADER)
    delivery = sandbox.wait_for_delivery_to(names["to"])
    assert sorted(delivery["recipients"]) == sorted(names.values())
    assert sorted(delivery["bcc"]) == sorted(names.values())


def test_display_names_with_an_at_sign_and_groups_are_understood(names, gateway, sandbox):
    header = HEADER + f'To: "Anna @ Sales <x@y.test>" <{names["to"]}>, Team: a@elsewhere.test, <{names["cc"]}>;\r\n'
    send(gateway, [names["to"], names["cc"]], header)
    delivery = sandbox.wait_for_delivery_to(names["to"])
    assert sorted(delivery["recipients"]) == sorted([names["to"], names["cc"]])
    assert delivery["bcc"] == []


def test_nothing_inside_a_part_is_touched(names, gateway, sandbox):
    """A forwarded mail has recipient fields of its own."""
    inner = "From: a@b.test\r\nTo: c@d.test\r\nBcc: secret@elsewhere.test\r\nSubject: inner\r\n\r\nInner\r\n"
    header = HEADER + f"To: {names['to']}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    body = f"--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--\r\n".encode()
    send(gateway, [names["to"]], header, body)
    delivery = sandbox.wait_for_delivery_to(names["to"])
    assert delivery["recipients"] == [names["to"]]
    assert sandbox.raw(delivery).endswith(body)


def test_letter_case_of_the_domain_makes_no_second_recipient(names, gateway, sandbox):
    send(gateway, [names["to"]], HEADER + f"To: {names['to'].replace('example.test', 'EXAMPLE.Test')}\r\n")
    delivery = sandbox.wait_for_delivery_to(names["to"])
    assert len(delivery["recipients"]) == 1 and delivery["bcc"] == []


def test_more_recipients_than_exchange_takes_are_served_in_several_sends(stage, recipient):
    """Graph takes 500 in one message."""
    from stage.gateway import setup_toml
    from stage.process import wait_until

    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url), extra_config="[limits]\nmax_recipients = 1200").start()
    recipients = [f"{number}.{recipient}" for number in range(1200)]
    send(gateway, recipients, HEADER + f"To: {recipients[0]}\r\n")
    wait_until(lambda: sandbox.stats()["recipients_mailed"] >= 1200, 60, "not everybody was mailed")
    rows = sandbox.deliveries()
    mailed = [address for row in rows for address in row["recipients"]]
    assert sorted(mailed) == sorted(recipients)
    assert len(rows) == 3 and max(len(row["recipients"]) for row in rows) <= 500
