//! Messages in the queue: looking at them and deciding about them.
//!
//! Each decision leaves an event with the message, and so is seen where people look for it. A deletion leaves no
//! message to carry an event, and is logged.

mod bulk;
mod csv;
mod preview;
mod resend;

use jiff::Timestamp;
use mail::MessageId;
use store::{BodyReader, Filter, MessageDetail, MessageRecord, MessageState, Operation, Page, PageRequest, Store};

use crate::{Actor, AdminError, Role};

pub use bulk::{BULK_MAX, delete_messages, operate_messages};
pub use csv::{CsvPiece, export_list};
pub use preview::{AttachmentView, Preview, eml_name, preview};
pub use resend::{resend_message, send_test_message};

pub async fn list_messages(
    store: &dyn Store,
    actor: &Actor,
    filter: &Filter,
    page: PageRequest,
) -> Result<Page, AdminError> {
    actor.must_be(Role::Viewer)?;
    Ok(store.messages(filter, page).await?)
}

pub async fn find_message(store: &dyn Store, actor: &Actor, id: MessageId) -> Result<MessageDetail, AdminError> {
    actor.must_be(Role::Viewer)?;
    Ok(store.message(id).await?)
}

/// Returns the state the message is in then.
pub async fn operate_message(
    store: &dyn Store,
    actor: &Actor,
    id: MessageId,
    operation: Operation,
    now: Timestamp,
) -> Result<MessageState, AdminError> {
    actor.must_be(Role::Operator)?;
    let state = store.operate(id, operation, actor.name(), None, now).await?;
    tracing::info!(
        event = "message_operated", message_id = %id, operation = operation.name(), actor = actor.name(), state = state.name()
    );
    Ok(state)
}

pub async fn delete_message(store: &dyn Store, actor: &Actor, id: MessageId) -> Result<(), AdminError> {
    actor.must_be(Role::Administrator)?;
    store.delete(id).await?;
    tracing::info!(event = "message_deleted", message_id = %id, actor = actor.name());
    Ok(())
}

/// The message as it would be sent, before recipients and From are adapted to the upstream: the fields added at
/// arrival, then the reader's content. Who reads it reads other people's mail, hence the role, and the trace.
pub async fn export_message(
    store: &dyn Store,
    actor: &Actor,
    id: MessageId,
) -> Result<(MessageRecord, BodyReader), AdminError> {
    actor.must_be(Role::Administrator)?;
    let detail = store.message(id).await?;
    let body = store.read_body(id).await?;
    tracing::info!(event = "message_exported", message_id = %id, actor = actor.name());
    Ok((detail.message, body))
}
