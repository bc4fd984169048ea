//! Entra ID: tokens for applications and for people, the pages people sign in and consent at, and the documents
//! clients read before they go there.
//!
//! Promise: refusals carry the OAuth `error`, the AADSTS number and the ids an administrator would copy to support. A
//! person is sent nowhere but to a registered address of the app.
//!
//! Left to others: what a token is good for (`graph::bearer`).

mod access_token;
mod accounts;
mod admin_consent;
mod assertion;
mod authorize;
mod client;
mod device;
mod federation;
mod metadata;
mod redeem;
mod refusal;
mod scope;
mod sign_out;
mod token;
mod user_token;
mod visit;

pub(crate) use access_token::{Grant, Proof, claims, serial_of};
pub(crate) use accounts::Accounts;
pub(crate) use admin_consent::admin_consent;
pub(crate) use authorize::authorize;
pub(crate) use device::{device_code, device_login};
pub(crate) use metadata::{instance_discovery, keys, openid_configuration};
pub(crate) use scope::{EXCHANGE, Permission, known as known_permission};
pub(crate) use sign_out::sign_out;
pub(crate) use token::token;
