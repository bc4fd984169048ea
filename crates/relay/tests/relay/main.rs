//! What the relay promises, seen from outside.

// A test that meets something unexpected ends there, loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod delegated;
mod detours;
mod drafts;
mod envelope_decides;
mod failover;
mod lanes;
mod pacing;
mod testing_environment;
mod through_graph;
mod tracked;

mod rig {
    pub(crate) mod drafting;
    pub(crate) mod microsoft;
    pub(crate) mod scripted;
    pub(crate) mod sink;
    pub(crate) mod strict;
    pub(crate) mod tenant;
}
