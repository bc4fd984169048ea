//! Why there is no token, as questions a caller can ask.
//!
//! Promise: [`EntraError::is_transient`] tells waiting from acting; [`EntraError::explanation`] tells an administrator
//! what to do. Neither depends on anybody's wording: decisions come from the OAuth `error` and the HTTP status.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::explanation::{Explanation, Who};
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
            Cause::Setup(_) | Cause::GrantOver { .. } | Cause::NoGrant => false,
            Cause::NotKept(error) => error.is_transient,
            Cause::Unreachable { .. } | Cause::Deadline(_) | Cause::Broken { .. } | Cause::Interrupted => true,
            Cause::Refused { status, refusal } => {
                transient_status(*status)
                    || matches!(refusal.error.as_str(), "temporarily_unavailable" | "server_error" | "slow_down")
            }
            // 200 with something that is no token answer is a captive portal or a broken proxy: it passes or somebody
            // notices, and nothing is lost by asking again.
            Cause::Unreadable { status, .. } => transient_status(*status) || (200..400).contains(status),
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
            Cause::Refused { status, .. } | Cause::GrantOver { status, .. } | Cause::Unreadable { status, .. } => {
                Some(*status)
            }
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
            Cause::Interrupted => Explanation::new(
                what,
                "The request was abandoned, as happens while the gateway shuts down.",
                "Nothing: it is tried again.",
                Who::Nobody,
            ),
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
            Cause::Interrupted => f.write_str("the token request was abandoned"),
        }
    }
}

impl std::error::Error for EntraError {}

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
