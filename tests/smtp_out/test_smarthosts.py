"""Mail through servers of others: it arrives whole, to whom it is for, once."""

import concurrent.futures
import json

import pytest
from bench.postfix import Postfix, why_not

from smtp_out.servers import PASSWORD, USER, Aiosmtpd
from smtp_out.ways import SENDER, connection, hand_in, letter, setup, until
from stage.process import free_ports, wait_until

LOGIN = (USER, PASSWORD)


def arrived(server, marker):
    return wait_until(lambda: server.collector.with_marker(marker.encode()), 60, f"{marker} does not arrive")


def without_added(content):
    """What was handed in, of what arrived: behind the fields that hops put on top."""
    return content[content.index(b"From: <") :]


@pytest.mark.parametrize("security", ["none", "starttls", "implicit"])
@pytest.mark.parametrize("auth", [False, True], ids=["open", "password"])
def test_a_message_arrives_whole_with_its_own_envelope(security, auth, gateway_to, authority):
    certificate = None if security == "none" else authority.leaf(security)
    with Aiosmtpd(security, certificate, auth) as server:
        gateway = gateway_to(setup(connection("Smarthost", server.port, security, login=LOGIN if auth else None), "Smarthost"))
        sent = letter("whole", "erp@contoso.test")
        hand_in(gateway, "bounces@contoso.test", ["a@x.test", "b@x.test"], sent)
        [(mail_from, recipients, content, _)] = arrived(server, "whole")
        assert (mail_from, set(recipients)) == ("bounces@contoso.test", {"a@x.test", "b@x.test"})
        assert b"hidden@example.test" not in content
        assert without_added(content) == sent.replace(b"Bcc: hidden@example.test\r\n", b"")
        assert server.logins == (["PLAIN"] if auth else [])


def test_a_password_that_is_wrong_stops_the_lane_and_a_corrected_one_starts_it(gateway_to, authority):
    with Aiosmtpd("starttls", authority.leaf(), auth=True) as server:
        gateway = gateway_to(setup(connection("Smarthost", server.port, "starttls", login=(USER, "wrong")), "Smarthost"))
        message_id = hand_in(gateway, SENDER, ["a@x.test"], letter("waits"))
        stuck = until(gateway, message_id, {"queued"})
        assert "535" in json.dumps(stuck) and "wrong" not in json.dumps(stuck["attempts"][-1]["explanation"]["what"])
        gateway.apply(setup(connection("Smarthost", server.port, "starttls", login=LOGIN), "Smarthost"))
        assert len(arrived(server, "waits")) == 1


def test_a_certificate_nobody_vouches_for_gets_neither_password_nor_mail(gateway_to, tmp_path):
    from stage.certificates import Authority

    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger")
    with Aiosmtpd("starttls", stranger.leaf(), auth=True) as server:
        gateway = gateway_to(setup(connection("Smarthost", server.port, "starttls", login=LOGIN), "Smarthost"))
        message_id = hand_in(gateway, SENDER, ["a@x.test"], letter("kept"))
        stuck = until(gateway, message_id, {"queued"})
        assert "No TLS" in json.dumps(stuck)
        assert server.logins == [] and server.collector.received == []


def test_five_hundred_messages_arrive_once_each_over_few_sessions(gateway_to):
    with Aiosmtpd() as server:
        gateway = gateway_to(setup(connection("Smarthost", server.port), "Smarthost"))
        sent = {f"serial-{n:04}-end": letter(f"serial-{n:04}-end", body=b"line\r\n.\r\n" * (n % 50 + 1)) for n in range(500)}

        def send(marker):
            hand_in(gateway, SENDER, [f"{marker}@x.test"], sent[marker])

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(send, sent))
        wait_until(lambda: len(server.collector.received) >= 500, 120, lambda: str(len(server.collector.received)))
        wait_until(lambda: gateway.metric('postern_queue_messages{state="queued"}') == 0, 60, "the queue is not empty")
        by_recipient = {recipients: content for _, recipients, content, _ in server.collector.received}
        assert len(server.collector.received) == len(by_recipient) == 500
        for marker, content in sent.items():
            assert without_added(by_recipient[(f"{marker}@x.test",)]) == content.replace(b"Bcc: hidden@example.test\r\n", b"")
        assert len(server.collector.sessions) <= 60


def test_a_null_reverse_path_and_8_bit_text_pass_and_the_from_policy_holds(gateway_to):
    with Aiosmtpd() as server:
        gateway = gateway_to(setup(connection("Smarthost", server.port), "Smarthost", from_policy="rewrite"))
        hand_in(gateway, "", ["a@x.test"], letter("eight", "erp@contoso.test", "grün\r\n".encode()), ["BODY=8BITMIME"])
        [(mail_from, _, content, options)] = arrived(server, "eight")
        assert (mail_from, "BODY=8BITMIME" in options) == ("<>", True)
        assert f"From: {SENDER}".encode() in content and b"Reply-To: <erp@contoso.test>" in content
        assert "grün\r\n".encode() in content


def test_a_large_message_streams_through(gateway_to):
    with Aiosmtpd() as server:
        gateway = gateway_to(setup(connection("Smarthost", server.port), "Smarthost"))
        sent = letter("large", body=b".0123456789abcdef0123456789abcdef\r\n" * 600_000)
        hand_in(gateway, SENDER, ["a@x.test"], sent)
        [(_, _, content, _)] = arrived(server, "large")
        assert without_added(content) == sent.replace(b"Bcc: hidden@example.test\r\n", b"")


def test_mail_goes_through_postfix_and_on(gateway_to, tmp_path, sinks):
    if why_not():
        pytest.skip(why_not())
    with Aiosmtpd() as behind:
        relayhost = f"relayhost = [127.0.0.1]:{behind.port}\nsmtp_tls_security_level = none\n"
        with Postfix(tmp_path / "postfix", free_ports(1)[0], relayhost) as smarthost:
            gateway = gateway_to(setup(connection("Smarthost", smarthost.port), "Smarthost"))
            sent = letter("postfix")
            message_id = hand_in(gateway, SENDER, ["a@x.test", "b@x.test"], sent)
            done = until(gateway, message_id, {"sent"})
            assert "queued as" in json.dumps(done["attempts"][-1])
            copies = arrived(behind, "postfix")
            assert {to for _, recipients, _, _ in copies for to in recipients} == {"a@x.test", "b@x.test"}
            assert without_added(copies[0][2]) == sent.replace(b"Bcc: hidden@example.test\r\n", b"")


def test_the_connection_test_and_the_doctor_say_what_they_found(gateway_to, authority):
    with Aiosmtpd("starttls", authority.leaf(), auth=True) as server:
        gateway = gateway_to(setup(connection("Smarthost", server.port, "starttls", login=LOGIN), "Smarthost"))
        found = json.loads(gateway.run("connection", "test", "Smarthost", "--json").stdout)
        assert found["ok"] and found["smtp"]["tls"] and found["smtp"]["authenticated"]
        checks = json.loads(gateway.run("doctor", "--json", check=False).stdout)
        checks = checks["checks"] if isinstance(checks, dict) else checks
        assert [check["status"] for check in checks if check["name"] == "smtp_session"] == ["ok"]
        gateway.apply(setup(connection("Smarthost", server.port, "starttls", login=(USER, "wrong")), "Smarthost"))
        failed = gateway.run("connection", "test", "Smarthost", check=False)
        assert failed.returncode == 1 and "535" in failed.stderr
    gone = gateway.run("connection", "test", "Smarthost", check=False)
    assert gone.returncode == 1 and "cannot be reached" in gone.stderr
