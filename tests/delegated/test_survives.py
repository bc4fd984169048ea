"""What a delegated connection survives: power cuts around the refresh of its token, and, with a new sign-in, its revocation."""

import json
import random
import time

import pytest

from stage.process import wait_until

from .connection import (
    METRIC,
    NAME,
    delegated_setup,
    events,
    send,
    sign_in,
    standing,
    tenant_settings,
    token_requests,
    wait_for_rest,
)
from .way import Way

DAY = 24 * 3600
LIFETIME = 8


def advance(tenant, seconds):
    tenant.request("POST", "/sandbox/api/clock", {"advance_seconds": seconds})


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_power_cuts_around_refreshes_never_cost_the_sign_in(stage, seed):
    """Every start has to refresh, and so does every few seconds of work. The process is killed right after it asked for a
    token, at a random moment around the answer and its being stored. In all the tenant's clock passes 640 days: a
    refresh token that was not replaced in time would be dead long before the end."""
    moments = random.Random(seed)
    tenant = stage.sandbox(tenant_settings(LIFETIME))
    gateway = stage.gateway(delegated_setup(tenant.url))
    sign_in(gateway)
    signed_in_at = standing(gateway)["grant"]["signed_in_at"]
    recipients, rounds = [], 24
    for number in range(rounds):
        asked = len(token_requests(tenant, "refresh_token"))
        gateway.start()
        recipients.append(send(gateway)[1])
        wait_until(lambda: len(token_requests(tenant, "refresh_token")) > asked, 30, "no refresh")
        if number % 3 == 2:
            tenant.wait_for_delivery_to(recipients[-1], 30)
            advance(tenant, 80 * DAY)
        else:
            time.sleep(moments.uniform(0, 0.02))
        gateway.kill()

    gateway.start()
    recipients.append(send(gateway)[1])
    for recipient in recipients:
        tenant.wait_for_delivery_to(recipient, 60)
    grant = standing(gateway)["grant"]
    assert grant["dead"] is None and grant["signed_in_at"] == signed_in_at, "nobody signed in again"
    refreshes = token_requests(tenant, "refresh_token")
    assert len(refreshes) > rounds
    assert [row["aadsts"] for row in refreshes if row["aadsts"]] == [], "an unknown or a dead token was shown to the tenant"
    assert events(gateway, "grant_died") == []


def test_a_token_that_was_issued_and_never_arrived_costs_nothing(stage):
    """Killed while the tenant's answer, with the new refresh token in it, is on its way."""
    tenant = stage.sandbox(tenant_settings(LIFETIME))
    with Way(tenant.url) as way:
        gateway = stage.gateway(delegated_setup(tenant.url).replace(f'login = "{tenant.url}"', f'login = "{way.url}"'))
        sign_in(gateway)
        before = standing(gateway)["grant"]
        recipients = []
        for _ in range(3):
            way.is_open.clear()
            way.holds_one.clear()
            gateway.start()
            recipients.append(send(gateway)[1])
            assert way.holds_one.wait(30), "no token was issued"
            gateway.kill()
            way.is_open.set()
            assert standing(gateway)["grant"] == before, "what never arrived was not stored"
        assert [row["aadsts"] for row in token_requests(tenant, "refresh_token")] == [None] * 3
        assert tenant.deliveries() == []

        gateway.start()
        for recipient in recipients:
            tenant.wait_for_delivery_to(recipient, 60)
        after = standing(gateway)["grant"]
        assert after["signed_in_at"] == before["signed_in_at"] and after["refreshed_at"] > before["refreshed_at"]


def test_a_revoked_sign_in_is_an_alarm_keeps_the_mail_and_is_mended_by_signing_in_again(stage):
    tenant = stage.sandbox(tenant_settings(LIFETIME))
    gateway = stage.gateway(delegated_setup(tenant.url)).start()
    sign_in(gateway)
    _, first = send(gateway)
    tenant.wait_for_delivery_to(first, 20)
    assert gateway.metric(METRIC) == 0

    tenant.request("POST", "/sandbox/api/users/anna@contoso.test/revoke")
    advance(tenant, 3600)  # the access token lives out its time
    waiting = [send(gateway) for _ in range(3)]
    wait_until(lambda: events(gateway, "grant_died"), 30, lambda: gateway.program.last_words())
    wait_for_rest(gateway)

    # The state is clear wherever one looks ...
    now = standing(gateway)
    assert now["needs_sign_in"] and now["grant"]["dead"]["code"] == "AADSTS50173"
    assert "Setup Authentication" in now["grant"]["dead"]["fix"]
    assert "must sign in again" in gateway.run("connection", "show", NAME).stdout
    doctor = gateway.run("doctor", "--json", check=False)
    assert doctor.returncode == 1
    account = json.loads(gateway.run("token", "create", "monitoring", "--role", "viewer", "--json").stdout)["token"]
    _, shown = gateway.call("GET", f"/connections/{now['id']}/authenticate", token=account)
    assert shown["grant"]["dead"]["code"] == "AADSTS50173"
    _, overview = gateway.call("GET", "/overview", token=account)
    [connection] = overview["connections"]
    assert connection["problem"] == shown["grant"]["dead"]["what"]
    signed_in = next(check for check in json.loads(doctor.stdout)["checks"] if check["name"] == "sign_in")
    assert signed_in["status"] == "fail" and "AADSTS50173" in signed_in["found"] and "Setup Authentication" in signed_in["fix"]
    # ... and an alarm: once in the log as an error, and as long as it lasts in the metrics.
    [died] = events(gateway, "grant_died")
    assert "ERROR" in died and "anna@contoso.test" in died and "AADSTS50173" in died
    assert gateway.metric(METRIC) == 1

    # Nothing is lost, not even over a restart.
    gateway.kill()
    gateway.start()
    assert gateway.metric(METRIC) == 1
    for message, recipient in waiting:
        wait_until(lambda: gateway.queued_message(message)["status"] == "queued", 30, "the message does not wait")
        assert tenant.deliveries_to(recipient) == []

    sign_in(gateway)
    for _, recipient in waiting:
        tenant.wait_for_delivery_to(recipient, 30)
        assert len(tenant.deliveries_to(recipient)) == 1
    assert gateway.metric(METRIC) == 0 and not standing(gateway)["needs_sign_in"]
    assert len(events(gateway, "grant_died")) == 1
