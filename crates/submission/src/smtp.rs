//! Mail in over SMTP (RFC 5321, submission by RFC 6409): listeners and the sessions on them.
//!
//! Promise: `250 2.0.0 Queued as ID` is said after the intake made the message durable and never before; a listener
//! that would relay for everybody cannot be opened; nothing a client does makes a session hold more memory than its
//! buffers or wait without a deadline; a shutdown finishes the transactions under way and turns the rest away with 421.
//!
//! Left to others: the grammar (`wire`), who may send what (`intake`), everything behind the queue.
//!
//! ```text
//!  Server ── bind ──► Listener ── accept ──► connection ──► Session ──► verbs ──► transaction ──► intake
//!  (limits,           (one address,          (TLS)          (a line, a   (one function
//!   who is here)       one policy)                           reply)       a command)
//! ```

mod admission;
mod config;
mod connection;
mod limits;
mod listener;
mod replies;
mod session;
mod transaction;
mod verbs;

pub use config::{AuthMode, ListenerConfig, ListenerConfigError, ListenerWarning, TlsMode};
pub use limits::SmtpLimits;
pub use listener::{ListenError, Listener, SmtpServer};

#[cfg(test)]
mod tests;
