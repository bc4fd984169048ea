//! The list of messages: searched, filtered, live, with what can be done to several at once.

mod asked;
pub(super) mod bulk;
pub(super) mod export;
pub(super) mod foreign;
mod row;
mod waits;

use admin::{Actor, Refused};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use store::Page;

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;

use asked::{Asked, BOUNCED, QUICK, SINGLE};
use bulk::BulkResult;
pub(super) use row::{Row, state_text};
pub(super) use waits::Waits;

/// A filter as a link.
struct Choice {
    text: String,
    href: String,
    is_chosen: bool,
}

/// What is loaded again when something changed.
struct List {
    rows: Vec<Row>,
    /// Its own address.
    href: String,
    older: Option<String>,
    newer: Option<String>,
    newest: Option<String>,
    /// Nothing was found: is that because nothing was ever sent, or because of what was asked?
    is_narrowed: bool,
    everything: String,
}

#[derive(Template)]
#[template(path = "messages.html")]
struct MessagesPage {
    frame: Frame,
    asked: Asked,
    quick: Vec<Choice>,
    single: Vec<Choice>,
    list: List,
    problem: Option<Refused>,
    /// What was just done to several messages.
    result: Option<BulkResult>,
    has_search: bool,
}

#[derive(Template)]
#[template(path = "messages_list.html")]
struct ListPart {
    frame: Frame,
    list: List,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let asked = Asked::of_query(&query.unwrap_or_default());
    if headers.contains_key("hx-request") {
        let (list, _) = look(&console, visitor.actor(), &asked).await?;
        return page(&ListPart { frame: Frame::new(&visitor, "Messages"), list });
    }
    list_page(&console, &visitor, asked, None).await
}

async fn list_page(
    console: &Console,
    visitor: &Visitor,
    asked: Asked,
    result: Option<BulkResult>,
) -> Result<Response, PageError> {
    let (list, problem) = look(console, visitor.actor(), &asked).await?;
    let quick = QUICK.iter().map(|quick| choice(&asked, quick.name, quick.text));
    let single = SINGLE.iter().map(|state| choice(&asked, state.name(), state_text(*state)));
    let bounced = choice(&asked, BOUNCED, "Bounced");
    page(&MessagesPage {
        frame: Frame::new(visitor, "Messages"),
        quick: quick.collect(),
        single: single.chain([bounced]).collect(),
        list,
        problem,
        result,
        has_search: asked.is_search(),
        asked,
    })
}

/// For the template: whether that field is what could not be understood.
fn is_at(problem: Option<&Refused>, field: &str) -> bool {
    problem.is_some_and(|problem| problem.field == Some(field))
}

fn choice(asked: &Asked, name: &str, text: &str) -> Choice {
    Choice { text: text.to_owned(), href: asked.showing(name).href(), is_chosen: asked.show == name }
}

/// What the search finds; an empty list and the reason when it cannot be understood.
async fn look(console: &Console, actor: &Actor, asked: &Asked) -> Result<(List, Option<Refused>), PageError> {
    let (found, problem) = match asked.filter() {
        Ok(filter) => (admin::list_messages(console.store(), actor, &filter, asked.page()).await?, None),
        Err(refused) => (Page { messages: Vec::new(), next: None }, Some(refused)),
    };
    let waits = Waits::of(console, &found.messages).await?;
    Ok((list(asked, &found, &waits, console.now()), problem))
}

fn list(asked: &Asked, found: &Page, waits: &Waits, now: Timestamp) -> List {
    let newest = asked.showing(&asked.show);
    List {
        rows: found.messages.iter().map(|message| Row::of(message, waits, now)).collect(),
        href: asked.href(),
        older: found.next.map(|next| asked.older(next).href()),
        newer: asked.newer().map(|newer| newer.href()),
        newest: (!asked.is_first_page()).then(|| newest.href()),
        is_narrowed: asked.is_search() || !asked.show.is_empty() || !asked.is_first_page(),
        everything: Asked::default().href(),
    }
}
