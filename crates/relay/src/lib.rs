//! The way out: lanes, retry, transports, outcomes.
//!
//! Promise: a message leaves the queue only by an outcome that is durable. An attempt is on disk before its first byte
//! leaves, and whatever its end, that end is recorded or the attempt is known to be in doubt.
//!
//! ```text
//!   store ──change──► supervisor ──wakes──► lane ──claim──► attempt ──► transport ──► upstream
//!     ▲                                      │ paces, pauses     │
//!     └───────────────── outcome ────────────┴───────────────────┘
//! ```
//!
//! Left to others: what is in the queue (`store`), how Microsoft is spoken to (`graph`, `entra`), the
//! grammar of SMTP (`wire`).

mod attempt;
mod config;
mod failover;
mod housekeeping;
mod lane;
mod leftovers;
mod outdated;
mod pacing;
mod redirect;
mod reroute;
mod rest;
mod retry;
mod supervisor;
mod testing;
mod transport;
mod uncertain;
mod upstream;
mod verdict;

pub use config::{Clock, Limits, RelayConfig, Retention};
pub use graph::{Network, NetworkError};
pub use reroute::reroute_waiting;
pub use retry::Backoff;
pub use supervisor::{Relay, Running};
pub use transport::{Cost, Delivery, Leftover, SmtpFacts, TestLetter, Transport, Upstreams};
pub use upstream::{
    Connections, Upstream, UpstreamError, application, cloud, mail_scope, network_of, send_test_smtp, test_smtp,
    tokens_of,
};
pub use verdict::{LaneVerdict, Verdict};
