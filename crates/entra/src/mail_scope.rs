//! What a user lets the application do, as permissions of one service.
//!
//! Invariant: the permissions asked for belong to one service, for a token is for one; the same grant gives tokens for
//! another service when it is asked for that one's permissions alone.

use crate::Cloud;

/// What a user lets the application do. The default: send from the user's own mailbox, through Graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailScope {
    pub service: MailService,
    /// Also from mailboxes that are not the user's own. By SMTP this takes no permission of its own.
    pub shared: bool,
    /// Also makes drafts (`Mail.ReadWrite`): for large messages and tracked delivery.
    pub drafts: bool,
    /// Also reads mail (`Mail.Read`): for non-delivery reports.
    pub reads: bool,
}

/// By which service the user's mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MailService {
    #[default]
    Graph,
    /// Exchange Online by SMTP.
    Exchange,
}

impl MailScope {
    /// What was granted, as a token answer or a stored grant lists it.
    pub fn of_granted<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<String> =
            scopes.into_iter().filter_map(|scope| Some(scope.rsplit('/').next()?.to_ascii_lowercase())).collect();
        let has = |name: &str| names.iter().any(|granted| granted == name);
        let by_smtp_alone = has("smtp.send") && !has("mail.send");
        Self {
            service: if by_smtp_alone { MailService::Exchange } else { MailService::Graph },
            shared: has("mail.send.shared"),
            drafts: has("mail.readwrite"),
            reads: has("mail.read"),
        }
    }

    /// The permissions by name, without their service's address.
    pub fn permissions(self) -> Vec<&'static str> {
        if self.service == MailService::Exchange {
            return vec!["SMTP.Send"];
        }
        let all = [
            ("Mail.Send", true),
            ("Mail.Send.Shared", self.shared),
            ("Mail.ReadWrite", self.drafts),
            ("Mail.ReadWrite.Shared", self.drafts && self.shared),
            ("Mail.Read", self.reads),
            ("Mail.Read.Shared", self.reads && self.shared),
        ];
        all.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(name, _)| name).collect()
    }

    /// What of this a grant with `granted` does not allow; who may write mail may read it.
    pub fn lacking(self, granted: Self) -> Vec<&'static str> {
        if self.service != granted.service {
            return self.permissions();
        }
        let may_read = granted.reads || granted.drafts;
        let missing =
            Self { shared: false, drafts: self.drafts && !granted.drafts, reads: self.reads && !may_read, ..self };
        missing.permissions().into_iter().filter(|name| !matches!(*name, "Mail.Send" | "SMTP.Send")).collect()
    }

    /// As a request for a token names them.
    pub(crate) fn to_refresh(self, cloud: &Cloud) -> Vec<String> {
        let service = match self.service {
            MailService::Graph => cloud.graph.as_str(),
            MailService::Exchange => &cloud.exchange_delegated,
        };
        let mut scopes: Vec<String> = self.permissions().iter().map(|name| format!("{service}/{name}")).collect();
        scopes.push("offline_access".to_owned());
        scopes
    }

    /// `openid profile` besides: they tell who signed in.
    pub(crate) fn to_sign_in(self, cloud: &Cloud) -> Vec<oauth2::Scope> {
        let mut scopes = self.to_refresh(cloud);
        scopes.extend(["openid".to_owned(), "profile".to_owned()]);
        scopes.into_iter().map(oauth2::Scope::new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: MailScope = MailScope { service: MailService::Graph, shared: true, drafts: true, reads: true };
    const BY_SMTP: MailScope = MailScope { service: MailService::Exchange, shared: false, drafts: false, reads: false };

    #[test]
    fn what_was_granted_is_asked_for_again_and_nothing_else() {
        for scope in [MailScope::default(), MailScope { drafts: true, ..MailScope::default() }, EVERYTHING, BY_SMTP] {
            let asked = scope.to_refresh(&Cloud::GLOBAL);
            assert_eq!(MailScope::of_granted(asked.iter().map(String::as_str)), scope);
        }
        // Entra lists more than was asked for, in whatever case.
        let told = "https://graph.microsoft.com/mail.send https://graph.microsoft.com/User.Read profile";
        assert_eq!(MailScope::of_granted(told.split(' ')), MailScope::default());
    }

    #[test]
    fn a_request_names_one_service_of_the_cloud() {
        let asked = BY_SMTP.to_refresh(&Cloud::GLOBAL);
        assert_eq!(asked, ["https://outlook.office.com/SMTP.Send", "offline_access"]);
        let asked = EVERYTHING.to_refresh(&Cloud::US_GOV);
        assert_eq!(
            asked.iter().filter(|it| it.starts_with("https://graph.microsoft.us/Mail.")).count(),
            6,
            "{asked:?}"
        );
    }

    #[test]
    fn what_a_grant_lacks_is_named() {
        let drafts = MailScope { drafts: true, ..MailScope::default() };
        let reads = MailScope { reads: true, ..MailScope::default() };
        assert_eq!(drafts.lacking(MailScope::default()), ["Mail.ReadWrite"]);
        assert_eq!(reads.lacking(MailScope::default()), ["Mail.Read"]);
        assert!(reads.lacking(drafts).is_empty(), "who may write may read");
        assert!(MailScope::default().lacking(EVERYTHING).is_empty());
        assert_eq!(BY_SMTP.lacking(MailScope::default()), ["SMTP.Send"]);
    }
}
