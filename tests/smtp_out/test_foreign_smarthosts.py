"""Mail through Exim, OpenSMTPD, Dovecot's submission service and npm's smtp-server, seen from their side."""

import base64
import json

import pytest

from smtp_out import smarthosts
from smtp_out.servers import Aiosmtpd, Sink
from smtp_out.smarthosts import Dovecot, Exim, OpenSmtpd
from smtp_out.token_desk import SCOPE, TokenDesk
from smtp_out.ways import SENDER, connection, hand_in, letter, setup, until, with_tokens
from stage.process import REPOSITORY, Program, answers, free_ports, wait_until

REPORTS = ["RET=HDRS", "ENVID=job+207"]
ASKED_OF_EACH = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first+2Bone@x.test"]


def needs(name):
    return pytest.mark.skipif(bool(smarthosts.why_not(name)), reason=str(smarthosts.why_not(name)))


def states(message):
    return {each["address"]: each["status"] for each in message["recipients"]}


def arrived(server, marker):
    """What somebody sent: the reports of what failed come from nobody."""

    def letters():
        return [each for each in server.collector.with_marker(marker.encode()) if each[0] not in (None, "", "<>")]

    return wait_until(letters, 60, f"{marker} does not arrive")


def without_added(content):
    return content[content.index(b"From: <") :]


@pytest.fixture
def behind():
    with Aiosmtpd() as server:
        yield server


@pytest.fixture
def exim(tmp_path, behind):
    with Exim(tmp_path / "exim", behind.port) as server:
        yield server


@pytest.fixture
def opensmtpd(tmp_path, behind):
    with OpenSmtpd(tmp_path / "opensmtpd", behind.port) as server:
        yield server


@needs("exim")
def test_exim_takes_each_recipient_for_itself_and_sees_what_was_asked(exim, behind, gateway_to):
    gateway = gateway_to(setup(connection("Exim", exim.port), "Exim"))
    sent = letter("through exim", body="grün\r\n.\r\n".encode())
    people = ["a@x.test", "unknown@x.test", "later@x.test"]
    message_id = hand_in(gateway, "bounces@contoso.test", people, sent, [*REPORTS, "BODY=8BITMIME"], ASKED_OF_EACH)
    message = until(gateway, message_id, {"queued"})
    assert states(message) == {"a@x.test": "sent", "unknown@x.test": "failed", "later@x.test": "pending"}, message
    assert "no such user" in json.dumps(message) or "come again" in json.dumps(message)
    [(_, recipients, content, _)] = arrived(behind, "through exim")
    assert recipients == ("a@x.test",)
    assert without_added(content) == sent.replace(b"Bcc: hidden@example.test\r\n", b"")
    log = exim.log()
    [mail] = {line.split("CMD ")[1] for line in log.splitlines() if "CMD MAIL" in line and "SIZE" in line}
    assert all(word in mail for word in ["<bounces@contoso.test>", "BODY=8BITMIME", *REPORTS]), mail
    assert all(f"CMD RCPT TO:<{person}> {' '.join(ASKED_OF_EACH)}" in log for person in people), log
    assert " P=esmtp L S=" in log, "the commands came together"


@needs("exim")
def test_exim_is_told_international_addresses_by_smtputf8(exim, behind, gateway_to):
    gateway = gateway_to(setup(connection("Exim", exim.port), "Exim"))
    sent = letter("international").replace(b"To: everybody@example.test", "To: jörg@x.test".encode())
    message_id = hand_in(gateway, SENDER, ["jörg@x.test"], sent, ["SMTPUTF8", "BODY=8BITMIME"])
    until(gateway, message_id, {"sent"})
    [(_, recipients, content, options)] = arrived(behind, "international")
    assert recipients == ("jörg@x.test",) and "SMTPUTF8" in options
    assert "To: jörg@x.test".encode() in content


@needs("exim")
def test_exim_takes_many_messages_over_few_sessions(exim, behind, gateway_to):
    gateway = gateway_to(setup(connection("Exim", exim.port, more="in_flight = 2"), "Exim"))
    ids = [hand_in(gateway, SENDER, [f"r{n}@x.test"], letter(f"many {n:02}")) for n in range(40)]
    for message_id in ids:
        assert len(until(gateway, message_id, {"sent"})["attempts"]) == 1
    wait_until(lambda: len(behind.collector.received) >= 40, 60, lambda: str(len(behind.collector.received)))
    assert len(behind.collector.received) == 40
    opened = exim.log().count("SMTP connection from [127.0.0.1] (TCP/IP connection count")
    # Two that carry mail, and the one that waited for the banner.
    assert opened <= 3 + 1, exim.log()


@needs("opensmtpd")
def test_opensmtpd_takes_each_recipient_for_itself_and_sees_what_was_asked(opensmtpd, behind, gateway_to):
    gateway = gateway_to(setup(connection("OpenSMTPD", opensmtpd.port), "OpenSMTPD"))
    sent = letter("through opensmtpd", body="grün\r\n.\r\n".encode())
    people = ["a@x.test", "unknown@x.test", "jörg@x.test"]
    header = letter("through opensmtpd", body=b"").decode()
    assert header in sent.decode()
    message_id = hand_in(gateway, SENDER, people, sent, [*REPORTS, "BODY=8BITMIME", "SMTPUTF8"], ["NOTIFY=SUCCESS,FAILURE"])
    message = until(gateway, message_id, {"sent", "failed"})
    # It has no SMTPUTF8, so one of them cannot be told.
    assert states(message) == {"a@x.test": "sent", "unknown@x.test": "failed", "jörg@x.test": "failed"}, message
    [(_, recipients, content, _)] = arrived(behind, "through opensmtpd")
    assert recipients == ("a@x.test",) and "grün\r\n.\r\n".encode() in content
    log = opensmtpd.log()
    assert all(word in log for word in ["<<< MAIL FROM:<noreply@contoso.test> SIZE=", "RET=HDRS", "ENVID=job+207"]), log
    assert "<<< RCPT TO:<a@x.test> NOTIFY=SUCCESS,FAILURE" in log, log


@needs("opensmtpd")
def test_opensmtpd_takes_many_messages_over_few_sessions(opensmtpd, behind, gateway_to):
    gateway = gateway_to(setup(connection("OpenSMTPD", opensmtpd.port, more="in_flight = 2"), "OpenSMTPD"))
    ids = [hand_in(gateway, SENDER, [f"r{n}@x.test"], letter(f"many {n:02}")) for n in range(40)]
    for message_id in ids:
        assert len(until(gateway, message_id, {"sent"})["attempts"]) == 1
    assert opensmtpd.log().count("smtp connected") <= 3 + 1
    wait_until(lambda: len(behind.collector.received) >= 40, 60, lambda: str(len(behind.collector.received)))


@pytest.fixture
def sink(tmp_path, sinks):
    with Sink(tmp_path, dumps=True) as server:
        yield server


@needs("dovecot")
@pytest.mark.parametrize("mechanisms", ["xoauth2", "oauthbearer", "xoauth2 oauthbearer"])
def test_dovecot_lets_in_who_brings_a_token(mechanisms, tmp_path, sink, gateway_to):
    with TokenDesk(SENDER) as desk, Dovecot(tmp_path / "dovecot", sink.port, f"{desk.url}/introspect", mechanisms) as server:
        gateway = gateway_to(setup(with_tokens("Dovecot", server.port, desk.url, SCOPE), "Dovecot"))
        sent = letter("through dovecot")
        for _ in range(2):
            until(gateway, hand_in(gateway, SENDER, ["a@x.test", "b@x.test"], sent), {"sent"})
        dump, _ = sink.taken()
        for words in [b"X-Mail-Args: <noreply@contoso.test>", b"X-Rcpt-Args: <a@x.test>", b"X-Rcpt-Args: <b@x.test>"]:
            assert words in dump, dump
        content = sent.replace(b"Bcc: hidden@example.test\r\n", b"").replace(b"\r\n", b"\n")
        assert without_added(dump).removesuffix(b"\n") == content
        assert [form["scope"] for form in desk.asked] == [SCOPE], "one token for all"
        assert {form["token"] for form in desk.introspected} == {desk.token}, "Dovecot asked whether it is good"
        assert f"method={mechanisms.split(' ')[0].upper()}" in server.log(), server.log()


@needs("dovecot")
def test_a_token_that_dovecot_refuses_stops_the_lane_with_the_reason(tmp_path, sink, gateway_to):
    with TokenDesk(None) as desk, Dovecot(tmp_path / "dovecot", sink.port, f"{desk.url}/introspect") as server:
        gateway = gateway_to(setup(with_tokens("Dovecot", server.port, desk.url, SCOPE), "Dovecot"))
        message = until(gateway, hand_in(gateway, SENDER, ["a@x.test"], letter("refused")), {"queued"})
        explanation = message["attempts"][-1]["explanation"]
        assert "535" in explanation["what"] and "oauth_scope" in explanation["fix"], explanation
        assert desk.token not in json.dumps(message)
        assert sink.taken() == []


class NodeServer:
    """npm's smtp-server."""

    def __init__(self, home, **options):
        self.home, self.options = home, options
        self.port = free_ports(1)[0]

    def __enter__(self):
        folder = REPOSITORY / "tests/node"
        if not (folder / "node_modules/smtp-server").exists():
            pytest.skip("npm's smtp-server is not installed: run tools/need-node")
        arguments = ["node", folder / "smtp_server.js", self.port, json.dumps(self.options)]
        self.program = Program(arguments, self.home / f"node-{self.port}.log")
        self.program.wait_for(lambda: answers(self.port))
        return self

    def __exit__(self, *_):
        self.program.kill()

    def told(self, event):
        lines = [line for line in self.program.log.read_text().splitlines() if line.startswith("{")]
        return [each for each in map(json.loads, lines) if each["event"] == event]

    def letters(self):
        """The messages that somebody sent: reports of what failed come from nobody."""
        return [each for each in self.told("message") if each["envelope"]["mailFrom"]["address"]]


def test_npms_smtp_server_sees_envelope_reports_and_body_as_they_were(tmp_path, gateway_to):
    with NodeServer(tmp_path) as server:
        gateway = gateway_to(setup(connection("Node", server.port, login=("relay", "secret")), "Node"))
        sent = letter("node", body="grün\r\n.\r\n".encode())
        people = ["a@x.test", "unknown@x.test", "later@x.test", "jörg@x.test"]
        options = [*REPORTS, "BODY=8BITMIME", "SMTPUTF8"]
        message = until(gateway, hand_in(gateway, SENDER, people, sent, options, ["NOTIFY=SUCCESS"]), {"queued"})
        expected = {"a@x.test": "sent", "unknown@x.test": "failed", "later@x.test": "pending", "jörg@x.test": "sent"}
        assert states(message) == expected, message
        [told] = server.letters()
        envelope = told["envelope"]
        assert (envelope["mailFrom"]["address"], envelope["bodyType"], envelope["smtpUtf8"]) == (SENDER, "8bitmime", True)
        assert {each["address"] for each in envelope["rcptTo"]} == {"a@x.test", "jörg@x.test"}
        assert envelope["dsn"]["ret"] == "HDRS" and envelope["dsn"]["envid"] == "job 7"
        assert all(each["dsn"]["notify"] == ["SUCCESS"] for each in envelope["rcptTo"])
        assert without_added(base64.b64decode(told["content"])) == sent.replace(b"Bcc: hidden@example.test\r\n", b"")
        assert told["user"] == "relay" and [each["method"] for each in server.told("auth")] == ["PLAIN"]


def test_npms_smtp_server_without_8bitmime_and_smtputf8_gets_seven_bits(tmp_path, gateway_to):
    with NodeServer(tmp_path, hide8BITMIME=True, hideSMTPUTF8=True) as server:
        gateway = gateway_to(setup(connection("Node", server.port), "Node"))
        sent = letter("seven", body="die Wiesen sind grün\r\n.\r\n".encode()).replace(b"To: everybody", "To: Jörg <everybody".encode(), 1)
        sent = sent.replace(b"@example.test\r\n", b"@example.test>\r\n", 1)
        message = until(gateway, hand_in(gateway, SENDER, ["a@x.test", "jörg@x.test"], sent, ["SMTPUTF8"]), {"sent", "failed"})
        assert states(message) == {"a@x.test": "sent", "jörg@x.test": "failed"}, message
        [told] = server.letters()
        content = base64.b64decode(told["content"])
        assert content.isascii() and b"sind gr=C3=BCn\r\n" in content and b"To: =?utf-8?q?J=C3=B6rg?= <everybody@example.test>" in content


def test_npms_smtp_server_is_signed_in_to_with_a_token_and_its_refusal_is_answered_and_told(tmp_path, gateway_to):
    with NodeServer(tmp_path) as server, TokenDesk(SENDER, token="good token") as desk:
        gateway = gateway_to(setup(with_tokens("Node", server.port, desk.url, SCOPE, "relay"), "Node"))
        until(gateway, hand_in(gateway, SENDER, ["a@x.test"], letter("token")), {"sent"})
        assert [(each["method"], each["user"]) for each in server.told("auth")] == [("XOAUTH2", "relay")]
    with NodeServer(tmp_path) as server, TokenDesk(SENDER, token="stale token") as desk:
        gateway = gateway_to(setup(with_tokens("Node", server.port, desk.url, SCOPE, "relay"), "Node"))
        message = until(gateway, hand_in(gateway, SENDER, ["a@x.test"], letter("token")), {"queued"})
        assert "535" in message["attempts"][-1]["explanation"]["what"]
        # The reasons came as a challenge; nothing but the answer to it brings the refusal.
        assert server.told("message") == []


def test_npms_smtp_server_keeps_its_sessions(tmp_path, gateway_to):
    with NodeServer(tmp_path) as server:
        gateway = gateway_to(setup(connection("Node", server.port, more="in_flight = 2"), "Node"))
        for message_id in [hand_in(gateway, SENDER, [f"r{n}@x.test"], letter(f"many {n}")) for n in range(40)]:
            assert len(until(gateway, message_id, {"sent"})["attempts"]) == 1
        # Two that carry mail, and the one that asked whether it is there.
        assert len(server.letters()) == 40 and len(server.told("session")) <= 3
