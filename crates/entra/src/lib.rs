//! Microsoft identity: how an application proves to be itself, how a user lets it send as them, and what the answer means
//! to an administrator.
//!
//! Promise: [`TokenSource::token`] gives a bearer token that is good for the next minute, or an [`EntraError`] that
//! says who has to do what. However many callers ask, at most one request is under way; a credential that Entra refuses
//! is not tried again before its back-off ends, and an application that is throttled asks nothing for as long as Entra
//! wants; no secret, assertion or token ever reaches a log, an error or `Debug`.
//!
//! Left to others: what the token is for (nothing here knows mail), how bytes reach Microsoft (the caller hands in a
//! `reqwest::Client` that already has its proxy and trust anchors, and follows no redirect), and where secrets are kept.
//!
//! Invariant: decisions are made on the OAuth `error`; an AADSTS number only ever chooses words. One exception stands in
//! [`EntraError::is_throttled`]: Entra calls a client that asks too often by the name of an ended grant.
//!
//! Continuous access evaluation is not declared (no `cp1`): tokens live for an hour, and a 401 brings a fresh one.

mod aadsts;
mod assertion;
mod assertion_file;
mod carrier;
mod claims;
mod cloud;
mod credential;
mod error;
mod exchange;
mod explanation;
mod grant;
mod guid;
mod mail_scope;
mod managed_identity;
mod obstacle;
mod quiet;
mod refusal;
mod retry_after;
mod schedule;
mod sign_in;
mod token;

pub use claims::{Claims, ClaimsError};
pub use cloud::{Cloud, Root, RootError, is_private};
pub use credential::{CertificateError, CertificateKey, Credential};
pub use error::EntraError;
pub use exchange::{Application, Scope};
pub use explanation::{Explanation, Who};
pub use grant::{GrantKeeper, KeepError, Kept};
pub use guid::fresh_guid;
pub use mail_scope::{MailScope, MailService};
pub use managed_identity::IdentityHost;
pub use obstacle::Obstacle;
pub use quiet::Quiet;
pub use retry_after::parse_retry_after;
pub use sign_in::{Authorization, DelegatedSignIn, DeviceCode, DevicePoll, Granted, explain_callback};
pub use token::{AccessToken, TokenSource};
