//! All settings at one moment, and where they send a message.

use mail::Address;
use serde::{Deserialize, Serialize};

use crate::{
    Account, AccountId, ApiToken, Connection, ConnectionId, Emails, Mailbox, Notices, Route, RoutedTo, SignIn, Tenant,
    TenantId, User, UserId, Webhook, WebhookId,
};

/// One consistent snapshot. `version` grows with every change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    pub version: u64,
    pub tenants: Vec<Tenant>,
    pub connections: Vec<Connection>,
    pub emails: Emails,
    /// In order: the first match wins.
    pub routes: Vec<Route>,
    pub accounts: Vec<Account>,
    pub users: Vec<User>,
    pub api_tokens: Vec<ApiToken>,
    pub sign_in: SignIn,
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    #[serde(default)]
    pub notices: Notices,
}

/// Why no route takes a message. It stays queued until the settings do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrouted {
    #[error("sending is switched off: Settings → Edit Global System Settings → Emails → Enabled")]
    Disabled,
    #[error("no Service Connection is chosen: Settings → Edit Global System Settings → Emails → Service Connection")]
    NoConnection,
    #[error("no mailbox to send from: Settings → Edit Global System Settings → Emails → Mailbox Email Address")]
    NoMailbox,
}

impl Settings {
    /// The way of a message whose header From is `sender` (`None`: the header has no usable From).
    pub fn route(&self, sender: Option<&Address>) -> Result<RoutedTo, Unrouted> {
        let (first, _) = self.route_with_fallbacks(sender)?;
        Ok(first)
    }

    /// The same, with the ways to fall back to, in order, while it is broken. All go from the same mailbox.
    pub fn route_with_fallbacks(&self, sender: Option<&Address>) -> Result<(RoutedTo, Vec<RoutedTo>), Unrouted> {
        if !self.emails.enabled {
            return Err(Unrouted::Disabled);
        }
        let matching = sender.and_then(|sender| self.routes.iter().find(|route| route.sender.matches(sender)));
        let (connection, mailbox, fallback) = if let Some(route) = matching {
            let mailbox = match &route.mailbox {
                Mailbox::Sender => sender,
                Mailbox::Address(address) => Some(address),
            };
            (&route.service_connection, mailbox, &route.fallback)
        } else {
            let connection = self.emails.service_connection.as_ref().ok_or(Unrouted::NoConnection)?;
            (connection, self.emails.mailbox.as_ref(), &self.emails.fallback)
        };
        let mailbox = mailbox.ok_or(Unrouted::NoMailbox)?;
        let by = |connection: &ConnectionId| RoutedTo { connection: connection.clone(), mailbox: mailbox.clone() };
        let fallbacks = fallback.iter().filter(|other| *other != connection && self.connection(other).is_some());
        Ok((by(connection), fallbacks.map(by).collect()))
    }

    /// The largest message that some way out can carry, whoever sends it; `None`: no limit, or nothing is set up yet.
    pub fn max_message_bytes(&self) -> Option<u64> {
        if !self.emails.enabled {
            return None;
        }
        let ways = self.emails.service_connection.iter().chain(self.routes.iter().map(|r| &r.service_connection));
        let fallbacks = self.emails.fallback.iter().chain(self.routes.iter().flat_map(|route| &route.fallback));
        let fallbacks = fallbacks.filter(|id| self.connection(id).is_some());
        let limits: Option<Vec<u64>> =
            ways.chain(fallbacks).map(|id| self.connection(id)?.max_message_bytes()).collect();
        limits?.into_iter().max()
    }

    pub fn connection(&self, id: &ConnectionId) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.id == *id)
    }

    pub fn tenant(&self, id: &TenantId) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == *id)
    }

    pub fn webhook(&self, id: &WebhookId) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.id == *id)
    }

    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == *id)
    }

    pub fn account_named(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    pub fn user(&self, id: &UserId) -> Option<&User> {
        self.users.iter().find(|user| user.id == *id)
    }

    /// Letter case does not matter: people type their names as they like.
    pub fn user_named(&self, name: &str) -> Option<&User> {
        let wanted = name.to_lowercase();
        self.users.iter().find(|user| user.name.to_lowercase() == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GRAPH_LARGE_MAX_BYTES, GRAPH_MIME_MAX_BYTES, Permission, RouteId, SenderPattern, Service};

    fn connection(id: &str, service: Service) -> Connection {
        Connection::new(ConnectionId(id.into()), id, service)
    }

    fn route(sender: &str, mailbox: Mailbox) -> Route {
        let sender: SenderPattern = sender.parse().unwrap();
        let (id, service_connection) = (RouteId(sender.to_string()), ConnectionId("hr".into()));
        Route { id, name: sender.to_string(), sender, service_connection, mailbox, fallback: Vec::new() }
    }

    fn settings() -> Settings {
        Settings {
            connections: vec![connection("main", Service::GraphApi), connection("hr", Service::SmtpServer)],
            emails: Emails {
                enabled: true,
                mailbox: Some("noreply@contoso.test".parse().unwrap()),
                service_connection: Some(ConnectionId("main".into())),
                ..Emails::default()
            },
            ..Settings::default()
        }
    }

    #[test]
    fn the_first_matching_route_wins_and_the_emails_settings_come_last() {
        let shared = Mailbox::Address("shared@contoso.test".parse().unwrap());
        let settings =
            Settings { routes: vec![route("boss@hr.test", shared), route("*@hr.test", Mailbox::Sender)], ..settings() };
        for (sender, connection, mailbox) in [
            ("boss@hr.test", "hr", "shared@contoso.test"), // the first match, though the second matches too
            ("anna@hr.test", "hr", "anna@hr.test"),        // the sender's own mailbox
            ("anna@x.test", "main", "noreply@contoso.test"),
        ] {
            let routed = settings.route(Some(&sender.parse().unwrap())).unwrap();
            assert_eq!((routed.connection.0.as_str(), routed.mailbox.as_str()), (connection, mailbox), "{sender}");
        }
        // Without a usable From no pattern can match.
        assert_eq!(settings.route(None).unwrap().mailbox.as_str(), "noreply@contoso.test");
    }

    #[test]
    fn fallbacks_keep_the_mailbox_and_leave_out_what_is_gone() {
        let ids = |ids: &[&str]| ids.iter().map(|id| ConnectionId((*id).into())).collect::<Vec<_>>();
        let mut with_route = settings();
        with_route.routes = vec![route("*@hr.test", Mailbox::Sender)];
        with_route.routes[0].fallback = ids(&["gone", "hr", "main"]); // "hr" is the way itself
        with_route.emails.fallback = ids(&["hr"]);
        let shown = |sender: &str| {
            let (first, others) = with_route.route_with_fallbacks(Some(&sender.parse().unwrap())).unwrap();
            let all = std::iter::once(first).chain(others);
            all.map(|way| format!("{} {}", way.connection, way.mailbox)).collect::<Vec<_>>()
        };
        assert_eq!(shown("anna@hr.test"), ["hr anna@hr.test", "main anna@hr.test"]);
        assert_eq!(shown("anna@x.test"), ["main noreply@contoso.test", "hr noreply@contoso.test"]);
    }

    #[test]
    fn what_has_no_way_says_which_setting_is_missing() {
        let emails = settings().emails;
        for (emails, why) in [
            (Emails { enabled: false, ..emails.clone() }, Unrouted::Disabled),
            (Emails { service_connection: None, ..emails.clone() }, Unrouted::NoConnection),
            (Emails { mailbox: None, ..emails }, Unrouted::NoMailbox),
        ] {
            assert_eq!(Settings { emails, ..settings() }.route(None), Err(why));
        }
    }

    #[test]
    fn the_largest_message_is_what_the_widest_way_takes() {
        let narrow = settings();
        assert_eq!(narrow.max_message_bytes(), Some(GRAPH_MIME_MAX_BYTES));
        let wide = Settings { routes: vec![route("*@hr.test", Mailbox::Sender)], ..settings() };
        assert_eq!(wide.max_message_bytes(), None, "the route's SMTP server names no limit");
        let mut detour = settings();
        detour.emails.fallback = vec![ConnectionId("gone".into())];
        assert_eq!(detour.max_message_bytes(), Some(GRAPH_MIME_MAX_BYTES));
        detour.emails.fallback = vec![ConnectionId("hr".into())];
        assert_eq!(detour.max_message_bytes(), None, "what Graph cannot carry goes by the fallback");
        assert_eq!(Settings::default().max_message_bytes(), None, "nothing is set up: nothing is known");
        let mut large = settings();
        large.connections[0].large_messages = true;
        assert_eq!(large.max_message_bytes(), Some(GRAPH_LARGE_MAX_BYTES));
        large.connections[0].permission = Permission::Delegated;
        assert_eq!(large.max_message_bytes(), Some(GRAPH_LARGE_MAX_BYTES), "users may consent to drafts");
    }
}
