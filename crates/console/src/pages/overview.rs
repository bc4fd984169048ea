//! The first page: does mail leave, and what needs somebody?

mod chart;
mod gathered;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use store::MessageState;

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::pages::messages::state_text;
use crate::show;

use chart::{Chart, Range};
use gathered::{Gathered, LaneView, Need};

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    range: Option<String>,
}

/// A state with its count, as a link into the list.
struct Tile {
    name: &'static str,
    text: &'static str,
    count: String,
    is_none: bool,
}

struct Now {
    range: Range,
    /// `/?range=7d`: where it is loaded again from.
    href: String,
    tiles: Vec<Tile>,
    oldest: Option<String>,
    needs: Vec<Need>,
    lanes: Vec<LaneView>,
    lanes_are_cut: bool,
    chart: Chart,
    /// Free room on the disk of the data folder.
    disk: String,
    disk_is_full: bool,
    /// Nothing is set up, or nothing was ever sent.
    is_new: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    now: Now,
}

#[derive(Template)]
#[template(path = "overview_now.html")]
struct NowPart {
    frame: Frame,
    now: Now,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let range = Range::of_name(asked.range.as_deref());
    let gathered = gathered::gather(&console, range).await?;
    let now = now(gathered, range, &console);
    let frame = Frame::new(&visitor, "Overview");
    if headers.contains_key("hx-request") {
        return page(&NowPart { frame, now });
    }
    page(&OverviewPage { frame, now })
}

fn now(gathered: Gathered, range: Range, console: &Console) -> Now {
    let now = console.now();
    let counts = &gathered.counts;
    let tile = |state: MessageState, count: u64| Tile {
        name: state.name(),
        text: state_text(state),
        count: show::count(count),
        is_none: count == 0,
    };
    Now {
        range,
        href: range.href().to_owned(),
        tiles: vec![
            tile(MessageState::Queued, counts.queued),
            tile(MessageState::Sending, counts.sending),
            tile(MessageState::Sent, counts.sent),
            tile(MessageState::Failed, counts.failed),
            tile(MessageState::Uncertain, counts.uncertain),
            tile(MessageState::Held, counts.held),
            tile(MessageState::Cancelled, counts.cancelled),
            tile(MessageState::Quarantined, counts.quarantined),
        ],
        oldest: counts.oldest_waiting.map(|oldest| show::distance(&oldest, &now)),
        chart: Chart::of(&gathered.history, range, now),
        needs: gathered.needs,
        lanes_are_cut: gathered.lanes_are_cut,
        lanes: gathered.lanes,
        disk: gathered.free_bytes.map_or_else(|| "unknown".to_owned(), |free| format!("{} free", show::bytes(free))),
        disk_is_full: gathered.free_bytes.is_none_or(|free| free < console.config.min_free_bytes),
        is_new: gathered.is_new,
    }
}
