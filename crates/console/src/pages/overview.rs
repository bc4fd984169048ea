//! The first page: does mail leave, and what needs somebody?

mod chart;
mod needs;

use admin::{CheckStatus, Overview};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use store::{Counts, Explanation, MessageState};

use super::welcome::{self, Progress};
use crate::Console;
use crate::error::{PageError, sentence};
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::pages::messages::{foreign, state_text};
use crate::show;

use chart::{Chart, Range};
use needs::Need;

/// Upstreams' words about a lane are cut here.
const REASON_MAX_CHARS: usize = 300;

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

struct LaneRow {
    connection: String,
    mailbox: String,
    class: &'static str,
    state: &'static str,
    reason: String,
    until: Option<String>,
    waiting: String,
    max_in_flight: u32,
    recipients: String,
    /// 0 to 100, for the bar.
    used_percent: Option<u64>,
}

struct HealthRow {
    title: &'static str,
    class: &'static str,
    found: String,
}

/// What is loaded again when something changed.
struct Now {
    range: Range,
    tiles: Vec<Tile>,
    oldest: Option<String>,
    needs: Vec<Need>,
    lanes: Vec<LaneRow>,
    chart: Chart,
    health: Vec<HealthRow>,
    /// Nothing is set up, and nothing ever came.
    is_new: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    now: Now,
    /// The first run, while it is unfinished.
    first_run: Option<Progress>,
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
    let now = console.now();
    let data_dir = Some(console.config.data_dir.as_path());
    let overview = admin::overview(console.store(), visitor.actor(), data_dir, now).await?;
    let now = described(&overview, range, now);
    let frame = Frame::new(&visitor, "Overview");
    if headers.contains_key("hx-request") {
        return page(&NowPart { frame, now });
    }
    let may_go_on = frame.may_administer() && !now.is_new;
    let progress = if may_go_on { Some(welcome::progress(&console, &visitor).await?) } else { None };
    page(&OverviewPage { frame, now, first_run: progress.filter(|progress| !progress.is_finished()) })
}

fn described(overview: &Overview, range: Range, now: Timestamp) -> Now {
    Now {
        range,
        tiles: tiles(&overview.counts),
        oldest: overview.counts.oldest_waiting.map(|oldest| show::distance(&oldest, &now)),
        needs: needs::needs(overview),
        lanes: overview.lanes.iter().map(|lane| lane_row(lane, now)).collect(),
        chart: Chart::of(overview, range),
        health: overview
            .health
            .iter()
            .map(|check| HealthRow {
                title: check.title(),
                class: match check.status {
                    CheckStatus::Ok => "state-ok",
                    CheckStatus::Warn => "state-warn",
                    CheckStatus::Fail => "state-fail",
                },
                found: sentence(&foreign::line(&check.found, REASON_MAX_CHARS)),
            })
            .collect(),
        is_new: overview.connections.is_empty() && overview.counts == Counts::default(),
    }
}

fn tiles(counts: &Counts) -> Vec<Tile> {
    let tile = |state: MessageState| {
        let count = match state {
            MessageState::Queued => counts.queued,
            MessageState::Sending => counts.sending,
            MessageState::Sent => counts.sent,
            MessageState::Failed => counts.failed,
            MessageState::Uncertain => counts.uncertain,
            MessageState::Held => counts.held,
            MessageState::Cancelled => counts.cancelled,
            MessageState::Quarantined => counts.quarantined,
        };
        Tile { name: state.name(), text: state_text(state), count: show::count(count), is_none: count == 0 }
    };
    MessageState::ALL.into_iter().map(tile).collect()
}

fn lane_row(lane: &admin::LaneView, now: Timestamp) -> LaneRow {
    let (class, state) = match (lane.paused_until, lane.needs_administrator) {
        (Some(_), true) => ("state-fail", "Stopped"),
        (Some(_), false) => ("state-warn", "Resting"),
        (None, _) if lane.waiting > 0 => ("state-sending", "Working"),
        (None, _) => ("state-ok", "Idle"),
    };
    let (used, limit) = (lane.recipients_last_day, lane.recipients_limit);
    LaneRow {
        connection: lane.connection.clone(),
        mailbox: foreign::line(&lane.mailbox, foreign::LINE_MAX_CHARS),
        class,
        state,
        reason: lane.pause_reason.as_ref().map(reason).unwrap_or_default(),
        until: lane.paused_until.map(|until| show::distance(&until, &now)),
        waiting: show::count(lane.waiting),
        max_in_flight: lane.max_in_flight,
        recipients: limit
            .map_or_else(|| show::count(used), |limit| format!("{} of {}", show::count(used), show::count(limit))),
        used_percent: limit
            .and_then(|limit| used.saturating_mul(100).checked_div(limit))
            .map(|percent| percent.min(100)),
    }
}

fn reason(explanation: &Explanation) -> String {
    let words = format!("{} {}", explanation.what, sentence(&explanation.why));
    foreign::line(words.trim(), REASON_MAX_CHARS)
}
