//! Durable state behind one trait.
//!
//! Promise: what a method of [`Store`] acknowledged survives a crash at any instruction. Each method is one
//! transaction. SQL appears nowhere else in the workspace.
//!
//! Left to others: policy. The store does not know why a message is deferred, who may cancel it, or what a lane's
//! budget is; it is told, and remembers.
//!
//! Two implementations obey the same suite (`tests/store`): [`sqlite::SqliteStore`] and the plain in-memory
//! [`model::ModelStore`], which exists to be obviously right.

mod body;
mod durable;
mod error;
mod history;
mod keyring;
mod lane;
mod message;
mod outcome;
mod query;
mod session;
mod settings_change;
mod spool;
mod state;
mod store;

pub mod model;
pub mod sqlite;

pub use body::{BodyReader, BodyWriter, INLINE_BODY_MAX_BYTES, StagedBody};
pub use error::StoreError;
pub use history::{HISTORY_STEP_SECONDS, HistoryPoint};
pub use keyring::{KeyRing, KeyRingError, SecretField};
pub use lane::{Appetite, Lane, LaneId, LanePause, Lease, NodeId};
pub use message::{
    Attempt, AttemptId, AttemptReport, Claim, Enqueued, Event, Explanation, IdempotencyKey, MessageDetail,
    MessageRecord, NewMessage, Priority, RecipientOutcome, RecipientState, RecipientStatus, Via,
};
pub use outcome::{Outcome, OutcomeKind};
pub use query::{Counts, Filter, Page, PageRequest};
pub use session::{Grant, Session};
pub use settings_change::{AuditEntry, AuditRecord, SettingsChange};
pub use state::{MessageState, Operation};
pub use store::{Change, Store};
