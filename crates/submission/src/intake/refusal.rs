//! Why intake says no: one text for the peer that says what to do, one kind for logs, metrics and HTTP.

use std::time::Duration;

use mail::{Address, Class, EnhancedStatus, ReversePath};
use store::StoreError;

/// A refusal. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {peer_text}")]
pub struct Refusal {
    pub status: EnhancedStatus,
    /// One line, for the person at the other end.
    pub peer_text: String,
    pub kind: RefusalKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// MAIL FROM or header From is not among the account's allowed senders.
    SenderNotAllowed,
    /// The account was removed during the session.
    AccountGone,
    RateLimited {
        retry_after: Duration,
    },
    NoRecipients,
    TooManyRecipients,
    TooLarge,
    HeaderTooLarge,
    /// Too many Received fields.
    Loop,
    IdempotencyMismatch,
    DiskFull,
    Unavailable,
}

impl RefusalKind {
    /// `snake_case`, stable: the `code` of HTTP's problem documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::SenderNotAllowed => "sender_not_allowed",
            Self::AccountGone => "account_gone",
            Self::RateLimited { .. } => "rate_limited",
            Self::NoRecipients => "no_recipients",
            Self::TooManyRecipients => "too_many_recipients",
            Self::TooLarge => "too_large",
            Self::HeaderTooLarge => "header_too_large",
            Self::Loop => "loop",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::DiskFull => "disk_full",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Refusal {
    /// The SMTP reply code (RFC 5321 §4.2.3); its first digit is the status's class.
    pub fn reply_code(&self) -> u16 {
        let permanent = self.status.class == Class::Permanent;
        match self.kind {
            RefusalKind::SenderNotAllowed => 550,
            RefusalKind::TooLarge | RefusalKind::HeaderTooLarge => 552,
            RefusalKind::TooManyRecipients | RefusalKind::DiskFull => 452,
            _ if permanent => 554,
            _ => 451,
        }
    }

    /// The client may try the same again later.
    pub fn is_transient(&self) -> bool {
        self.status.class == Class::Transient
    }
}

fn permanent(subject: u16, detail: u16, kind: RefusalKind, peer_text: String) -> Refusal {
    Refusal { status: EnhancedStatus::permanent(subject, detail), peer_text, kind }
}

fn transient(subject: u16, detail: u16, kind: RefusalKind, peer_text: String) -> Refusal {
    Refusal { status: EnhancedStatus::transient(subject, detail), peer_text, kind }
}

pub(super) fn reverse_path_not_allowed(account: &str, path: &ReversePath) -> Refusal {
    let text = format!(
        "Account {account} may not send as {path}: ask your administrator to add it to the account's allowed senders"
    );
    permanent(7, 1, RefusalKind::SenderNotAllowed, text)
}

pub(super) fn header_from_not_allowed(account: &str, address: &Address) -> Refusal {
    let text = format!(
        "Account {account} may not send as {address}, which the From header names: change From, or ask your \
         administrator to add it to the account's allowed senders"
    );
    permanent(7, 1, RefusalKind::SenderNotAllowed, text)
}

pub(super) fn header_from_unreadable(account: &str) -> Refusal {
    let text = format!(
        "The From header cannot be read for certain, and account {account} is limited to certain senders: write it as \
         Name <user@example.org>"
    );
    permanent(7, 1, RefusalKind::SenderNotAllowed, text)
}

pub(super) fn account_gone(account: &str) -> Refusal {
    let text = format!("Account {account} does not exist any more: sign in with another");
    permanent(7, 1, RefusalKind::AccountGone, text)
}

pub(super) fn rate_limited(account: &str, per_minute: u32, retry_after: Duration) -> Refusal {
    // Rounded up, so that whoever waits that long is let in.
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let text = format!("Account {account} may send {per_minute} messages a minute: try again in {seconds} seconds");
    let kind = RefusalKind::RateLimited { retry_after: Duration::from_secs(seconds) };
    transient(7, 1, kind, text)
}

pub(super) fn no_recipients() -> Refusal {
    let text = "The message has no recipient: name at least one".to_owned();
    permanent(5, 1, RefusalKind::NoRecipients, text)
}

pub(super) fn too_many_recipients(limit: usize) -> Refusal {
    let text = format!("At most {limit} recipients for one message: send the rest in another");
    transient(5, 3, RefusalKind::TooManyRecipients, text)
}

pub(super) fn too_large(limit: u64) -> Refusal {
    let text = format!("The message is larger than the limit of {limit} bytes: send less, or ask for a higher limit");
    permanent(3, 4, RefusalKind::TooLarge, text)
}

pub(super) fn too_large_for_route(limit: u64) -> Refusal {
    let text = format!("The message is larger than the {limit} bytes that Microsoft Graph takes at once: send less");
    permanent(3, 4, RefusalKind::TooLarge, text)
}

pub(super) fn header_too_large(limit: usize) -> Refusal {
    let text = format!("The message header is larger than {limit} bytes: is the blank line after it missing?");
    permanent(3, 4, RefusalKind::HeaderTooLarge, text)
}

pub(super) fn too_many_hops(limit: usize) -> Refusal {
    let text = format!("More than {limit} Received fields: the message goes in a circle, check the relays' routes");
    permanent(4, 6, RefusalKind::Loop, text)
}

pub(super) fn from_store(error: &StoreError) -> Refusal {
    match error {
        StoreError::DiskFull { .. } => {
            tracing::error!(event = "intake_disk_full", %error, "the disk is full: messages are refused");
            let text = "No room to store the message: try again later".to_owned();
            transient(3, 1, RefusalKind::DiskFull, text)
        }
        StoreError::IdempotencyMismatch => {
            let text = "This Idempotency-Key was used for a different message: use a new key for a new message";
            permanent(5, 0, RefusalKind::IdempotencyMismatch, text.to_owned())
        }
        other => unavailable(&other.to_string()),
    }
}

/// Our own failure: transient to the client, loud to the operator.
pub(super) fn unavailable(detail: &str) -> Refusal {
    tracing::error!(event = "intake_unavailable", detail, "a message could not be stored");
    let text = "The message could not be stored: try again later".to_owned();
    transient(3, 0, RefusalKind::Unavailable, text)
}
