//! The query of the message list.

use jiff::Timestamp;
use mail::MessageId;
use settings::AccountId;
use store::{Filter, MessageState, PageRequest};
use url::form_urlencoded;

use super::Problem;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// `status=&q=&from=&to=&since=&until=&cursor=&limit=`, all optional. An unknown parameter is an error: a misspelt filter
/// must not show everything. `account`: whose messages are listed; `None`: everybody's.
pub(super) fn parse(query: &str, account: Option<AccountId>) -> Result<(Filter, PageRequest), Problem> {
    let mut filter = Filter { account, ..Filter::default() };
    let mut page = PageRequest { before: None, limit: DEFAULT_LIMIT };
    for (key, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
        match &*key {
            "status" => filter.states.extend(states(&value)?),
            "q" => filter.text = Some(value.into_owned()),
            "from" => filter.sender = Some(value.into_owned()),
            "to" => filter.recipient = Some(value.parse().map_err(|_| wrong(&key, &value, "an address"))?),
            "since" => filter.since = Some(time(&key, &value)?),
            "until" => filter.until = Some(time(&key, &value)?),
            "cursor" => page.before = Some(cursor(&value)?),
            "limit" => page.limit = limit(&value)?,
            other => {
                let detail = format!(
                    "There is no parameter {other:?} here: use status, q, from, to, since, until, cursor and limit"
                );
                return Err(Problem::bad_request(detail));
            }
        }
    }
    Ok((filter, page))
}

fn states(value: &str) -> Result<Vec<MessageState>, Problem> {
    let names = MessageState::ALL.map(MessageState::name).join(", ");
    let state =
        |name: &str| MessageState::from_name(name).ok_or_else(|| wrong("status", name, &format!("one of {names}")));
    value.split(',').map(state).collect()
}

fn time(key: &str, value: &str) -> Result<Timestamp, Problem> {
    value.parse().map_err(|_| wrong(key, value, "a time such as 2030-01-31T12:00:00Z"))
}

fn cursor(value: &str) -> Result<MessageId, Problem> {
    value.parse().map_err(|_| wrong("cursor", value, "the \"next\" of the page before"))
}

fn limit(value: &str) -> Result<u32, Problem> {
    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| wrong("limit", value, &format!("a number from 1 to {MAX_LIMIT}")))
}

fn wrong(key: &str, value: &str, expected: &str) -> Problem {
    Problem::bad_request(format!("{key}={value:?} is not {expected}"))
}
