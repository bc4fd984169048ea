//! One organisation: its domains, the applications registered in it, and its users.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An organisation in Entra ID and Exchange Online.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// The tenant id, a GUID.
    pub id: String,
    pub name: String,
    /// Verified domains; each may stand for the tenant id in Entra's URLs.
    #[serde(default)]
    pub domains: Vec<String>,
    #[serde(default, rename = "app")]
    pub apps: Vec<App>,
    #[serde(default, rename = "user")]
    pub users: Vec<User>,
}

/// An app registration with its service principal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    pub client_id: String,
    #[serde(default = "default_app_name")]
    pub name: String,
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// Application permissions with admin consent. Empty: tokens carry no `roles` at all.
    #[serde(default)]
    pub roles: Vec<String>,
    /// RBAC for Applications: mailboxes the app may send from without any role. Additive to `roles`.
    #[serde(default)]
    pub rbac_mailboxes: Vec<String>,
    /// Application Access Policy: when set, only these mailboxes may be used, whatever the roles say.
    #[serde(default)]
    pub access_policy_mailboxes: Option<Vec<String>>,
    /// From addresses the app may use on any of its mailboxes (a Send As grant on shared mailboxes).
    #[serde(default)]
    pub send_as: Vec<String>,
    #[serde(default, rename = "secret")]
    pub secrets: Vec<Secret>,
    #[serde(default, rename = "certificate")]
    pub certificates: Vec<Certificate>,
}

/// A client secret.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    pub value: String,
    /// RFC 3339; left out: never.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for Secret {
    /// The expiry only: settings end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// A registered certificate: PEM text, or the name of a PEM file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Certificate {
    Pem(String),
    File(std::path::PathBuf),
}

/// A user of the directory, with or without a mailbox that works.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user principal name; also the primary address.
    pub upn: String,
    /// The object id; left out: derived from the name, the same at every start.
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub display_name: Option<String>,
    /// Further addresses of the mailbox. Mail to them arrives here, but Graph does not take them as a user key.
    #[serde(default)]
    pub aliases: Vec<String>,
    #[serde(default)]
    pub state: UserState,
    /// From addresses this mailbox may use besides its own (Send As).
    #[serde(default)]
    pub send_as: Vec<String>,
    /// The mailbox's own `MaxSendSize`.
    #[serde(default)]
    pub max_message_bytes: Option<u64>,
}

/// What happens when somebody sends from this user's mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserState {
    #[default]
    Ok,
    /// The directory does not know the name: 404 `ErrorInvalidUser`.
    Missing,
    /// No Exchange licence: 404 `MailboxNotEnabledForRESTAPI`.
    Unlicensed,
    /// Deleted less than 30 days ago: 404 `MailboxNotEnabledForRESTAPI`.
    SoftDeleted,
    /// The mailbox has not been moved to the cloud: 404 `MailboxNotEnabledForRESTAPI`.
    OnPremises,
    /// Nothing can be written to Drafts or Sent Items: 403 `ErrorQuotaExceeded`.
    Full,
    /// An application access policy leaves the mailbox out: 403 `ErrorAccessDenied` with RAOP.
    OutOfScope,
    /// Restricted for sending spam: 403 `ErrorAccountSuspend`.
    Blocked,
    /// The recipients of the day are used up: 429 `ErrorSubmissionQuotaExceeded`.
    QuotaExceeded,
    /// Between two databases: 503 `ErrorMailboxMoveInProgress`.
    Moving,
}

impl Tenant {
    /// The tenant of [`Config::default`](super::Config): one app with `Mail.Send`, a few users, and one for each
    /// state a mailbox can be in, named after it.
    pub fn contoso() -> Self {
        let ok = ["noreply", "anna", "ben", "erp", "scanner"].map(|name| User::new(name, UserState::Ok));
        let failing = [
            ("missing", UserState::Missing),
            ("unlicensed", UserState::Unlicensed),
            ("soft-deleted", UserState::SoftDeleted),
            ("on-premises", UserState::OnPremises),
            ("full", UserState::Full),
            ("out-of-scope", UserState::OutOfScope),
            ("blocked", UserState::Blocked),
            ("quota-exceeded", UserState::QuotaExceeded),
            ("moving", UserState::Moving),
        ]
        .map(|(name, state)| User::new(name, state));
        Self {
            id: "11111111-2222-3333-4444-555555555555".to_owned(),
            name: "Contoso".to_owned(),
            domains: vec!["contoso.test".to_owned()],
            apps: vec![App::postern()],
            users: ok.into_iter().chain(failing).collect(),
        }
    }
}

impl App {
    fn postern() -> Self {
        Self {
            client_id: "66666666-7777-8888-9999-000000000000".to_owned(),
            name: "Mail gateway".to_owned(),
            enabled: true,
            roles: vec!["Mail.Send".to_owned()],
            rbac_mailboxes: Vec::new(),
            access_policy_mailboxes: None,
            send_as: Vec::new(),
            secrets: vec![Secret { value: "sandbox-secret".to_owned(), expires: None }],
            certificates: Vec::new(),
        }
    }
}

impl User {
    fn new(name: &str, state: UserState) -> Self {
        Self {
            upn: format!("{name}@contoso.test"),
            id: None,
            display_name: None,
            aliases: Vec::new(),
            state,
            send_as: Vec::new(),
            max_message_bytes: None,
        }
    }
}

fn default_app_name() -> String {
    "App".to_owned()
}

fn default_true() -> bool {
    true
}
