//! What setup files say of identities, networks, paces, testing environments and news, on a real store.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic like tests do")]

mod gateway;
mod identity;
mod network;
mod pace;
mod ping;
mod telling;
mod testing;
mod token_sign_in;
mod whole;
