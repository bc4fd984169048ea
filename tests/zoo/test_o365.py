"""O365, a Python library for Graph by strangers, takes the sandbox for Microsoft's service: it sends, drafts and uploads in ranges."""

import email

import msal
import pytest
from O365 import Account, MSGraphProtocol

from stage.tenant import CLIENT_ID, CLIENT_SECRET, MAILBOX, TENANT_ID, UNLIMITED, tenant_toml


@pytest.fixture
def account(stage, authority, tmp_path, monkeypatch):
    """Signed in as the application, in a tenant of its own that lets it write drafts."""
    monkeypatch.chdir(tmp_path)  # the library keeps its token in the working folder
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
    roles = tenant_toml().replace('roles = ["Mail.Send"]', 'roles = ["Mail.Send", "Mail.ReadWrite"]')
    sandbox = stage.sandbox(UNLIMITED + roles, tls=True)

    class Protocol(MSGraphProtocol):
        _protocol_url = sandbox.https_url + "/"

    signing_in = Account(
        (CLIENT_ID, CLIENT_SECRET), auth_flow_type="credentials", tenant_id=TENANT_ID, main_resource=MAILBOX, protocol=Protocol()
    )
    # It knows no other login host than Microsoft's, but lets msal be given one.
    signing_in.con._msal_client = msal.ConfidentialClientApplication(
        CLIENT_ID,
        CLIENT_SECRET,
        authority=f"{sandbox.https_url}/{TENANT_ID}",
        instance_discovery=False,
        token_cache=signing_in.con.token_backend,
        verify=str(authority.ca),
    )
    assert signing_in.authenticate()
    signing_in.sandbox = sandbox
    return signing_in


def message(account, recipient, subject):
    made = account.new_message(resource=MAILBOX)
    made.to.add(recipient)
    made.subject, made.body = subject, "<p>Written by O365</p>"
    return made


def test_a_message_is_sent(account, recipient):
    assert message(account, recipient, "Small").send()
    [row] = account.sandbox.deliveries_to(recipient)
    assert (row["subject"], row["form"], row["mailbox"]) == ("Small", "json", MAILBOX)


def test_a_draft_with_a_large_file_is_uploaded_in_ranges_and_sent(account, recipient, tmp_path):
    content = bytes(range(256)) * 30_000  # 7.7 MB: three ranges
    (tmp_path / "large.bin").write_bytes(content)
    draft = message(account, recipient, "Large")
    assert draft.save_draft()
    draft.attachments.add(str(tmp_path / "large.bin"))
    assert draft.save_draft() and draft.send()
    [row] = account.sandbox.deliveries_to(recipient)
    ranges = [request for request in account.sandbox.requests() if request["method"] == "PUT"]
    assert row["subject"] == "Large" and len(ranges) == 3
    parts = [part for part in email.message_from_bytes(account.sandbox.raw(row)).walk() if part.get_filename() == "large.bin"]
    assert [part.get_payload(decode=True) for part in parts] == [content]


def test_a_mailbox_that_is_not_there_is_an_error_to_it(account, recipient):
    lost = account.new_message(resource="ghost@contoso.test")
    lost.to.add(recipient)
    lost.subject = "Lost"
    with pytest.raises(Exception, match="ghost@contoso.test"):
        lost.send()
    assert account.sandbox.deliveries_to(recipient) == []
