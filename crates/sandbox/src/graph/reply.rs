//! One Graph request from its head to its answer: faults obeyed, the answer dressed as Graph dresses it, a row kept.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::failure::Failure;
use super::route::{self, MailboxKey};
use super::{drafts, send_mail};
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

/// What a request that was done is answered with.
#[derive(Debug)]
pub(super) struct Done {
    status: StatusCode,
    body: Option<Value>,
    mime: Option<Bytes>,
    location: Option<String>,
}

impl Done {
    /// `202`, for mail that was taken.
    pub(super) fn accepted() -> Self {
        Self::empty(StatusCode::ACCEPTED)
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, body: None, mime: None, location: None }
    }

    pub(super) fn json(status: StatusCode, body: Value) -> Self {
        Self { body: Some(body), ..Self::empty(status) }
    }

    /// A message as it is.
    pub(super) fn mime(message: Bytes) -> Self {
        Self { mime: Some(message), ..Self::empty(StatusCode::OK) }
    }

    pub(super) fn created_at(location: String) -> Self {
        Self { location: Some(location), ..Self::empty(StatusCode::CREATED) }
    }

    fn reply(&self) -> Response<Full<Bytes>> {
        let mut response = match (&self.body, &self.mime) {
            (Some(body), _) => json_reply(self.status, body),
            (None, Some(mime)) => reply(self.status, "text/plain", mime.clone()),
            (None, None) => reply(self.status, "", Bytes::new()),
        };
        if let Some(location) = &self.location {
            set_header(&mut response, "location", location);
        }
        response
    }
}

/// What is known about a request once its body is here.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) request_id: String,
    /// The client will be told something else than what was done.
    pub(super) answer_withheld: bool,
}

/// What a request does once its body is here.
type Work = Box<dyn FnOnce(&Received, &Taken) -> Result<Done, Failure> + Send>;

/// What became of a request.
enum Outcome {
    Done(Done),
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
    let mailbox = match route::read(segments) {
        Ok((MailboxKey::User(key), _)) => Some(key),
        _ => None,
    };
    let arrival = Arrival::new(state, mailbox.as_deref(), send_mail::operation_name(call, segments));
    let admitted = match version.to_ascii_lowercase().as_str() {
        "v1.0" | "beta" => send_mail::admit(state, call, segments, state.clock.now()),
        other => Err(Failure::new(400, "BadRequest", format!("Invalid version: {other}"))),
    };
    let work = admitted.map(|admitted| -> Work {
        let (state, call) = (Arc::clone(state), Arc::clone(call));
        Box::new(move |body, taken| send_mail::perform(&state, &call, &admitted, body, taken))
    });
    arrival.answer(state, call, work, body).await
}

/// Answers a request to an upload session, on the origin that has nothing else.
pub(crate) async fn answer_upload(state: &Arc<State>, call: &Arc<Call>, segments: &[&str], body: Incoming) -> Answer {
    let found = drafts::find_session(state, call, segments);
    let mailbox = found.as_ref().ok().map(drafts::OpenSession::user_key);
    let arrival = Arrival::new(state, mailbox, drafts::upload_operation(&call.method));
    if arrival.is(FaultKind::UploadSessionLost)
        && let Ok(session) = &found
    {
        state.drafts.forget_session(session);
    }
    let work = found.and_then(|session| -> Result<Work, Failure> {
        let permit = session.enter(state)?;
        let (state, call) = (Arc::clone(state), Arc::clone(call));
        Ok(Box::new(move |body, _| session.perform(&state, &call, &permit, body)))
    });
    arrival.answer(state, call, work, body).await
}

/// A request whose head was read, and what it suffers.
struct Arrival {
    started: Instant,
    delay: Duration,
    fault: Option<Fault>,
}

impl Arrival {
    fn new(state: &State, mailbox: Option<&str>, operation: Option<&str>) -> Self {
        let started = Instant::now();
        let stroke = state.faults.strike_graph(mailbox, operation);
        let delay = stroke.delay + Duration::from_millis(state.config.behaviour.latency_ms);
        Self { started, delay, fault: stroke.fault }
    }

    fn is(&self, kind: FaultKind) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.kind == kind)
    }

    async fn answer(self, state: &Arc<State>, call: &Arc<Call>, work: Result<Work, Failure>, body: Incoming) -> Answer {
        let is_cut = self.is(FaultKind::ResetBeforeBody);
        let limit = state.config.limits.max_request_bytes;
        let body = if is_cut { Received::Broken } else { read_body(body, limit).await };
        let delay = self.delay;
        let request = Request {
            state: Arc::clone(state),
            call: Arc::clone(call),
            id: guid::random(),
            started: self.started,
            fault: self.fault,
            work,
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
}

/// A request whose body has been read.
struct Request {
    state: Arc<State>,
    call: Arc<Call>,
    id: String,
    started: Instant,
    fault: Option<Fault>,
    work: Result<Work, Failure>,
    body: Received,
}

impl Request {
    fn conclude(self) -> Answer {
        let Self { state, call, id, started, fault, work, body } = self;
        let taken = Taken { request_id: id.clone(), answer_withheld: fault.is_some() };
        let outcome = before_commit(fault.as_ref()).unwrap_or_else(|| {
            let done = work.and_then(|work| work(&body, &taken));
            done.map_or_else(Outcome::Refused, |done| after_commit(fault.as_ref(), done))
        });
        record(&state, &call, &outcome, &body, &id, started);
        match outcome {
            Outcome::Done(done) => Answer::Reply(dress(&call, &id, done.reply())),
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
        FaultKind::UploadSessionLost => Failure::known("uploadSessionNotFound"),
        FaultKind::GatewayTimeoutAfterCommit
        | FaultKind::ResetAfterCommit
        | FaultKind::Slow
        | FaultKind::TokenError
        | FaultKind::TokenThrottle
        | FaultKind::MachineError
        | FaultKind::SmtpReply
        | FaultKind::SmtpDrop
        | FaultKind::SmtpDropAfterCommit => return None,
    };
    Some(Outcome::Refused(failure))
}

/// The outcome once the request was done.
fn after_commit(fault: Option<&Fault>, done: Done) -> Outcome {
    match fault.map(|fault| fault.kind) {
        Some(FaultKind::GatewayTimeoutAfterCommit) => {
            Outcome::Refused(Failure::new(504, "UnknownError", "").with_retry_after(fault.and_then(|f| f.retry_after)))
        }
        Some(FaultKind::ResetAfterCommit) => Outcome::Reset,
        _ => Outcome::Done(done),
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
        Outcome::Done(done) => (done.status.as_u16(), None),
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
