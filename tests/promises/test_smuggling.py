"""Only CRLF.CRLF ends a message. Everything that other servers have taken for an end is content, or refused: over a real socket.

The full matrix, at every split, is in `wire`'s own tests; this is the sample that shows that the listener uses it.
"""

import itertools

import pytest

from stage.dialog import Dialog, queued_id

LINE_ENDS = {"LF": b"\n", "CR": b"\r", "CRLF": b"\r\n", "nothing": b"", "CRCRLF": b"\r\r\n", "CRNUL": b"\r\0"}
REAL = b"\r\n"
FALSE_ENDS = {
    f"{first} . {last}": before + b"." + after
    for (first, before), (last, after) in itertools.product(LINE_ENDS.items(), repeat=2)
    # CR CRLF . CRLF holds a real end; see below.
    if not (before.endswith(REAL) and after == REAL)
    # A dot between a real line end and anything but one is stuffing, and content without a line end is nothing special.
    and not (before == b"" and after in (b"", b"\r\n"))
}
SMUGGLED = b"MAIL FROM:<ceo@contoso.test>\r\nRCPT TO:<victim.%s>\r\nDATA\r\nFrom: ceo@contoso.test\r\n\r\nSmuggled\r\n"
HEAD = b"From: noreply@contoso.test\r\nSubject: smuggling\r\n\r\nBefore"


def hand_in(door, recipient, content, pieces=1):
    """Everything up to the one real end in `pieces` writes. Returns its reply; nothing else may have been answered.

    A refusal is the session's last word: what stands behind such a message may have been meant as its content.
    """
    with Dialog(door) as dialog:
        dialog.hello()
        assert dialog.envelope("noreply@contoso.test", recipient)[0] == 250
        assert dialog.command("DATA")[0] == 354
        whole = content + b"\r\n.\r\n"
        size = -(-len(whole) // pieces)
        for start in range(0, len(whole), size):
            dialog.send(whole[start : start + size])
        reply = dialog.reply()
        # If the false end had ended the message, there would be replies to the smuggled commands first.
        if reply[0] == 250:
            assert dialog.command("NOOP")[0] == 250
            assert dialog.command("QUIT")[0] == 221
        assert dialog.is_closed()
        return reply


def is_bare(sequence):
    """Whether a CR or LF stands alone in it."""
    rest = sequence.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("false_end", FALSE_ENDS.values(), ids=FALSE_ENDS.keys())
def test_a_false_end_is_refused_or_content(false_end, pieces, gateway, sandbox, recipient):
    reply = hand_in(gateway.doors["plain"], recipient, HEAD + false_end + SMUGGLED % recipient.encode(), pieces)
    if is_bare(false_end):
        assert reply[0] in (550, 554, 500, 501) and reply[1].startswith("5."), reply
        return
    queued_id(reply)
    raw = sandbox.raw(sandbox.wait_for_delivery_to(recipient))
    assert b"Smuggled\r\n" in raw
    assert not sandbox.deliveries_to("victim." + recipient)


@pytest.mark.parametrize("false_end", FALSE_ENDS.values(), ids=FALSE_ENDS.keys())
def test_a_false_end_through_the_door_for_old_devices_is_content(false_end, gateway, sandbox, recipient):
    queued_id(hand_in(gateway.doors["normalize"], recipient, HEAD + false_end + SMUGGLED % recipient.encode()))
    raw = sandbox.raw(sandbox.wait_for_delivery_to(recipient))
    assert b"Smuggled\r\n" in raw
    assert not is_bare(raw), "a bare CR or LF was passed on"
    assert not sandbox.deliveries_to("victim." + recipient)


def test_a_message_with_a_bare_line_end_before_its_real_end_is_refused(gateway, sandbox, recipient):
    """`CR CRLF . CRLF` does end the message by the letter of RFC 5321; what stood before is refused because of the CR.

    Not everybody before us may have seen that end, so what stands behind it is no command.
    """
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        dialog.envelope("noreply@contoso.test", recipient)
        assert dialog.command("DATA")[0] == 354
        dialog.send(HEAD + b"\r\r\n.\r\n" + SMUGGLED % recipient.encode() + b".\r\n")
        code, text = dialog.reply()
        assert code in (550, 554, 500, 501) and text.startswith("5."), text
        assert dialog.is_closed()
    # Another message of the same lane, delivered after it, shows that no smuggled one is on its way.
    queued_id(hand_in(gateway.doors["plain"], "after." + recipient, HEAD))
    sandbox.wait_for_delivery_to("after." + recipient)
    assert not sandbox.deliveries_to("victim." + recipient)
