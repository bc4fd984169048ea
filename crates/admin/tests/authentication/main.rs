//! *Setup Authentication* from end to end: the operations of this crate on one side, the pages of the sandbox tenant on the
//! other, and a browser between them.

// A test that meets something unexpected ends there, loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod browser;
mod by_code;
mod by_device;
mod by_need;
mod consent;
mod desk;
mod forgetting;
mod idle;
