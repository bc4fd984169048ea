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
    /// Whether users may consent to permissions that need no administrator. `false`: AADSTS90094 for everyone else.
    #[serde(default = "default_true")]
    pub user_consent: bool,
    /// `Set-TransportConfig -SmtpClientAuthenticationDisabled`: no submission by SMTP, for nobody.
    #[serde(default)]
    pub smtp_auth_disabled: bool,
    #[serde(default, rename = "app")]
    pub apps: Vec<App>,
    #[serde(default, rename = "user")]
    pub users: Vec<User>,
}

/// An app registration with its service principal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the registration, and a key here")]
pub struct App {
    pub client_id: String,
    #[serde(default = "default_app_name")]
    pub name: String,
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// Application permissions with admin consent. Empty: tokens carry no `roles` at all.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Whether an administrator has consented to `roles` already. `false`: no roles in tokens before somebody accepts
    /// them at the admin consent page.
    #[serde(default = "default_true")]
    pub admin_consent: bool,
    /// Delegated permissions of the registration: what `/.default` and the admin consent page stand for. A client may
    /// ask for others, and the user for consent to them.
    #[serde(default)]
    pub delegated_scopes: Vec<String>,
    /// Where sign-ins may be sent back to, exactly; for `http://localhost` and `http://127.0.0.1` the port is ignored.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// "Allow public client flows": device code, and tokens without a credential if the app has none.
    #[serde(default)]
    pub allow_public_client: bool,
    /// Put the user's groups into ID tokens.
    #[serde(default)]
    pub group_claims: bool,
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
    /// Identity providers whose tokens the app takes in place of a secret.
    #[serde(default, rename = "federated")]
    pub federated: Vec<FederatedCredential>,
    /// An identity of the machine the sandbox stands for, instead of an app registration: no secret, tokens from the machine.
    #[serde(default)]
    pub managed_identity: Option<ManagedIdentity>,
}

/// Whose tokens are taken, all three to the letter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// An address; or a name alone: the issuer of that name at this sandbox.
    pub issuer: String,
    pub subject: String,
    #[serde(default = "crate::issuer::exchange_audience")]
    pub audience: String,
}

/// How the machine came by the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManagedIdentity {
    /// Made with the machine; asked for without an id.
    System,
    /// Assigned to it; asked for by its client id.
    User,
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
    /// From addresses this mailbox may use besides its own (Send As). Its user, signed in, may also send from these
    /// mailboxes with a token that has `Mail.Send.Shared`.
    #[serde(default)]
    pub send_as: Vec<String>,
    /// Mailboxes this user may send on behalf of, with a delegated token that has `Mail.Send.Shared`.
    #[serde(default)]
    pub send_on_behalf: Vec<String>,
    /// The mailbox's own `MaxSendSize`.
    #[serde(default)]
    pub max_message_bytes: Option<u64>,
    /// `Set-CASMailbox -SmtpClientAuthenticationDisabled`: no submission by SMTP from this mailbox.
    #[serde(default)]
    pub smtp_auth_disabled: bool,
    /// What the user signs in with; left out: nobody can sign in as this user.
    #[serde(default)]
    pub password: Option<Password>,
    /// May consent for the whole organisation.
    #[serde(default)]
    pub admin: bool,
    /// Object ids or names of groups, for apps with `group_claims`.
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub sign_in: SignIn,
}

/// A password; absent from debug output.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// What happens when the user has given the right password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    #[default]
    Ok,
    /// The account is disabled: AADSTS50057.
    Disabled,
    /// Conditional Access blocks the sign-in: AADSTS53003.
    ConditionalAccess,
    /// A second factor is demanded, which the sandbox does not have: AADSTS50076.
    MfaRequired,
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

fn default_app_name() -> String {
    "App".to_owned()
}

fn default_true() -> bool {
    true
}
