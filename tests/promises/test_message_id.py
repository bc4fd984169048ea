"""A Message-ID names a message for its readers. It says nothing about whether two hand-ins are one."""

from stage.dialog import Dialog, queued_id

HEADER = b"From: noreply@contoso.test\r\nTo: <list@example.test>\r\nMessage-ID: <one@client.test>\r\nSubject: one\r\n\r\n"


def test_two_messages_with_one_message_id_are_two_messages(gateway, sandbox, recipient):
    """As mailers do that send a copy of their own to each Bcc recipient."""
    bcc = f"bcc.{recipient}"
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        ids = [queued_id(dialog.message("noreply@contoso.test", [each], HEADER + b"Hello\r\n")) for each in (recipient, bcc)]
    assert len(set(ids)) == 2
    for each in (recipient, bcc):
        assert sandbox.wait_for_delivery_to(each)["recipients"] == [each]
