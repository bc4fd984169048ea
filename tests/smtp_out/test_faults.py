"""smtp-sink with its fault switches: what each makes of a message."""

import contextlib

import pytest

from smtp_out.servers import Sink
from smtp_out.ways import connection, hand_in, letter, setup, until

# Switches of smtp-sink, what becomes of the message, and why the row is here.
FAULTS = {
    "none": ([], "sent"),  # the sink itself works
    "no-esmtp": (["-e"], "sent"),  # HELO, no extensions
    "no-pipelining": (["-p"], "sent"),
    "no-8bitmime": (["-8"], "sent"),  # 7-bit mail needs none
    "slow-data": (["-H", "2"], "sent"),
    "refused-mail": (["-f", "MAIL"], "failed"),
    "refused-rcpt": (["-f", "RCPT"], "failed"),
    "refused-data": (["-f", "DATA"], "failed"),
    "refused-end": (["-f", "."], "failed"),
    "put-off-mail": (["-r", "MAIL"], "queued"),
    "put-off-rcpt": (["-r", "RCPT"], "queued"),
    "put-off-data": (["-r", "DATA"], "queued"),
    "put-off-end": (["-r", "."], "queued"),
    "put-off-ehlo": (["-r", "EHLO,HELO"], "queued"),
    "gone-at-ehlo": (["-q", "EHLO"], "queued"),
    "gone-at-mail": (["-q", "MAIL"], "queued"),
    "gone-at-rcpt": (["-q", "RCPT"], "queued"),
    "gone-at-data": (["-q", "DATA"], "queued"),
    "gone-at-end": (["-q", "."], "uncertain"),  # it may have been taken
    "421-at-mail": (["-Q", "MAIL"], "queued"),
    "421-at-rcpt": (["-Q", "RCPT"], "queued"),
    "421-at-end": (["-Q", "."], "queued"),  # it says that it was not
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory, authority):
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
            routes.append((f"{name}@contoso.test", name))
        gateway = Gateway(home / "gateway")
        gateway.apply(setup(connections, "none", routes=routes))
        gateway.start()
        running.callback(gateway.tidy)
        yield gateway


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_its_outcome(name, faulty):
    sender = f"{name}@contoso.test"
    message_id = hand_in(faulty, sender, ["a@x.test"], letter(name, sender))
    message = until(faulty, message_id, {FAULTS[name][1]})
    explanation = message["attempts"][-1].get("explanation")
    assert (explanation is None) == (FAULTS[name][1] == "sent"), message


def test_8_bit_text_is_refused_with_words_where_the_server_does_not_take_it(faulty):
    message_id = hand_in(
        faulty, "no-8bitmime@contoso.test", ["a@x.test"], letter("eight", "no-8bitmime@contoso.test", "grün\r\n".encode()), ["BODY=8BITMIME"]
    )
    message = until(faulty, message_id, {"failed"})
    assert "8BITMIME" in message["attempts"][-1]["explanation"]["why"]
