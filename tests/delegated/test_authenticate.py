"""`postern connection authenticate`: signing in for a connection where there is no browser, also beside a running server."""

import json

import pytest

from stage.gateway import setup_toml

from .connection import METRIC, MAILBOX, NAME, SignIn, delegated_setup, send, sign_in, standing, tenant_settings, wait_for_rest
from .person import Person


@pytest.fixture
def tenant(stage):
    return stage.sandbox(tenant_settings())


@pytest.fixture
def gateway(stage, tenant):
    return stage.gateway(delegated_setup(tenant.url))


def test_a_running_server_sends_what_waited_as_soon_as_somebody_signs_in(gateway, tenant):
    gateway.start()
    assert standing(gateway)["needs_sign_in"] and gateway.metric(METRIC) == 1
    message, recipient = send(gateway)
    wait_for_rest(gateway)
    assert gateway.queued_message(message)["status"] == "queued"

    assert f"sends as {MAILBOX}" in sign_in(gateway)
    # The lane would rest for five minutes; nobody touched the settings.
    delivery = tenant.wait_for_delivery_to(recipient, 20)
    assert delivery["mailbox"] == MAILBOX
    assert gateway.metric(METRIC) == 0
    now = standing(gateway)
    assert not now["needs_sign_in"] and now["grant"]["user"] == MAILBOX and now["grant"]["dead"] is None


def test_a_second_sign_in_takes_over_at_once_in_a_running_server(gateway, tenant):
    gateway.start()
    sign_in(gateway, "ben")
    message, recipient = send(gateway)
    wait_for_rest(gateway)  # ben may not send from anna's mailbox
    assert tenant.deliveries_to(recipient) == []
    sign_in(gateway, "anna")
    tenant.wait_for_delivery_to(recipient, 20)
    assert gateway.queued_message(message)["status"] in ("sending", "sent")


def test_json_is_one_document_and_the_code_goes_to_standard_error(gateway):
    begun = SignIn(gateway, "--json", "--shared-mailboxes")
    assert begun.code in begun.told and begun.page in begun.told
    Person("anna").enter_code(begun.page, begun.code)
    status, said, complained = begun.ended()
    assert status == 0, complained
    end = json.loads(said)
    assert (end["connection"], end["signed_in"], end["explanation"]) == (NAME, True, None)
    assert end["grant"]["user"] == MAILBOX
    assert any(scope.endswith("Mail.Send.Shared") for scope in end["grant"]["scopes"])
    assert "token" not in said


def test_who_declines_leaves_everything_as_it_was(gateway):
    sign_in(gateway)
    before = standing(gateway)
    for options in ([], ["--json"]):
        begun = SignIn(gateway, *options)
        Person("ben").enter_code(begun.page, begun.code, answer="cancel")
        status, said, complained = begun.ended()
        assert status == 1
        if options:
            assert json.loads(said)["signed_in"] is False and "declined" in json.loads(said)["explanation"]["what"]
        else:
            assert "declined" in complained and "Begin again" in complained
    assert standing(gateway) == before


def test_show_says_in_words_what_is_missing_and_what_is_there(gateway):
    assert "somebody must sign in" in gateway.run("connection", "show", NAME).stdout
    sign_in(gateway)
    assert f"sign-in         {MAILBOX}, refreshed " in gateway.run("connection", "show", NAME).stdout


@pytest.mark.parametrize(
    "change, complaint, fix",
    [
        (lambda setup: setup.replace('"delegated"', '"application"').replace("sandbox-secret", "wrong"), "AADSTS7000215", "Value"),
        (lambda setup: setup.replace(NAME, "Another"), "no connection called", "There are: Another."),
        (lambda setup: setup.replace("66666666-7777-8888-9999", "66666666-7777-8888-0000"), "AADSTS700016", "ID"),
    ],
)
def test_what_cannot_be_signed_in_to_is_explained(gateway, tenant, change, complaint, fix):
    gateway.apply("prune = true\n" + change(delegated_setup(tenant.url)))
    done = gateway.run("connection", "authenticate", NAME, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr and fix in done.stderr, done.stderr


def test_a_tenant_that_allows_no_public_client_says_what_to_switch_on(stage):
    tenant = stage.sandbox(tenant_settings().replace("allow_public_client = true\n", ""))
    gateway = stage.gateway(delegated_setup(tenant.url))
    done = gateway.run("connection", "authenticate", NAME, check=False)
    assert done.returncode == 1 and "Allow public client flows" in done.stderr, done.stderr


def test_application_permission_needs_no_sign_in(stage, tenant):
    gateway = stage.gateway(setup_toml(tenant.url)).start()
    assert not standing(gateway)["needs_sign_in"] and gateway.metric(METRIC) == 0
