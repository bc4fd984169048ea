//! Entra ID: the token endpoint for applications, and the documents clients read before they go there.
//!
//! Promise: refusals carry the OAuth `error`, the AADSTS number and the ids an administrator would copy to support.
//!
//! Left to others: what a token is good for (`graph::bearer`). Delegated sign-in is not here.

mod access_token;
mod assertion;
mod metadata;
mod refusal;
mod token;

pub(crate) use access_token::{Grant, Proof, claims, serial_of};
pub(crate) use metadata::{instance_discovery, keys, openid_configuration};
pub(crate) use token::token;
