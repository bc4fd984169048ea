//! What an administrator may do: one function an operation, for console, API and command line alike.
//!
//! Promise: every operation asks for its right first, and leaves a trace of who did it. Nothing here returns a secret,
//! in whatever form: it was sealed, or only its digest was kept.
//!
//! Left to others: what the operations look like to people (`postern`, the console), how state is kept (`store`), how
//! mail leaves (`relay`).

mod actor;
mod apply;
mod connection;
mod diff;
mod doctor;
mod error;
mod export;
pub mod people;
mod queue;
mod sealed_secret;
mod setup_file;

pub use actor::Actor;
pub use apply::{Applied, Mode, apply};
pub use connection::{
    ConnectionSummary, ConnectionTest, TokenFacts, connection_named, list_connections, test_connection,
};
pub use diff::DiffLine;
pub use doctor::{Check, CheckStatus, DoctorRequest, doctor};
pub use error::{AdminError, Refused};
pub use export::export;
pub use queue::{delete_message, export_message, find_message, list_messages, operate_message};
pub use settings::Role;
pub use setup_file::{SecretSource, SetupFile};
