"""Microsoft's own client takes the sandbox's drafts and upload sessions for Outlook's."""

import email
import json
import os
import subprocess

import pytest

from stage.process import REPOSITORY
from stage.tenant import CLIENT_ID, CLIENT_SECRET, MAILBOX, TENANT_ID, UNLIMITED, tenant_toml

READ_WRITE = tenant_toml().replace('roles = ["Mail.Send"]', 'roles = ["Mail.Send", "Mail.ReadWrite"]')


@pytest.fixture
def sandbox(stage):
    return stage.sandbox(UNLIMITED + READ_WRITE, tls=True)


def test_the_graph_client_uploads_in_ranges_resumes_and_sends(sandbox, authority, recipient):
    size = 9_000_000
    what = dict(graph=sandbox.https_url, tenantId=TENANT_ID, clientId=CLIENT_ID, clientSecret=CLIENT_SECRET)
    done = subprocess.run(
        ["node", str(REPOSITORY / "tests" / "node" / "large_upload.js")],
        input=json.dumps({**what, "mailbox": MAILBOX, "recipient": recipient, "size": size}),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority.ca)},
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["uploadOrigin"] != sandbox.https_url
    assert said["ranges"][:1] == [3_276_800], "it went on where the session stood"
    assert said["location"] and said["isDraft"] is False
    assert said["tooSmall"] == "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
    (row,) = sandbox.deliveries_to(recipient)
    message = email.message_from_bytes(sandbox.raw(row), policy=email.policy.default)
    (attachment,) = message.iter_attachments()
    assert attachment.get_content() == bytes((at * 7 + (at >> 8)) & 255 for at in range(size))
