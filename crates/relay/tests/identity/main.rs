//! Whose tokens mail leaves with, and what a change of the credential costs it: nothing.

// A test that meets something unexpected ends there, loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod rotation;

#[path = "../relay/rig/tenant.rs"]
mod tenant;
