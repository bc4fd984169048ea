//! Integration → Service Connections → Tenants: whose mailboxes send, and how Postern proves to be allowed to.

pub(super) mod certificate;
pub(super) mod edit;
pub(super) mod form;
mod limits;

use admin::TenantView;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use settings::Cloud;

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::show;

/// From here on a credential's end is worth a warning.
const WARN_SECONDS: i64 = 60 * 86_400;

#[derive(Template)]
#[template(path = "integration/tenants.html")]
struct TenantsPage {
    frame: Frame,
    tenants: Vec<Row>,
}

#[derive(Template)]
#[template(path = "integration/tenant.html")]
struct TenantPage {
    frame: Frame,
    row: Row,
}

/// A tenant as it is shown.
pub(super) struct Row {
    pub(super) tenant: TenantView,
    pub(super) credential: &'static str,
    /// Class and words.
    pub(super) expiry: Option<(&'static str, String)>,
    pub(super) cloud: String,
    /// Other software keeps the credential fresh.
    pub(super) is_kept_fresh: bool,
    /// What it may send to the outside, in words; `None`: no limit is kept.
    pub(super) external: Option<String>,
}

impl Row {
    pub(super) fn of(tenant: TenantView, now: Timestamp) -> Self {
        let credential = match &tenant {
            TenantView { has_client_secret: true, .. } => "Client Secret",
            TenantView { certificate: Some(_), .. } => "Certificate",
            TenantView { federated_token_file: Some(_), .. } => "Token file",
            TenantView { managed_identity: true, .. } => "Managed identity",
            _ => "none yet",
        };
        let by_secret = tenant.client_secret_expires.and_then(|date| date.to_zoned_datetime(TimeZone::UTC).ok());
        let by_certificate = tenant.certificate.as_ref().map(|certificate| certificate.not_after);
        let ends = by_secret.map(|end| end.timestamp()).or(by_certificate);
        let expiry = ends.map(|end| expiry(end, now));
        let cloud = match &tenant.cloud {
            Cloud::Global => "Microsoft 365, worldwide".to_owned(),
            Cloud::UsGov => "US Government (GCC High)".to_owned(),
            Cloud::UsGovDod => "US Government (DoD)".to_owned(),
            Cloud::China => "China (21Vianet)".to_owned(),
            Cloud::Custom(custom) => custom.graph.to_string(),
        };
        let is_kept_fresh = tenant.managed_identity || tenant.federated_token_file.is_some();
        let external = tenant.external_budget.map(|budget| {
            format!("{} in 24 hours, outside {}", show::count(budget.into()), tenant.internal_domains.join(", "))
        });
        Self { tenant, credential, expiry, cloud, is_kept_fresh, external }
    }
}

fn expiry(end: Timestamp, now: Timestamp) -> (&'static str, String) {
    let left = end.as_second() - now.as_second();
    let date = end.strftime("%Y-%m-%d");
    match left {
        ..=0 => ("state-fail", format!("expired {date}")),
        1..WARN_SECONDS => ("state-warn", format!("{date}, {}", show::distance(&end, &now))),
        _ => ("state-ok", date.to_string()),
    }
}

/// By id; a page that is not there where it is not.
pub(super) fn tenant(console: &Console, visitor: &Visitor, id: &str) -> Result<TenantView, PageError> {
    let all = admin::list_tenants(console.store(), visitor.actor())?;
    all.into_iter().find(|tenant| tenant.id == id).ok_or_else(|| PageError::not_found("tenant"))
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let tenants = admin::list_tenants(console.store(), visitor.actor())?;
    let tenants = tenants.into_iter().map(|tenant| Row::of(tenant, console.now())).collect();
    page(&TenantsPage { frame: Frame::new(&visitor, "Tenants"), tenants })
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let tenant = tenant(&console, &visitor, &id)?;
    page(&TenantPage { frame: Frame::new(&visitor, tenant.name.clone()), row: Row::of(tenant, console.now()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_warns_from_sixty_days_before_and_says_when_it_is_over() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (days, class) in [(-1, "state-fail"), (0, "state-fail"), (59, "state-warn"), (61, "state-ok")] {
            let end = Timestamp::from_second(now.as_second() + days * 86_400).unwrap();
            assert_eq!(expiry(end, now).0, class, "{days}");
        }
    }
}
