"""Microsoft's own libraries get tokens without a secret: the sandbox's issuers and machines are taken for the real ones."""

import os
from pathlib import Path

import azure.identity
import msal
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError

from stage.tenant import TENANT_ID

from .tenants import ASSIGNED, MACHINE, SUBJECT, WORKLOAD, settings, workload_token

SCOPE = "https://graph.microsoft.com/.default"
RESOURCE = "https://graph.microsoft.com"
# Where the agent of Azure Arc keeps its keys: Microsoft's libraries read them nowhere else.
ARC_KEYS = Path("/var/opt/azcmagent/tokens")


@pytest.fixture
def sandbox(stage, authority, monkeypatch):
    # `requests`, under msal, prefers what the environment names to what its caller names.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
    return stage.sandbox(settings(), tls=True)


def azure_options(sandbox, authority):
    return dict(authority=sandbox.https_url, disable_instance_discovery=True, connection_verify=str(authority.ca))


def app_of(token):
    import jwt

    return jwt.decode(token, options={"verify_signature": False})["appid"]


def test_azure_identity_proves_a_workload_by_the_file_the_cluster_writes(sandbox, authority, tmp_path):
    path = tmp_path / "azure-identity-token"
    path.write_text(workload_token(sandbox))
    credential = azure.identity.WorkloadIdentityCredential(
        tenant_id=TENANT_ID, client_id=WORKLOAD, token_file_path=str(path), **azure_options(sandbox, authority)
    )
    assert app_of(credential.get_token(SCOPE).token) == WORKLOAD


def test_azure_identity_proves_a_workload_by_an_assertion_of_its_callers(sandbox, authority):
    credential = azure.identity.ClientAssertionCredential(
        TENANT_ID, WORKLOAD, lambda: workload_token(sandbox), **azure_options(sandbox, authority)
    )
    assert app_of(credential.get_token(SCOPE).token) == WORKLOAD


@pytest.mark.parametrize(
    "order, number",
    [
        (dict(issuer="github"), 700211),
        (dict(audience="api://another"), 700212),
        (dict(subject=SUBJECT + "-2"), 700213),
        (dict(lifetime_seconds=-3600), 700024),
    ],
)
def test_azure_identity_is_told_what_does_not_match(sandbox, authority, order, number):
    token = workload_token(sandbox, **order)
    credential = azure.identity.ClientAssertionCredential(TENANT_ID, WORKLOAD, lambda: token, **azure_options(sandbox, authority))
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS{number}"):
        credential.get_token(SCOPE)


def test_msal_takes_a_client_assertion_too(sandbox, authority):
    app = msal.ConfidentialClientApplication(
        WORKLOAD,
        authority=f"{sandbox.https_url}/{TENANT_ID}",
        client_credential={"client_assertion": lambda: workload_token(sandbox)},
        instance_discovery=False,
        verify=str(authority.ca),
    )
    answer = app.acquire_token_for_client([SCOPE])
    assert app_of(answer["access_token"]) == WORKLOAD


def machine_by_msal(client_id=None):
    identity = msal.UserAssignedManagedIdentity(client_id=client_id) if client_id else msal.SystemAssignedManagedIdentity()
    return msal.ManagedIdentityClient(identity, http_client=requests.Session()).acquire_token_for_client(resource=RESOURCE)


@pytest.mark.parametrize("client_id, app", [(None, MACHINE), (ASSIGNED, ASSIGNED)])
def test_both_libraries_get_tokens_on_a_virtual_machine(sandbox, monkeypatch, client_id, app):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", sandbox.url)
    assert app_of(azure.identity.ManagedIdentityCredential(client_id=client_id).get_token(SCOPE).token) == app
    assert app_of(machine_by_msal(client_id)["access_token"]) == app


@pytest.mark.parametrize("status", [404, 410, 429, 500])
def test_azure_identity_waits_for_a_passing_trouble_of_the_metadata_service(sandbox, monkeypatch, status):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", sandbox.url)
    sandbox.fault("machine_error", status=status)
    assert app_of(azure.identity.ManagedIdentityCredential().get_token(SCOPE).token) == MACHINE


@pytest.mark.parametrize("client_id, app", [(None, MACHINE), (ASSIGNED, ASSIGNED)])
def test_both_libraries_get_tokens_on_app_service(sandbox, monkeypatch, client_id, app):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{sandbox.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "sandbox-identity-header")
    assert app_of(azure.identity.ManagedIdentityCredential(client_id=client_id).get_token(SCOPE).token) == app
    assert app_of(machine_by_msal(client_id)["access_token"]) == app


def test_both_libraries_are_refused_with_another_machines_header(sandbox, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{sandbox.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "guessed")
    with pytest.raises(ClientAuthenticationError):
        azure.identity.ManagedIdentityCredential().get_token(SCOPE)
    assert "access_token" not in machine_by_msal()


def test_both_libraries_answer_the_challenge_of_azure_arc(stage, monkeypatch):
    if os.geteuid() != 0 or ARC_KEYS.exists():
        pytest.skip(f"only root can make {ARC_KEYS}, and only where there is none")
    ARC_KEYS.mkdir(parents=True)
    try:
        sandbox = stage.sandbox(settings(f'[machine]\narc_key_folder = "{ARC_KEYS}"\n'))
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{sandbox.url}/arc/metadata/identity/oauth2/token")
        monkeypatch.setenv("IMDS_ENDPOINT", sandbox.url)
        assert app_of(azure.identity.ManagedIdentityCredential().get_token(SCOPE).token) == MACHINE
        assert app_of(machine_by_msal()["access_token"]) == MACHINE
    finally:
        for folder in (ARC_KEYS, ARC_KEYS.parent):
            for left in folder.iterdir():
                left.unlink()
            folder.rmdir()
