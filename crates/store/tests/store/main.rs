//! What the stores promise.
//!
//! `conformance` asks both stores for each promise by itself; `property` lets random histories run on both and compares
//! all that can be seen; the others ask the durable store what only it can answer: crashes, full disks, damage,
//! several processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)] // all of this is tests

mod conformance;
mod crash;
mod fixture;
mod property;
mod trouble;
