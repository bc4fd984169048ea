//! One message: what it is, what became of it, and what can be done about it.

pub(super) mod act;
pub(super) mod content;
pub(super) mod raw;
mod timeline;

use admin::Actor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use mail::MessageId;
use settings::{ConnectionId, Role, Settings};
use store::{MessageDetail, MessageState, Priority, RecipientState, RecipientStatus};

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::pages::messages::{Row, Waits, foreign};
use crate::show;

use act::Act;
pub(super) use timeline::ExplanationView;
use timeline::Step;

/// Recipients that are listed one by one; the raw message's envelope may have 500.
const MAX_RECIPIENTS: usize = 500;

/// Labels of the submitter.
const METADATA_MAX_CHARS: usize = 4_000;

pub(super) fn parse_id(id: &str) -> Result<MessageId, PageError> {
    id.parse().map_err(|_| PageError::not_found("message"))
}

struct RecipientView {
    address: String,
    class: &'static str,
    state: &'static str,
    status: Option<String>,
}

/// What is loaded again when something changed.
struct Facts {
    row: Row,
    /// Why it is where it is.
    error: Option<ExplanationView>,
    /// Said above everything else.
    doubt: Option<&'static str>,
    due: Option<String>,
    /// While it is waiting.
    expires: Option<String>,
    recipients: Vec<RecipientView>,
    steps: Vec<Step>,
    way: Option<(String, String)>,
    account: Option<String>,
    peer: Option<String>,
    priority: &'static str,
    message_id: Option<String>,
    metadata: Option<String>,
    attempts: u32,
    acts: Vec<Act>,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    facts: Facts,
}

#[derive(Template)]
#[template(path = "message_facts.html")]
struct FactsPart {
    frame: Frame,
    facts: Facts,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let detail = admin::find_message(console.store(), visitor.actor(), id).await?;
    let settings = console.store().settings().borrow().clone();
    let waits = Waits::of(&console, std::slice::from_ref(&detail.message)).await?;
    let facts = facts(&detail, &settings, &waits, visitor.actor(), console.now());
    if headers.contains_key("hx-request") {
        return page(&FactsPart { frame: Frame::new(&visitor, "Message"), facts });
    }
    page(&MessagePage { frame: Frame::new(&visitor, facts.row.subject.clone()), facts })
}

fn facts(detail: &MessageDetail, settings: &Settings, waits: &Waits, actor: &Actor, now: Timestamp) -> Facts {
    let message = &detail.message;
    let is_waiting = matches!(message.state, MessageState::Queued | MessageState::Uncertain | MessageState::Held);
    let when = |at: Timestamp| format!("{} ({})", show::time(&at), show::distance(&at, &now));
    let account = message.account.as_ref().map(|id| settings.account(id).map_or("(removed)", |it| it.name.as_str()));
    let way = message.routed_to.as_ref().map(|way| {
        let connection = settings.connection(&way.connection).map_or("(removed)", |it| it.name.as_str());
        (connection.to_owned(), foreign::line(way.mailbox.as_str(), foreign::LINE_MAX_CHARS))
    });
    let error = message.last_error.as_ref().or(waits.explanation(message, now));
    let reachable = message.routed_to.as_ref().filter(|_| actor.may(Role::Administrator));
    let tenant = reachable.and_then(|way| tenant_of(settings, &way.connection));
    let metadata = message.metadata.as_ref().and_then(|it| serde_json::to_string_pretty(it).ok());
    Facts {
        row: Row::of(message, waits, now),
        error: error.map(|error| ExplanationView::of(error).at_tenant(tenant)),
        doubt: doubt(detail),
        due: message.due_at.filter(|due| message.state == MessageState::Queued && *due > now).map(when),
        expires: is_waiting.then(|| when(message.expires_at)),
        recipients: detail.recipients.iter().take(MAX_RECIPIENTS).map(recipient).collect(),
        steps: timeline::steps(detail, settings, now),
        way,
        account: account.map(str::to_owned),
        peer: message.peer.map(|peer| peer.to_string()),
        priority: match message.priority {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Bulk => "bulk",
        },
        message_id: message.internet_message_id.as_deref().map(|id| foreign::line(id, foreign::LINE_MAX_CHARS)),
        metadata: metadata.map(|text| foreign::lines(&text, METADATA_MAX_CHARS)),
        attempts: message.attempts,
        acts: Act::ALL.into_iter().filter(|act| act.is_for(message.state) && actor.may(act.role())).collect(),
    }
}

/// Id and name of the tenant of a connection.
fn tenant_of<'a>(settings: &'a Settings, connection: &ConnectionId) -> Option<(&'a str, &'a str)> {
    let tenant = settings.tenant(settings.connection(connection)?.tenant.as_ref()?)?;
    Some((tenant.id.0.as_str(), tenant.name.as_str()))
}

fn doubt(detail: &MessageDetail) -> Option<&'static str> {
    let message = &detail.message;
    if message.state == MessageState::Uncertain {
        return Some(
            "It may have been delivered: the answer to the last attempt was lost. Retry now sends it again, and a \
             recipient may then get it twice; Cancel leaves it at that.",
        );
    }
    message.may_be_duplicated.then_some(
        "It may have been delivered twice: the answer to an attempt was lost, and the message was sent again.",
    )
}

fn recipient(recipient: &RecipientStatus) -> RecipientView {
    let (class, state) = match recipient.state {
        RecipientState::Pending => ("state-queued", "Waiting"),
        RecipientState::Sent => ("state-sent", "Sent"),
        RecipientState::Bounced => ("state-failed", "Bounced"),
        RecipientState::Failed => ("state-failed", "Failed"),
        RecipientState::Uncertain => ("state-uncertain", "May have been delivered"),
    };
    RecipientView {
        address: foreign::line(recipient.address.as_str(), foreign::LINE_MAX_CHARS),
        class,
        state,
        status: recipient.status.map(|status| status.to_string()),
    }
}
