//! What a tenant may send to the outside: the part of its form that a new connection does not ask for.

use admin::{Refused, TenantView};
use serde::Deserialize;

use crate::form::{Field, list, number};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LimitFields {
    paid_licences: String,
    external_recipients_per_day: String,
    internal_domains: String,
}

impl LimitFields {
    pub(super) fn of(tenant: &TenantView) -> Self {
        let text = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        Self {
            paid_licences: text(tenant.paid_licences),
            external_recipients_per_day: text(tenant.external_recipients_per_day),
            internal_domains: tenant.internal_domains.join("\n"),
        }
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        vec![
            Field::section("What it may send to the outside"),
            Field::number("paid_licences", "Paid licences", &self.paid_licences).hint(
                "With a mailbox. Exchange Online lets a tenant send to 500 × licences^0.7 + 9,500 external recipients in \
                 24 hours, and loses what is beyond. Left empty: no limit is kept.",
            ),
            Field::number(
                "external_recipients_per_day",
                "External recipients in 24 hours",
                &self.external_recipients_per_day,
            )
            .hint("If you know the number; it goes before the licences."),
            Field::lines("internal_domains", "Internal domains", &self.internal_domains, 3)
                .hint("The tenant's own, one to a line. Recipients of other domains, subdomains too, are external."),
        ]
    }

    pub(super) fn paid_licences(&self) -> Result<Option<u32>, Refused> {
        number(&self.paid_licences, "paid_licences")
    }

    pub(super) fn external_recipients_per_day(&self) -> Result<Option<u32>, Refused> {
        number(&self.external_recipients_per_day, "external_recipients_per_day")
    }

    pub(super) fn internal_domains(&self) -> Vec<String> {
        list(&self.internal_domains)
    }
}
