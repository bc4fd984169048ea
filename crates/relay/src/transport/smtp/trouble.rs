//! What can go wrong between the first packet and the last reply, with the step at which it did.

use std::fmt;
use std::io;

use wire::{ReplyError, ServerReply};

/// Where in the dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Connect,
    Greeting,
    Ehlo,
    StartTls,
    Tls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The message is on its way; its end is not.
    Body,
    /// The end may have arrived: what is lost from here on may have been delivered.
    EndOfData,
    /// Between two messages of one session.
    Reset,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "while connecting",
            Self::Greeting => "instead of a greeting",
            Self::Ehlo => "at EHLO",
            Self::StartTls => "at STARTTLS",
            Self::Tls => "in the TLS handshake",
            Self::Auth => "at AUTH",
            Self::Mail => "at MAIL FROM",
            Self::Rcpt => "at RCPT TO",
            Self::Data => "at DATA",
            Self::Body => "while the message was sent",
            Self::EndOfData => "after the end of the message",
            Self::Reset => "at RSET",
        })
    }
}

/// What the network or the peer did instead of answering.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("no answer in time")]
    TimedOut,
    #[error("the server closed the connection")]
    Closed,
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}")]
    Tls(io::Error),
    #[error("{0}")]
    NotSmtp(#[from] ReplyError),
    #[error("the server sent something after its answer to STARTTLS, before TLS began")]
    Injected,
    #[error("the host name cannot stand in a certificate")]
    HostName,
    #[error("{0}")]
    Way(#[from] graph::WayError),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// Why an attempt, or the making of a session, came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) cause: Cause,
}

#[derive(Debug)]
pub(crate) enum Cause {
    /// A reply that says no: 4yz or 5yz, or 2yz where a 3yz was due.
    Reply(ServerReply),
    Trouble(Trouble),
    /// The connection is to be protected, and the server does not offer to.
    NoStartTls,
    /// There is a password or a token, and no way to say it; what the server offers instead.
    NoMechanism(Vec<String>),
    Token(entra::EntraError),
    /// The message could not be read from the store.
    Body(io::Error),
}

impl Failure {
    pub(crate) fn new(step: Step, cause: Cause) -> Self {
        Self { step, cause }
    }

    pub(crate) fn reply(&self) -> Option<&ServerReply> {
        match &self.cause {
            Cause::Reply(reply) => Some(reply),
            _ => None,
        }
    }

    /// The connection is gone, or was never there: nothing was said about the message.
    pub(crate) fn is_lost_connection(&self) -> bool {
        match &self.cause {
            Cause::Trouble(_) => true,
            Cause::Reply(reply) => reply.code == 421,
            _ => false,
        }
    }
}

/// Says at which step a trouble came.
pub(crate) trait At<T> {
    fn at(self, step: Step) -> Result<T, Failure>;
}

impl<T> At<T> for Result<T, Trouble> {
    fn at(self, step: Step) -> Result<T, Failure> {
        self.map_err(|trouble| Failure::new(step, Cause::Trouble(trouble)))
    }
}
