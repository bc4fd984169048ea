//! The words of mail as types, and pure functions on messages.
//!
//! Promise: whatever holds one of these types has been checked. An [`Address`] cannot hold CR, LF or NUL, a
//! [`ReversePath`] says in its type that it may be null, an [`EnhancedStatus`] cannot disagree with its reply class.
//!
//! Left to others: sockets, files, clocks, async. Everything here is a plain function of its arguments.

mod address;
pub mod address_list;
pub mod compose;
pub mod dsn;
mod envelope;
pub mod from;
pub mod graph_json;
pub mod header;
mod header_edit;
mod id;
pub mod line_endings;
pub mod mime;
pub mod recipients;
pub mod seven_bit;
mod status;
pub mod trace;

pub use address::{Address, AddressError, ReversePath};
pub use envelope::{BodyType, DsnNotify, DsnReturn, Envelope, Recipient};
pub use id::{MessageId, MessageIdError};
pub use status::{Class, EnhancedStatus};
