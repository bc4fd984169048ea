//! Everything the overview tells, from the operations and the store, in the words of the page.

use std::path::Path;

use admin::{Expiring, Severity};
use jiff::Timestamp;
use settings::{Permission, Service, Settings};
use store::{Counts, HistoryPoint, Lane};

use super::chart::Range;
use crate::Console;
use crate::error::{PageError, sentence};
use crate::pages::messages::foreign;
use crate::show;

/// Lanes that are shown: the busiest.
const MAX_LANES: u32 = 50;
/// Exchange Online's recipient rate limit of a mailbox, in any 24 hours.
const RECIPIENTS_A_DAY: u64 = 10_000;

/// Something that will not mend itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// `state-fail` or `state-warn`.
    pub(super) class: &'static str,
    pub(super) status: &'static str,
    pub(super) what: String,
    pub(super) fix: String,
    pub(super) href: String,
}

#[derive(Debug)]
pub(super) struct LaneView {
    pub(super) connection: String,
    pub(super) mailbox: String,
    pub(super) waiting: String,
    pub(super) in_flight: u32,
    /// Of the last 24 hours, with the limit where there is one.
    pub(super) recipients: String,
    /// 0 to 100, for the bar; `None`: no limit is known.
    pub(super) used_percent: Option<u64>,
    pub(super) class: &'static str,
    pub(super) state: &'static str,
    pub(super) reason: String,
    pub(super) until: Option<String>,
}

#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) counts: Counts,
    pub(super) history: Vec<HistoryPoint>,
    pub(super) lanes: Vec<LaneView>,
    pub(super) lanes_are_cut: bool,
    pub(super) needs: Vec<Need>,
    pub(super) free_bytes: Option<u64>,
    pub(super) is_new: bool,
}

pub(super) async fn gather(console: &Console, range: Range) -> Result<Gathered, PageError> {
    let (store, now) = (console.store(), console.now());
    let settings = store.settings().borrow().clone();
    let counts = store.counts().await?;
    let lanes = store.lanes(MAX_LANES).await?;
    let day_ago = Timestamp::from_second(now.as_second() - 86_400).unwrap_or(now);
    let mut views = Vec::new();
    for lane in &lanes {
        let recipients = store.recipients_attempted(lane.id, day_ago).await?;
        views.push(lane_view(lane, recipients, &settings, now));
    }
    let mut needs = stopped(&lanes, &settings, now);
    needs.extend(without_grant(console, &settings).await?);
    needs.extend(admin::expiring(&settings, now).iter().map(expiry));
    let is_new = settings.connections.is_empty() && counts == Counts::default();
    Ok(Gathered {
        history: store.history(range.since(now), now).await?,
        lanes_are_cut: lanes.len() >= usize::try_from(MAX_LANES).unwrap_or(usize::MAX),
        lanes: views,
        needs,
        free_bytes: free_bytes(&console.config.data_dir),
        is_new,
        counts,
    })
}

fn connection_name(lane: &Lane, settings: &Settings) -> String {
    settings.connection(&lane.key.connection).map_or("(removed)", |it| it.name.as_str()).to_owned()
}

fn lane_view(lane: &Lane, recipients: u64, settings: &Settings, now: Timestamp) -> LaneView {
    let connection = settings.connection(&lane.key.connection);
    let limit = connection.filter(|it| it.service != Service::SmtpServer).map(|_| RECIPIENTS_A_DAY);
    let pause = lane.pause.as_ref().filter(|pause| pause.until > now);
    let (class, state) = match pause {
        Some(pause) if pause.needs_administrator => ("state-fail", "Stopped"),
        Some(_) => ("state-warn", "Throttled"),
        None if lane.waiting > 0 => ("state-sending", "Working"),
        None => ("state-ok", "Idle"),
    };
    LaneView {
        connection: connection_name(lane, settings),
        mailbox: foreign::line(lane.key.mailbox.as_str(), foreign::LINE_MAX_CHARS),
        waiting: show::count(lane.waiting),
        in_flight: connection.map_or(0, |connection| connection.in_flight),
        recipients: match limit {
            Some(limit) => format!("{} of {}", show::count(recipients), show::count(limit)),
            None => show::count(recipients),
        },
        used_percent: limit.map(|limit| (recipients.saturating_mul(100) / limit).min(100)),
        class,
        state,
        reason: pause.map(|pause| foreign::line(&pause.explanation.what, 300)).unwrap_or_default(),
        until: pause.map(|pause| show::distance(&pause.until, &now)),
    }
}

/// Lanes that an administrator must set going again.
fn stopped(lanes: &[Lane], settings: &Settings, now: Timestamp) -> Vec<Need> {
    let need = |lane: &Lane| {
        let pause = lane.pause.as_ref().filter(|pause| pause.needs_administrator && pause.until > now)?;
        let name = connection_name(lane, settings);
        Some(Need {
            class: "state-fail",
            status: "Stopped",
            what: foreign::line(&format!("{name}, {}: {}", lane.key.mailbox, pause.explanation.what), 300),
            fix: foreign::line(&pause.explanation.fix, 300),
            href: format!("/integration/connections/{}", lane.key.connection),
        })
    };
    lanes.iter().filter_map(need).collect()
}

/// Delegated connections that somebody must sign in for.
async fn without_grant(console: &Console, settings: &Settings) -> Result<Vec<Need>, PageError> {
    let mut needs = Vec::new();
    for connection in settings.connections.iter().filter(|it| it.permission == Permission::Delegated) {
        let what = match console.store().grant(&connection.id).await? {
            None => "nobody has signed in for it yet".to_owned(),
            Some(grant) => match grant.dead {
                Some(dead) => dead.what,
                None => continue,
            },
        };
        needs.push(Need {
            class: "state-fail",
            status: "Sign in",
            what: foreign::line(&format!("{}: {what}", connection.name), 300),
            fix: "Open the connection and use Setup Authentication.".to_owned(),
            href: format!("/integration/connections/{}", connection.id),
        });
    }
    Ok(needs)
}

fn expiry(expiring: &Expiring) -> Need {
    let ends = expiring.expires.strftime("%Y-%m-%d");
    let when = match expiring.days_left {
        ..0 => format!("expired on {ends}"),
        0 => "expires within a day".to_owned(),
        1 => format!("expires in one day, on {ends}"),
        days => format!("expires in {days} days, on {ends}"),
    };
    let (class, status) = match expiring.severity {
        Severity::Over => ("state-fail", "Expired"),
        Severity::Urgent => ("state-fail", "Expires"),
        Severity::Warning | Severity::Notice => ("state-warn", "Expires"),
    };
    let stops = match expiring.used_by.join(", ") {
        used if used.is_empty() => String::new(),
        used => format!(" Used by {used}."),
    };
    Need {
        class,
        status,
        what: sentence(&format!("{} of {} {when}", expiring.what, expiring.tenant)),
        fix: format!("{}{stops}", expiring.fix),
        href: format!("/integration/tenants/{}", expiring.tenant_id),
    }
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_says_when_and_how_urgent_that_is() {
        for (days_left, severity, what, class) in [
            (30, Severity::Warning, "Client secret of Contoso expires in 30 days, on 2026-12-25", "state-warn"),
            (1, Severity::Urgent, "Client secret of Contoso expires in one day, on 2026-12-25", "state-fail"),
            (0, Severity::Urgent, "Client secret of Contoso expires within a day", "state-fail"),
            (-3, Severity::Over, "Client secret of Contoso expired on 2026-12-25", "state-fail"),
        ] {
            let need = expiry(&Expiring {
                tenant_id: "t1".to_owned(),
                tenant: "Contoso".to_owned(),
                what: "client secret",
                expires: "2026-12-25T00:00:00Z".parse().unwrap(),
                days_left,
                mark_days: days_left.max(0),
                severity,
                used_by: vec!["Contoso Graph".to_owned()],
                fix: "Make a new one.".to_owned(),
                who: "you".to_owned(),
            });
            assert_eq!((need.what.as_str(), need.class), (what, class));
            assert_eq!(need.fix, "Make a new one. Used by Contoso Graph.");
        }
    }
}
