"""Clients that people already have deliver through Postern without a change to them."""

import pytest

from stage.letter import ATTACHMENT, attachments_of, letters, subject_of, texts_of

from . import clients


@pytest.mark.parametrize("kind", ["ascii", "utf8", "attachment"])
@pytest.mark.parametrize("security", ["plain", "starttls", "implicit"])
@pytest.mark.parametrize("client", clients.CLIENTS, ids=lambda client: client.__name__)
def test_what_the_client_sends_arrives_whole(client, security, kind, gateway, sandbox, recipient, tmp_path):
    letter = letters(tmp_path, recipient)[kind]
    client(gateway.doors[security], letter, tmp_path)

    delivery = sandbox.wait_for_delivery_to(recipient)
    raw = sandbox.raw(delivery)
    assert delivery["recipients"] == [recipient]
    assert subject_of(raw).removeprefix("[PATCH] ") == letter.subject
    if client is clients.git_send_email:
        check_patch(raw, letter, kind)
        return
    assert letter.text.rstrip("\n") in texts_of(raw)
    if letter.attachment:
        assert attachments_of(raw)[letter.attachment.name] == ATTACHMENT


def check_patch(raw, letter, kind):
    """The commit's text is in the mail; with `--attach` the patch is a part of its own."""
    assert letter.text.strip() in texts_of(raw)
    patches = attachments_of(raw)
    if kind == "attachment":
        assert any(b"diff --git" in patch for patch in patches.values())
    else:
        assert "diff --git" in texts_of(raw)
