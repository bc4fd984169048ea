//! One Graph request from its head to its answer: faults obeyed, the answer dressed as Graph dresses it, a row kept.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::failure::Failure;
use super::route::{self, MailboxKey};
use super::send_mail::{self, Admitted};
use crate::digest;
use crate::exchange::{Answer, Call, Received, json_reply, read_body, reply, set_header};
use crate::faults::{Fault, FaultKind};
use crate::guid;
use crate::journal::RequestRecord;
use crate::state::State;

/// The data centre's diagnostics as real answers carry them.
const DIAGNOSTIC: &str =
    r#"{"ServerInfo":{"DataCenter":"Sandbox","Slice":"E","Ring":"5","ScaleUnit":"000","RoleInstance":"SANDBOX0000"}}"#;
const HTML_503: &str = "<html><head><title>503 Service Unavailable</title></head>\
     <body><h1>503 Service Unavailable</h1><p>The service is unavailable.</p></body></html>";

/// What became of a request.
enum Outcome {
    Accepted,
    Refused(Failure),
    Reset,
}

/// Answers a Graph request.
pub(crate) async fn answer(
    state: &Arc<State>,
    call: &Arc<Call>,
    version: &str,
    segments: &[&str],
    body: Incoming,
) -> Answer {
    let started = Instant::now();
    let mailbox = match route::read(segments) {
        Ok((MailboxKey::User(key), _)) => Some(key),
        _ => None,
    };
    let stroke = state.faults.strike_graph(mailbox.as_deref());
    let is_cut = stroke.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::ResetBeforeBody);
    let admitted = match version.to_ascii_lowercase().as_str() {
        "v1.0" | "beta" => send_mail::admit(state, call, segments, state.clock.now()),
        other => Err(Failure::new(400, "BadRequest", format!("Invalid version: {other}"))),
    };
    let body = if is_cut { Received::Broken } else { read_body(body, state.config.limits.max_request_bytes).await };
    let delay = stroke.delay + Duration::from_millis(state.config.behaviour.latency_ms);
    let request = Request {
        state: Arc::clone(state),
        call: Arc::clone(call),
        id: guid::random(),
        started,
        fault: stroke.fault,
        admitted,
        body,
    };
    if delay.is_zero() {
        return request.conclude();
    }
    // Once the body is here the service finishes its work, whether the client waits for the answer or not.
    let concluded = tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        request.conclude()
    });
    concluded.await.unwrap_or(Answer::Reset)
}

/// A request whose body has been read.
struct Request {
    state: Arc<State>,
    call: Arc<Call>,
    id: String,
    started: Instant,
    fault: Option<Fault>,
    admitted: Result<Admitted, Failure>,
    body: Received,
}

impl Request {
    fn conclude(self) -> Answer {
        let Self { state, call, id, started, fault, admitted, body } = self;
        let outcome = before_commit(fault.as_ref()).unwrap_or_else(|| {
            let taken = admitted.and_then(|admitted| {
                let accepted = send_mail::judge(&state, &call, &admitted, &body)?;
                send_mail::commit(&state, &call, &admitted, accepted, &id, fault.is_some());
                Ok(())
            });
            taken.map_or_else(Outcome::Refused, |()| after_commit(fault.as_ref()))
        });
        record(&state, &call, &outcome, &body, &id, started);
        match outcome {
            Outcome::Accepted => Answer::Reply(dress(&call, &id, reply(StatusCode::ACCEPTED, "", Bytes::new()))),
            Outcome::Refused(failure) => {
                Answer::Reply(dress(&call, &id, refusal(&call, &id, &failure, state.clock.now())))
            }
            Outcome::Reset => Answer::Reset,
        }
    }
}

/// The outcome of a fault that keeps the mail from being taken.
fn before_commit(fault: Option<&Fault>) -> Option<Outcome> {
    let fault = fault?;
    let failure = match fault.kind {
        FaultKind::Throttle => {
            Failure::known("ApplicationThrottled").with_retry_after(Some(fault.retry_after.unwrap_or(1.0)))
        }
        FaultKind::UnavailableJson => Failure::known("ServiceUnavailable").with_retry_after(fault.retry_after),
        FaultKind::UnavailableHtml => Failure::unavailable_html().with_retry_after(fault.retry_after),
        FaultKind::Error => ordered_failure(fault),
        FaultKind::ResetBeforeBody | FaultKind::ResetAfterBody => return Some(Outcome::Reset),
        FaultKind::GatewayTimeoutAfterCommit
        | FaultKind::ResetAfterCommit
        | FaultKind::Slow
        | FaultKind::TokenError
        | FaultKind::TokenThrottle => return None,
    };
    Some(Outcome::Refused(failure))
}

/// The outcome once the mail was taken.
fn after_commit(fault: Option<&Fault>) -> Outcome {
    match fault.map(|fault| fault.kind) {
        Some(FaultKind::GatewayTimeoutAfterCommit) => {
            Outcome::Refused(Failure::new(504, "UnknownError", "").with_retry_after(fault.and_then(|f| f.retry_after)))
        }
        Some(FaultKind::ResetAfterCommit) => Outcome::Reset,
        _ => Outcome::Accepted,
    }
}

fn ordered_failure(fault: &Fault) -> Failure {
    let mut failure = match (&fault.code, fault.status) {
        (Some(code), _) => Failure::known(code),
        (None, Some(status)) => Failure::new(status, "UnknownError", ""),
        (None, None) => Failure::known("ErrorInternalServerError"),
    };
    failure.status = fault.status.unwrap_or(failure.status);
    if let Some(message) = &fault.message {
        failure.message = Cow::Owned(message.clone());
    }
    failure.with_retry_after(fault.retry_after)
}

/// The body of a refusal in Graph's shape.
fn refusal(call: &Call, request_id: &str, failure: &Failure, now: Timestamp) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if failure.is_html {
        reply(status, "text/html; charset=us-ascii", HTML_503)
    } else {
        let mut inner = json!({
            "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": request_id,
            "client-request-id": client_request_id(call, request_id),
        });
        if let (429, Some(fields)) = (failure.status, inner.as_object_mut()) {
            fields.insert("code".to_owned(), json!("429"));
        }
        json_reply(status, &json!({"error": {"code": failure.code, "message": failure.message, "innerError": inner}}))
    };
    if let Some(seconds) = failure.retry_after {
        set_header(&mut response, "retry-after", &seconds.to_string());
    }
    if let Some(challenge) = &failure.challenge {
        set_header(&mut response, "www-authenticate", challenge);
    }
    response
}

/// The headers every Graph answer has.
fn dress(call: &Call, request_id: &str, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    set_header(&mut response, "cache-control", "private");
    set_header(&mut response, "strict-transport-security", "max-age=31536000");
    set_header(&mut response, "request-id", request_id);
    set_header(&mut response, "client-request-id", client_request_id(call, request_id));
    set_header(&mut response, "x-ms-ags-diagnostic", DIAGNOSTIC);
    response
}

fn client_request_id<'a>(call: &'a Call, request_id: &'a str) -> &'a str {
    call.header("client-request-id").unwrap_or(request_id)
}

fn record(state: &State, call: &Call, outcome: &Outcome, body: &Received, request_id: &str, started: Instant) {
    let (status, code) = match outcome {
        Outcome::Accepted => (202, None),
        Outcome::Refused(failure) => (failure.status, Some(failure.code.to_string())),
        Outcome::Reset => (0, None),
    };
    let body = match body {
        Received::Whole(bytes) => Some(bytes),
        Received::TooLarge | Received::Broken => None,
    };
    tracing::debug!(event = "sandbox.request", method = %call.method, target = %call.target, status);
    state.journal.requested(RequestRecord {
        at: state.clock.now(),
        method: call.method.to_string(),
        target: call.target.clone(),
        status,
        code,
        body_sha256: body.map(|bytes| digest::sha256_hex(bytes)),
        body_bytes: body.map_or(0, Bytes::len),
        request_id: request_id.to_owned(),
        duration_ms: started.elapsed().as_secs_f64() * 1000.0,
    });
}
