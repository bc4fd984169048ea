//! Messages sent through a stand-in Graph on loopback that sees every byte and misbehaves in the ways networks do.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what stands beside the tests may fail as loudly as they do; clippy knows only the tests themselves"
)]

// One far side for both crates: it knows neither Entra nor Graph.
#[path = "../../../entra/tests/tokens/far_side.rs"]
#[allow(dead_code, reason = "the tests of tokens use more of it")]
mod far_side;
mod lost;
mod network;
mod refusals;
mod tenant;
mod wire;
