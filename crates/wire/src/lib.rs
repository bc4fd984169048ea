//! The SMTP grammar, both roles, without a socket: bytes in, decisions out.
//!
//! Promise: only `CRLF . CRLF` ends a message, whatever a peer sends and however the network cuts it; what comes out of
//! [`DataReader`] is canonical (every line ends in CRLF, no CR or LF stands alone); a [`Reply`] cannot hold a line break
//! nor an enhanced status code that contradicts its class; nothing here grows past a limit the caller named.
//!
//! Left to others: sockets, TLS, clocks, who may do what. Every entry point is a plain function of its arguments, so it
//! can be fuzzed and tested whole.

mod client;
mod client_auth;
mod command;
mod data;
mod line;
mod parameters;
mod reply;
mod sasl;
mod xtext;

pub use client::{Capabilities, DotStuffer, Extension, auth_line, ehlo_line, helo_line, mail_line, rcpt_line};
pub use client_auth::{fits_auth_line, login_responses, oauthbearer_response, plain_response, xoauth2_response};
pub use command::{Command, CommandError, MailCommand, parse_command};
pub use data::{DataFault, DataReader, LineEndings};
pub use line::{LineFault, LineReader, LineStep};
pub use reply::{Reply, ReplyError, ServerReply, Severity, parse_reply};
pub use sasl::{Credentials, Mechanism, Sasl, SaslError, SaslStep};
