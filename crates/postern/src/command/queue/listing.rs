//! Looking at messages.

use admin::{Actor, find_message, list_messages};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, MessageId};
use serde::Serialize;
use serde_json::json;
use store::{
    Attempt, Explanation, Filter, LanePause, MessageDetail, MessageRecord, MessageState, PageRequest, Store, StoreError,
};

use submission::http::{MessageSummary, MessageView};

use super::parse_id;
use crate::config::Period;
use crate::terminal::{Failure, plain, say, say_json, table};

const HEAD: [&str; 6] = ["ID", "STATE", "ARRIVED", "FROM", "TO", "SUBJECT"];

/// Which messages.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// States, separated by commas: queued, sending, sent, failed, uncertain, held, cancelled, quarantined
    #[arg(long, value_delimiter = ',', value_parser = parse_state, value_name = "STATE")]
    pub state: Vec<MessageState>,
    /// Beginning of words in the sender's address
    #[arg(long, value_name = "TEXT")]
    pub from: Option<String>,
    /// Only what came back after it was sent
    #[arg(long)]
    pub bounced: bool,
    /// A recipient
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<Address>,
    /// Beginning of words in sender, recipients, subject or id; all must be found
    #[arg(long, short, value_name = "TEXT")]
    pub query: Option<String>,
    /// Only what arrived within this time, such as 30m, 12h or 7d
    #[arg(long, value_name = "PERIOD")]
    pub since: Option<Period>,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    selection: Selection,
    /// Messages at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Continue with messages older than this one
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    before: Option<MessageId>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The id that the 250 reply named
    #[arg(value_parser = parse_id)]
    id: MessageId,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn parse_state(text: &str) -> Result<MessageState, String> {
    MessageState::from_name(text).ok_or_else(|| {
        let known: Vec<&str> = MessageState::ALL.iter().map(|state| state.name()).collect();
        format!("not a state; there are {}", known.join(", "))
    })
}

impl Selection {
    pub(super) fn filter(&self) -> Filter {
        let since = self.since.and_then(|period| {
            let age = SignedDuration::try_from(period.as_duration()).ok()?;
            Timestamp::now().checked_sub(age).ok()
        });
        Filter {
            states: self.state.clone(),
            text: self.query.clone(),
            sender: self.from.clone(),
            recipient: self.to.clone(),
            bounced: self.bounced,
            since,
            ..Filter::default()
        }
    }

    pub(super) fn is_everything(&self) -> bool {
        self.filter() == Filter::default()
    }
}

pub(super) async fn list(store: &dyn Store, options: &Options) -> Result<(), Failure> {
    let page = PageRequest { before: options.before, limit: options.limit };
    let page = list_messages(store, &Actor::command_line(), &options.selection.filter(), page).await?;
    if options.json {
        let messages: Vec<MessageSummary> = page.messages.into_iter().map(MessageSummary::from).collect();
        return say_json(&json!({ "messages": messages, "next": page.next }));
    }
    if page.messages.is_empty() {
        return say("no messages");
    }
    let rows: Vec<Vec<String>> = page.messages.iter().map(row).collect();
    say(table(&HEAD, &rows))?;
    match page.next {
        Some(id) => say(format!("more: postern queue list --before {id}")),
        None => Ok(()),
    }
}

/// All that is queued, being sent, held or in doubt, page by page.
pub(super) async fn waiting(store: &dyn Store) -> Result<(), Failure> {
    use MessageState::{Held, Queued, Sending, Uncertain};
    let filter = Filter { states: vec![Queued, Sending, Held, Uncertain], ..Filter::default() };
    let mut before = None;
    loop {
        let page = PageRequest { before, limit: 500 };
        let page = list_messages(store, &Actor::command_line(), &filter, page).await?;
        if before.is_none() && page.messages.is_empty() {
            return say("Mail queue is empty");
        }
        say(table(&HEAD, &page.messages.iter().map(row).collect::<Vec<_>>()))?;
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(()),
        }
    }
}

fn row(message: &MessageRecord) -> Vec<String> {
    let recipients = &message.envelope.recipients;
    let first = recipients.first().map(|recipient| recipient.address.to_string()).unwrap_or_default();
    let to = match recipients.len() {
        0 | 1 => first,
        count => format!("{first} +{}", count - 1),
    };
    let from = message.header_from.as_ref().or(message.envelope.reverse_path.address());
    vec![
        message.id.to_string(),
        message.state.name().to_owned(),
        message.received_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        from.map_or("<>".to_owned(), ToString::to_string),
        to,
        plain(message.subject.as_deref().unwrap_or_default()).chars().take(60).collect(),
    ]
}

pub(super) async fn show(store: &dyn Store, one: &One) -> Result<(), Failure> {
    let detail = find_message(store, &Actor::command_line(), one.id).await?;
    if one.json {
        return say_json(&MessageView::from(detail));
    }
    let rest = rest(store, &detail.message).await?;
    let settings = store.settings().borrow().clone();
    let way = detail.message.routed_to.as_ref().map(|to| {
        // By its name; by its id once it is removed.
        let name = settings.connection(&to.connection).map_or(to.connection.0.as_str(), |it| it.name.as_str());
        format!("{} through {}", to.mailbox, plain(name))
    });
    say(lines(&detail, rest.as_ref(), way.as_deref()).join("\n"))
}

/// What keeps the message's lane from sending, if something does.
async fn rest(store: &dyn Store, message: &MessageRecord) -> Result<Option<LanePause>, Failure> {
    let Some(lane) = message.lane.filter(|_| message.state == MessageState::Queued) else { return Ok(None) };
    match store.lane(lane).await {
        Ok(lane) => Ok(lane.pause.filter(|pause| pause.until > Timestamp::now())),
        // It went while we looked: then nothing rests.
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(admin::AdminError::from(error).into()),
    }
}

/// A word of the store as its JSON has it.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn lines(detail: &MessageDetail, rest: Option<&LanePause>, way: Option<&str>) -> Vec<String> {
    let message = &detail.message;
    let mut lines = vec![
        format!("id          {}", message.id),
        format!("state       {}", message.state.name()),
        format!("arrived     {} by {}, {} bytes", message.received_at, word(message.via), message.size_bytes),
        format!("from        {}", message.envelope.reverse_path),
        format!("subject     {}", plain(message.subject.as_deref().unwrap_or("(none)"))),
    ];
    lines.push(format!("route       {}", way.unwrap_or("none: the settings have no way for it")));
    if let Some(due) = message.due_at.filter(|_| message.state == MessageState::Queued) {
        lines.push(format!("next try    {due}, until {}", message.expires_at));
    }
    lines.extend(rest.map(|pause| {
        let who = if pause.needs_administrator { "stopped" } else { "resting" };
        format!("waits       its mailbox is {who} until {}: {}", pause.until, plain(&pause.explanation.what))
    }));
    if message.may_be_duplicated {
        lines.push("note        an answer was lost: a recipient may get it twice".to_owned());
    }
    for recipient in &detail.recipients {
        let status = recipient.status.map(|status| format!(" {status}")).unwrap_or_default();
        lines.push(format!("to          {} {}{status}", recipient.address, word(recipient.state)));
    }
    let mut said = None;
    for attempt in &detail.attempts {
        lines.push(attempt_line(attempt));
        // Attempt after attempt the same error: it is said once, and whole at the end.
        let why = attempt.explanation.as_ref().map(briefly);
        lines.extend(why.clone().filter(|why| said.as_ref() != Some(why)).map(|why| format!("            {why}")));
        said = why.or(said);
    }
    for event in &detail.events {
        let words = event.detail.as_deref().map(|detail| format!(": {}", plain(detail))).unwrap_or_default();
        lines.push(format!("event       {} {} by {}{words}", event.at, event.kind, event.actor));
    }
    if let Some(error) = &message.last_error {
        lines.push(format!("error       {}", explained(error)));
        lines.push(format!("to do       {} ({})", plain(&error.fix), plain(&error.who)));
    }
    lines
}

fn attempt_line(attempt: &Attempt) -> String {
    let end = attempt.ended_at.map_or("not heard of again".to_owned(), |at| format!("ended {at}"));
    let request = attempt.request_id.as_ref().map(|id| format!(", request-id {}", plain(id))).unwrap_or_default();
    format!("attempt     {} from {}, {end}{request}", attempt.started_at, attempt.mailbox)
}

/// What, and the code.
fn briefly(explanation: &Explanation) -> String {
    let code = explanation.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
    plain(format!("{}{code}", explanation.what).trim())
}

fn explained(explanation: &Explanation) -> String {
    let code = explanation.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
    plain(format!("{} {}{code}", explanation.what, explanation.why).trim())
}
