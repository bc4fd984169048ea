//! Reading an Inbox: listed by time of arrival, one message as MIME. Needs `Mail.Read` or `Mail.ReadWrite`.
//!
//! Promise: as strict as Graph. `$orderby` goes with a `$filter` on the same property, immutable ids and ordinary ones are
//! not mixed, and a message class is told only to who asks for it.
//!
//! Left to others: what lies there (`mailbox`, `bounces`).

use bytes::Bytes;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::drafts::wants_immutable_ids;
use super::failure::Failure;
use super::reply::Done;
use super::route::InboxPath;
use super::send_mail::{self, Admitted, Need};
use crate::bounces::is_report;
use crate::exchange::Call;
use crate::mailbox::{Folder, delivered_copy};
use crate::state::State;

/// Messages on one page, and the most one may ask for.
const PAGE: usize = 10;
const PAGE_MAX: usize = 1_000;

/// What is asked of an Inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    List,
    Mime(String),
}

/// One message in it.
struct Item {
    id: String,
    at: Timestamp,
    class: &'static str,
    subject: Option<String>,
    raw: Bytes,
}

impl Request {
    pub(super) fn read(method: &Method, path: InboxPath) -> Result<Self, Failure> {
        match (method, path) {
            (&Method::GET, InboxPath::Messages) => Ok(Self::List),
            (&Method::GET, InboxPath::Mime(id)) => Ok(Self::Mime(id)),
            _ => Err(Failure::wrong_method()),
        }
    }

    /// As faults name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List => "listInbox",
            Self::Mime(_) => "getMime",
        }
    }
}

pub(super) fn perform(state: &State, call: &Call, admitted: &Admitted, request: &Request) -> Result<Done, Failure> {
    let user = send_mail::mailbox(admitted, Need::Read)?;
    let items = inbox(state, &user.mailbox);
    match request {
        Request::List => list(call, items),
        Request::Mime(id) => {
            let found = items.into_iter().find(|item| shown_id(call, item) == *id);
            found.map(|item| Done::mime(item.raw)).ok_or_else(|| Failure::known("ErrorItemNotFound"))
        }
    }
}

/// Oldest first.
fn inbox(state: &State, mailbox: &str) -> Vec<Item> {
    let received = state.mailboxes.newest(usize::MAX, |message| message.is_in(mailbox, Folder::Inbox));
    let mut items: Vec<Item> = received
        .iter()
        .map(|message| Item {
            id: message.delivery.id.clone(),
            at: message.delivery.at,
            // Exchange makes reports of its own kind of those that come in as MIME.
            class: if is_report(&message.raw) { "REPORT.IPM.Note.NDR" } else { "IPM.Note" },
            subject: message.delivery.subject.clone(),
            raw: delivered_copy(message, &state.config.behaviour).into(),
        })
        .collect();
    let bounces = state.bounces.in_inbox(mailbox, state.clock.now());
    items.extend(bounces.into_iter().map(|bounce| Item {
        id: bounce.id,
        at: bounce.at,
        class: "REPORT.IPM.Note.NDR",
        subject: None,
        raw: bounce.raw,
    }));
    items.sort_by_key(|item| item.at);
    items
}

fn shown_id(call: &Call, item: &Item) -> String {
    let prefix = if wants_immutable_ids(call) { "AAkALgAAInbox" } else { "AAMkADAAInbox" };
    format!("{prefix}{}=", item.id.replace('-', ""))
}

fn list(call: &Call, items: Vec<Item>) -> Result<Done, Failure> {
    let since = call.query_value("$filter").map(|filter| since(&filter)).transpose()?;
    match call.query_value("$orderby").as_deref() {
        None => {}
        Some("receivedDateTime" | "receivedDateTime asc") if since.is_some() => {}
        Some(_) => {
            return Err(Failure::new(
                400,
                "InefficientFilter",
                "The restriction or sort order is too complex for this operation.",
            ));
        }
    }
    let top = number(call, "$top")?.unwrap_or(PAGE).min(PAGE_MAX);
    let skip = number(call, "$skip")?.unwrap_or(0);
    let shows_class = shows_class(call)?;
    let found: Vec<Item> = items.into_iter().filter(|item| since.is_none_or(|since| item.at >= since)).collect();
    let page: Vec<Value> = found.iter().skip(skip).take(top).map(|item| view(call, item, shows_class)).collect();
    let mut answer = json!({"value": page});
    if found.len() > skip.saturating_add(top)
        && let Value::Object(fields) = &mut answer
    {
        let next = format!("{}{}?$top={top}&$skip={}", call.origin(), call.path, skip.saturating_add(top));
        fields.insert("@odata.nextLink".to_owned(), next.into());
    }
    Ok(Done::json(StatusCode::OK, answer))
}

fn view(call: &Call, item: &Item, shows_class: bool) -> Value {
    let whole = json!({
        "id": shown_id(call, item),
        "receivedDateTime": item.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "subject": item.subject,
        "isRead": false,
    });
    let Value::Object(mut fields) = whole else { return whole };
    if let Some(wanted) = call.query_value("$select") {
        fields.retain(|name, _| name == "id" || wanted.split(',').any(|it| it.trim() == name));
    }
    if shows_class {
        let property = json!([{"id": "String 0x1a", "value": item.class}]);
        fields.insert("singleValueExtendedProperties".to_owned(), property);
    }
    Value::Object(fields)
}

/// The one form of filter a mail gateway has use for here; Graph knows more.
fn since(filter: &str) -> Result<Timestamp, Failure> {
    let refused =
        || Failure::new(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.");
    filter.strip_prefix("receivedDateTime ge ").and_then(|at| at.trim().parse().ok()).ok_or_else(refused)
}

fn shows_class(call: &Call) -> Result<bool, Failure> {
    let Some(expand) = call.query_value("$expand") else { return Ok(false) };
    let is_class = expand.eq_ignore_ascii_case("singleValueExtendedProperties($filter=id eq 'String 0x001A')");
    let refused = || Failure::new(400, "BadRequest", "Parsing OData Select and Expand failed.");
    if is_class { Ok(true) } else { Err(refused()) }
}

fn number(call: &Call, name: &str) -> Result<Option<usize>, Failure> {
    let refused = |_| Failure::new(400, "BadRequest", format!("Invalid value for '{name}'."));
    call.query_value(name).map(|text| text.parse().map_err(refused)).transpose()
}
