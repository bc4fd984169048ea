//! Overview, doctor, audit log.

use serde::{Deserialize, Serialize};
use submission::http::{DateTime, ExplanationView};
use utoipa::ToSchema;

use super::{ConnectionView, GrantView};

/// How things stand.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Overview {
    counts: Counts,
    #[schema(required)]
    oldest_waiting_seconds: Option<i64>,
    /// In steps of 15 minutes, oldest first.
    last_day: Vec<HistoryPoint>,
    /// In steps of two hours, oldest first.
    last_week: Vec<HistoryPoint>,
    lanes: Vec<LaneView>,
    expiring: Vec<Expiring>,
    /// Store and disk.
    health: Vec<CheckView>,
    connections: Vec<ConnectionState>,
    /// Why mail that no route takes would wait; null: it leaves.
    #[schema(required)]
    emails_problem: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Counts {
    queued: u64,
    sending: u64,
    sent: u64,
    failed: u64,
    uncertain: u64,
    held: u64,
    cancelled: u64,
    quarantined: u64,
    #[schema(required)]
    oldest_waiting: Option<DateTime>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HistoryPoint {
    /// Where the step begins.
    at: DateTime,
    accepted: u64,
    sent: u64,
    failed: u64,
    waiting: u64,
}

/// One mailbox on one connection.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct LaneView {
    connection_id: String,
    connection: String,
    mailbox: String,
    waiting: u64,
    #[schema(required)]
    next_due: Option<DateTime>,
    #[schema(required)]
    paused_until: Option<DateTime>,
    #[schema(required)]
    pause_reason: Option<ExplanationView>,
    needs_administrator: bool,
    recipients_last_day: u64,
    /// Null: no limit is kept.
    #[schema(required)]
    recipients_limit: Option<u64>,
    max_in_flight: u32,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum SeverityName {
    Notice,
    Warning,
    Urgent,
    Over,
}

/// A credential that ends soon, or has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Expiring {
    tenant_id: String,
    tenant: String,
    what: String,
    expires: DateTime,
    days_left: i64,
    mark_days: i64,
    severity: SeverityName,
    used_by: Vec<String>,
    fix: String,
    who: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ConnectionState {
    #[serde(flatten)]
    connection: ConnectionView,
    #[schema(required)]
    grant: Option<GrantView>,
    /// What keeps it from sending; null: nothing that is known.
    #[schema(required)]
    problem: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum CheckStatusName {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct CheckView {
    /// Stable, for monitoring.
    name: String,
    status: CheckStatusName,
    found: String,
    #[serde(default)]
    fix: String,
    #[serde(default)]
    who: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Findings {
    /// In the order a message meets what was looked at.
    checks: Vec<CheckView>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DoctorEntry {
    /// Name of one connection; left out: all that are in use.
    connection: Option<String>,
    /// Sends a test message there.
    #[schema(format = Email)]
    send_to: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AuditPage {
    /// Newest first.
    entries: Vec<AuditLine>,
    /// The `cursor` of the next page; null on the last.
    #[schema(required)]
    next: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AuditLine {
    number: i64,
    at: DateTime,
    actor: String,
    /// `snake_case`, stable.
    action: String,
    changes: Vec<AuditChange>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AuditChange {
    subject: String,
    change: String,
    field: String,
    #[schema(required)]
    before: Option<String>,
    #[schema(required)]
    after: Option<String>,
}
