//! How a call ends, in the words of sysexits.h.

use mail::Class;
use submission::intake::{Refusal, RefusalKind};

use crate::terminal::Failure;

/// What mailers act on: cron and PHP retry on 75 and give up on the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Usage,
    Data,
    NoUser,
    Unavailable,
    OsError,
    TemporaryFailure,
    NoPermission,
    Config,
}

impl Status {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Data => 65,
            Self::NoUser => 67,
            Self::Unavailable => 69,
            Self::OsError => 71,
            Self::TemporaryFailure => 75,
            Self::NoPermission => 77,
            Self::Config => 78,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub status: Status,
    pub what: String,
    pub fix: String,
}

impl Trouble {
    pub(crate) fn new(status: Status, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status, what: what.into(), fix: fix.into() }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Status::Usage, what, "'sendmail --help' lists what is understood.")
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        let status = match (refusal.status.class, refusal.kind) {
            (_, RefusalKind::NoRecipients) => Status::Usage,
            // More time does not make the list shorter, whatever SMTP clients are told.
            (_, RefusalKind::TooManyRecipients | RefusalKind::HeaderTooLarge | RefusalKind::TooLarge) => Status::Data,
            (_, RefusalKind::SenderNotAllowed | RefusalKind::AccountGone) => Status::NoPermission,
            (Class::Permanent, _) => Status::Unavailable,
            _ => Status::TemporaryFailure,
        };
        let fix = match status {
            Status::TemporaryFailure => "Nothing was queued; the same call may work later.",
            _ => "Nothing was queued.",
        };
        Self::new(status, refusal.peer_text, fix)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::new(Status::TemporaryFailure, failure.what, failure.fix)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::new(Status::TemporaryFailure, format!("standard input cannot be read: {error}"), "Nothing was queued.")
    }
}

#[cfg(test)]
mod tests {
    use mail::EnhancedStatus;

    use super::*;

    #[test]
    fn a_refusal_gets_the_status_that_makes_the_mailer_do_the_right_thing() {
        let transient = EnhancedStatus::transient(3, 0);
        let permanent = EnhancedStatus::permanent(3, 4);
        for (status, kind, code) in [
            (transient, RefusalKind::Unavailable, 75), // try again
            (transient, RefusalKind::DiskFull, 75),
            (permanent, RefusalKind::TooLarge, 65),          // this message never
            (transient, RefusalKind::TooManyRecipients, 65), // nor this one, as it is
            (permanent, RefusalKind::NoRecipients, 64),
            (permanent, RefusalKind::SenderNotAllowed, 77),
            (permanent, RefusalKind::Loop, 69),
        ] {
            let refusal = Refusal { status, peer_text: "x".to_owned(), kind };
            assert_eq!(Trouble::from(refusal).status.code(), code, "{kind:?}");
        }
    }
}
