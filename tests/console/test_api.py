"""Every call of the HTTP API: who is refused, and what the others get. The list of calls is the API's own description."""

import json
import os
import re
from pathlib import Path

import pytest

from stage.tenant import Sandbox

from .api_calls import CALLS, V1, connection, message, tenant
from .api_client import ROLES, SANDBOX, Api, ask
from .api_description import Description

ANSWERS = Path(__file__).with_name("api_answers.json")


@pytest.fixture(scope="module")
def api(tmp_path_factory, authority):
    with Sandbox(tmp_path_factory.mktemp("api-sandbox"), SANDBOX) as sandbox:
        running = Api(tmp_path_factory.mktemp("api"), authority, sandbox.url)
        yield running
        assert running.gateway.is_alive(), running.gateway.program.last_words()
        running.gateway.stop()


@pytest.fixture(scope="module")
def description(api):
    return Description(ask("GET", api.url + "/api/openapi.json").json())


@pytest.fixture(scope="module")
def kept():
    """The answers as they were; POSTERN_KEEP_ANSWERS=1 keeps those of today instead."""
    answers = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {}
    yield answers
    if os.environ.get("POSTERN_KEEP_ANSWERS"):
        ANSWERS.write_text(json.dumps(dict(sorted(answers.items())), indent=1, ensure_ascii=False) + "\n")


every_call = pytest.mark.parametrize("call", CALLS)
administrators_call = pytest.mark.parametrize("call", [name for name, call in CALLS.items() if call.role != "account"])


def address(call, parts=None):
    """With an id that is nobody's where none is given: who asks comes before what is asked for."""
    path = call.split(" ")[1]
    return re.sub(r"\{(\w+)\}", lambda part: (parts or {}).get(part[1], "01ARZ3NDEKTSV4RRFFQ69G5FAV"), path)


def method(call):
    return call.split(" ")[0]


def is_problem(answer, status):
    assert answer.status == status, f"{answer.status} {answer.body}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and problem["detail"] and problem["code"]
    return problem


def test_every_call_of_the_description_is_tested(description):
    assert description.calls() == set(CALLS)


@every_call
def test_nobody_is_asked_for_a_token(call, api, description):
    for headers in [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}, {"Cookie": "postern-session=wrong"}]:
        answer = api.call(method(call), address(call), CALLS[call].body, who=None, headers=headers)
        is_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
        description.check(call, answer)


@administrators_call
def test_a_submission_account_is_no_administrator(call, api, description):
    if CALLS[call].account_too:
        pytest.skip("its own messages are an account's to look at")
    answer = api.call(method(call), address(call), CALLS[call].body, who="account")
    assert is_problem(answer, 403)["code"] == "administrators_only"
    description.check(call, answer)


@administrators_call
def test_a_lower_role_is_not_enough(call, api, description):
    parts = CALLS[call].before(api)
    for role in ROLES[: ROLES.index(CALLS[call].role)]:
        answer = api.call(method(call), address(call, parts) + CALLS[call].query, CALLS[call].body, who=role)
        assert is_problem(answer, 403)["code"] == "forbidden"
        description.check(call, answer)


@every_call
def test_a_session_needs_the_header_that_pages_of_ours_send(call, api, description):
    if method(call) == "GET":
        pytest.skip("a GET changes nothing")
    for headers in [{}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": api.csrf, "Sec-Fetch-Site": "cross-site"}]:
        answer = api.call(method(call), address(call), CALLS[call].body, who="session", headers=headers)
        is_problem(answer, 403)
        description.check(call, answer)


@administrators_call
def test_the_server_answers_to_its_own_names_only(call, api, description):
    answer = api.call(method(call), address(call), CALLS[call].body, headers={"Host": "evil.test"})
    assert is_problem(answer, 421)["code"] == "unknown_host"
    description.check(call, answer)


@every_call
def test_who_may_gets_what_is_described(call, api, description, kept):
    wanted = CALLS[call]
    parts = wanted.before(api)
    answer = api.call(method(call), address(call, parts) + wanted.query, wanted.body, who=wanted.role)
    assert answer.status == wanted.status, answer.body
    description.check(call, answer)
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
    shown = masked(answer, wanted)
    if os.environ.get("POSTERN_KEEP_ANSWERS"):
        kept[call] = shown
    assert kept[call] == shown


@administrators_call
def test_a_session_of_an_administrator_may_do_the_same(call, api, description):
    if "{sign_in}" in call:
        pytest.skip("a sign-in is in the hands of who began it")
    wanted = CALLS[call]
    parts = wanted.before(api)
    answer = api.call(
        method(call), address(call, parts) + wanted.query, wanted.body, who="session", headers={"X-CSRF-Token": api.csrf, "Origin": api.url}
    )
    assert answer.status == wanted.status, answer.body
    description.check(call, answer)


def test_a_submission_account_looks_at_its_own_messages(api):
    id = message()(api)["id"]
    assert api.call("GET", f"{V1}/messages/{id}", who="account").status == 200
    listed = api.call("GET", f"{V1}/messages?limit=200", who="account").json()["messages"]
    assert id in [each["id"] for each in listed]


def test_an_administrator_sees_the_messages_of_all_accounts_and_an_account_its_own(api):
    id = message()(api)["id"]
    made = api.call("POST", f"{V1}/accounts", {"name": "other account", "generate_token": True}).json()
    other = {"Authorization": f"Bearer {made['generated_token']}"}
    assert ask("GET", f"{api.url}{V1}/messages/{id}", headers=other).status == 404
    assert ask("GET", f"{api.url}{V1}/messages", headers=other).json()["messages"] == []
    assert ask("POST", f"{api.url}{V1}/messages/{id}/hold", headers=other).status == 403
    assert api.call("GET", f"{V1}/messages/{id}", who="viewer").json()["id"] == id


def test_an_api_token_hands_no_mail_in(api):
    body = CALLS[f"POST {V1}/messages"].body
    assert is_problem(api.call("POST", f"{V1}/messages", body), 403)["code"] == "account_needed"


def test_a_change_that_was_decided_on_older_settings_is_refused(api):
    id = api.create("tenants", tenant("Contended"))
    version = int(api.call("GET", f"{V1}/tenants/{id}").headers["settings-version"])
    path, body = f"{V1}/tenants/{id}?version={version}", tenant("Contended") | {"client_secret": None}
    assert api.call("PUT", path, body | {"name": "Won"}).status == 200
    assert is_problem(api.call("PUT", path, body | {"name": "Lost"}), 409)["code"] == "changed_meanwhile"
    assert is_problem(api.call("DELETE", path), 409)["code"] == "changed_meanwhile"
    assert api.call("GET", f"{V1}/tenants/{id}").json()["name"] == "Won"


def test_a_secret_is_taken_and_never_given(api):
    secret = "kept-to-itself-0123456789"
    id = api.create("tenants", tenant("Discreet") | {"client_secret": secret})
    api.secrets.add(secret)
    assert api.call("GET", f"{V1}/tenants/{id}").json()["has_client_secret"] is True
    # Left out, it stays.
    assert api.call("PUT", f"{V1}/tenants/{id}", tenant("Discreet") | {"client_secret": None}).status == 200
    assert api.call("GET", f"{V1}/tenants/{id}").json()["has_client_secret"] is True
    for path in ("tenants", "audit?limit=200", "overview", "connections"):
        assert api.call("GET", f"{V1}/{path}").status == 200


def test_a_secret_is_no_place_on_the_servers_disk(api):
    body = tenant("Reader") | {"client_secret": {"file": "/etc/hostname"}}
    assert is_problem(api.call("POST", f"{V1}/tenants", body), 422)


def test_a_generated_token_works_at_once_and_a_revoked_one_no_more(api):
    made = api.call("POST", f"{V1}/tokens", {"name": "short-lived", "role": "viewer"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert ask("GET", f"{api.url}{V1}/overview", headers=headers).status == 200
    assert api.call("DELETE", f"{V1}/tokens/{made['id']}").status == 204
    assert ask("GET", f"{api.url}{V1}/overview", headers=headers).status == 401


def test_a_connection_is_signed_in_to_with_a_code_in_the_hands_of_who_began_it(api):
    id = api.create("connections", connection("By code", tenant="Public", permission="delegated"))
    begun = api.call("POST", f"{V1}/connections/{id}/authenticate", {"method": "device"})
    poll = begun.headers["location"]
    assert api.call("POST", poll).json()["state"] == "pending"
    # Somebody else's sign-in is none.
    stranger = api.call("POST", poll, who="session", headers={"X-CSRF-Token": api.csrf})
    assert is_problem(stranger, 422)


def test_a_secret_can_be_replaced_where_the_connection_is(api):
    api.create("tenants", tenant("Rotated"))
    id = api.create("connections", connection("Of rotated", tenant="Rotated"))
    body = {"method": "client_secret", "client_secret": "the next secret", "client_secret_expires": "2098-01-31"}
    saved = api.call("POST", f"{V1}/connections/{id}/authenticate", body)
    assert saved.status == 200, saved.body
    assert api.call("GET", f"{V1}/connections/{id}").json()["client_secret_expires"] == "2098-01-31"


def test_the_audit_log_is_paged_through_once(api):
    seen, cursor = [], ""
    while True:
        page = api.call("GET", f"{V1}/audit?limit=7{cursor}").json()
        seen += [entry["number"] for entry in page["entries"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen)) > 7 and seen == sorted(seen, reverse=True)
    assert "token:administrators" in {entry["actor"] for entry in api.call("GET", f"{V1}/audit").json()["entries"]}


@pytest.mark.parametrize(
    "body, kind, status",
    [(b"{", "application/json", 400), (b'{"name": 1}', "application/json", 400), (b"{}", "text/plain", 415), (b'"' + b"x" * 1024 * 1024 + b'"', "application/json", 413)],
    ids=["no JSON", "wrong type", "another media type", "over a megabyte"],
)
def test_a_body_that_cannot_be_read_is_explained(body, kind, status, api):
    is_problem(api.call("POST", f"{V1}/users", body, content_type=kind), status)


@pytest.mark.parametrize("path", [f"{V1}/nothing", f"{V1}/tenants/x/y/z", f"{V1}/tenants/%ff", f"{V1}/messages/%ff"])
def test_what_does_not_exist_is_a_problem_too(path, api):
    is_problem(api.call("GET", path), 404)


def test_a_parameter_that_is_not_known_is_an_error(api):
    is_problem(api.call("GET", f"{V1}/audit?filter=x"), 400)
    is_problem(api.call("DELETE", f"{V1}/tenants/x?versoin=1"), 400)


def masked(answer, wanted):
    """What stays the same from run to run."""
    headers = {name: answer.headers[name] for name in ("content-type", "location") if name in answer.headers}
    shown = {"status": answer.status, "headers": {name: without_ids(value) for name, value in headers.items()}}
    if answer.headers.get("content-type", "").startswith("application/json"):
        shown["body"] = mask(wanted.keep(answer.json()))
    elif answer.body:
        shown["body"] = without_ids(answer.body.decode())
    return shown


VARYING = {
    "version": "[version]",
    "rerouted": "[number]",
    "number": "[number]",
    "next": "[cursor]",
    "size_bytes": "[size]",
    "position": "[position]",
    "generated_password": "[password]",
    "generated_token": "[token]",
    "generated_secret": "[secret]",
    "token": "[token]",
    "user_code": "[code]",
    "message": "[instruction]",
    "verification_uri": "[address]",
    "message_id": "[message id]",
    "pem": "[PEM]",
    "id": "[id]",
    "service_connection_id": "[id]",
    # The routes that other tests made use the same connection.
    "used_by": "[users]",
}


def mask(value, key=None):
    if key == "used_by":
        return VARYING[key]
    if isinstance(value, dict):
        return {name: mask(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [mask(each) for each in value]
    if value is not None and key in VARYING:
        return VARYING[key]
    return without_ids(value) if isinstance(value, str) else value


def without_ids(text):
    text = re.sub(r"(?<=^/api/v1/)(\w+)/[^/]+", r"\1/[id]", text)
    text = re.sub(r"\bx\d+x\b", "x0x", text)
    text = re.sub(r"(?<=127\.0\.0\.1:)\d{4,5}\b(?!$)|(?<=//127\.0\.0\.1:)\d{4,5}", "[port]", text)
    text = re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "[ID]", text)
    text = re.sub(r"\b[a-z]+[-_][0-9a-z]{8,}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{16,}\b", "[id]", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", lambda found: found[0] if found[0].startswith("2100") else "[time]", text)
    return re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d.*", "[date]", text)
