//! Faults on demand: what goes wrong with Microsoft now and then, ordered for the next requests.
//!
//! Promise: a fault strikes exactly `count` matching requests, in the order the faults were added. `slow` adds its
//! delay and lets the request go on to the next fault.

use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::guid;
use crate::state::lock;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 with `Retry-After`.
    Throttle,
    /// 503 with a Graph error body.
    UnavailableJson,
    /// 503 as a load balancer writes it.
    UnavailableHtml,
    /// The mail is taken, then 504.
    GatewayTimeoutAfterCommit,
    /// TCP reset once the head of the request was read.
    ResetBeforeBody,
    /// TCP reset once the body was read; the mail is not taken.
    ResetAfterBody,
    /// TCP reset once the mail was taken.
    ResetAfterCommit,
    /// The upload session the request belongs to is forgotten: 404. Strikes other requests as an item not found.
    UploadSessionLost,
    /// The answer comes `delay_ms` late.
    Slow,
    /// Any status and code; a known code brings its own status and text.
    Error,
    /// The token endpoint answers with the AADSTS number given.
    TokenError,
    /// The token endpoint answers 429 with `Retry-After`.
    TokenThrottle,
    /// Exchange answers a step of a session with `message`, a whole reply such as `451 4.3.0 later`. One of 421 ends the session.
    SmtpReply,
    /// The session ends at a step without a word.
    SmtpDrop,
    /// The mail is taken, then the session ends without a word.
    SmtpDropAfterCommit,
    /// The machine's service for identities answers with the status given; 500 if none is.
    MachineError,
}

impl FaultKind {
    fn is_for_tokens(self) -> bool {
        matches!(self, Self::TokenError | Self::TokenThrottle)
    }

    fn is_for_smtp(self) -> bool {
        matches!(self, Self::SmtpReply | Self::SmtpDrop | Self::SmtpDropAfterCommit)
    }

    fn is_for_machine(self) -> bool {
        matches!(self, Self::MachineError)
    }
}

/// An order for a fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub kind: FaultKind,
    /// How many requests it strikes; 0: until deleted.
    #[serde(default = "once")]
    pub count: u64,
    /// Seconds for `Retry-After`, fractions allowed. Left out: no such header, but for `throttle`, which has one.
    #[serde(default)]
    pub retry_after: Option<f64>,
    /// Only requests for this mailbox (the user key as the client writes it, decoded).
    #[serde(default)]
    pub mailbox: Option<String>,
    /// Only requests of this kind: `sendMail`, `createDraft`, `updateDraft`, `getMessage`, `listMessages`,
    /// `deleteMessage`, `addAttachment`, `createUploadSession`, `putRange`, `getRanges`, `cancelUpload`, `send`.
    /// Of SMTP, only this step: `smtpConnect`, `smtpEhlo`, `smtpAuth`, `smtpMail`, `smtpRcpt`, `smtpData`, `smtpEndOfData`.
    #[serde(default)]
    pub operation: Option<String>,
    #[serde(default)]
    pub delay_ms: u64,
    /// Strikes each matching request with this probability; left out: always.
    #[serde(default)]
    pub probability: Option<f64>,
    /// For `error`.
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
    /// For `token_error`.
    #[serde(default)]
    pub aadsts: Option<u32>,
}

fn once() -> u64 {
    1
}

impl Fault {
    /// A fault of `kind` for the next request.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            count: 1,
            retry_after: None,
            mailbox: None,
            operation: None,
            delay_ms: 0,
            probability: None,
            status: None,
            code: None,
            message: None,
            aadsts: None,
        }
    }

    /// The same for the next `count` requests.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// The same with a `Retry-After`.
    #[must_use]
    pub fn retry_after(self, seconds: f64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same for one mailbox only.
    #[must_use]
    pub fn mailbox(self, mailbox: &str) -> Self {
        Self { mailbox: Some(mailbox.to_owned()), ..self }
    }

    /// The same with these words.
    #[must_use]
    pub fn saying(self, reply: &str) -> Self {
        Self { message: Some(reply.to_owned()), ..self }
    }

    /// The same for one kind of request only.
    #[must_use]
    pub fn operation(self, operation: &str) -> Self {
        Self { operation: Some(operation.to_owned()), ..self }
    }

    /// Why this order makes no sense, if it does not.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        match self.kind {
            FaultKind::Error if self.status.is_none() && self.code.is_none() => {
                Some("an error fault needs a status or a code")
            }
            FaultKind::TokenError if self.aadsts.is_none() => Some("a token_error fault needs aadsts"),
            FaultKind::SmtpReply if !self.message.as_deref().is_some_and(is_refusal) => {
                Some("an smtp_reply fault needs a message such as '451 4.3.0 later'")
            }
            FaultKind::Slow if self.delay_ms == 0 => Some("a slow fault needs delay_ms"),
            _ if self.status.is_some_and(|status| !(400..600).contains(&status)) => {
                Some("status must lie between 400 and 599")
            }
            _ if self.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) => {
                Some("probability must lie between 0 and 1")
            }
            _ if self.retry_after.is_some_and(|seconds| !seconds.is_finite() || seconds < 0.0) => {
                Some("retry_after must be a number of seconds")
            }
            _ => None,
        }
    }

    fn strikes(&self, mailbox: Option<&str>, operation: Option<&str>) -> bool {
        let is_wanted = match (&self.operation, operation) {
            (None, _) => true,
            (Some(wanted), Some(operation)) => wanted.eq_ignore_ascii_case(operation),
            (Some(_), None) => false,
        };
        let is_meant = match (&self.mailbox, mailbox) {
            (None, _) => true,
            (Some(wanted), Some(mailbox)) => wanted.eq_ignore_ascii_case(mailbox),
            (Some(_), None) => false,
        };
        is_wanted && is_meant && self.probability.is_none_or(|probability| draw() < probability)
    }
}

/// One line of an SMTP reply that says no.
fn is_refusal(reply: &str) -> bool {
    let code = reply.split(' ').next().unwrap_or_default();
    let says_no = code.starts_with(['4', '5']) && code.len() == 3 && code.bytes().all(|octet| octet.is_ascii_digit());
    says_no && !reply.contains(['\r', '\n'])
}

/// A number in [0, 1).
fn draw() -> f64 {
    let [byte0, byte1, byte2, byte3, ..] = guid::random_u128().to_be_bytes();
    f64::from(u32::from_be_bytes([byte0, byte1, byte2, byte3])) / (f64::from(u32::MAX) + 1.0)
}

/// A fault that waits for requests.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Armed {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) fault: Fault,
    /// How many requests it has struck.
    pub(crate) struck: u64,
}

#[derive(Debug, Default)]
struct List {
    next_id: u64,
    armed: Vec<Armed>,
}

/// The faults that are waiting.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Mutex<List>,
}

/// What a request suffers.
#[derive(Debug, Default)]
pub(crate) struct Stroke {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) -> Armed {
        let mut list = lock(&self.list);
        list.next_id += 1;
        let armed = Armed { id: list.next_id, fault, struck: 0 };
        list.armed.push(armed.clone());
        armed
    }

    pub(crate) fn list(&self) -> Vec<Armed> {
        lock(&self.list).armed.clone()
    }

    pub(crate) fn clear(&self) {
        lock(&self.list).armed.clear();
    }

    /// What strikes the next Graph request for `mailbox`, of the kind `operation`.
    pub(crate) fn strike_graph(&self, mailbox: Option<&str>, operation: Option<&str>) -> Stroke {
        let is_for_graph = |kind: FaultKind| !kind.is_for_tokens() && !kind.is_for_machine() && !kind.is_for_smtp();
        self.strike(|fault| is_for_graph(fault.kind) && fault.strikes(mailbox, operation))
    }

    /// What strikes the next `step` of a session for `mailbox`, which is known once it has authenticated.
    pub(crate) fn strike_smtp(&self, mailbox: Option<&str>, step: &str) -> Stroke {
        let is_meant = |fault: &Fault| match fault.kind {
            // It is Graph's unless it names a step.
            FaultKind::Slow => fault.operation.is_some(),
            kind => kind.is_for_smtp(),
        };
        self.strike(|fault| is_meant(fault) && fault.strikes(mailbox, Some(step)))
    }

    /// What strikes the next token request.
    pub(crate) fn strike_token(&self) -> Stroke {
        self.strike(|fault| fault.kind.is_for_tokens() && fault.strikes(None, None))
    }

    /// What strikes the next request for a token of the machine's.
    pub(crate) fn strike_machine(&self) -> Stroke {
        self.strike(|fault| fault.kind.is_for_machine() && fault.strikes(None, None))
    }

    fn strike(&self, is_hit: impl Fn(&Fault) -> bool) -> Stroke {
        let mut list = lock(&self.list);
        let mut stroke = Stroke::default();
        for armed in &mut list.armed {
            if !is_hit(&armed.fault) {
                continue;
            }
            armed.struck += 1;
            stroke.delay += Duration::from_millis(armed.fault.delay_ms);
            if armed.fault.kind != FaultKind::Slow {
                stroke.fault = Some(armed.fault.clone());
                break;
            }
        }
        list.armed.retain(|armed| armed.fault.count == 0 || armed.struck < armed.fault.count);
        stroke
    }
}
