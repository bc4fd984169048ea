//! The administration console: server-rendered pages over `admin`, and the administrators' API over the same.
//!
//! Promise: every page and action but those of signing in asks who is there and what they may do before anything else,
//! in one place (`guard`); every action proves that it comes from a page of ours. Nothing is fetched from another host,
//! and no script runs that is not ours. Mail and what upstreams say is hostile text here.
//!
//! Left to others: every rule of the business (`admin`), sockets and TLS (whoever serves the [`router`] puts
//! [`axum::extract::ConnectInfo`] into the requests).
//!
//! ```text
//!   request ─► host ─► guard: session, role, origin, token ─► a file of pages/ ─► admin ─► template
//! ```

mod api;
mod assets;
mod console;
mod error;
mod form;
mod frame;
mod guard;
mod pages;
mod show;
#[cfg(test)]
mod tests;

pub use api::api;
pub use console::{Console, ConsoleConfig, SmtpListener};
pub use pages::router;
