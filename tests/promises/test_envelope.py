"""The envelope decides who gets the mail: Graph mails everybody in To, Cc and Bcc, so these must say what RCPT TO said."""

import email
import random
import re
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


SEPARATORS = [", ", ",", ",\r\n "]
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


def random_header(chance, envelope):
    """Recipient fields as people and programs write them, naming some of the envelope and some who are not in it."""
    lines = ["From: noreply@contoso.test", f"Subject: {chance.randrange(10**6)}"]
    for _ in range(chance.randrange(5)):
        field = chance.choice(["To", "to", "TO", "Cc", "cC", "Bcc", "bcc", "Resent-To", "Resent-Bcc", "To "])
        written = []
        for _ in range(chance.randrange(1, 4)):
            address = chance.choice([*envelope, f"outsider{chance.randrange(99)}@elsewhere.test"])
            forms = ["{0}", "<{0}>", "Name <{0}>", '"Last, First" <{0}>', '"x@y.test" <{0}>', "{0} (comment, more)", "G: {0};", "=?utf-8?Q?=C3=BC?= <{0}>"]
            written.append(chance.choice(forms).format(address))
        lines.append(f"{field}: {SEPARATORS[chance.randrange(3)].join(written)}")
    chance.shuffle(lines)
    return "\r\n".join(lines) + "\r\n"


def test_whatever_the_header_says_those_mailed_are_the_envelope(gateway, sandbox, recipient):
    """Two hundred random headers and envelopes; the seed is fixed, so a failure stays."""
    chance = random.Random(20261123)
    inner = b"--b\r\nContent-Type: message/rfc822\r\n\r\nTo: inner@elsewhere.test\r\nBcc: hidden@elsewhere.test\r\n\r\nInner\r\n--b--\r\n"
    expected = []
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        for number in range(200):
            envelope = [f"{part}.{number}.{recipient}" for part in range(chance.randrange(1, 6))]
            header = random_header(chance, envelope) + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
            queued_id(dialog.message("noreply@contoso.test", envelope, header.encode() + b"\r\n" + inner))
            expected.append((envelope, header))
    sandbox.wait_for_delivery_to(expected[-1][0][0], 60)
    for envelope, _ in expected:
        sandbox.wait_for_delivery_to(envelope[0], 60)
    rows = {tuple(sorted(row["recipients"])): row for row in sandbox.deliveries() if row["recipients"][0].endswith(recipient)}
    for envelope, header in expected:
        row = rows.get(tuple(sorted(envelope)))
        assert row, f"nobody, or somebody else, was mailed for {envelope} with\n{header}"
        raw = sandbox.raw(row)
        assert raw.endswith(inner)
        assert not re.search(rb"(?im)^resent-bcc[ \t]*:", raw.partition(b"\r\n\r\n")[0]), "Graph passes it on"
        # Whom the author named nowhere, or in Bcc only, nobody can read about. A sole recipient knows of himself.
        if len(envelope) > 1:
            shown = without_bcc(raw.partition(b"\r\n\r\n")[0].decode() + "\r\n")
            hidden = [address for address in envelope if address not in without_bcc(header)]
            assert not [address for address in hidden if address in shown], f"{shown}\nfrom\n{header}"


def without_bcc(header):
    return re.sub(r"(?im)^(?:resent-)?bcc[ \t]*:.*\r\n(?:[ \t].*\r\n)*", "", header)
