//! Limits kept before the other side enforces them.
//!
//! Source of Microsoft's figures: its pages on throttling of Microsoft Graph and on limits of Exchange Online.

use serde::{Deserialize, Serialize};

use crate::Service;

/// What an administrator allows one mailbox on a connection, below what the service bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// `None`: no limit.
    pub messages_per_minute: Option<u32>,
    /// In any 24 hours; `None`: the service's own limit ([`ServiceLimits`]).
    pub recipients_per_day: Option<u32>,
}

/// What a service bears, a mailbox each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceLimits {
    /// HTTP requests in any 10 minutes.
    pub requests_per_10_minutes: Option<u32>,
    /// Octets of request bodies in any 5 minutes.
    pub upload_bytes_per_5_minutes: Option<u64>,
    /// Recipients in any 24 hours.
    pub recipients_per_day: Option<u32>,
}

impl Service {
    pub fn limits(self) -> ServiceLimits {
        let none =
            ServiceLimits { requests_per_10_minutes: None, upload_bytes_per_5_minutes: None, recipients_per_day: None };
        match self {
            Self::GraphApi => ServiceLimits {
                requests_per_10_minutes: Some(10_000),
                upload_bytes_per_5_minutes: Some(150_000_000),
                recipients_per_day: Some(10_000),
            },
            Self::Exchange => ServiceLimits { recipients_per_day: Some(10_000), ..none },
            Self::SmtpServer => none,
        }
    }
}

/// What all mailboxes of a tenant may send to the outside together, in any 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalLimit {
    /// Paid licences with a mailbox: Exchange Online derives its limit from them.
    pub paid_licences: Option<u32>,
    /// Said outright; goes before the licences.
    pub recipients_per_day: Option<u32>,
    /// The tenant's own domains (letter case ignored): recipients elsewhere are external.
    pub internal_domains: Vec<String>,
}

impl ExternalLimit {
    /// External recipients in any 24 hours; `None`: not known, and not limited here.
    pub fn budget(&self) -> Option<u32> {
        self.recipients_per_day.or_else(|| self.paid_licences.map(tenant_external_recipients))
    }

    /// Domains are compared whole: a subdomain is another domain, unless it is named.
    pub fn is_external(&self, domain: &str) -> bool {
        !self.internal_domains.iter().any(|internal| internal.eq_ignore_ascii_case(domain))
    }
}

/// Exchange Online's tenant external recipient rate limit: 500 × licences^0.7 + 9,500 in 24 hours.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 9,500 and 2.8 thousand million"
)]
pub fn tenant_external_recipients(paid_licences: u32) -> u32 {
    (500.0 * f64::from(paid_licences).powf(0.7) + 9_500.0).floor() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenants_limit_follows_microsofts_table() {
        for (licences, recipients) in
            [(1, 10_000), (10, 12_005), (25, 14_259), (100, 22_059), (1_000, 72_446), (10_000, 324_978)]
        {
            assert!(tenant_external_recipients(licences).abs_diff(recipients) <= 1, "{licences}");
        }
    }

    #[test]
    fn what_is_said_outright_goes_before_the_formula() {
        let limit = ExternalLimit { paid_licences: Some(1), recipients_per_day: Some(7), ..ExternalLimit::default() };
        assert_eq!(limit.budget(), Some(7));
        assert_eq!(ExternalLimit::default().budget(), None);
    }

    #[test]
    fn a_subdomain_is_another_domain() {
        let limit = ExternalLimit { internal_domains: vec!["contoso.test".into()], ..ExternalLimit::default() };
        assert!(!limit.is_external("Contoso.TEST"));
        assert!(limit.is_external("hr.contoso.test"));
    }
}
