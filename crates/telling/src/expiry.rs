//! When a tenant's credential ends.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use settings::{Credential, Tenant};
use x509_parser::pem::parse_x509_pem;

const DAY_SECONDS: i64 = 24 * 3600;

/// The end of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialEnd {
    /// `client secret` or `certificate`.
    pub what: &'static str,
    pub at: Timestamp,
}

impl CredentialEnd {
    /// Whole days left; negative when it is over.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (self.at.as_second() - now.as_second()).div_euclid(DAY_SECONDS)
    }
}

/// What the tenant proves itself with, and when that ends; `None`: it does not end, or others keep it fresh.
pub fn credential_end(tenant: &Tenant) -> Option<CredentialEnd> {
    match tenant.credential.as_ref()? {
        Credential::ClientSecret { expires, .. } => {
            let at = (*expires)?.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp();
            Some(CredentialEnd { what: "client secret", at })
        }
        Credential::Certificate(certificate) => {
            let (_, pem) = parse_x509_pem(certificate.certificate_pem.as_bytes()).ok()?;
            let end = pem.parse_x509().ok()?.validity().not_after.timestamp();
            Some(CredentialEnd { what: "certificate", at: Timestamp::from_second(end).ok()? })
        }
        Credential::FederatedTokenFile { .. } | Credential::ManagedIdentity => None,
    }
}
