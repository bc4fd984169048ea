//! What will not mend itself: connections that cannot send, settings that lead nowhere, credentials that end.

use admin::{CheckStatus, ConnectionState, Expiring, Overview, Severity};

use crate::error::sentence;
use crate::pages::messages::foreign;

/// Upstreams' words in it are cut here.
const MAX_CHARS: usize = 300;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// `state-fail` or `state-warn`.
    pub(super) class: &'static str,
    pub(super) status: &'static str,
    pub(super) what: String,
    pub(super) fix: String,
    pub(super) href: String,
}

/// The worst first.
pub(super) fn needs(overview: &Overview) -> Vec<Need> {
    let emails = overview.emails_problem.as_ref().map(|problem| Need {
        class: "state-warn",
        status: "Waits",
        what: sentence(problem),
        fix: "Mail that no route takes waits until that is done.".to_owned(),
        href: "/settings".to_owned(),
    });
    let health = overview.health.iter().filter(|check| check.status == CheckStatus::Fail).map(|check| Need {
        class: "state-fail",
        status: "Broken",
        what: sentence(&foreign::line(&check.found, MAX_CHARS)),
        fix: check.fix.clone(),
        href: "/doctor".to_owned(),
    });
    let connections = overview.connections.iter().filter_map(connection);
    let mut needs: Vec<Need> = health.chain(connections).chain(overview.expiring.iter().map(expiry)).collect();
    needs.extend(emails);
    needs.sort_by_key(|need| need.class != "state-fail");
    needs
}

fn connection(state: &ConnectionState) -> Option<Need> {
    let problem = state.problem.as_ref()?;
    let is_used = !state.connection.used_by.is_empty();
    Some(Need {
        class: if is_used { "state-fail" } else { "state-warn" },
        status: "Stopped",
        what: format!("{}: {}", state.connection.name, foreign::line(problem, MAX_CHARS)),
        fix: match state.connection.used_by.join(", ") {
            used if used.is_empty() => "Nothing uses it.".to_owned(),
            used => format!("Used by {used}."),
        },
        href: format!("/integration/connections/{}/authentication", state.connection.id),
    })
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
