//! The identity that Azure gives a machine: tokens come from a service of the machine itself, and there is no secret to
//! keep.
//!
//! ```text
//!   virtual machine    GET 169.254.169.254/metadata/identity/oauth2/token     Metadata: true
//!   App Service        GET $IDENTITY_ENDPOINT                                 X-IDENTITY-HEADER: $IDENTITY_HEADER
//!   Azure Arc          GET $IDENTITY_ENDPOINT ──401, names a file──► again, with the file's content
//! ```
//!
//! Promise: asked directly, never through a proxy (the caller hands in a client without one), a few times within half a
//! minute if the service has a passing problem. A file that Azure Arc names is read only from the one folder where its
//! agent puts such files.

mod answer;
mod arc;
mod host;

use std::time::Duration;

use jiff::Timestamp;
use oauth2::{HttpRequest, HttpResponse, http};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::carrier::{Carrier, Lost};
use crate::error::Cause;
use crate::exchange::Issued;
use crate::{Application, EntraError};
use answer::read_answer;

pub(crate) use arc::ArcProblem;
pub use host::IdentityHost;

/// Before the second try, the third, and so on: 2, 6, 14 and 30 seconds after the first ("How to use managed identities
/// for Azure resources on an Azure VM", Retry guidance). After that the token source has a back-off of its own.
const WAITS: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8), Duration::from_secs(16)];

/// It is on this machine: what does not answer soon is not there.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks for the tokens of one identity of this machine.
#[derive(Debug)]
pub(crate) struct ManagedIdentity {
    http: reqwest::Client,
    host: IdentityHost,
    /// Of a user-assigned identity; `None`: the one that Azure made with the machine.
    client_id: Option<String>,
}

impl ManagedIdentity {
    pub(crate) fn new(http: reqwest::Client, application: &Application, host: IdentityHost) -> Self {
        let client_id = Some(application.client_id.trim()).filter(|id| !id.is_empty()).map(str::to_owned);
        Self { http, host, client_id }
    }

    /// A token for `resource`, such as `https://graph.microsoft.com`.
    pub(crate) async fn token(&self, resource: &str) -> Result<Issued, EntraError> {
        for wait in WAITS {
            match self.ask(resource).await {
                // No answer, or one that no such service gives, is a machine without it, as a rule: that is told at once.
                Err(error) if error.is_transient() && error.status().is_some_and(|status| status != 200) => {
                    let asked = error.retry_after().unwrap_or_default();
                    if asked > DEADLINE {
                        return Err(error);
                    }
                    tokio::time::sleep(wait.max(asked)).await;
                }
                end => return end,
            }
        }
        self.ask(resource).await
    }

    async fn ask(&self, resource: &str) -> Result<Issued, EntraError> {
        let request = |more: Option<(&'static str, String)>| self.request(resource, more);
        let mut answer = match &self.host {
            IdentityHost::Imds { .. } => self.carry(request(Some(("Metadata", "true".to_owned())))?).await?,
            IdentityHost::AppService { header, .. } => {
                self.carry(request(Some(("X-IDENTITY-HEADER", header.expose_secret().to_owned())))?).await?
            }
            IdentityHost::Arc { .. } => self.carry(request(None)?).await?,
            IdentityHost::Unsupported(problem) => return Err(unsupported(problem)),
        };
        if let (IdentityHost::Arc { key_folder, .. }, 401) = (&self.host, answer.status().as_u16()) {
            let key = arc::read_key(answer.headers(), key_folder).await;
            let key = key.map_err(|problem| EntraError::new(Cause::ArcChallenge(problem), None))?;
            let proof = format!("Basic {}", key.expose_secret());
            answer = self.carry(request(Some(("Authorization", proof)))?).await?;
        }
        read_answer(&answer, self.echo(), Timestamp::now())
    }

    /// An agent that knows no user-assigned identities answers with the machine's own: that would send as somebody else.
    fn echo(&self) -> Option<&str> {
        self.client_id.as_deref().filter(|_| matches!(self.host, IdentityHost::Arc { .. }))
    }

    fn request(&self, resource: &str, more: Option<(&'static str, String)>) -> Result<HttpRequest, EntraError> {
        let (endpoint, version) = match &self.host {
            IdentityHost::Imds { origin } => (format!("{origin}/metadata/identity/oauth2/token"), "2018-02-01"),
            IdentityHost::AppService { endpoint, .. } => (endpoint.to_string(), "2019-08-01"),
            IdentityHost::Arc { endpoint, .. } => (endpoint.to_string(), "2020-06-01"),
            IdentityHost::Unsupported(problem) => return Err(unsupported(problem)),
        };
        let bad = || unsupported("the address of the identity endpoint, which the environment gives, is no URL");
        let mut url = Url::parse(&endpoint).map_err(|_| bad())?;
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Some(id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", id);
        }
        let mut request = http::Request::get(url.as_str()).header(http::header::ACCEPT, "application/json");
        if matches!(self.host, IdentityHost::Arc { .. }) {
            request = request.header("Metadata", "true");
        }
        if let Some((name, value)) = more {
            request = request.header(name, value);
        }
        request.body(Vec::new()).map_err(|_| bad())
    }

    async fn carry(&self, request: HttpRequest) -> Result<HttpResponse, EntraError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let carried = tokio::time::timeout(DEADLINE, Carrier::new(&self.http).carry(request)).await;
        let detail = match carried {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Lost::Unreachable(obstacle))) => obstacle.why,
            Ok(Err(Lost::Broken(detail))) => detail,
            Ok(Err(Lost::TooLong)) => "its answer is far too long".to_owned(),
            Err(_) => format!("there was no answer within {} s", DEADLINE.as_secs()),
        };
        Err(EntraError::new(Cause::NoMetadataService { host, detail }, None))
    }
}

fn unsupported(problem: &'static str) -> EntraError {
    EntraError::new(Cause::MetadataSetup(problem), None)
}
