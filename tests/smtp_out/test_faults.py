"""smtp-sink with each of its switches that changes what a client sees: what becomes of a message."""

import contextlib
import email
import email.policy
import os

import pytest

from smtp_out.servers import Sink
from smtp_out.ways import connection, hand_in, letter, setup, until

# Switches of smtp-sink, what becomes of the message, and why the row is here.
FAULTS = {
    "none": ([], "sent"),  # the sink itself works
    "ipv4": (["-4"], "sent"),
    "no-8bitmime": (["-8"], "sent"),  # 7-bit mail needs none
    "no-auth": (["-a"], "sent"),
    "aborted": (["-A", "1"], "failed"),  # it says 550 and breaks off
    "no-xclient": (["-C"], "sent"),
    "no-esmtp": (["-e"], "sent"),  # HELO, no extensions
    "no-status-codes": (["-E", "-f", "RCPT", "-B", "550 nobody"], "failed"),
    "no-xforward": (["-F"], "sent"),
    "named": (["-h", "sink.test"], "sent"),
    "slow-data": (["-H", "2"], "sent"),
    "lmtp": (["-L"], "queued"),  # no server for us: an administrator named the wrong port
    "one-session": (["-m", "1"], "sent"),
    "no-dsn": (["-N"], "sent"),
    "no-pipelining": (["-p"], "sent"),
    "greeting-of-stars": (["-P"], "sent"),  # as a firewall of old spoils it
    "logging": (["-s", "MAIL,RCPT"], "sent"),
    "impatient": (["-t", "1"], "sent"),
    "narrow-window": (["-T", "100"], "sent"),
    "slow-answer": (["-w", "1"], "sent"),
    "slow-mail": (["-p", "-W", "MAIL:1"], "sent"),  # late, it takes commands that came together in another order
    "slow-greeting": (["-W", "CONNECT:1"], "sent"),
    "own-hard-words": (["-f", "RCPT", "-B", "550 5.1.1 nobody of that name"], "failed"),
    "own-soft-words": (["-r", "RCPT", "-b", "450 4.2.1 not before noon"], "queued"),
    "ends-after-a-message": (["-M", "1"], "uncertain"),  # before it has answered
    # The connection test of the fixture is a session, too.
    "ends-after-sessions": (["-n", "2"], "sent"),
    **{f"refused-{step}": (["-f", step], outcome) for step, outcome in [
        ("CONNECT", "queued"), ("EHLO,HELO", "queued"), ("EHLO", "sent"), ("MAIL", "failed"), ("RCPT", "failed"),
        ("DATA", "failed"), (".", "failed"), ("RSET", "sent"), ("QUIT", "sent"),
    ]},
    **{f"put-off-{step}": (["-r", step], outcome) for step, outcome in [
        ("CONNECT", "queued"), ("EHLO,HELO", "queued"), ("MAIL", "queued"), ("RCPT", "queued"),
        ("DATA", "queued"), (".", "queued"), ("RSET", "sent"), ("QUIT", "sent"),
    ]},
    **{f"gone-at-{step}": (["-q", step], outcome) for step, outcome in [
        ("CONNECT", "queued"), ("EHLO", "queued"), ("MAIL", "queued"), ("RCPT", "queued"), ("DATA", "queued"),
        (".", "uncertain"),  # it may have been taken
        ("RSET", "sent"), ("QUIT", "sent"),
    ]},
    **{f"421-at-{step}": (["-Q", step], outcome) for step, outcome in [
        ("CONNECT", "queued"), ("EHLO", "queued"), ("MAIL", "queued"), ("RCPT", "queued"), ("DATA", "queued"),
        (".", "queued"),  # it says that it was not
        ("RSET", "sent"), ("QUIT", "sent"),
    ]},
}
if os.geteuid() == 0:
    FAULTS["jailed"] = (["-R", "/tmp"], "sent")


def sender(name):
    return name.translate(str.maketrans(",.", "-e")).lower() + "@contoso.test"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A gateway with a way to a sink of each kind, chosen by the sender."""
    from bench import postfix
    from stage.gateway import Gateway

    if not (postfix.INSTALLED / "usr/sbin/smtp-sink").exists():
        pytest.skip("Postfix is not under .tools/postfix: run tools/need-postfix")
    home = tmp_path_factory.mktemp("faults")
    with contextlib.ExitStack() as running:
        connections, routes = "", []
        for name, (switches, _) in FAULTS.items():
            sink = running.enter_context(Sink(home, *switches))
            connections += connection(name, sink.port, more='on_uncertain = "hold"')
            routes.append((sender(name), name))
        gateway = Gateway(home / "gateway")
        gateway.apply(setup(connections, "none", routes=routes))
        gateway.start()
        running.callback(gateway.tidy)
        yield gateway


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_its_outcome(name, faulty):
    message_id = hand_in(faulty, sender(name), ["a@x.test"], letter(name, sender(name)))
    message = until(faulty, message_id, {FAULTS[name][1]})
    explanation = message["attempts"][-1].get("explanation")
    assert (explanation is None) == (FAULTS[name][1] == "sent"), message


@pytest.mark.parametrize("name, words", [("own-hard-words", "nobody of that name"), ("own-soft-words", "not before noon")])
def test_the_words_of_the_server_are_told(name, words, faulty):
    message_id = hand_in(faulty, sender(name), ["a@x.test"], letter(name, sender(name)))
    message = until(faulty, message_id, {FAULTS[name][1]})
    assert words in message["attempts"][-1]["explanation"]["what"]


@pytest.fixture
def way_to(tmp_path, gateway_to, sinks):
    """A gateway whose only way is a sink with these switches."""
    with contextlib.ExitStack() as running:

        def start(*switches):
            sink = running.enter_context(Sink(tmp_path, *switches, dumps=True))
            return gateway_to(setup(connection("Sink", sink.port), "Sink")), sink

        yield start


def inner(dump):
    """The message as it arrived, without what the sink and the hops put on top, and the line that the sink puts behind it."""
    return dump[dump.index(b"From: <") :].removesuffix(b"\n")


def test_the_sink_gets_the_message_byte_for_byte_and_its_envelope(way_to):
    gateway, sink = way_to()
    sent = letter("whole")
    options = ["RET=HDRS", "ENVID=job+207"]
    message_id = hand_in(gateway, "bounces@contoso.test", ["a@x.test", "b@x.test"], sent, options, ["NOTIFY=SUCCESS,DELAY"])
    until(gateway, message_id, {"sent"})
    [dump] = sink.taken()
    assert b"X-Mail-Args: <bounces@contoso.test>" in dump
    for words in [b"RET=HDRS", b"ENVID=job+207", b"X-Rcpt-Args: <a@x.test> NOTIFY=SUCCESS,DELAY", b"X-Rcpt-Args: <b@x.test> NOTIFY=SUCCESS,DELAY"]:
        assert words in dump, dump
    assert inner(dump) == sent.replace(b"Bcc: hidden@example.test\r\n", b"").replace(b"\r\n", b"\n")


def test_8_bit_text_is_converted_where_the_server_takes_seven_bits(way_to):
    gateway, sink = way_to("-8")
    sent = (
        "From: <noreply@contoso.test>\r\nTo: Jörg <everybody@example.test>\r\nSubject: Größe\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n'
        "Content-Transfer-Encoding: 8bit\r\n\r\nalles ist grün \r\n.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        "Subject: innen über\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n\r\nauch hier ist es grün\r\n"
        '--b\r\nContent-Disposition: attachment; filename="für.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
    ).encode() + bytes(range(128, 256)) + b"\r\n--b--\r\n"
    until(gateway, hand_in(gateway, "noreply@contoso.test", ["a@x.test"], sent, ["BODY=8BITMIME"]), {"sent"})
    [dump] = sink.taken()
    assert inner(dump).isascii() and b"BODY=8BITMIME" not in dump
    before = email.message_from_bytes(sent, policy=email.policy.default)
    after = email.message_from_bytes(inner(dump), policy=email.policy.default)
    assert (after["Subject"], after["To"].addresses[0].display_name) == ("Größe", "Jörg")
    text, letter_inside, file = after.iter_parts()
    assert text.get_content().replace("\n", "\r\n") == next(before.iter_parts()).get_content()
    assert letter_inside.get_content()["Subject"] == "innen über"
    assert letter_inside.get_content().get_content().rstrip() == "auch hier ist es grün"
    assert (file.get_filename(), file.get_content()) == ("für.bin", bytes(range(128, 256)))


def test_what_is_signed_is_refused_rather_than_changed(way_to):
    gateway, sink = way_to("-8")
    sent = (
        "From: <noreply@contoso.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\ngrün\r\n"
        "--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n"
    ).encode()
    message = until(gateway, hand_in(gateway, "noreply@contoso.test", ["a@x.test"], sent, ["BODY=8BITMIME"]), {"failed"})
    explanation = message["attempts"][-1]["explanation"]
    assert "8BITMIME" in explanation["why"] and "signed" in explanation["why"]
    # What arrives is the report of it, from nobody.
    assert all(b"X-Mail-Args: <>" in dump for dump in sink.taken())
