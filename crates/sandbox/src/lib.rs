//! A stand-in Microsoft 365 tenant: Entra ID with sign-in pages and tokens, Graph `sendMail`, and mailboxes one can look into.
//!
//! Promise: what Microsoft refuses is refused here, with the status, code and headers a client would meet there, and
//! what was taken can be inspected byte for byte. Faults that are rare in the real service can be ordered.
//!
//! Left to others: everything of the gateway. This crate depends on none of its crates, so that it can judge them.
//!
//! Invariant: a message is in a mailbox only if one `sendMail` request was accepted for it, and memory stays within
//! what [`Storage`](config::Storage) allows.
//!
//! ```no_run
//! # async fn try_it() -> Result<(), sandbox::StartError> {
//! use sandbox::{Config, Sandbox};
//! let running = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await?;
//! assert!(running.base_url.starts_with("http://127.0.0.1:"));
//! running.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod bounces;
mod clock;
pub mod config;
mod credentials;
mod digest;
mod directory;
mod dispatch;
mod entra;
mod exchange;
mod faults;
mod graph;
mod guid;
mod issuer;
mod journal;
mod machine;
mod mailbox;
mod pages;
mod server;
mod signing;
mod smtp;
mod state;
mod tls;

pub use config::{Config, ConfigError};
pub use faults::{Fault, FaultKind};
pub use issuer::WorkloadToken;
pub use journal::{Delivery, RequestRecord, Stats, TokenRecord};
pub use mailbox::{Folder, StoredMessage};
pub use server::{Running, Sandbox, StartError, run};
pub use tls::{Tls, TlsError};
