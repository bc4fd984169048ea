//! The whole console in process, over the store in memory: every address, from outside, as browsers and attackers meet it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "all of this is tests; helpers of tests panic like tests do"
)]

mod admission;
mod attacks;
mod browser;
mod headers;
mod hostile;
mod inputs;
mod marked;
mod openid;
mod pages;
mod sessions;
mod signing_in;
mod standing;
mod words;
mod world;
