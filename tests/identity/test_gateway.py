"""The gateway without a secret: a token file that others keep fresh, and the machine's own identity, up to the mailbox."""

import json

import pytest

from smtp_out.test_exchange import ExchangeSandbox
from stage.gateway import Gateway
from stage.process import wait_until
from stage.tenant import MAILBOX

from .tenants import ASSIGNED, MACHINE, WORKLOAD, APPS, explanation, send, settings, setup, workload_token


@pytest.fixture
def sandbox(stage):
    return stage.sandbox(settings())


def granted(sandbox):
    rows = json.loads(sandbox.request("GET", "/sandbox/api/token_requests?limit=1000"))["token_requests"]
    return [(row["grant_type"], row["client_id"], row["aadsts"]) for row in rows]


def authenticate(gateway):
    """What the command line says of the credential."""
    done = gateway.run("connection", "authenticate", "Contoso Graph", "--json", check=False)
    return done.returncode, json.loads(done.stdout)


def test_mail_leaves_by_a_token_file_that_is_read_again_for_every_token(stage, sandbox, tmp_path):
    path = tmp_path / "azure-identity-token"
    gateway = stage.gateway(setup(sandbox, WORKLOAD, f'federated_token_file = "{path}"')).start()
    message, first = send(gateway)
    told = explanation(gateway, message)
    assert "no such file" in told["why"] and str(path) in told["why"] and "read again" in told["fix"]
    status, end = authenticate(gateway)
    assert status == 1 and "no such file" in end["explanation"]["why"]

    path.write_text(workload_token(sandbox))
    status, end = authenticate(gateway)
    assert (status, end["proof"]["by"]) == (0, f"the token file {path}")
    assert end["proof"]["token"]["roles"] == ["Mail.Send"] and end["proof"]["lacks_role"] is None
    gateway.run("queue", "retry", message)
    gateway.stop()
    gateway.start()
    sandbox.wait_for_delivery_to(first, 60)

    # The cluster writes another one; the tokens of the first are good no more.
    path.write_text(workload_token(sandbox, lifetime_seconds=600))
    sandbox.request("POST", "/sandbox/api/tokens/revoke")
    _, second = send(gateway)
    sandbox.wait_for_delivery_to(second, 30)
    assert set(granted(sandbox)) == {("client_credentials", WORKLOAD, None)}


@pytest.mark.parametrize(
    "order, number, words",
    [
        (dict(issuer="github"), "AADSTS700211", "federated credential"),
        (dict(audience="api://another"), "AADSTS700212", "audience"),
        (dict(subject="somebody"), "AADSTS700213", "subject"),
    ],
)
def test_a_token_of_somebody_else_is_explained(stage, sandbox, tmp_path, order, number, words):
    path = tmp_path / "token"
    path.write_text(workload_token(sandbox, **order))
    gateway = stage.gateway(setup(sandbox, WORKLOAD, f'federated_token_file = "{path}"'))
    status, end = authenticate(gateway)
    told = end["explanation"]
    assert status == 1 and told["code"] == number and words in told["why"] + told["fix"], told


@pytest.mark.parametrize("client_id, app", [("", MACHINE), (ASSIGNED, ASSIGNED)])
def test_mail_leaves_by_the_identity_of_a_virtual_machine(stage, sandbox, monkeypatch, client_id, app):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", sandbox.url)
    # Its service is being updated just now.
    sandbox.fault("machine_error", status=410)
    gateway = stage.gateway(setup(sandbox, client_id, "managed_identity = true")).start()
    message, recipient = send(gateway)
    assert sandbox.wait_for_delivery_to(recipient, 30)["mailbox"] == MAILBOX
    wait_until(lambda: gateway.queued_message(message)["status"] == "sent", 10, "not sent")
    assert len(gateway.queued_message(message)["attempts"]) == 1, "nobody noticed"
    assert set(granted(sandbox)) == {("managed_identity", app, None)}
    status, end = authenticate(gateway)
    assert (status, end["proof"]["by"]) == (0, "the managed identity of this machine")
    assert end["proof"]["token"]["client_id"] == app


def test_mail_leaves_by_the_identity_of_an_app_service(stage, sandbox, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{sandbox.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "sandbox-identity-header")
    # A proxy that leads nowhere is not asked: the service is the machine's own.
    gateway = stage.gateway(setup(sandbox, "", "managed_identity = true"), '[proxy]\nurl = "http://127.0.0.1:9"\n').start()
    _, recipient = send(gateway)
    sandbox.wait_for_delivery_to(recipient, 30)


def test_a_machine_that_is_none_of_azures_says_what_to_do_instead(stage, sandbox, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    gateway = stage.gateway(setup(sandbox, "", "managed_identity = true"))
    status, end = authenticate(gateway)
    assert status == 1 and "Azure alone" in end["explanation"]["fix"], end


def test_the_machines_identity_opens_a_mailbox_of_exchange(tmp_path, authority, monkeypatch):
    with ExchangeSandbox(tmp_path / "exchange", authority.leaf("machine-exchange")) as sandbox:
        sandbox.__exit__()
        sandbox.settings = sandbox.settings.replace("[[tenant.user]]", APPS + "[[tenant.user]]", 1)
        sandbox.__enter__()
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", sandbox.url)
        text = setup(sandbox, "", "managed_identity = true", "Microsoft Entra ID Exchange", sandbox.smtp_port)
        gateway = Gateway(tmp_path / "gateway", extra_config=f'[proxy]\nca_bundle = "{authority.ca}"\n')
        try:
            gateway.apply(text)
            gateway.start()
            _, recipient = send(gateway)
            delivery = sandbox.wait_for_delivery_to(recipient, 30)
            assert (delivery["form"], delivery["mailbox"]) == ("smtp", MAILBOX)
        finally:
            gateway.tidy()


def test_a_certificate_is_proved_from_the_command_line(stage, tmp_path):
    from stage.certificates import app_certificate
    from stage.tenant import CLIENT_ID, UNLIMITED, tenant_toml

    certificate, key = app_certificate(tmp_path)
    both = tmp_path / "app.pem"
    both.write_text(key.read_text() + certificate.read_text())
    sandbox = stage.sandbox(UNLIMITED + tenant_toml(certificates=[certificate]))
    gateway = stage.gateway(setup(sandbox, CLIENT_ID, f'certificate = {{ file = "{both}" }}'))
    said = gateway.run("connection", "authenticate", "Contoso Graph").stdout
    assert "proves to be itself" in said and "certificate " in said and "Mail.Send" in said, said
    sandbox.request("PUT", f"/sandbox/api/apps/{CLIENT_ID}/certificates", [])
    done = gateway.run("connection", "authenticate", "Contoso Graph", check=False)
    assert done.returncode == 1 and "AADSTS700027" in done.stderr and "Upload this certificate" in done.stderr, done.stderr
