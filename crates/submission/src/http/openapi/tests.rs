//! What the description says, against what the API and the crates below do. That its answers are described is looked at
//! wherever a test gets one.

use std::collections::BTreeSet;

use axum::http::Method;
use mail::EnhancedStatus;
use mail::compose::ComposeMessage;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::{Attempt, AttemptId, Event, Explanation, MessageState, RecipientOutcome};

use super::validation::Described;
use crate::http::MessageView;
use crate::http::tests::Service;

/// The names that serde lists when it meets one that is not among them.
fn known<T: DeserializeOwned>(unknown: Value) -> BTreeSet<String> {
    let error = serde_json::from_value::<T>(unknown).err().unwrap().to_string();
    let listed = error.split("expected one of ").nth(1).unwrap_or_else(|| panic!("{error}"));
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_methods_described_are_the_methods_there_are() {
    let service = Service::new().await;
    let described = Described::new();
    let paths = described.0["paths"].as_object().unwrap();
    assert!(!paths.is_empty());
    for (path, calls) in paths {
        let answer = service.ask("PATCH", path).await;
        let allowed: BTreeSet<String> =
            answer.headers["allow"].to_str().unwrap().split(',').map(str::to_ascii_lowercase).collect();
        let mut described: BTreeSet<String> = calls.as_object().unwrap().keys().cloned().collect();
        // Who answers GET answers HEAD.
        described.insert("head".into());
        assert_eq!(allowed, described, "{path}");
    }
}

#[tokio::test]
async fn what_is_served_is_the_description_and_needs_no_token() {
    let answer = Service::new().await.ask("GET", "/api/openapi.json").await;
    assert_eq!(answer.status, 200);
    let served: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(served, Described::new().0);
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(served["security"], json!([{ "token": [] }]));
    let token = &served["components"]["securitySchemes"]["token"];
    assert_eq!((&token["type"], &token["scheme"]), (&json!("http"), &json!("bearer")));
}

#[test]
fn what_programs_rely_on_is_described() {
    let described = Described::new();
    let post = &described.0["paths"]["/api/v1/messages"]["post"];
    let body = &post["requestBody"]["content"];
    assert_eq!(body["application/json"]["schema"], json!({ "$ref": "#/components/schemas/MessageRequest" }));
    assert_eq!(body["message/rfc822"]["schema"], json!({ "$ref": "#/components/schemas/RawMessage" }));
    assert_eq!(described.schema("RawMessage")["type"], "string", "not an array of numbers");
    let takes_a_key = |parameter: &Value| parameter["name"] == "Idempotency-Key" && parameter["in"] == "header";
    assert!(post["parameters"].as_array().unwrap().iter().any(takes_a_key));
    for header in ["Location", "Idempotent-Replayed"] {
        assert!(post["responses"]["202"]["headers"].get(header).is_some(), "{header}");
    }
}

#[test]
fn the_names_described_are_the_names_there_are() {
    let described = Described::new();
    let members = |schema| -> BTreeSet<String> {
        described.properties(described.schema(schema)).0.into_keys().map(str::to_owned).collect()
    };
    let names = |schema| serde_json::from_value::<BTreeSet<String>>(described.schema(schema)["enum"].clone()).unwrap();
    let attachment = json!({ "from": "a@x.test", "attachments": [{ "?": 1 }] });
    for (schema, described, there) in [
        ("MessageRequest", members("MessageRequest"), known::<ComposeMessage>(json!({ "?": 1 }))),
        ("AttachmentRequest", members("AttachmentRequest"), known::<ComposeMessage>(attachment)),
        ("MessageStatus", names("MessageStatus"), known::<MessageState>(json!("?"))),
        ("RecipientStatusName", names("RecipientStatusName"), known::<store::RecipientState>(json!("?"))),
        ("OutcomeName", names("OutcomeName"), known::<RecipientOutcome>(json!("?"))),
        ("WayIn", names("WayIn"), known::<store::Via>(json!("?"))),
        ("PriorityName", names("PriorityName"), known::<store::Priority>(json!("?"))),
        ("PriorityName", names("PriorityName"), known::<mail::compose::Priority>(json!("?"))),
    ] {
        assert_eq!(described, there, "{schema}");
    }
}

fn request() -> Value {
    json!({
        "from": "a@x.test", "to": ["b@x.test"], "cc": "c@x.test", "bcc": "d@x.test", "reply_to": "e@x.test",
        "subject": "s", "text": "t", "html": "<p>t", "headers": { "X-Tag": "1" }, "priority": "bulk",
        "send_at": "2030-01-31T12:00:00Z", "metadata": { "order": 42 },
        "attachments": [{ "filename": "f", "content_type": "text/plain", "content": "AA==", "content_id": "c" }],
    })
}

#[test]
fn a_request_is_understood_exactly_if_it_fits_the_description() {
    let described = Described::new();
    let agree = |request: &Value| {
        let fits = described.value(described.schema("MessageRequest"), request);
        let understood = serde_json::from_value::<ComposeMessage>(request.clone());
        assert_eq!(fits.is_ok(), understood.is_ok(), "{request}: {fits:?}, {understood:?}");
        fits.is_ok()
    };
    let whole = request();
    assert!(agree(&whole));
    let values = [json!(null), json!("x"), json!(42), json!(true), json!([]), json!(["x"]), json!([42]), json!({})];
    for (within, schema) in [("", "MessageRequest"), ("/attachments/0", "AttachmentRequest")] {
        for name in described.properties(described.schema(schema)).0.into_keys().chain(["unknown"]) {
            let mut changed = whole.clone();
            let members = changed.pointer_mut(within).unwrap().as_object_mut().unwrap();
            assert_eq!(members.remove(name).is_none(), name == "unknown", "{name} is not in the whole request");
            agree(&changed);
            for value in &values {
                changed.pointer_mut(within).unwrap()[name] = value.clone();
                agree(&changed);
            }
        }
    }
}

#[tokio::test]
async fn a_message_with_a_history_fits_the_description() {
    let service = Service::new().await;
    let described = Described::new();
    let id = service.post_json(&json!({ "from": "erp@contoso.test", "to": ["b@x.test"] })).await.id();
    let mut detail = service.world.intake.store().message(id.parse().unwrap()).await.unwrap();
    let refused = EnhancedStatus::permanent(1, 1);
    let at = detail.message.received_at;
    let whole =
        Explanation { what: "w".into(), why: "y".into(), fix: "f".into(), who: "o".into(), code: Some("5.1.1".into()) };
    let bare = Explanation { what: "w".into(), ..Explanation::default() };
    let ended = |outcome, explanation| Attempt {
        id: AttemptId(1),
        connection: settings::ConnectionId("c".into()),
        mailbox: "m@contoso.test".parse().unwrap(),
        recipients: vec!["b@x.test".parse().unwrap()],
        started_at: at,
        ended_at: Some(at),
        outcomes: vec![outcome],
        explanation: Some(explanation),
        request_id: Some("r".into()),
    };
    detail.attempts = vec![
        ended(RecipientOutcome::Accepted, whole.clone()),
        ended(RecipientOutcome::Deferred, bare.clone()),
        ended(RecipientOutcome::Refused(refused), whole.clone()),
        ended(RecipientOutcome::Uncertain, bare),
    ];
    let last = detail.attempts[0].clone();
    // Under way.
    let under_way = Attempt { ended_at: None, outcomes: vec![], explanation: None, request_id: None, ..last };
    detail.attempts.push(under_way);
    detail.events = [None, Some("d".to_owned())]
        .map(|detail| Event { at, kind: "held".into(), actor: "cli".into(), detail })
        .to_vec();
    detail.recipients[0].status = Some(refused);
    detail.message.last_error = Some(whole);
    // Whatever the submitter gave.
    detail.message.metadata = Some(json!(["a", 1]));
    let shown = serde_json::to_value(MessageView::from(detail)).unwrap();
    described.value(described.schema("MessageView"), &shown).unwrap();
}

#[test]
fn an_answer_that_is_not_described_is_found() {
    let described = Described::new();
    let accepted = json!({ "id": "x", "status": "queued" }).to_string();
    let wrong = json!({ "id": "x", "status": "gone" }).to_string();
    let more = json!({ "id": "x", "status": "queued", "more": 1 }).to_string();
    let headers = |pairs: &[(&'static str, &'static str)]| -> axum::http::HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    };
    let json = headers(&[("content-type", "application/json")]);
    let plain = headers(&[("content-type", "text/plain")]);
    let retry = headers(&[("content-type", "application/json"), ("retry-after", "1")]);
    for (status, headers, body, is_described) in [
        (202, &json, &accepted, true),
        (200, &json, &accepted, false),  // another status
        (202, &plain, &accepted, false), // another media type
        (202, &retry, &accepted, false), // a header that is not described
        (202, &json, &wrong, false),     // a state that is not described
        (202, &json, &more, false),      // a member that is not described
    ] {
        let answer = (status.try_into().unwrap(), headers, body.as_str());
        let found = described.answer((&Method::POST, "/api/v1/messages"), answer);
        assert_eq!(found.is_ok(), is_described, "{status} {headers:?} {body}: {found:?}");
    }
}
