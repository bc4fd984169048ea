//! Faults on demand.

use std::io::ErrorKind;

use sandbox::{Fault, FaultKind, Running};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::*;

#[tokio::test]
async fn refusals_strike_as_often_as_ordered_and_keep_the_mail_out() {
    let running = start().await;
    let token = token(&running).await;
    running.add_fault(Fault::new(FaultKind::Throttle).times(2).retry_after(3.0));
    running.add_fault(Fault::new(FaultKind::UnavailableJson).retry_after(1.5));
    running.add_fault(Fault::new(FaultKind::UnavailableHtml));
    let rows = [
        (429, Some("3"), "application/json; charset=utf-8"),
        (429, Some("3"), "application/json; charset=utf-8"),
        (503, Some("1.5"), "application/json; charset=utf-8"),
        (503, None, "text/html; charset=us-ascii"),
    ];
    for (status, retry_after, kind) in rows {
        let reply = send(&running, &token, SEND, MAIL).await;
        let seen = (reply.status, reply.header("retry-after"), reply.header("content-type").unwrap());
        assert_eq!(seen, (status, retry_after, kind));
    }
    assert_eq!(running.stats().deliveries, 0);
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    let hashes: Vec<_> = running.requests().into_iter().map(|record| record.body_sha256.unwrap()).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "each body was read and can be compared");
}

#[tokio::test]
async fn any_code_of_the_table_can_be_ordered() {
    let running = start().await;
    let token = token(&running).await;
    let mut known = Fault::new(FaultKind::Error);
    known.code = Some("ErrorExceededMessageLimit".to_owned());
    running.add_fault(known);
    let mut own = Fault::new(FaultKind::Error);
    (own.code, own.status, own.message) = (Some("Strange".into()), Some(509), Some("why".into()));
    running.add_fault(own);
    let mut bare = Fault::new(FaultKind::Error);
    bare.status = Some(502);
    running.add_fault(bare);
    for (status, code) in [(429, "ErrorExceededMessageLimit"), (509, "Strange"), (502, "UnknownError")] {
        let reply = send(&running, &token, SEND, MAIL).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
    }
}

#[tokio::test]
async fn a_gateway_timeout_comes_after_the_mail_was_taken() {
    let running = start().await;
    let token = token(&running).await;
    running.add_fault(Fault::new(FaultKind::GatewayTimeoutAfterCommit));
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 504);
    assert_eq!(running.wait_for_deliveries(1).await, 1);
    assert!(running.deliveries()[0].answer_withheld);
}

/// Sends a whole request and says how the connection ended.
async fn end_of_request(running: &Running, token: &str) -> Result<Reply, ErrorKind> {
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let bearer = format!("Bearer {token}");
    let body = b"RnJvbTogbm9yZXBseUBjb250b3NvLnRlc3QNClRvOiB4QGV4YW1wbGUudGVzdA0KDQpoaQ==";
    let mut wire = head("POST", SEND, &[("Authorization", &bearer), ("Content-Type", "text/plain")], body.len());
    wire.push_str(std::str::from_utf8(body).unwrap());
    stream.write_all(wire.as_bytes()).await.map_err(|error| error.kind())?;
    read_reply(&mut stream).await.map_err(|error| error.kind())
}

#[tokio::test]
async fn resets_are_tcp_resets_and_only_the_last_kind_takes_the_mail() {
    let running = start().await;
    let token = token(&running).await;
    let rows = [
        (FaultKind::ResetBeforeBody, 0, None),
        (FaultKind::ResetAfterBody, 0, Some(72)),
        (FaultKind::ResetAfterCommit, 1, Some(72)),
    ];
    for (kind, deliveries, body_bytes) in rows {
        running.clear();
        running.add_fault(Fault::new(kind));
        assert_eq!(end_of_request(&running, &token).await.unwrap_err(), ErrorKind::ConnectionReset, "{kind:?}");
        assert_eq!(running.stats().deliveries, deliveries, "{kind:?}");
        let record = running.requests().remove(0);
        assert_eq!(record.status, 0);
        assert_eq!(record.body_sha256.map(|_| record.body_bytes), body_bytes, "{kind:?}");
    }
    assert_eq!(end_of_request(&running, &token).await.unwrap().status, 202, "the faults are used up");
}

#[tokio::test]
async fn a_reset_before_the_body_does_not_ask_for_it() {
    let running = start().await;
    running.add_fault(Fault::new(FaultKind::ResetBeforeBody));
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let wire = head("POST", SEND, &[("Expect", "100-continue")], 1_000_000);
    stream.write_all(wire.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let end = stream.read_to_end(&mut seen).await.map_err(|error| error.kind());
    assert_eq!((seen.as_slice(), end), (b"".as_slice(), Err(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn slow_adds_its_delay_and_lets_the_request_go_on() {
    let running = start().await;
    let token = token(&running).await;
    let mut slow = Fault::new(FaultKind::Slow);
    slow.delay_ms = 60;
    running.add_fault(slow);
    running.add_fault(Fault::new(FaultKind::UnavailableJson));
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 503);
    assert!(running.requests()[0].duration_ms >= 60.0);
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202, "both struck the first request");
}

#[tokio::test]
async fn a_fault_can_wait_for_one_mailbox() {
    let running = start().await;
    let token = token(&running).await;
    running.add_fault(Fault::new(FaultKind::Throttle).mailbox("anna@contoso.test"));
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    let anna = "/v1.0/users/Anna%40contoso.test/sendMail";
    assert_eq!(send(&running, &token, anna, "To: x@example.test\r\n\r\n").await.status, 429);
}

async fn order(running: &Running, body: &str) -> Reply {
    request(running.addr, "POST", "/sandbox/api/faults", &[("Content-Type", "application/json")], body.as_bytes()).await
}

#[tokio::test]
async fn faults_are_ordered_listed_and_deleted_over_http() {
    let running = start().await;
    let token = token(&running).await;
    let order_text = r#"{"kind": "throttle", "count": 0, "retry_after": 2.128, "probability": 1.0}"#;
    assert_eq!(order(&running, order_text).await.status, 201);
    assert_eq!(order(&running, r#"{"kind": "slow", "delay_ms": 1, "probability": 0.0}"#).await.status, 201);
    for _ in 0..3 {
        let reply = send(&running, &token, SEND, MAIL).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, Some("2.128")));
    }
    let list = get(&running, "/sandbox/api/faults").await.json();
    assert_eq!(list["faults"][0]["struck"], 3, "count 0 lasts until deleted");
    assert_eq!(list["faults"][1]["struck"], 0, "probability 0 never strikes");
    assert_eq!(request(running.addr, "DELETE", "/sandbox/api/faults", &[], b"").await.status, 204);
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
}

#[tokio::test]
async fn an_order_that_makes_no_sense_is_refused() {
    let running = start().await;
    let rows = [
        (r#"{"kind": "fire"}"#, "unknown kind"),
        (r#"{"kind": "throttle", "times": 2}"#, "unknown key"),
        (r#"{"kind": "error"}"#, "neither status nor code"),
        (r#"{"kind": "error", "status": 200}"#, "no error status"),
        (r#"{"kind": "token_error"}"#, "no number"),
        (r#"{"kind": "slow"}"#, "no delay"),
        (r#"{"kind": "throttle", "probability": 2}"#, "no probability"),
        (r#"{"kind": "throttle", "retry_after": -1}"#, "no time"),
    ];
    for (body, reason) in rows {
        assert_eq!(order(&running, body).await.status, 400, "{reason}");
    }
    let form = request(running.addr, "POST", "/sandbox/api/faults", &[], br#"{"kind": "throttle"}"#).await;
    assert_eq!(form.status, 400, "a form of another page cannot order faults");
    assert_eq!(get(&running, "/sandbox/api/faults").await.json()["faults"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_a_slow_answer_has_sent_its_mail_all_the_same() {
    let running = start().await;
    let token = token(&running).await;
    let mut slow = Fault::new(FaultKind::Slow);
    slow.delay_ms = 300;
    running.add_fault(slow);
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let bearer = format!("Bearer {token}");
    let body = "VG86IHhAZXhhbXBsZS50ZXN0DQoNCmhp";
    let mut wire = head("POST", SEND, &[("Authorization", &bearer), ("Content-Type", "text/plain")], body.len());
    wire.push_str(body);
    stream.write_all(wire.as_bytes()).await.unwrap();
    drop(stream);
    let delivered = tokio::time::timeout(std::time::Duration::from_secs(20), running.wait_for_deliveries(1)).await;
    assert_eq!(delivered, Ok(1));
}
