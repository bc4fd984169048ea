//! Who may send what: plain functions of the submitter and what was said.

use mail::ReversePath;
use mail::from::HeaderFrom;

use super::{Refusal, Submitter, refusal};

/// The null path is free: reports have no sender, and the header From is checked as well.
pub(super) fn check_reverse_path(submitter: &Submitter, path: &ReversePath) -> Result<(), Refusal> {
    let (Some(account), Some(address)) = (submitter.account(), path.address()) else { return Ok(()) };
    if account.may_send_as(address) {
        return Ok(());
    }
    Err(refusal::reverse_path_not_allowed(&account.name, path))
}

/// Every address that any reader could take for the originator must be allowed. An account that is limited must write
/// a From that is read in one way only; a message without From passes, for it claims to be from nobody.
pub(super) fn check_header_from(submitter: &Submitter, from: &HeaderFrom) -> Result<(), Refusal> {
    let Some(account) = submitter.account().filter(|account| !account.allowed_senders.is_empty()) else {
        return Ok(());
    };
    if let Some(foreign) = from.addresses.iter().find(|address| !account.may_send_as(address)) {
        return Err(refusal::header_from_not_allowed(&account.name, foreign));
    }
    if from.is_understood { Ok(()) } else { Err(refusal::header_from_unreadable(&account.name)) }
}

pub(super) fn check_recipient_count(count: usize, limit: usize) -> Result<(), Refusal> {
    match count {
        0 => Err(refusal::no_recipients()),
        count if count > limit => Err(refusal::too_many_recipients(limit)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use settings::{Account, AccountId};

    use super::*;
    use crate::intake::RefusalKind;

    fn limited_to(patterns: &[&str]) -> Submitter {
        Submitter::Account(Arc::new(Account {
            id: AccountId("a1".into()),
            name: "erp".into(),
            password_hash: None,
            token_digest: None,
            allowed_senders: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            networks: Vec::new(),
            messages_per_minute: None,
        }))
    }

    #[test]
    fn mail_from_must_be_an_allowed_sender() {
        let app = limited_to(&["*@contoso.test"]);
        for (submitter, path, allowed) in [
            (&app, "app@contoso.test", true),
            (&app, "app@evil.test", false),
            (&limited_to(&[]), "any@evil.test", true),    // no list: any sender
            (&Submitter::Network, "any@evil.test", true), // the listener trusts the network
            (&Submitter::Local, "any@evil.test", true),
        ] {
            let path = ReversePath::Address(path.parse().unwrap());
            assert_eq!(check_reverse_path(submitter, &path).is_ok(), allowed, "{path}");
        }
        assert!(check_reverse_path(&app, &ReversePath::Null).is_ok(), "a report has no sender");
    }

    #[test]
    fn every_address_of_the_header_from_must_be_allowed() {
        let app = limited_to(&["app@contoso.test"]);
        for (header, allowed) in [
            ("From: App <app@contoso.test>\r\n", true),
            ("From: ceo@contoso.test\r\n", false), // MAIL FROM was app@: the header must not say otherwise
            ("From: app@contoso.test, ceo@contoso.test\r\n", false),
            ("From: app@contoso.test\r\nFrom: ceo@contoso.test\r\n", false), // readers take one or the other
            ("From:\r\n =?utf-8?Q?x?=\r\n <ceo@contoso.test>\r\n", false),   // folded
            ("From: ceo@contoso.test <app@contoso.test>\r\n", false),        // shown by some readers
            ("From: \"ceo@contoso.test\" <app@contoso.test>\r\n", true),     // a display name is free
            ("From: app@contoso.test <app@contoso.test>\r\n", true),         // old programs write that
            ("From: <ceo. app@contoso.test>\r\n", false),                    // joined by some readers
            ("From: app@contoso.test (ceo@contoso.test)\r\n", false),
            ("From: root (Cron Daemon)\r\n", false), // nobody can say who that is
            ("Subject: no From\r\n", true),
        ] {
            let from = mail::from::parse_from(header.as_bytes());
            let checked = check_header_from(&app, &from);
            assert_eq!(checked.is_ok(), allowed, "{header:?}");
            assert!(check_header_from(&limited_to(&[]), &from).is_ok(), "no list: any sender");
            assert!(checked.err().is_none_or(|refusal| refusal.kind == RefusalKind::SenderNotAllowed));
        }
    }
}
