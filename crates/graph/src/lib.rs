//! Microsoft Graph mail: one message in MIME form to one mailbox, and what its answer means.
//!
//! Promise: [`GraphMail::send_mime`] makes at most one attempt that can have an effect, and says of every failure what the
//! caller can do about it ([`FailureClass`]): in particular whether the message may have left nevertheless. The mailbox
//! is one path segment whatever it contains ([`MailboxSegment`]). A message is streamed, never held whole.
//!
//! What does not fit one request, and what must be sent exactly once, goes through a draft: [`GraphMail::send_draft`].
//!
//! Left to others: when to send and to send again (nothing here knows queues), what the message says and to whom, and
//! where settings come from.
//!
//! Invariant: only `202` is success, and its body is not read.
//!
//! ```no_run
//! # async fn example(application: entra::Application, message: bytes::Bytes) -> Result<(), Box<dyn std::error::Error>> {
//! use graph::{FailureClass, GraphMail, MailboxSegment, Network};
//!
//! let network = Network::default();
//! let root = application.cloud.graph.clone();
//! let tokens = entra::TokenSource::new(network.client()?, application, &entra::Scope::Graph)?;
//! let renewed = network.clone();
//! let mail = GraphMail::new(network.client()?, root, tokens).with_new_connections_from(move || renewed.client().ok());
//!
//! match mail.send_mime(&MailboxSegment::new("noreply@contoso.test")?, &message).await {
//!     Ok(accepted) => println!("accepted: {:?}", accepted.request_id),
//!     Err(error) if error.class() == FailureClass::Uncertain => println!("perhaps: {}", error.explanation()),
//!     Err(error) => println!("not sent: {}", error.explanation()),
//! }
//! # Ok(())
//! # }
//! ```

mod body;
mod call;
mod client;
mod connections;
mod deadlines;
mod draft;
mod error;
mod failure_table;
mod inbox;
mod mailbox;
mod mime;
mod network;
mod refusal;
mod upload;
mod verdict;

pub use client::{Accepted, GraphMail};
pub use deadlines::Deadlines;
pub use draft::{
    DraftContent, DraftId, LargeSource, Left, MARKER_PROPERTY, NotSent, Pieces, Prepared, SentCopy, Traces,
};
pub use entra::{Explanation, Obstacle, Root, Who};
pub use error::{FailureClass, GraphError};
pub use inbox::{INBOX_PAGE, InboxMessage};
pub use mailbox::{MailboxError, MailboxSegment};
pub use mime::{MimeBody, MimeSource};
pub use network::{Network, NetworkError, Stream, Way, WayError, tls_obstacle};
