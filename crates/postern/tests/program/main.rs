//! The program as its users meet it: started as a process, judged by what it prints, how it ends, and what it leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "all of this is tests; helpers of tests panic like tests do"
)]

mod configuration;
mod demo;
mod people;
mod queue;
mod sendmail;
mod serving;
mod settings;
mod support;
