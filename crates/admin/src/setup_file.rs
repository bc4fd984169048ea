//! The setup file: settings as text, for people, version control and automation.
//!
//! Promise: an unknown key, a wrong type or an unknown value is an error that names its line. Reading a file touches
//! nothing but the file: secrets are looked up only when it is applied.

mod secret_value;
mod telling;

use ipnet::IpNet;
use jiff::civil::Date;
use serde::Deserialize;
use settings::{
    Cloud, ConnectionType, Delivery, FromPolicy, OnUncertain, Permission, Security, SenderPattern, Service,
};

use crate::Refused;

pub use secret_value::{SecretSource, SecretValue};
pub use telling::{AlarmsEntry, NoticesEntry, WebhookEntry};

/// The whole file. Names are keys; what is not named is left alone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SetupFile {
    /// Removes what the file does not name.
    pub(crate) prune: bool,
    pub(crate) tenant: Vec<TenantEntry>,
    pub(crate) connection: Vec<ConnectionEntry>,
    pub(crate) emails: Option<EmailsEntry>,
    pub(crate) route: Vec<RouteEntry>,
    pub(crate) account: Vec<AccountEntry>,
    pub(crate) webhook: Vec<WebhookEntry>,
    pub(crate) notices: Option<NoticesEntry>,
}

impl SetupFile {
    /// Reads the text of a file called `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, Refused> {
        toml::from_str(text).map_err(|error| {
            // The error's own text quotes the line, and the line may hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let what = format!("{name}, line {line}: {}", error.message().trim());
            Refused::new(what, "Correct that line; nothing was changed.")
        })
    }
}

/// The name of the one service that tenants belong to.
pub(crate) const TENANT_SERVICE: &str = "Microsoft Entra ID";

/// The one service that tenants belong to.
#[derive(Debug, Clone, Deserialize)]
pub enum TenantService {
    #[serde(rename = "Microsoft Entra ID")]
    EntraId,
}

/// A tenant as a setup file, a form or the API describes it. A secret that is left out stays as it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantEntry {
    pub name: String,
    pub service: Option<TenantService>,
    #[serde(default)]
    pub cloud: Cloud,
    pub tenant_id: String,
    /// Left out only with a managed identity that the system assigned.
    #[serde(default)]
    pub client_id: String,
    // At most one of the four ways to prove to be the application; none: as before.
    pub client_secret: Option<SecretValue>,
    pub client_secret_expires: Option<Date>,
    pub certificate: Option<SecretValue>,
    pub federated_token_file: Option<String>,
    #[serde(default)]
    pub managed_identity: bool,
    /// Exchange Online derives from it what the tenant may send to the outside.
    pub paid_licences: Option<u32>,
    /// Said outright; goes before the licences.
    pub external_recipients_per_day: Option<u32>,
    /// Recipients of other domains are external.
    #[serde(default)]
    pub internal_domains: Vec<String>,
}

/// A service connection, likewise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionEntry {
    pub name: Option<String>,
    pub service: Service,
    pub tenant: Option<String>,
    #[serde(default)]
    pub permission: Permission,
    #[serde(default)]
    pub large_messages: bool,
    #[serde(default)]
    pub delivery: Delivery,
    #[serde(default)]
    pub on_uncertain: OnUncertain,
    pub in_flight: Option<u32>,
    /// Of Graph: octets of message in one request.
    pub mime_max_bytes: Option<u64>,
    /// Of Graph with large messages: octets of the largest.
    pub large_max_bytes: Option<u64>,
    /// Of Graph: reads non-delivery reports from the sending mailboxes.
    #[serde(default)]
    pub read_bounces: bool,
    // What one mailbox may send; left out: no limit, and the service's own.
    pub messages_per_minute: Option<u32>,
    pub recipients_per_day: Option<u32>,
    /// `gateway`, `none` or a URL; a password in it is taken apart.
    pub proxy: Option<String>,
    /// Left out: stays as it is.
    pub proxy_password: Option<SecretValue>,
    #[serde(default)]
    pub no_proxy: Vec<String>,
    /// PEM, or a file of it.
    pub ca_bundle: Option<SecretValue>,
    // Of "SMTP Server" alone; a password that is left out stays as it is.
    pub host: Option<String>,
    pub port: Option<u16>,
    pub security: Option<Security>,
    pub username: Option<String>,
    pub password: Option<SecretValue>,
    /// With a tenant, in place of a password: the scope of the token to sign in with.
    pub oauth_scope: Option<String>,
}

/// The Emails settings, whole: a key left out has its default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a box of the page")]
pub struct EmailsEntry {
    pub enabled: bool,
    pub smtp_authentication: bool,
    pub modern_authentication: bool,
    pub mailbox: Option<String>,
    pub service_connection: Option<String>,
    pub connection_type: ConnectionType,
    pub from_policy: FromPolicy,
    /// Connections, in order.
    pub fallback: Vec<String>,
    pub hold_all: bool,
    pub redirect_all_to: Option<String>,
}

impl Default for EmailsEntry {
    /// A section that is there is meant: it switches sending on unless it says otherwise.
    fn default() -> Self {
        Self {
            enabled: true,
            smtp_authentication: true,
            modern_authentication: true,
            mailbox: None,
            service_connection: None,
            connection_type: ConnectionType::default(),
            from_policy: FromPolicy::default(),
            fallback: Vec::new(),
            hold_all: false,
            redirect_all_to: None,
        }
    }
}

/// A route. `mailbox` is an address or `sender`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    pub name: String,
    pub sender: SenderPattern,
    pub service_connection: String,
    pub mailbox: String,
    #[serde(default)]
    pub fallback: Vec<String>,
}

/// A submission account. A password or token that is left out stays as it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    pub name: String,
    pub password: Option<SecretValue>,
    pub token: Option<SecretValue>,
    #[serde(default)]
    pub allowed_senders: Vec<SenderPattern>,
    #[serde(default)]
    pub networks: Vec<IpNet>,
    pub messages_per_minute: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_file_is_read() {
        let text = include_str!("../tests/full.toml");
        let file = SetupFile::parse("full.toml", text).unwrap();
        assert_eq!((file.tenant.len(), file.connection.len(), file.route.len(), file.account.len()), (4, 3, 1, 1));
        assert_eq!((file.webhook.len(), file.notices.is_some()), (1, true));
        assert_eq!(file.tenant[0].client_secret_expires, Some(jiff::civil::date(2027, 11, 1)));
        assert!(matches!(&file.tenant[1].cloud, Cloud::Custom(custom) if custom.smtp.is_some()));
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        let tenant = "[[tenant]]\nname = 'C'\ntenant_id = 't'\nclient_id = 'c'\n";
        for (text, words) in [
            ("[[tenat]]\nname = 'x'".to_owned(), "tenat"),      // a misspelt table
            (format!("{tenant}client_secert = 'x'"), "line 5"), // a misspelt key
            (format!("{tenant}cloud = 'mars'"), "line 5"),      // no such cloud
            (format!("{tenant}client_secret = {{ evn = 'X' }}"), "evn"), // a misspelt way to a secret
            (format!("{tenant}client_secret = {{ env = 'X', file = 'Y' }}"), "one of"), // two ways to one secret
            (format!("{tenant}client_secret = 7"), "line 5"),
            ("[[connection]]\nservice = 'Carrier Pigeon'".to_owned(), "Carrier Pigeon"),
            ("[emails]\nmailbx = 'a@b'".to_owned(), "mailbx"),
            ("[[account]]\nname = 'x'\nnetworks = ['10.0.0.0/40']".to_owned(), "line 3"),
            ("[[account]]\nname = 'x'\nallowed_senders = ['contoso.test']".to_owned(), "sender pattern"),
        ] {
            let refused = SetupFile::parse("setup.toml", &text).unwrap_err();
            assert!(refused.what.contains(words) && refused.what.contains("setup.toml"), "{text}\n{}", refused.what);
        }
    }

    #[test]
    fn a_misplaced_secret_is_not_repeated_in_the_error() {
        let text = "[[account]]\nname = 'x'\npassword = { value = 'hunter2' }";
        let what = SetupFile::parse("s", text).unwrap_err().what;
        assert!(!what.contains("hunter2"), "{what}");
    }
}
