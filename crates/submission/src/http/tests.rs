//! Whole answers, as clients see them.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use settings::{Account, AccountId};
use std::net::SocketAddr;
use store::SettingsChange;
use tower::ServiceExt;

use super::openapi::validation::Described;
use super::*;
use crate::intake::Limits;
use crate::test_world::{World, account};

const TOKEN: &str = "t0ken";
const OTHER_TOKEN: &str = "0ther";

pub(super) struct Service {
    pub(super) world: World,
    router: Router,
    described: Described,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Service {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default(), HttpLimits::default(), |_| {}).await
    }

    async fn with(limits: Limits, http: HttpLimits, change: impl FnOnce(&mut Account)) -> Self {
        let world = World::new(limits);
        let digest = |token: &str| Some(world.intake.store().key_ring().token_digest(&token.into()).unwrap());
        let mut first = Account { token_digest: digest(TOKEN), ..account() };
        change(&mut first);
        let other =
            Account { id: AccountId("a2".into()), name: "crm".into(), token_digest: digest(OTHER_TOKEN), ..account() };
        world.change(vec![SettingsChange::PutAccount(first), SettingsChange::PutAccount(other)]).await;
        let router = router(world.intake.clone(), http);
        Self { world, router, described: Described::new() }
    }

    /// The answer, which must be one that the description of the API knows.
    async fn call(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 1, 2, 3], 4000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let is_call = path.starts_with("/api/v1/") && parts.status != StatusCode::METHOD_NOT_ALLOWED;
        if is_call {
            let described = self.described.answer((&method, &path), (parts.status, &parts.headers, &body));
            described.unwrap_or_else(|fault| panic!("{method} {path}: {fault}\n{} {body}", parts.status));
        }
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Without a token.
    pub(super) async fn ask(&self, method: &str, path: &str) -> Answer {
        self.call(request(method, path).body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(request("GET", path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap())
            .await
    }

    async fn post(&self, path: &str, content_type: &str, key: Option<&str>, body: impl Into<Body>) -> Answer {
        let mut request = request("POST", path).header("authorization", bearer()).header("content-type", content_type);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.call(request.body(body.into()).unwrap()).await
    }

    pub(super) async fn post_json(&self, json: &serde_json::Value) -> Answer {
        self.post("/api/v1/messages", "application/json", None, json.to_string()).await
    }

    async fn stored(&self) -> u64 {
        self.world.intake.store().counts().await.unwrap().queued
    }
}

impl Answer {
    pub(super) fn id(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        json["id"].as_str().unwrap_or_else(|| panic!("{} {}", self.status, self.body)).to_owned()
    }

    fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        json["code"].as_str().unwrap_or_else(|| panic!("{} {}", self.status, self.body)).to_owned()
    }

    /// Status, the headers that matter, and the body, with ids replaced: they are random.
    fn shown(&self, ids: &[&str]) -> String {
        let mut out = format!("{}\n", self.status);
        let names = ["content-type", "location", "retry-after", "www-authenticate", "idempotent-replayed", "allow"];
        for name in names {
            if let Some(value) = self.headers.get(name) {
                out.extend([name, ": ", value.to_str().unwrap(), "\n"]);
            }
        }
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        out += &serde_json::to_string_pretty(&json).unwrap();
        for (number, id) in ids.iter().enumerate() {
            out = out.replace(id, &format!("[ID {number}]"));
        }
        out
    }
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

fn bearer() -> String {
    format!("Bearer {TOKEN}")
}

fn message() -> serde_json::Value {
    serde_json::json!({
        "from": "ERP <erp@contoso.test>", "to": ["Bob <bob@x.test>"], "bcc": "eve@x.test", "subject": "Invoice 42",
        "text": "Hello", "priority": "high", "metadata": {"order": 42},
    })
}

#[tokio::test]
async fn a_message_is_accepted_shown_and_listed() {
    let service = Service::new().await;
    let accepted = service.post_json(&message()).await;
    let id = accepted.id();
    insta::assert_snapshot!("accepted", accepted.shown(&[&id]));
    insta::assert_snapshot!("shown", service.get(&format!("/api/v1/messages/{id}"), TOKEN).await.shown(&[&id]));
    insta::assert_snapshot!("listed", service.get("/api/v1/messages", TOKEN).await.shown(&[&id]));
    let detail = service.world.intake.store().message(id.parse().unwrap()).await.unwrap();
    assert_eq!(detail.message.priority, store::Priority::High);
    let body = service.world.body(&detail).await;
    assert!(!String::from_utf8(body).unwrap().contains("eve@x.test"), "the Bcc is in the envelope only");
}

#[tokio::test]
async fn errors_are_problems_that_say_what_to_do() {
    let service = Service::new().await;
    let json = "application/json";
    let path = "/api/v1/messages";
    let no_token = request("POST", path).header("content-type", json).body(Body::from("{}")).unwrap();
    let wrong_token = request("GET", path).header("authorization", "Bearer wrong").body(Body::empty()).unwrap();
    let basic = request("GET", path).header("authorization", "Basic dDA6a2Vu").body(Body::empty()).unwrap();
    let delete = request("DELETE", path).header("authorization", bearer()).body(Body::empty()).unwrap();
    let mut spoofed = message();
    spoofed["from"] = "ceo@evil.test".into();
    let mut hostile = message();
    hostile["subject"] = "x\r\nBcc: eve@x.test".into();
    let mut typo = message();
    typo["subjekt"] = "x".into();
    for (name, answer) in [
        ("missing_token", service.call(no_token).await),
        ("wrong_token", service.call(wrong_token).await),
        ("basic_authentication", service.call(basic).await),
        ("method", service.call(delete).await),
        ("media_type", service.post(path, "text/plain", None, "x").await),
        ("not_json", service.post(path, json, None, "{").await),
        ("unknown_field", service.post_json(&typo).await),
        ("header_injection", service.post_json(&hostile).await),
        ("sender_not_allowed", service.post_json(&spoofed).await),
        ("query_on_json", service.post("/api/v1/messages?to=a@x.test", json, None, "{}").await),
        ("bad_key", service.post(path, json, Some(""), message().to_string()).await),
        ("unknown_message", service.get("/api/v1/messages/01ARZ3NDEKTSV4RRFFQ69G5FAV", TOKEN).await),
        ("no_message_id", service.get("/api/v1/messages/42", TOKEN).await),
        ("unknown_filter", service.get("/api/v1/messages?statos=sent", TOKEN).await),
        ("unknown_state", service.get("/api/v1/messages?status=gone", TOKEN).await),
        ("bad_limit", service.get("/api/v1/messages?limit=100000", TOKEN).await),
    ] {
        insta::assert_snapshot!(format!("problem_{name}"), answer.shown(&[]));
    }
    assert_eq!(service.stored().await, 0);
}

#[tokio::test]
async fn the_header_from_of_a_raw_message_is_checked_too() {
    let service = Service::new().await;
    let raw = "From: ceo@evil.test\r\nTo: bob@x.test\r\n\r\nhi";
    let answer = service.post("/api/v1/messages?from=erp@contoso.test", "message/rfc822", None, raw).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "sender_not_allowed"));
    assert_eq!(service.stored().await, 0);
}

#[tokio::test]
async fn a_raw_message_streams_through_unchanged() {
    let service = Service::new().await;
    let raw =
        format!("From: erp@contoso.test\nTo: bob@x.test\nDate: x\nMessage-ID: <m@x>\n\n{}", "line\n".repeat(40_000));
    for (query, to) in [
        ("", vec!["bob@x.test"]),
        ("?from=erp@contoso.test&to=a@x.test&to=b@x.test", vec!["a@x.test", "b@x.test"]),
        ("?to=a@x.test", vec!["a@x.test"]),
    ] {
        let pieces: Vec<Result<String, std::io::Error>> =
            raw.as_bytes().chunks(997).map(|piece| Ok(String::from_utf8(piece.to_vec()).unwrap())).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let answer = service.post(&format!("/api/v1/messages{query}"), "Message/RFC822; x=y", None, body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        let detail = service.world.intake.store().message(answer.id().parse().unwrap()).await.unwrap();
        let found: Vec<&str> = detail.message.envelope.recipients.iter().map(|known| known.address.as_str()).collect();
        assert_eq!(found, to, "{query}");
        assert_eq!(service.world.body(&detail).await, raw.replace('\n', "\r\n").into_bytes());
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let service = Service::new().await;
    let pieces = [Ok("From: erp@contoso.test\r\nTo: bob@x.test\r\n\r\nhalf"), Err(std::io::Error::other("reset"))];
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let answer = service.post("/api/v1/messages", "message/rfc822", None, body).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "bad_request"));
    assert_eq!(service.stored().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_is_given_up() {
    let service = Service::new().await;
    for content_type in ["message/rfc822", "application/json"] {
        let body = Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
        let answer = service.post("/api/v1/messages", content_type, None, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::REQUEST_TIMEOUT, "timeout"));
    }
}

#[tokio::test]
async fn an_idempotency_key_sends_once() {
    let service = Service::new().await;
    let path = "/api/v1/messages";
    let post = |key: &'static str, subject: &'static str| {
        let mut message = message();
        message["subject"] = subject.into();
        service.post(path, "application/json", Some(key), message.to_string())
    };
    let first = post("k1", "one").await;
    let again = post("k1", "one").await;
    assert_eq!(again.id(), first.id());
    insta::assert_snapshot!("replayed", again.shown(&[&first.id()]));
    insta::assert_snapshot!("problem_key_reused", post("k1", "two").await.shown(&[]));
    assert_ne!(post("k2", "one").await.id(), first.id());
    assert_eq!(service.stored().await, 2);
    service.world.clock.advance(24 * 3600 + 1);
    assert_ne!(post("k1", "one").await.id(), first.id(), "a key is kept for a day");
}

#[tokio::test]
async fn the_envelope_in_the_query_belongs_to_what_the_key_stands_for() {
    let service = Service::new().await;
    let raw = "From: erp@contoso.test\r\n\r\nhi";
    let post = |to: &'static str| {
        service.post(
            if to == "a" { "/api/v1/messages?to=a@x.test" } else { "/api/v1/messages?to=b@x.test" },
            "message/rfc822",
            Some("k"),
            raw,
        )
    };
    let first = post("a").await;
    assert_eq!(post("a").await.id(), first.id());
    assert_eq!(post("b").await.code(), "idempotency_mismatch");
}

#[tokio::test]
async fn an_account_sees_only_its_own_messages() {
    let service = Service::new().await;
    let id = service.post_json(&message()).await.id();
    let path = format!("/api/v1/messages/{id}");
    assert_eq!(service.get(&path, TOKEN).await.status, StatusCode::OK);
    assert_eq!(service.get(&path, OTHER_TOKEN).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.get("/api/v1/messages", OTHER_TOKEN).await.body, r#"{"messages":[],"next":null}"#);
}

#[tokio::test]
async fn the_list_pages_through_everything_once() {
    let service = Service::new().await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(service.post_json(&message()).await.id());
    }
    sent.reverse();
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = service.get(&format!("/api/v1/messages?limit=2&status=queued&cursor={cursor}"), TOKEN).await;
        let page: serde_json::Value = serde_json::from_str(&page.body).unwrap();
        found.extend(page["messages"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(found, sent, "newest first, none twice, none left out");
}

#[tokio::test]
async fn limits_are_kept() {
    let limits = Limits { max_message_bytes: 2000, ..Limits::default() };
    let http = HttpLimits { max_json_bytes: 4096, ..HttpLimits::default() };
    let service = Service::with(limits, http, |account| account.messages_per_minute = Some(2)).await;
    let mut long = message();
    long["text"] = "x".repeat(3000).into();
    let mut longer = message();
    longer["text"] = "x".repeat(5000).into();
    let raw = format!("From: erp@contoso.test\r\nTo: b@x.test\r\n\r\n{}", "x".repeat(3000));
    for (answer, status, code) in [
        (service.post_json(&longer).await, StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        (service.post_json(&long).await, StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        (
            service.post("/api/v1/messages", "message/rfc822", None, raw).await,
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
        ),
        (service.post_json(&message()).await, StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert_eq!(answer.headers.contains_key("retry-after"), status == StatusCode::TOO_MANY_REQUESTS);
    }
    let busy = Service::with(Limits::default(), HttpLimits { max_requests: 0, ..HttpLimits::default() }, |_| {}).await;
    let answer = busy.get("/api/v1/messages", TOKEN).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
}

#[tokio::test]
async fn a_peer_that_is_not_known_is_in_no_network() {
    let service = Service::new().await;
    let request = request("GET", "/api/v1/messages").header("authorization", bearer()).body(Body::empty()).unwrap();
    let response = service.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_large_json_message_arrives_whole() {
    let service = Service::new().await;
    let mut message = message();
    // 300 KiB of zero bytes: base64 is a run of "A".
    message["attachments"] = serde_json::json!([{"filename": "zero.bin", "content": "A".repeat(400 * 1024)}]);
    let answer = service.post_json(&message).await;
    let detail = service.world.intake.store().message(answer.id().parse().unwrap()).await.unwrap();
    let body = service.world.body(&detail).await;
    let parsed = mail_parser::MessageParser::default().parse(&body).unwrap();
    assert_eq!(parsed.attachment(0).unwrap().contents(), vec![0; 300 * 1024]);
}

#[tokio::test]
async fn a_header_without_end_is_refused_before_it_fills_the_memory() {
    let service = Service::new().await;
    let answer = service.post("/api/v1/messages", "message/rfc822", None, "x: y\r\n".repeat(60_000)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_message"));
    let path = "/api/v1/messages?from=erp@contoso.test&to=b@x.test";
    let answer = service.post(path, "message/rfc822", None, "x: y\r\n".repeat(60_000)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "header_too_large"));
}

#[tokio::test(start_paused = true)]
async fn json_messages_share_one_budget_of_memory() {
    let http = HttpLimits { max_json_bytes: 4096, json_budget_bytes: 4096, ..HttpLimits::default() };
    let service = Service::with(Limits::default(), http, |_| {}).await;
    // Never silent for long, and never done: it holds the budget until its time is over.
    let drip = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Some((Ok::<_, std::io::Error>(" "), ()))
    });
    let started = tokio::time::Instant::now();
    let slow = service.post("/api/v1/messages", "application/json", None, Body::from_stream(drip));
    let quick = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let body = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(message().to_string())]));
        let answer = service.post("/api/v1/messages", "application/json", None, body).await;
        (answer, started.elapsed())
    };
    let (slow, (quick, waited)) = futures_util::future::join(slow, quick).await;
    assert_eq!(slow.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(quick.status, StatusCode::ACCEPTED, "{}", quick.body);
    assert!(waited >= Duration::from_mins(2), "waited {waited:?}");
}

#[tokio::test]
async fn error_answers_are_counted_by_their_code() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // One thread runs everything here, so the recorder of this thread sees it all.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let service = Service::new().await;
    service.get("/api/v1/messages", "wrong").await;
    service.get("/api/v1/messages", TOKEN).await;
    service.post_json(&message()).await;
    let scrape = handle.render();
    for line in
        ["postern_http_refusals_total{code=\"invalid_token\"} 1", "postern_messages_accepted_total{via=\"http\"} 1"]
    {
        assert!(scrape.lines().any(|found| found == line), "{line} in\n{scrape}");
    }
    assert_eq!(scrape.matches("postern_http_refusals_total{").count(), 1, "what went well is not counted");
}
