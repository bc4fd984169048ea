//! Messages as Graph shows them, and the filters it is asked with.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::reply::Done;
use super::keep::{Item, normal_property};
use super::wants_immutable_ids;
use crate::directory::User;
use crate::exchange::Call;
use crate::state::State;

/// Messages on one page.
const PAGE: usize = 10;

pub(super) fn message(call: &Call, item: &Item) -> Done {
    Done::json(StatusCode::OK, view(call, item))
}

/// What the request wants to see of a message.
pub(super) fn view(call: &Call, item: &Item) -> Value {
    let people = |list: &[String]| -> Vec<Value> {
        list.iter().map(|address| json!({"emailAddress": {"name": address, "address": address}})).collect()
    };
    let id = if wants_immutable_ids(call) { &item.immutable_id } else { &item.id };
    let whole = json!({
        "id": id,
        "isDraft": !item.is_sent,
        "parentFolderId": if item.is_sent { "sentitems" } else { "drafts" },
        "subject": item.subject,
        "internetMessageId": item.internet_message_id,
        "toRecipients": people(&item.to),
        "ccRecipients": people(&item.cc),
        "bccRecipients": people(&item.bcc),
        "hasAttachments": !item.attachments.is_empty(),
    });
    let Value::Object(mut fields) = whole else { return whole };
    if let Some(wanted) = call.query_value("$select") {
        fields.retain(|name, _| name == "id" || wanted.split(',').any(|it| it.trim() == name));
    }
    if let Some(id) = call.query_value("$expand").as_deref().and_then(expanded_property) {
        let shown = item.properties.iter().filter(|(known, _)| *known == id);
        let shown: Vec<Value> = shown.map(|(id, value)| json!({"id": id, "value": value})).collect();
        // Graph leaves the collection out where it is empty.
        if !shown.is_empty() {
            fields.insert("singleValueExtendedProperties".to_owned(), Value::Array(shown));
        }
    }
    Value::Object(fields)
}

/// The property of `singleValueExtendedProperties($filter=id eq '...')`.
fn expanded_property(expand: &str) -> Option<String> {
    let id = expand.strip_prefix("singleValueExtendedProperties($filter=id eq ")?.strip_suffix(')')?;
    normal_property(&quoted(id)?)
}

/// One page of the messages that `$filter` finds.
pub(super) fn list_messages(state: &State, call: &Call, user: &User) -> Result<Done, Failure> {
    let wanted = match call.query_value("$filter") {
        Some(filter) => Filter::read(&filter)?,
        None => Filter::All,
    };
    let top = match call.query_value("$top") {
        Some(top) => top.parse().map_err(|_| Failure::new(400, "BadRequest", "Invalid value for '$top'."))?,
        None => PAGE,
    };
    let found = state.drafts.matching(&user.mailbox, |item| wanted.picks(item));
    let page: Vec<Value> = found.iter().rev().take(top).map(|item| view(call, item)).collect();
    Ok(Done::json(StatusCode::OK, json!({"value": page})))
}

enum Filter {
    All,
    Property { id: String, value: String },
    MessageId(String),
}

impl Filter {
    /// The two forms a mail gateway has use for; Graph knows more.
    fn read(text: &str) -> Result<Self, Failure> {
        let refused =
            || Failure::new(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.");
        if let Some(id) = text.strip_prefix("internetMessageId eq ") {
            return Ok(Self::MessageId(quoted(id).ok_or_else(refused)?));
        }
        let inner =
            text.strip_prefix("singleValueExtendedProperties/Any(ep: ep/id eq ").and_then(|it| it.strip_suffix(')'));
        let (id, value) = inner.and_then(|it| it.split_once(" and ep/value eq ")).ok_or_else(refused)?;
        let id = quoted(id).as_deref().and_then(normal_property).ok_or_else(refused)?;
        Ok(Self::Property { id, value: quoted(value).ok_or_else(refused)? })
    }

    fn picks(&self, item: &Item) -> bool {
        match self {
            Self::All => true,
            Self::Property { id, value } => item.properties.iter().any(|(known, own)| known == id && own == value),
            // Kept without angle brackets here.
            Self::MessageId(id) => {
                let bare = |id: &str| id.trim_start_matches('<').trim_end_matches('>').to_owned();
                item.internet_message_id.as_deref().map(bare) == Some(bare(id))
            }
        }
    }
}

fn quoted(text: &str) -> Option<String> {
    Some(text.trim().strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}
