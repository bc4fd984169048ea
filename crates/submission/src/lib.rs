//! The ways in: SMTP, HTTP and the command line, all through one intake.
//!
//! Promise: a client hears "queued" only after its message is durable, and nobody hands in mail as somebody they may not
//! be. Left to others: delivery (`relay`), settings (`admin`), durable state (`store`).

pub mod clock;
pub mod http;
pub mod intake;
pub mod smtp;

#[cfg(test)]
mod test_world;
