//! How things stand, on one page: what waits, what went through, what is wrong, what will be.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use settings::{Connection, Permission, Settings};
use store::{Counts, Explanation, HistoryPoint, Lane, Store};

use crate::expiry::{Expiring, expiring};
use crate::{Actor, AdminError, Check, ConnectionSummary, GrantSummary, Role, connection, doctor};

/// Lanes shown; the busiest come first.
const MAX_LANES: u32 = 50;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A day in 96 steps, a week in 84: as many as a picture of ordinary width can show.
const DAY_STEP_SECONDS: i64 = 15 * 60;
const WEEK_STEP_SECONDS: i64 = 2 * 3600;

#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    pub counts: Counts,
    /// How long the oldest waiting message has waited.
    pub oldest_waiting_seconds: Option<i64>,
    /// In steps of 15 minutes, none left out, oldest first.
    pub last_day: Vec<HistoryPoint>,
    /// In steps of two hours, none left out, oldest first.
    pub last_week: Vec<HistoryPoint>,
    pub lanes: Vec<LaneView>,
    pub expiring: Vec<Expiring>,
    /// Store and disk.
    pub health: Vec<Check>,
    pub connections: Vec<ConnectionState>,
    /// Why mail that no route takes would wait, in one sentence.
    pub emails_problem: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LaneView {
    pub connection_id: String,
    /// Name of the connection; its id if it is gone.
    pub connection: String,
    pub mailbox: String,
    /// Messages queued or being sent.
    pub waiting: u64,
    pub next_due: Option<Timestamp>,
    /// Until when it stands still.
    pub paused_until: Option<Timestamp>,
    pub pause_reason: Option<Explanation>,
    /// An administrator must act, or it stands still again.
    pub needs_administrator: bool,
    /// Whom attempts were started for in the last 24 hours, to the hour.
    pub recipients_last_day: u64,
    /// `None`: no limit is kept.
    pub recipients_limit: Option<u64>,
    /// Attempts at once that the connection allows.
    pub max_in_flight: u32,
}

#[derive(Debug, Clone, Serialize)]
pub struct ConnectionState {
    #[serde(flatten)]
    pub connection: ConnectionSummary,
    /// For a delegated connection: who signed in.
    pub grant: Option<GrantSummary>,
    /// What keeps it from sending, in one sentence; `None`: nothing that is known here.
    pub problem: Option<String>,
}

/// `data_dir` is looked at for room on the disk, if it is given.
pub async fn overview(
    store: &dyn Store,
    actor: &Actor,
    data_dir: Option<&Path>,
    now: Timestamp,
) -> Result<Overview, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    let counts = store.counts().await?;
    let lanes = lanes(store, &settings, now).await?;
    Ok(Overview {
        oldest_waiting_seconds: counts.oldest_waiting.map(|oldest| oldest.duration_until(now).as_secs().max(0)),
        counts,
        last_day: history(store, DAY, DAY_STEP_SECONDS, now).await?,
        last_week: history(store, DAY.saturating_mul(7), WEEK_STEP_SECONDS, now).await?,
        expiring: expiring(&settings, now),
        health: doctor::health(store, data_dir).await,
        connections: connections(store, actor, &settings, &lanes).await?,
        lanes,
        emails_problem: settings.route(None).err().map(|missing| missing.to_string()),
    })
}

async fn lanes(store: &dyn Store, settings: &Settings, now: Timestamp) -> Result<Vec<LaneView>, AdminError> {
    let since = now.saturating_sub(DAY).unwrap_or(Timestamp::MIN);
    let mut views = Vec::new();
    for lane in store.lanes(MAX_LANES).await? {
        let recipients = store.recipients_attempted(lane.id, since).await?;
        views.push(lane_view(settings, lane, recipients, now));
    }
    Ok(views)
}

fn lane_view(settings: &Settings, lane: Lane, recipients_last_day: u64, now: Timestamp) -> LaneView {
    let connection = settings.connection(&lane.key.connection);
    let pause = lane.pause.filter(|pause| pause.until > now);
    LaneView {
        connection: connection.map_or_else(|| lane.key.connection.0.clone(), |it| it.name.clone()),
        connection_id: lane.key.connection.0,
        mailbox: lane.key.mailbox.to_string(),
        waiting: lane.waiting,
        next_due: lane.next_due,
        paused_until: pause.as_ref().map(|pause| pause.until),
        needs_administrator: pause.as_ref().is_some_and(|pause| pause.needs_administrator),
        pause_reason: pause.map(|pause| pause.explanation),
        recipients_last_day,
        recipients_limit: connection.and_then(recipients_limit).map(u64::from),
        max_in_flight: connection.map_or(0, |it| it.in_flight),
    }
}

/// What the administrator allows, or else the service.
fn recipients_limit(connection: &Connection) -> Option<u32> {
    connection.pace.recipients_per_day.or_else(|| connection.service.limits().recipients_per_day)
}

async fn connections(
    store: &dyn Store,
    actor: &Actor,
    settings: &Settings,
    lanes: &[LaneView],
) -> Result<Vec<ConnectionState>, AdminError> {
    let mut states = Vec::new();
    for known in &settings.connections {
        let grant = store.grant(&known.id).await?.map(GrantSummary::from);
        let summary = connection::connection_named(store, actor, &known.id.0)?;
        let lane = lanes.iter().find(|lane| lane.connection_id == known.id.0 && lane.needs_administrator);
        let in_lane = lane.and_then(|lane| lane.pause_reason.as_ref()).map(|reason| reason.what.clone());
        let in_settings = match (known.permission, &grant) {
            (Permission::Delegated, None) => Some("Nobody has signed in.".to_owned()),
            (Permission::Delegated, Some(grant)) => grant.dead.as_ref().map(|dead| dead.what.clone()),
            (Permission::Application, _) if summary.credential.is_none() && known.service.needs_tenant() => Some(
                "Its tenant has no credential: neither a client secret nor a certificate nor an identity.".to_owned(),
            ),
            (Permission::Application, _) => None,
        };
        states.push(ConnectionState { connection: summary, grant, problem: in_settings.or(in_lane) });
    }
    Ok(states)
}

async fn history(
    store: &dyn Store,
    span: SignedDuration,
    step: i64,
    now: Timestamp,
) -> Result<Vec<HistoryPoint>, AdminError> {
    let last = now.as_second().div_euclid(step) * step;
    let first = (last - span.as_secs()).div_euclid(step) * step + step;
    let since = Timestamp::from_second(first).unwrap_or(Timestamp::MIN);
    let until = now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(now);
    Ok(folded(&store.history(since, until).await?, first, last, step))
}

/// One point a step, from `first` to `last`: what came, went and failed is added up; what waits is the last that is known.
fn folded(points: &[HistoryPoint], first: i64, last: i64, step: i64) -> Vec<HistoryPoint> {
    let mut folded = Vec::new();
    let mut points = points.iter().peekable();
    let (mut begin, mut waiting) = (first, 0);
    while begin <= last {
        let Ok(at) = Timestamp::from_second(begin) else { break };
        let mut sum = HistoryPoint { at, accepted: 0, sent: 0, failed: 0, waiting };
        while let Some(point) = points.next_if(|point| point.at.as_second() < begin.saturating_add(step)) {
            sum.accepted += point.accepted;
            sum.sent += point.sent;
            sum.failed += point.failed;
            sum.waiting = point.waiting;
        }
        waiting = sum.waiting;
        folded.push(sum);
        begin = begin.saturating_add(step);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_added_up_and_its_gaps_are_filled() {
        let point = |second, accepted, waiting| HistoryPoint {
            at: Timestamp::from_second(second).unwrap(),
            accepted,
            sent: 1,
            failed: 0,
            waiting,
        };
        let folded = folded(&[point(0, 1, 1), point(300, 2, 5), point(1800, 4, 2)], 0, 2700, 900);
        let seen: Vec<_> = folded.iter().map(|it| (it.at.as_second(), it.accepted, it.sent, it.waiting)).collect();
        // The second step is empty, and the messages still wait in it.
        assert_eq!(seen, [(0, 3, 2, 5), (900, 0, 0, 5), (1800, 4, 1, 2), (2700, 0, 0, 2)]);
    }
}
