"""What other relays got wrong in an SMTP session, in the order of a session."""

import socket
import time

import pytest

from stage.dialog import Dialog, queued_id
from stage.gateway import ACCOUNT, PASSWORD, setup_toml

CONTENT = b"From: noreply@contoso.test\r\nSubject: session\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def signing_in(tmp_path_factory, sandbox):
    """A gateway with an account for one sender only, and a door where loopback may sign in without TLS."""
    from stage.gateway import Gateway

    running = Gateway(tmp_path_factory.mktemp("signing-in"))
    narrow = f'allowed_senders = ["erp@contoso.test", "*@shop.test"]\n'
    running.apply(setup_toml(sandbox.url, more=narrow))
    running.start()
    yield running
    running.tidy()


def test_a_second_ehlo_is_fine_and_keeps_the_sign_in(signing_in):
    with Dialog(signing_in.doors["plain"]) as dialog:
        dialog.hello()
        assert dialog.login(ACCOUNT, PASSWORD)[0] == 235
        assert dialog.command("MAIL FROM:<erp@contoso.test>")[0] == 250
        assert dialog.hello()[0] == 250
        # RFC 5321 §4.1.4: it resets the transaction; the account stays signed in.
        assert dialog.command("RCPT TO:<a@example.test>")[0] == 503
        assert dialog.command("MAIL FROM:<erp@contoso.test>")[0] == 250
        assert dialog.command("MAIL FROM:<stranger@elsewhere.test>")[0] in (503, 550, 553)


def test_rset_ends_the_transaction_and_nothing_else(signing_in):
    with Dialog(signing_in.doors["plain"]) as dialog:
        dialog.hello()
        assert dialog.login(ACCOUNT, PASSWORD)[0] == 235
        assert dialog.envelope("erp@contoso.test", "a@example.test")[0] == 250
        assert dialog.command("RSET")[0] == 250
        assert dialog.command("DATA")[0] == 503
        assert dialog.envelope("erp@contoso.test", "a@example.test")[0] == 250
        # Signed in still: another sender is refused because of the account, as the session would allow anybody otherwise.
        dialog.command("RSET")
        assert dialog.command("MAIL FROM:<ceo@contoso.test>")[0] in (550, 553)


@pytest.mark.parametrize(
    "reverse_path, author, taken",
    [
        ("erp@contoso.test", "erp@contoso.test", True),
        ("erp@contoso.test", "orders@shop.test", True),  # a pattern of the account
        ("erp@contoso.test", "ceo@contoso.test", False),  # the trick: an allowed MAIL FROM, somebody else in the header
        ("ceo@contoso.test", "erp@contoso.test", False),
        ("erp@contoso.test", "erp@contoso.test, ceo@contoso.test", False),  # two authors
        ("erp@contoso.test", '"erp@contoso.test" <ceo@contoso.test>', False),  # the allowed one as display name
        ("erp@contoso.test", "ceo@contoso.test,\r\n erp@contoso.test", False),  # folded
        ("", "ceo@contoso.test", False),  # the null reverse-path hides nobody
    ],
)
def test_mail_from_and_header_from_are_both_checked(reverse_path, author, taken, signing_in):
    with Dialog(signing_in.doors["plain"]) as dialog:
        dialog.hello()
        dialog.login(ACCOUNT, PASSWORD)
        content = f"From: {author}\r\nSubject: x\r\n\r\nHello\r\n".encode()
        reply = dialog.message(reverse_path, ["a@example.test"], content)
        assert (reply[0] == 250) is taken, reply
        assert taken or reply[0] // 100 == 5, reply


def test_a_second_from_field_does_not_slip_through(signing_in):
    with Dialog(signing_in.doors["plain"]) as dialog:
        dialog.hello()
        dialog.login(ACCOUNT, PASSWORD)
        content = b"From: erp@contoso.test\r\nFrom: ceo@contoso.test\r\nSubject: x\r\n\r\nHello\r\n"
        assert dialog.message("erp@contoso.test", ["a@example.test"], content)[0] // 100 == 5


def test_successful_sign_ins_are_never_counted_as_failures(signing_in):
    for _ in range(25):
        with Dialog(signing_in.doors["plain"]) as dialog:
            dialog.hello()
            assert dialog.login(ACCOUNT, PASSWORD)[0] == 235


def test_a_wrong_password_and_an_unknown_user_are_told_the_same(signing_in):
    replies = set()
    for username, password in [(ACCOUNT, "wrong"), ("nobody", PASSWORD), ("nobody", "wrong"), (ACCOUNT, PASSWORD + " ")]:
        with Dialog(signing_in.doors["plain"]) as dialog:
            dialog.hello()
            replies.add(dialog.login(username, password))
            # Nobody is signed in after that, and the session goes on.
            assert dialog.command("NOOP")[0] == 250
    assert len(replies) == 1
    code, text = replies.pop()
    assert code == 535 and text.startswith("5.7.8")


def test_the_extensions_of_the_contract_are_offered(gateway):
    with Dialog(gateway.doors["plain"]) as dialog:
        _, text = dialog.hello()
        offered = {line.split()[0] for line in text.splitlines()[1:]}
        assert {"SIZE", "8BITMIME", "SMTPUTF8", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES"} <= offered


def test_a_message_that_says_it_is_too_large_is_refused_before_it_is_sent(gateway):
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        code, text = dialog.command("MAIL FROM:<a@contoso.test> SIZE=99999999999")
        assert code == 552 and text.startswith("5.3.4")


def test_every_reply_of_a_pipelined_transaction_comes_in_order(gateway, sandbox, recipient):
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        one = f"MAIL FROM:<a@contoso.test>\r\nRCPT TO:<{recipient}>\r\nRCPT TO:<bad>\r\nRCPT TO:<b{recipient}>\r\nDATA\r\n"
        dialog.send(one)
        assert [dialog.reply()[0] // 100 for _ in range(5)] == [2, 2, 5, 2, 3]
        dialog.send(CONTENT + b".\r\nNOOP\r\n")
        queued_id(dialog.reply())
        assert dialog.reply()[0] == 250
    assert sorted(sandbox.wait_for_delivery_to(recipient)["recipients"]) == sorted([recipient, "b" + recipient])


def test_a_slow_upstream_delays_no_banner_and_no_250(stage):
    sandbox = stage.sandbox()
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    sandbox.fault("slow", count=0, delay_ms=8000)
    for number in range(10):
        began = time.monotonic()
        with Dialog(gateway.doors["plain"]) as dialog:
            dialog.hello()
            queued_id(dialog.message("a@contoso.test", [f"{number}@example.test"], CONTENT))
        assert time.monotonic() - began < 4, "a client waited for the upstream"


def test_a_hundred_silent_clients_keep_nobody_out(gateway):
    silent = [socket.create_connection(("127.0.0.1", gateway.doors["plain"].port)) for _ in range(90)]
    try:
        with Dialog(gateway.doors["plain"]) as dialog:
            dialog.hello()
            queued_id(dialog.message("a@contoso.test", ["a@example.test"], CONTENT))
    finally:
        for each in silent:
            each.close()


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00" + b"\xff" * 300, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 5000, b"A" * 200_000, b"EHLO x\r\n\xff\xfe\r\n"],
    ids=["a TLS hello", "HTTP", "zeroes", "an endless line", "no text"],
)
def test_garbage_ends_its_own_session_only(garbage, gateway):
    with socket.create_connection(("127.0.0.1", gateway.doors["plain"].port), 30) as connection:
        try:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            pass  # Being hung up on is a fine answer.
    assert gateway.is_alive()
    with Dialog(gateway.doors["plain"]) as dialog:
        assert dialog.hello()[0] == 250


def test_a_client_that_is_cut_off_in_its_message_leaves_nothing_behind(gateway, sandbox, recipient):
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        dialog.envelope("a@contoso.test", recipient)
        assert dialog.command("DATA")[0] == 354
        dialog.send(CONTENT)
    # The next message is taken and delivered; by then the half one would have been too.
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        queued_id(dialog.message("a@contoso.test", ["after" + recipient], CONTENT))
    sandbox.wait_for_delivery_to("after" + recipient)
    assert not sandbox.deliveries_to(recipient)
