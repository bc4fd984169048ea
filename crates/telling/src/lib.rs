//! Who is told what became of messages, and of the gateway itself.
//!
//! Promise: whoever asked to be told is told, also across crashes: a sender once of a failure or a delay (RFC 3464), a
//! webhook at least once and in order, administrators once that something broke and once that it works again. Nobody who
//! is slow or gone holds up deliveries, or the others.
//!
//! ```text
//!   store ──outcomes──┬─► reports ──► a letter in the queue (to the sender)
//!                     └─► webhooks ─► one courier each ──► POST
//!   lanes, grants, expiry, age ──► alarms ─┬─► a letter in the queue (to administrators)
//!                                          └─► webhooks
//!   Inboxes ──► bounces ──► store: the recipient bounced
//! ```
//!
//! Left to others: what happened (`store` writes outcomes with the moves), the text of a report (`mail::dsn`), delivering
//! the letters (`relay`).
//!
//! Invariant: a reader moves its durable position only after the effect of what it read is durable, and each effect has
//! a name that makes doing it twice the same as once.

mod alarms;
mod bounces;
mod config;
mod delays;
mod expiry;
mod forget;
mod letters;
mod news;
mod position;
mod reports;
mod running;
mod webhooks;

#[cfg(test)]
mod testing;

pub use alarms::AlarmKind;
pub use config::{Clock, Limits, TellingConfig};
pub use expiry::{CredentialEnd, credential_end};
pub use running::{Running, Telling};
pub use webhooks::sign;
