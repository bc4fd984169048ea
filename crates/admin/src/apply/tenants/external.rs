//! What all mailboxes of a tenant may send to the outside.

use settings::ExternalLimit;

use crate::Refused;
use crate::setup_file::TenantEntry;

pub(super) fn read(entry: &TenantEntry) -> Result<ExternalLimit, Refused> {
    let refused = |field, what: String, fix: &str| {
        Err(Refused::new(format!("tenant '{}': {what}", entry.name), fix.to_owned()).at(field))
    };
    for (field, value) in
        [("paid_licences", entry.paid_licences), ("external_recipients_per_day", entry.external_recipients_per_day)]
    {
        if value == Some(0) {
            return refused(field, format!("{field} = 0 would let nothing out"), "Leave it out for no limit.");
        }
    }
    let domains: Vec<String> = entry.internal_domains.iter().map(|domain| domain.trim().to_lowercase()).collect();
    if let Some(wrong) = domains.iter().find(|domain| !is_domain(domain)) {
        let what = format!("internal_domains has '{wrong}', which is not a domain");
        return refused("internal_domains", what, "Write domains alone, as in contoso.test.");
    }
    let is_limited = entry.paid_licences.or(entry.external_recipients_per_day).is_some();
    if is_limited && domains.is_empty() {
        let what = "without internal_domains every recipient would count as external".to_owned();
        return refused("internal_domains", what, "Name the tenant's own domains.");
    }
    Ok(ExternalLimit {
        paid_licences: entry.paid_licences,
        recipients_per_day: entry.external_recipients_per_day,
        internal_domains: domains,
    })
}

/// As in the part of an address after its `@`; letters beyond ASCII are those of internationalised names.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    domain.len() <= 253 && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_domains() {
        for (domain, is_one) in [
            ("contoso.test", true),
            ("bücher.test", true),
            ("intranet", true),
            ("", false),
            ("@contoso.test", false),
            ("*.contoso.test", false), // a subdomain is named itself
            ("a..test", false),
            ("-a.test", false),
        ] {
            assert_eq!(is_domain(domain), is_one, "{domain}");
        }
    }
}
