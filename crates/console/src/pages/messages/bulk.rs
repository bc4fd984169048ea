//! Doing the same to several messages, and saying what came of it.

use admin::{Actor, AdminError, BULK_MAX};
use axum::extract::State;
use axum::response::Response;
use mail::MessageId;
use serde::Deserialize;
use settings::Role;

use super::asked::Asked;
use super::list_page;
use crate::Console;
use crate::error::{PageError, sentence};
use crate::guard::{Submitted, Visitor};
use crate::pages::message::act::Act;
use crate::show;

/// Reasons said one by one; the others are counted.
const MAX_REASONS: usize = 10;

/// Of one action on several messages.
#[derive(Debug, Default)]
pub(super) struct BulkResult {
    /// "3 messages were cancelled."
    pub(super) done: String,
    pub(super) is_all: bool,
    pub(super) not: Vec<Not>,
    /// Beyond those in `not`.
    pub(super) not_more: usize,
}

#[derive(Debug)]
pub(super) struct Not {
    pub(super) id: MessageId,
    pub(super) why: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::pages) struct BulkForm {
    act: String,
    #[serde(default)]
    id: Vec<String>,
    /// The query of the list it was asked from.
    #[serde(default)]
    list: String,
}

pub(in crate::pages) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(form): Submitted<BulkForm>,
) -> Result<Response, PageError> {
    let asked = Asked::of_query(&form.list);
    let chosen = Act::from_name(&form.act).ok_or_else(|| PageError::bad_request("There is no such action"))?;
    let parsed: Result<Vec<MessageId>, _> = form.id.iter().map(|id| id.parse()).collect();
    let ids = parsed.map_err(|_| PageError::bad_request("One of these is not the id of a message"))?;
    let refused = act_on_all(&console, visitor.actor(), &ids, chosen).await?;
    list_page(&console, &visitor, asked, Some(result(chosen, ids.len(), refused))).await
}

/// Who it could not be done to, and why.
async fn act_on_all(console: &Console, actor: &Actor, ids: &[MessageId], act: Act) -> Result<Vec<Not>, AdminError> {
    let (store, now) = (console.store(), console.now());
    if let Some(operation) = act.operation() {
        let results = admin::operate_messages(store, actor, ids, operation, now).await?;
        return Ok(results.into_iter().filter_map(not).collect());
    }
    if act == Act::Delete {
        let results = admin::delete_messages(store, actor, ids).await?;
        return Ok(results.into_iter().filter_map(not).collect());
    }
    let mut refused = Vec::new();
    for id in ids.iter().take(BULK_MAX) {
        refused.extend(not((*id, admin::resend_message(store, actor, *id, now).await)));
    }
    Ok(refused)
}

fn not<T>((id, result): (MessageId, Result<T, AdminError>)) -> Option<Not> {
    result.err().map(|error| Not { id, why: sentence(&error.to_string()) })
}

fn result(act: Act, asked_for: usize, mut refused: Vec<Not>) -> BulkResult {
    let done = asked_for.saturating_sub(refused.len());
    let not_more = refused.len().saturating_sub(MAX_REASONS);
    let is_all = refused.is_empty() && done > 0;
    let counted = show::count(u64::try_from(done).unwrap_or(u64::MAX));
    let messages = if done == 1 { "message was" } else { "messages were" };
    let done = match (asked_for, done) {
        (0, _) => "No message was chosen.".to_owned(),
        (_, 0) => format!("No message was {}.", act.done()),
        _ => format!("{counted} {messages} {}.", act.done()),
    };
    refused.truncate(MAX_REASONS);
    BulkResult { done, is_all, not: refused, not_more }
}

/// What the buttons need: no role below may see or use them.
pub(in crate::pages) const ROLE: Role = Role::Operator;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_it_is_said_in_words() {
        let not = |count| {
            let id = MessageId::new(1, 1);
            (0..count).map(|_| Not { id, why: "Cannot hold a message that is sent".to_owned() }).collect::<Vec<_>>()
        };
        for (asked_for, refused, words, listed, more) in [
            (0, 0, "No message was chosen.", 0, 0),
            (1, 0, "1 message was held.", 0, 0),
            (3, 1, "2 messages were held.", 1, 0),
            (2, 2, "No message was held.", 2, 0),
            (20, 13, "7 messages were held.", 10, 3),
        ] {
            let result = result(Act::Hold, asked_for, not(refused));
            assert_eq!((result.done.as_str(), result.not.len(), result.not_more), (words, listed, more));
            assert_eq!(result.is_all, asked_for > 0 && refused == 0);
        }
    }
}
