//! Secrets and certificates that end soon: a gateway whose secret expired over night sends nothing in the morning.

use jiff::Timestamp;
use serde::Serialize;
use settings::{Settings, Tenant};

use crate::apply::references::users_of_tenant;

/// How near the end is. In order: the last is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Within 60 days: to be planned.
    Notice,
    /// Within 30 days.
    Warning,
    /// Within 7 days.
    Urgent,
    /// It is over: nothing leaves with it.
    Over,
}

/// A credential that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expiring {
    pub tenant_id: String,
    pub tenant: String,
    /// `client secret` or `certificate`.
    pub what: &'static str,
    pub expires: Timestamp,
    /// Whole days left; negative when it is over.
    pub days_left: i64,
    /// The mark that was passed last: 60, 30, 14, 7, 1 or 0 days.
    pub mark_days: i64,
    pub severity: Severity,
    /// The connections that stop then, in words.
    pub used_by: Vec<String>,
    pub fix: String,
    pub who: String,
}

/// All credentials in use that end within 60 days, the first to end first.
pub fn expiring(settings: &Settings, now: Timestamp) -> Vec<Expiring> {
    let mut found: Vec<Expiring> = settings.tenants.iter().filter_map(|it| of_tenant(settings, it, now)).collect();
    found.sort_by(|a, b| (a.expires, &a.tenant).cmp(&(b.expires, &b.tenant)));
    found
}

fn of_tenant(settings: &Settings, tenant: &Tenant, now: Timestamp) -> Option<Expiring> {
    let end = telling::credential_end(tenant)?;
    let (what, expires, days_left) = (end.what, end.at, end.days_left(now));
    let mark_days = mark(days_left)?;
    let severity = match mark_days {
        0 => Severity::Over,
        1..=7 => Severity::Urgent,
        8..=30 => Severity::Warning,
        _ => Severity::Notice,
    };
    Some(Expiring {
        tenant_id: tenant.id.0.clone(),
        tenant: tenant.name.clone(),
        what,
        expires,
        days_left,
        mark_days,
        severity,
        used_by: users_of_tenant(settings, &tenant.id),
        fix: format!(
            "Make a new {what} for the app registration {} and enter it in the tenant '{}': it takes effect at once.",
            tenant.client_id, tenant.name
        ),
        who: entra::Who::EntraAdministrator.to_string(),
    })
}

/// The tightest of the marks that the days left are within; `None`: it is far off.
fn mark(days_left: i64) -> Option<i64> {
    if days_left < 0 {
        return Some(0);
    }
    [1, 7, 14, 30, 60].into_iter().find(|mark| days_left <= *mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_passes_its_marks_one_by_one() {
        for (days, expected) in [
            (61, None),
            (60, Some(60)),
            (31, Some(60)),
            (30, Some(30)),
            (14, Some(14)),
            (8, Some(14)),
            (7, Some(7)),
            (1, Some(1)),
            (0, Some(1)), // ends today
            (-1, Some(0)),
        ] {
            assert_eq!(mark(days), expected, "{days}");
        }
    }
}
