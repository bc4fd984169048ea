//! Why there is no token, as questions a caller can ask.
//!
//! Promise: [`EntraError::is_transient`] tells waiting from acting; [`EntraError::explanation`] tells an administrator
//! what to do. Neither depends on anybody's wording: decisions come from the OAuth `error` and the HTTP status.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::assertion_file::AssertionFileProblem;
use crate::explanation::{Explanation, Who};
use crate::managed_identity::ArcProblem;
use crate::refusal::Refusal;
use crate::{CertificateError, KeepError, Obstacle, aadsts};

/// A token could not be had. Cheap to clone: one failure is shown to everybody who waits for it.
#[derive(Debug, Clone)]
pub struct EntraError {
    cause: Arc<Cause>,
    retry_after: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum Cause {
    /// Found wrong before any request was made.
    Setup(SetupProblem),
    /// No request reached Entra.
    Unreachable { host: String, obstacle: Obstacle },
    /// Entra, or what is between here and there, did not answer in time.
    Deadline(Duration),
    /// The connection broke before the answer was complete.
    Broken { host: String, detail: String },
    /// Entra answered with an OAuth error.
    Refused { status: u16, refusal: Refusal },
    /// Entra says that what a user granted is over.
    GrantOver { status: u16, refusal: Refusal },
    /// Nobody has signed in.
    NoGrant,
    /// The grant could not be read or stored.
    NotKept(KeepError),
    /// Something answered, but not as Entra does.
    Unreadable { status: u16, problem: &'static str },
    /// The file with the client assertion is of no use now.
    AssertionFile { path: PathBuf, problem: AssertionFileProblem },
    /// The machine's own service for identities cannot be used as the environment describes it.
    MetadataSetup(&'static str),
    /// It does not answer.
    NoMetadataService { host: String, detail: String },
    /// It answers with a refusal.
    MetadataRefused { status: u16, sentence: String },
    /// The agent of Azure Arc asked for a proof that was not given.
    ArcChallenge(ArcProblem),
    /// The task that asked for the token ended without an answer.
    Interrupted,
}

/// What is wrong with the settings themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetupProblem {
    #[error("the Tenant ID is neither a GUID nor a domain name")]
    TenantId,
    #[error(
        "the Tenant ID must name one tenant: 'common', 'organizations' and 'consumers' are for interactive sign-in"
    )]
    TenantNotConcrete,
    #[error("the Client ID is empty")]
    ClientId,
    #[error("the certificate's key could not sign")]
    Signing,
    #[error("the application has neither a client secret nor a certificate, and nobody signs in for it")]
    NoCredential,
    #[error("a machine's managed identity has no users who could sign in")]
    IdentityWithoutUsers,
    #[error("Entra ID gave no refresh token, so the sign-in would be over within the hour")]
    NoRefreshToken,
}

impl SetupProblem {
    fn fix(self) -> &'static str {
        match self {
            Self::TenantId | Self::TenantNotConcrete => {
                "Enter the Directory (tenant) ID from the app registration's overview page."
            }
            Self::ClientId => "Enter the Application (client) ID from the app registration's overview page.",
            Self::Signing => "Enter the certificate and its private key again.",
            Self::NoCredential => "Enter a client secret or a certificate, or use delegated permission.",
            Self::IdentityWithoutUsers => {
                "Use application permission, or a tenant with an app registration for delegated permission."
            }
            Self::NoRefreshToken => "Allow the delegated permission 'offline_access', then sign in again.",
        }
    }
}

impl EntraError {
    pub(crate) fn new(cause: Cause, retry_after: Option<Duration>) -> Self {
        Self { cause: Arc::new(cause), retry_after }
    }

    /// The same failure, told again to somebody who asks while the back-off runs.
    pub(crate) fn with_retry_after(&self, retry_after: Duration) -> Self {
        Self { cause: Arc::clone(&self.cause), retry_after: Some(retry_after) }
    }

    /// The same failure of a request that used a refresh token: an answer that ends the grant says so from now on.
    pub(crate) fn of_a_grant(self) -> Self {
        match &*self.cause {
            Cause::Refused { status, refusal } if !self.is_transient() && ends_grant(&refusal.error) => {
                let cause = Cause::GrantOver { status: *status, refusal: refusal.clone() };
                Self::new(cause, self.retry_after)
            }
            _ => self,
        }
    }

    /// Whether somebody has to sign in (again): a delegated connection without a living grant.
    pub fn needs_sign_in(&self) -> bool {
        matches!(&*self.cause, Cause::GrantOver { .. } | Cause::NoGrant)
    }

    /// Whether waiting can help. `false` means a human has to change something.
    pub fn is_transient(&self) -> bool {
        match &*self.cause {
            Cause::Setup(_)
            | Cause::GrantOver { .. }
            | Cause::NoGrant
            | Cause::AssertionFile { .. }
            | Cause::MetadataSetup(_)
            | Cause::NoMetadataService { .. }
            | Cause::ArcChallenge(_) => false,
            Cause::NotKept(error) => error.is_transient,
            // 404 and 410: the service is being updated ("How to use managed identities ... on an Azure VM").
            Cause::MetadataRefused { status, .. } => transient_status(*status) || matches!(status, 404 | 410),
            Cause::Unreachable { .. } | Cause::Deadline(_) | Cause::Broken { .. } | Cause::Interrupted => true,
            Cause::Refused { status, refusal } => {
                transient_status(*status)
                    || matches!(refusal.error.as_str(), "temporarily_unavailable" | "server_error" | "slow_down")
                    || refusal.aadsts() == Some(CLIENT_LOOP)
            }
            // 200 with something that is no token answer is a captive portal or a broken proxy: it passes or somebody
            // notices, and nothing is lost by asking again.
            Cause::Unreadable { status, .. } => transient_status(*status) || (200..400).contains(status),
        }
    }

    /// Whether Entra asks the application, whatever it asks for, to be quiet. The one decision that an AADSTS number has a
    /// part in: 50196, a client that asks too often, comes as `invalid_grant`, which otherwise ends a sign-in.
    pub fn is_throttled(&self) -> bool {
        match &*self.cause {
            Cause::Refused { status, refusal } => {
                *status == 429 || self.retry_after.is_some() || refusal.aadsts() == Some(CLIENT_LOOP)
            }
            Cause::Unreadable { status, .. } => *status == 429 || (*status == 503 && self.retry_after.is_some()),
            _ => false,
        }
    }

    /// How long to leave Entra alone: what it asked for, or what is left of the back-off after a failure.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The AADSTS number, for words and searching alone.
    pub fn aadsts(&self) -> Option<u32> {
        self.refusal().and_then(Refusal::aadsts)
    }

    /// The OAuth `error` (RFC 6749 §5.2), such as `invalid_client`.
    pub fn oauth_error(&self) -> Option<&str> {
        self.refusal().map(|refusal| refusal.error.as_str())
    }

    /// HTTP status of the answer, when there was one.
    pub fn status(&self) -> Option<u16> {
        match &*self.cause {
            Cause::Refused { status, .. }
            | Cause::GrantOver { status, .. }
            | Cause::Unreadable { status, .. }
            | Cause::MetadataRefused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What Microsoft's support asks for first.
    pub fn trace_id(&self) -> Option<&str> {
        self.refusal()?.trace_id.as_deref()
    }

    pub fn correlation_id(&self) -> Option<&str> {
        self.refusal()?.correlation_id.as_deref()
    }

    /// When Entra says it happened, in its own notation.
    pub fn timestamp(&self) -> Option<&str> {
        self.refusal()?.timestamp.as_deref()
    }

    fn refusal(&self) -> Option<&Refusal> {
        match &*self.cause {
            Cause::Refused { refusal, .. } | Cause::GrantOver { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// What failed, why, the fix, and whose hands it is in.
    pub fn explanation(&self) -> Explanation {
        let what = "No access token from Microsoft Entra ID.";
        match &*self.cause {
            Cause::Setup(problem) => {
                Explanation::new(what, format!("{problem}."), problem.fix(), Who::GatewayAdministrator)
            }
            Cause::Unreachable { host, obstacle } => Explanation::new(
                what,
                format!("{host} cannot be reached: {obstacle}."),
                obstacle.fix.clone(),
                obstacle.who,
            ),
            Cause::Deadline(after) => Explanation::new(
                what,
                format!("There was no answer within {} s.", after.as_secs()),
                "Nothing, if it is rare: it is tried again. If it persists, look at the proxy and the line.",
                Who::NetworkAdministrator,
            ),
            Cause::Broken { host, detail } => Explanation::new(
                what,
                format!("The connection to {host} broke: {detail}."),
                "Nothing, if it is rare: it is tried again. If it persists, look at the proxy and the line.",
                Who::NetworkAdministrator,
            ),
            Cause::Refused { status, refusal } => aadsts::explain(what, *status, refusal),
            Cause::GrantOver { status, refusal } => sign_in_again(aadsts::explain(what, *status, refusal)),
            Cause::NoGrant => Explanation::new(
                what,
                "Nobody has signed in for this Service Connection yet.",
                "Sign in with Setup Authentication on the Service Connection.",
                Who::GatewayAdministrator,
            ),
            Cause::NotKept(error) => error.explanation.clone(),
            Cause::Unreadable { status, problem } => Explanation::new(
                what,
                format!("Something answered with HTTP {status}, but not as Entra ID does: {problem}."),
                "Check that the cloud's login address is right and that no proxy or filter answers in its place.",
                Who::NetworkAdministrator,
            ),
            Cause::AssertionFile { .. }
            | Cause::MetadataSetup(_)
            | Cause::NoMetadataService { .. }
            | Cause::MetadataRefused { .. }
            | Cause::ArcChallenge(_) => self.of_an_identity_without_a_secret(what),
            Cause::Interrupted => Explanation::new(
                what,
                "The request was abandoned, as happens while the gateway shuts down.",
                "Nothing: it is tried again.",
                Who::Nobody,
            ),
        }
    }

    fn of_an_identity_without_a_secret(&self, what: &'static str) -> Explanation {
        match &*self.cause {
            Cause::AssertionFile { path, problem } => Explanation::new(
                what,
                format!("The token file {} cannot be used: {problem}.", path.display()),
                "See that the file is there for the user Postern runs as, and that what writes it (the workload identity \
                 of the cluster, an agent) runs; it is read again for every token.",
                Who::GatewayAdministrator,
            ),
            Cause::MetadataSetup(problem) => Explanation::new(
                IDENTITY,
                format!("{}.", capitalized(problem)),
                "Look at the environment of the process, or give the Tenant a certificate, a secret or a token file.",
                Who::GatewayAdministrator,
            ),
            Cause::NoMetadataService { host, detail } => Explanation::new(
                IDENTITY,
                format!("The machine's own service for identities at {host} cannot be reached: {detail}."),
                "A managed identity exists on machines of Azure alone (virtual machine, App Service, Azure Arc): there, see \
                 that no firewall is before this address; elsewhere, give the Tenant a certificate, a secret or a token file.",
                Who::GatewayAdministrator,
            ),
            Cause::MetadataRefused { status, sentence } => metadata_refused(self.is_transient(), *status, sentence),
            Cause::ArcChallenge(problem) => Explanation::new(
                IDENTITY,
                format!("The agent of Azure Arc asks for a proof, but {problem}."),
                "Let the user Postern runs as read the agent's keys: add it to the group himds.",
                Who::GatewayAdministrator,
            ),
            _ => Explanation::new(what, format!("{self}."), "Report this.", Who::GatewayAdministrator),
        }
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.cause {
            Cause::Setup(problem) => write!(f, "{problem}"),
            Cause::Unreachable { host, obstacle } => write!(f, "{host} is unreachable: {obstacle}"),
            Cause::Deadline(after) => write!(f, "no answer from Entra ID within {} s", after.as_secs()),
            Cause::Broken { host, detail } => write!(f, "the connection to {host} broke: {detail}"),
            Cause::Refused { status, refusal } | Cause::GrantOver { status, refusal } => {
                write!(f, "Entra ID refused ({status} {refusal})")?;
                refusal.trace_id.as_ref().map_or(Ok(()), |id| write!(f, " trace_id={id}"))
            }
            Cause::NoGrant => f.write_str("nobody has signed in"),
            Cause::NotKept(error) => {
                write!(f, "the sign-in is not kept: {} {}", error.explanation.what, error.explanation.why)
            }
            Cause::Unreadable { status, problem } => write!(f, "not an answer of Entra ID (HTTP {status}): {problem}"),
            Cause::AssertionFile { path, problem } => write!(f, "token file {}: {problem}", path.display()),
            Cause::MetadataSetup(problem) => f.write_str(problem),
            Cause::NoMetadataService { host, detail } => write!(f, "no identity service at {host}: {detail}"),
            Cause::MetadataRefused { status, sentence } => {
                write!(f, "the identity service refused ({status} {sentence})")
            }
            Cause::ArcChallenge(problem) => write!(f, "the agent of Azure Arc: {problem}"),
            Cause::Interrupted => f.write_str("the token request was abandoned"),
        }
    }
}

impl std::error::Error for EntraError {}

/// Too many requests of one client in a short time.
const CLIENT_LOOP: u32 = 50_196;

const IDENTITY: &str = "No access token from the managed identity of this machine.";

fn metadata_refused(is_passing: bool, status: u16, sentence: &str) -> Explanation {
    let said = if sentence.is_empty() { String::new() } else { format!(" It says: {sentence}") };
    if is_passing {
        let why = format!("The machine's service for identities has a passing problem (HTTP {status}).{said}");
        return Explanation::new(
            IDENTITY,
            why,
            "Nothing, if it is rare: it is tried again. If it persists, see that the machine has an identity.",
            Who::Nobody,
        );
    }
    Explanation::new(
        IDENTITY,
        format!("The machine's service for identities refused (HTTP {status}).{said}"),
        "Give the machine a system-assigned identity, or assign it the user-assigned identity whose Client ID stands in the \
         Tenant, and grant that identity the application permission (or the role in Exchange) to send.",
        Who::EntraAdministrator,
    )
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The answers to a refresh token after which only a person can help (RFC 6749 §5.2, OpenID Connect Core §3.1.2.6).
fn ends_grant(error: &str) -> bool {
    matches!(error, "invalid_grant" | "interaction_required" | "consent_required")
}

/// Whatever ended the grant, at the end of the cure somebody signs in.
fn sign_in_again(explanation: Explanation) -> Explanation {
    const SIGN_IN: &str = "ign in again with Setup Authentication on the Service Connection.";
    let fix = match explanation.who {
        Who::EntraAdministrator => format!("{} Then s{SIGN_IN}", explanation.fix),
        _ => format!("S{SIGN_IN}"),
    };
    Explanation { fix: fix.into(), ..explanation }
}

fn transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

impl From<CertificateError> for Explanation {
    fn from(error: CertificateError) -> Self {
        Self::new(
            "The certificate cannot be used to sign in.",
            format!("{error}."),
            "Enter the certificate that was uploaded to the app registration together with its own RSA private key.",
            Who::GatewayAdministrator,
        )
    }
}
