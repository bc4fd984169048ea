//! When a tenant's credential ends.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use settings::{Credential, Tenant};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Check, CheckStatus};

/// When an expiry is near enough to plan for.
const WARNING_DAYS: i64 = 30;

/// `None`: others keep it fresh, or there is none (which the token says).
pub(super) fn check(tenant: &Tenant, now: Timestamp) -> Option<Check> {
    const NAME: &str = "credential_expiry";
    let (what, expires) = match tenant.credential.as_ref()? {
        Credential::ClientSecret { expires: None, .. } => {
            return Some(Check::not_ok(
                NAME,
                CheckStatus::Warn,
                "nobody entered when the client secret expires, so nobody is warned",
                "Copy the date from 'Certificates & secrets' into client_secret_expires of the tenant.",
            ));
        }
        Credential::ClientSecret { expires: Some(date), .. } => {
            ("client secret", date.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        }
        Credential::Certificate(certificate) => ("certificate", certificate_end(&certificate.certificate_pem)?),
        Credential::FederatedTokenFile { .. } | Credential::ManagedIdentity => return None,
    };
    let days = (expires.as_second() - now.as_second()).div_euclid(24 * 3600);
    let date = expires.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let fix = format!("Make a new {what} in the app registration and apply it: it takes effect at once.");
    Some(match days {
        ..0 => Check::not_ok(NAME, CheckStatus::Fail, format!("the {what} expired on {date}"), fix),
        0..WARNING_DAYS => {
            Check::not_ok(NAME, CheckStatus::Warn, format!("the {what} expires on {date}, in {days} days"), fix)
        }
        _ => Check::ok(NAME, format!("the {what} is good until {date}")),
    })
}

fn certificate_end(pem: &str) -> Option<Timestamp> {
    let der = CertificateDer::pem_slice_iter(pem.as_bytes()).next()?.ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}
