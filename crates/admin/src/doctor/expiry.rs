//! When a tenant's credential ends.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use settings::{Credential, Tenant};
use telling::{CredentialEnd, credential_end};

use super::{Check, CheckStatus};

/// When an expiry is near enough to plan for.
const WARNING_DAYS: i64 = 30;

/// `None`: others keep it fresh, or there is none (which the token says).
pub(super) fn check(tenant: &Tenant, now: Timestamp) -> Option<Check> {
    const NAME: &str = "credential_expiry";
    if matches!(tenant.credential, Some(Credential::ClientSecret { expires: None, .. })) {
        return Some(Check::not_ok(
            NAME,
            CheckStatus::Warn,
            "nobody entered when the client secret expires, so nobody is warned",
            "Copy the date from 'Certificates & secrets' into client_secret_expires of the tenant.",
        ));
    }
    let end = credential_end(tenant)?;
    let CredentialEnd { what, at } = end;
    let date = at.to_zoned_datetime(TimeZone::UTC).date();
    let fix = format!("Make a new {what} in the app registration and apply it: it takes effect at once.");
    Some(match end.days_left(now) {
        ..0 => Check::not_ok(NAME, CheckStatus::Fail, format!("the {what} expired on {date}"), fix),
        days @ 0..WARNING_DAYS => {
            Check::not_ok(NAME, CheckStatus::Warn, format!("the {what} expires on {date}, in {days} days"), fix)
        }
        _ => Check::ok(NAME, format!("the {what} is good until {date}")),
    })
}
