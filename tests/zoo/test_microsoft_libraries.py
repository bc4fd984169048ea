"""Microsoft's own libraries take the sandbox for Microsoft's service: they get tokens from it and send through it."""

import json
import os
import ssl
import subprocess
import urllib.request

import azure.identity
import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError

from stage.process import REPOSITORY
from stage.tenant import CLIENT_ID, CLIENT_SECRET, MAILBOX, TENANT_ID

SCOPE = "https://graph.microsoft.com/.default"


@pytest.fixture(autouse=True)
def trusting(authority, monkeypatch):
    """`requests`, under msal, prefers what the environment names to what its caller names."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))


def msal_app(sandbox, authority, credential):
    return msal.ConfidentialClientApplication(
        CLIENT_ID,
        authority=f"{sandbox.https_url}/{TENANT_ID}",
        client_credential=credential,
        instance_discovery=False,
        verify=str(authority.ca),
    )


def azure_options(sandbox, authority):
    return dict(authority=sandbox.https_url, disable_instance_discovery=True, connection_verify=str(authority.ca))


def send_as_json(sandbox, authority, token, recipient):
    """The status of a sendMail with that token, over https."""
    message = {"subject": "hello", "body": {"contentType": "Text", "content": "hello"}}
    message["toRecipients"] = [{"emailAddress": {"address": recipient}}]
    request = urllib.request.Request(
        f"{sandbox.https_url}/v1.0/users/{MAILBOX}/sendMail",
        data=json.dumps({"message": message}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=str(authority.ca))) as answer:
        return answer.status


@pytest.mark.parametrize("kind", ["secret", "certificate"])
def test_msal_gets_a_token_that_sends(kind, sandbox, authority, app_keys, recipient):
    certificate, key = app_keys
    credentials = {
        "secret": CLIENT_SECRET,
        "certificate": {"private_key": key.read_text(), "public_certificate": certificate.read_text()},
    }
    answer = msal_app(sandbox, authority, credentials[kind]).acquire_token_for_client([SCOPE])
    assert "access_token" in answer, answer
    assert 3600 <= answer["expires_in"] <= 5400
    assert send_as_json(sandbox, authority, answer["access_token"], recipient) == 202
    assert sandbox.deliveries_to(recipient)[0]["mailbox"] == MAILBOX


def test_msal_is_told_that_the_secret_is_wrong(sandbox, authority):
    answer = msal_app(sandbox, authority, "not the secret").acquire_token_for_client([SCOPE])
    assert answer["error"] == "invalid_client"
    assert answer["error_codes"] == [7000215]
    assert answer["error_description"].startswith("AADSTS7000215:")


def test_msal_is_told_that_the_certificate_is_not_registered(sandbox, authority, tmp_path):
    from stage.certificates import app_certificate

    certificate, key = app_certificate(tmp_path, "stranger")
    credential = {"private_key": key.read_text(), "public_certificate": certificate.read_text()}
    answer = msal_app(sandbox, authority, credential).acquire_token_for_client([SCOPE])
    assert answer["error"] == "invalid_client"
    assert answer["error_codes"] == [700027]


def test_azure_identity_gets_a_token_by_secret(sandbox, authority, recipient):
    credential = azure.identity.ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, **azure_options(sandbox, authority))
    assert send_as_json(sandbox, authority, credential.get_token(SCOPE).token, recipient) == 202


def test_azure_identity_gets_a_token_by_certificate(sandbox, authority, app_keys, recipient, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text(app_keys[0].read_text() + app_keys[1].read_text())
    credential = azure.identity.CertificateCredential(
        TENANT_ID, CLIENT_ID, certificate_path=str(both), **azure_options(sandbox, authority)
    )
    assert send_as_json(sandbox, authority, credential.get_token(SCOPE).token, recipient) == 202


def test_azure_identity_is_told_that_the_secret_is_wrong(sandbox, authority):
    credential = azure.identity.ClientSecretCredential(TENANT_ID, CLIENT_ID, "not the secret", **azure_options(sandbox, authority))
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token(SCOPE)


def test_msal_node_and_the_graph_client_send_json_and_mime(sandbox, authority, recipient):
    mime = f"From: {MAILBOX}\r\nTo: {recipient}\r\nSubject: As MIME\r\n\r\nSent by Microsoft's own client.\r\n"
    what = dict(graph=sandbox.https_url, tenantId=TENANT_ID, clientId=CLIENT_ID, clientSecret=CLIENT_SECRET)
    done = subprocess.run(
        ["node", str(REPOSITORY / "tests" / "node" / "graph_client.js")],
        input=json.dumps({**what, "mailbox": MAILBOX, "recipient": recipient, "mime": mime}),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority.ca)},
    )
    assert done.returncode == 0, done.stderr
    rows = sandbox.deliveries_to(recipient)
    assert [(row["form"], row["subject"]) for row in rows] == [("json", "As JSON"), ("mime", "As MIME")]
    assert sandbox.raw(rows[1]) == mime.encode()
    refused = json.loads(done.stdout)["refused"]
    assert refused["status"] == 404 and refused["code"] == "ErrorInvalidUser" and refused["requestId"]
