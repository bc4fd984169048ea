//! Why a message was not accepted, as questions a caller can ask.
//!
//! Promise: [`GraphError::class`] says what to do with the message, [`GraphError::explanation`] what to tell people. The
//! ids Microsoft's support asks for are kept beside them.

use std::fmt;
use std::io;
use std::time::Duration;

use entra::{EntraError, Explanation, Obstacle, Who};

use crate::failure_table::Row;
use crate::refusal::Refusal;
use crate::verdict;

/// What the caller can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// This message will never be accepted as it is. It did not leave.
    Permanent,
    /// Nothing can be sent this way until somebody changes a setting. It did not leave.
    Configuration,
    /// It did not leave; trying again can succeed, not before `retry_after` if there is one.
    Transient { retry_after: Option<Duration> },
    /// It did not leave; a limit of the mailbox or tenant is used up, and recovers slowly.
    Quota { retry_after: Option<Duration> },
    /// It may have left: the answer was lost after the whole request had gone out.
    Uncertain,
    /// It did not leave: too large for one request. Another way may take it.
    TooLarge,
}

/// A message was not accepted, or it is not known whether it was.
#[derive(Debug)]
pub struct GraphError {
    pub(crate) cause: Cause,
    pub(crate) class: FailureClass,
    pub(crate) client_request_id: String,
}

#[derive(Debug)]
pub(crate) enum Cause {
    /// No token, hence no request.
    Token(EntraError),
    /// The message could not be read here.
    Source(io::Error),
    /// The configured addresses do not make a URL.
    Address,
    /// No answer; `sent` says how much of the request had gone out.
    Lost { sent: Sent, problem: LostBy },
    /// Graph, or something in its place, answered.
    Refused(Box<Refused>),
}

/// How much of a request had been handed to the network when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Nothing,
    /// Some, not all of the declared length: it cannot have been executed (RFC 9112 §8).
    Part,
    Everything,
}

#[derive(Debug)]
pub(crate) enum LostBy {
    Connecting { host: String, obstacle: Obstacle },
    Deadline(Duration),
    Breaking(String),
}

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) row: &'static Row,
    /// What the refused token said about itself, where that helps.
    pub(crate) claims: Option<entra::Claims>,
    pub(crate) mailbox: String,
    /// The call made, changed or read a draft, which needs another permission than sending.
    pub(crate) is_about_drafts: bool,
}

impl GraphError {
    /// What to do with the message.
    pub fn class(&self) -> FailureClass {
        self.class
    }

    /// HTTP status of the answer, when there was one.
    pub fn status(&self) -> Option<u16> {
        self.refused().map(|refused| refused.refusal.status)
    }

    /// Graph's error code, as written there.
    pub fn code(&self) -> Option<&str> {
        self.refused()?.refusal.code.as_deref()
    }

    /// Graph's own sentence; developer text, may change, may be empty.
    pub fn message(&self) -> Option<&str> {
        self.refused()?.refusal.message.as_deref()
    }

    /// The service's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.refused()?.refusal.request_id.as_deref()
    }

    /// Our id of the attempt, also sent with it.
    pub fn client_request_id(&self) -> &str {
        &self.client_request_id
    }

    /// The answer's `Date`, which support wants beside the ids.
    pub fn date(&self) -> Option<&str> {
        self.refused()?.refusal.date.as_deref()
    }

    /// The recipient that Graph names as invalid, when it names one.
    pub fn invalid_recipient(&self) -> Option<&str> {
        self.refused()?.refusal.invalid_recipient()
    }

    /// How long to leave the mailbox alone: what the service asked for, whatever became of this message. A `504` may ask
    /// for a pause too.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.cause {
            Cause::Token(error) => error.retry_after(),
            Cause::Refused(refused) => refused.refusal.retry_after,
            _ => None,
        }
    }

    /// Why there was no token, when that is the failure.
    pub fn token_error(&self) -> Option<&EntraError> {
        match &self.cause {
            Cause::Token(error) => Some(error),
            _ => None,
        }
    }

    fn refused(&self) -> Option<&Refused> {
        match &self.cause {
            Cause::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// What failed, why, the fix, and whose hands it is in.
    pub fn explanation(&self) -> Explanation {
        match &self.cause {
            Cause::Token(error) => error.explanation(),
            Cause::Source(error) => Explanation::new(
                "The message could not be read for sending.",
                format!("The local store answered: {error}."),
                "Check the disk and the data folder; it is tried again.",
                Who::GatewayAdministrator,
            ),
            Cause::Address => Explanation::new(
                "The message was not sent.",
                "Graph's configured address and the mailbox do not make a usable URL.",
                "Check the cloud's Graph address.",
                Who::GatewayAdministrator,
            ),
            Cause::Lost { sent, problem } => explain_lost(*sent, problem),
            Cause::Refused(refused) => verdict::explain(self.class, refused),
        }
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Token(error) => write!(f, "no token: {error}")?,
            Cause::Source(error) => write!(f, "the message could not be read: {error}")?,
            Cause::Address => f.write_str("the Graph address is unusable")?,
            Cause::Lost { problem: LostBy::Connecting { host, obstacle }, .. } => {
                write!(f, "{host} is unreachable: {obstacle}")?;
            }
            Cause::Lost { problem: LostBy::Deadline(after), .. } => {
                write!(f, "no answer from Graph within {} s", after.as_secs())?;
            }
            Cause::Lost { problem: LostBy::Breaking(detail), .. } => {
                write!(f, "the connection to Graph broke: {detail}")?;
            }
            Cause::Refused(refused) => write!(f, "{}", refused.refusal)?,
        }
        write!(f, " client-request-id={}", self.client_request_id)
    }
}

impl std::error::Error for GraphError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Token(error) => Some(error),
            Cause::Source(error) => Some(error),
            _ => None,
        }
    }
}

fn explain_lost(sent: Sent, problem: &LostBy) -> Explanation {
    let why = match problem {
        LostBy::Connecting { host, obstacle } => format!("{host} cannot be reached: {obstacle}."),
        LostBy::Deadline(after) => format!("Graph did not answer within {} s.", after.as_secs()),
        LostBy::Breaking(detail) => format!("The connection broke: {detail}."),
    };
    match (sent, problem) {
        (Sent::Everything, _) => Explanation::new(
            "It is not known whether the message was sent: it may have been delivered.",
            format!("{why} By then the whole message had gone out, so Graph may have taken it."),
            "Look into Sent Items of the mailbox before sending it again by hand.",
            Who::GatewayAdministrator,
        ),
        (_, LostBy::Connecting { obstacle, .. }) => Explanation::new(
            "The message was not sent: there is no connection to Microsoft Graph.",
            why,
            obstacle.fix.clone(),
            obstacle.who,
        ),
        _ => Explanation::new(
            "The message was not sent: it did not reach Microsoft Graph completely.",
            why,
            "Nothing, if it is rare: it is tried again. If it persists, look at the proxy and the line.",
            Who::NetworkAdministrator,
        ),
    }
}

/// The class of a failure without an answer: only a request that went out whole can have had an effect.
pub(crate) fn class_of_lost(sent: Sent) -> FailureClass {
    match sent {
        Sent::Nothing | Sent::Part => FailureClass::Transient { retry_after: None },
        Sent::Everything => FailureClass::Uncertain,
    }
}
