//! One operation on many messages, as ticked in a list. Each message has its own result: one that cannot be operated on
//! does not stop the others.

use jiff::Timestamp;
use mail::MessageId;
use store::{MessageState, Operation, Store};

use super::{delete_message, operate_message};
use crate::{Actor, AdminError, Refused, Role};

/// What one page of a list can hold; more belongs into several calls.
pub const BULK_MAX: usize = 500;

/// The result of each message, in the order asked: the state it is in then.
pub async fn operate_messages(
    store: &dyn Store,
    actor: &Actor,
    ids: &[MessageId],
    operation: Operation,
    now: Timestamp,
) -> Result<Vec<(MessageId, Result<MessageState, AdminError>)>, AdminError> {
    actor.must_be(Role::Operator)?;
    check_number(ids)?;
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        results.push((*id, operate_message(store, actor, *id, operation, now).await));
    }
    Ok(results)
}

/// The result of each message, in the order asked.
pub async fn delete_messages(
    store: &dyn Store,
    actor: &Actor,
    ids: &[MessageId],
) -> Result<Vec<(MessageId, Result<(), AdminError>)>, AdminError> {
    actor.must_be(Role::Administrator)?;
    check_number(ids)?;
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        results.push((*id, delete_message(store, actor, *id).await));
    }
    Ok(results)
}

fn check_number(ids: &[MessageId]) -> Result<(), Refused> {
    if ids.len() <= BULK_MAX {
        return Ok(());
    }
    let what = format!("{} messages at once are too many", ids.len());
    Err(Refused::new(what, format!("Choose at most {BULK_MAX}, and repeat it.")).at("ids"))
}
