"""The HTTP API hands in what SMTP hands in, under the same promises."""

import json
import urllib.request

import pytest

from stage.gateway import TOKEN


def test_a_json_message_is_delivered(gateway, sandbox, recipient):
    status, answer = gateway.call(
        "POST",
        "/messages",
        {"from": "Anna <anna@contoso.test>", "to": recipient, "subject": "Grüße", "text": "Hallo", "html": "<p>Hallo</p>"},
    )
    assert status == 202 and answer["status"] == "queued"
    delivery = sandbox.wait_for_delivery_to(recipient)
    assert delivery["subject"] == "Grüße"
    status, message = gateway.call("GET", f"/messages/{answer['id']}")
    assert status == 200 and message["id"] == answer["id"]


def test_raw_mime_takes_its_envelope_from_the_query(gateway, sandbox, recipient):
    mime = b"From: anna@contoso.test\r\nTo: somebody@elsewhere.test\r\nSubject: raw\r\n\r\nHello\r\n"
    query = f"?from=anna@contoso.test&to={recipient}&to=b{recipient}"
    status, _ = gateway.call("POST", "/messages" + query, mime, "message/rfc822")
    assert status == 202
    delivery = sandbox.wait_for_delivery_to(recipient)
    assert sorted(delivery["recipients"]) == sorted([recipient, "b" + recipient])


def test_the_same_idempotency_key_sends_once(gateway, sandbox, recipient):
    message = {"from": "anna@contoso.test", "to": recipient, "subject": "once", "text": "Hello"}
    answers = [gateway.call("POST", "/messages", message, headers={"Idempotency-Key": recipient}) for _ in range(5)]
    assert {status for status, _ in answers} == {202}
    assert len({answer["id"] for _, answer in answers}) == 1
    # Another message of the same lane, delivered after it, shows that no second one is on its way.
    gateway.call("POST", "/messages", {**message, "to": "after" + recipient})
    sandbox.wait_for_delivery_to("after" + recipient)
    assert len(sandbox.deliveries_to(recipient)) == 1


def test_another_message_under_the_same_key_is_a_mistake(gateway, recipient):
    message = {"from": "anna@contoso.test", "to": recipient, "subject": "one", "text": "Hello"}
    headers = {"Idempotency-Key": "other" + recipient}
    assert gateway.call("POST", "/messages", message, headers=headers)[0] == 202
    assert gateway.call("POST", "/messages", {**message, "subject": "two"}, headers=headers)[0] in (409, 422)


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x"])
def test_without_the_right_token_there_is_no_api(token, gateway, recipient):
    message = {"from": "anna@contoso.test", "to": recipient, "subject": "no", "text": "Hello"}
    status, problem = gateway.call("POST", "/messages", message, token=token)
    assert status == 401 and problem["status"] == 401


@pytest.mark.parametrize(
    "change",
    [{"to": "no address"}, {"to": []}, {"from": "a@b@c"}, {"subject": "two\r\nBcc: x@y.test"}, {"unknown": 1}, {"attachments": [{"content": "%%%"}]}],
    ids=["bad recipient", "nobody", "bad sender", "header injection", "unknown member", "bad base64"],
)
def test_a_message_that_makes_no_sense_is_explained(change, gateway, recipient):
    message = {"from": "anna@contoso.test", "to": recipient, "subject": "x", "text": "Hello", **change}
    status, problem = gateway.call("POST", "/messages", message)
    assert status in (400, 422), problem
    assert problem["title"] and problem.get("detail")


def test_health_and_metrics_answer(gateway):
    for path in ("/healthz", "/readyz", "/metrics"):
        with urllib.request.urlopen(gateway.url + path, timeout=10) as answer:
            assert answer.status == 200
    with urllib.request.urlopen(gateway.url + "/metrics", timeout=10) as answer:
        assert "postern_" in answer.read().decode()


def test_the_api_describes_itself(gateway):
    with urllib.request.urlopen(gateway.url + "/api/openapi.json", timeout=10) as answer:
        description = json.loads(answer.read())
    assert description["openapi"].startswith("3.")
    assert any(path.endswith("/messages") for path in description["paths"])
