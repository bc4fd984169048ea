"""`postern doctor` as an administrator meets it: one thing is broken, and the finding that fails names it, its remedy and its person."""

import json

import pytest

from smtp_out.conftest import gateway_to  # noqa: F401: a fixture
from smtp_out.servers import Aiosmtpd
from smtp_out.test_exchange import OFF, ExchangeSandbox
from smtp_out.ways import SENDER, connection, exchange, setup
from stage.gateway import setup_toml
from stage.process import free_ports
from stage.tenant import MAILBOX


def examined(gateway, *options):
    """The checks by name, and whether all is well."""
    done = gateway.run("doctor", "--json", *options, check=False)
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["ok"] else 1)
    assert answer["ok"] == all(check["status"] != "fail" for check in answer["checks"])
    return {check["name"]: check for check in answer["checks"]}


def failed(checks):
    found = {name: check for name, check in checks.items() if check["status"] == "fail"}
    assert all(check["fix"] and check["who"] for check in found.values()), found
    return found


@pytest.fixture
def to_sandbox(stage, sandbox):
    def start(change=lambda setup: setup, extra_config="", url=None):
        return stage.gateway(change(setup_toml(url or sandbox.url)), extra_config)

    return start


def test_all_is_well_and_nothing_is_sent_until_somebody_asks(to_sandbox, sandbox, recipient):
    gateway = to_sandbox()
    before = len(sandbox.deliveries())
    checks = examined(gateway)
    assert failed(checks) == {} and checks["mailbox"]["status"] == "ok"
    assert len(sandbox.deliveries()) == before
    assert examined(gateway, "--send-to", recipient)["test_message"]["status"] == "ok"
    assert sandbox.wait_for_delivery_to(recipient)["subject"] == "Test message from Postern"


BROKEN = {
    "secret": (lambda text: text.replace("sandbox-secret", "another-secret"), "token", "AADSTS7000215"),
    "client id": (lambda text: text.replace("66666666-7777", "66666666-7778"), "token", "AADSTS700016"),
    "tenant id": (lambda text: text.replace("11111111-2222", "11111111-2223"), "token", "AADSTS90002"),
    "mailbox": (lambda text: text.replace(MAILBOX, "ghost@contoso.test"), "mailbox", "ErrorInvalidUser"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_in_the_settings_is_the_one_finding_that_fails(what, to_sandbox):
    change, name, words = BROKEN[what]
    [(found, check)] = failed(examined(to_sandbox(change))).items()
    assert found == name and words in check["found"], check


def test_a_far_side_that_is_not_there_is_the_networks_matter(to_sandbox):
    [port] = free_ports(1)
    [(name, check)] = failed(examined(to_sandbox(url=f"http://127.0.0.1:{port}"))).items()
    assert name == "network" and "network administrator" in check["who"], check


def test_an_authority_nobody_knows_is_told_with_the_setting_for_it(to_sandbox, sandbox):
    [(name, check)] = failed(examined(to_sandbox(url=sandbox.https_url))).items()
    assert name == "tls" and "ca_bundle" in check["fix"], check


def test_a_proxy_that_is_not_there_is_named_without_its_password(to_sandbox, sandbox, authority):
    [port] = free_ports(1)
    proxy = f'[proxy]\nurl = "http://out:hunter2@127.0.0.1:{port}"\nca_bundle = "{authority.ca}"\n'
    checks = examined(to_sandbox(url=sandbox.https_url, extra_config=proxy))
    assert f"127.0.0.1:{port}" in checks["proxy"]["found"] and "hunter2" not in json.dumps(checks)
    [(name, check)] = failed(checks).items()
    assert name in ("proxy", "network") and "network administrator" in check["who"], check


def test_smtp_auth_switched_off_names_the_switch(tmp_path, authority, gateway_to):  # noqa: F811
    with ExchangeSandbox(tmp_path / "exchange", authority.leaf("exchange")) as tenant:
        text = exchange(tenant.url, tenant.smtp_port).replace(f'mailbox = "{MAILBOX}"', f'mailbox = "{OFF}"')
        [(name, check)] = failed(examined(gateway_to(text))).items()
    assert name == "smtp_session" and "SmtpClientAuthenticationDisabled" in check["fix"], check
    assert "Exchange administrator" in check["who"]


def test_a_test_message_is_handed_to_a_server_of_ones_own(gateway_to, recipient):  # noqa: F811
    with Aiosmtpd() as server:
        gateway = gateway_to(setup(connection("Smarthost", server.port), "Smarthost"))
        checks = examined(gateway, "--send-to", recipient)
        assert checks["test_message"]["status"] == "ok" and "250" in checks["test_message"]["found"], checks
        [(reverse_path, recipients, content, _)] = server.collector.received
    assert (reverse_path, recipients) == (SENDER, (recipient,)) and b"Subject: Test message from Postern" in content
