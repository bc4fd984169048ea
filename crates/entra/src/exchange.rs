//! One request to the token endpoint: the client credentials grant.
//!
//! Promise: one call, one request, one deadline. The secret or assertion travels in the request body alone; nothing of the
//! request and nothing of a successful answer is put into an error.
//!
//! Left to others: when to ask and what to remember (`token`, `schedule`).

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenResponse};
use oauth2::{
    AuthType, Client, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, StandardRevocableToken,
    TokenResponse as _, TokenUrl, http,
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::error::{Cause, SetupProblem};
use crate::refusal::Refusal;
use crate::{Cloud, Credential, EntraError, Root, assertion, parse_retry_after};

/// Entra answers in well under a second; a proxy that inspects TLS may take several.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A token answer is a few kilobytes. More is not an answer, and must not fill our memory.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// What a token without `expires_in` (allowed by RFC 6749 §5.1) is trusted for.
const UNSTATED_LIFETIME: Duration = Duration::from_mins(5);

/// An app registration, as the administrator entered it.
#[derive(Debug, Clone)]
pub struct Application {
    pub cloud: Cloud,
    /// GUID or verified domain of one tenant.
    pub tenant_id: String,
    pub client_id: String,
    pub credential: Credential,
}

/// Which service a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Microsoft Graph of the application's cloud.
    Graph,
    /// Exchange Online SMTP of the application's cloud.
    Exchange,
}

impl Scope {
    fn of(&self, cloud: &Cloud) -> String {
        match self {
            Self::Graph => cloud.graph.default_scope(),
            Self::Exchange => cloud.exchange_scope.clone().into_owned(),
        }
    }
}

/// A token just issued.
pub(crate) struct Issued {
    pub(crate) secret: SecretString,
    pub(crate) lifetime: Duration,
}

type TokenClient<HasTokenUrl> = Client<
    Refusal,
    BasicTokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    HasTokenUrl,
>;

/// Everything needed to ask for a token.
#[derive(Debug)]
pub(crate) struct Exchange {
    http: reqwest::Client,
    client: TokenClient<oauth2::EndpointSet>,
    credential: Credential,
    scope: String,
}

impl Exchange {
    pub(crate) fn new(http: reqwest::Client, application: Application, scope: &Scope) -> Result<Self, EntraError> {
        let endpoint = token_endpoint(&application.cloud.login, &application.tenant_id)?;
        if application.client_id.trim().is_empty() {
            return Err(setup(SetupProblem::ClientId));
        }
        let mut client: TokenClient<oauth2::EndpointNotSet> =
            Client::new(ClientId::new(application.client_id)).set_auth_type(AuthType::RequestBody);
        if let Credential::ClientSecret(secret) = &application.credential {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        Ok(Self {
            http,
            client: client.set_token_uri(TokenUrl::from_url(endpoint)),
            scope: scope.of(&application.cloud),
            credential: application.credential,
        })
    }

    /// Asks Entra for a token, once.
    pub(crate) async fn request(&self) -> Result<Issued, EntraError> {
        match tokio::time::timeout(DEADLINE, self.request_without_deadline()).await {
            Ok(result) => result,
            Err(_) => Err(EntraError::new(Cause::Deadline(DEADLINE), None)),
        }
    }

    async fn request_without_deadline(&self) -> Result<Issued, EntraError> {
        let mut request = self.client.exchange_client_credentials().add_scope(oauth2::Scope::new(self.scope.clone()));
        match &self.credential {
            // Already part of the client.
            Credential::ClientSecret(_) => {}
            Credential::Certificate(certificate) => {
                let endpoint = self.client.token_uri().as_str();
                let signed = assertion::sign(certificate, endpoint, self.client.client_id(), Timestamp::now())
                    .map_err(|_| setup(SetupProblem::Signing))?;
                request = request
                    .add_extra_param("client_assertion_type", ASSERTION_TYPE)
                    .add_extra_param("client_assertion", signed.expose_secret().to_owned());
            }
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let carrier = {
            let (http, seen) = (self.http.clone(), Arc::clone(&seen));
            move |request| carry(http.clone(), request, Arc::clone(&seen))
        };
        let answer = request.request_async(&carrier).await;
        let seen = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(token) => Ok(Issued {
                secret: SecretString::from(token.access_token().secret().as_str()),
                lifetime: token.expires_in().unwrap_or(UNSTATED_LIFETIME),
            }),
            Err(error) => Err(self.explain(error, seen)),
        }
    }

    fn explain(&self, error: RequestTokenError<Lost, Refusal>, seen: Seen) -> EntraError {
        let host = self.client.token_uri().url().host_str().unwrap_or_default().to_owned();
        let unreadable = |problem| Cause::Unreadable { status: seen.status, problem };
        let cause = match error {
            RequestTokenError::ServerResponse(refusal) if refusal.error.is_empty() => {
                unreadable("a JSON object without 'error'")
            }
            RequestTokenError::ServerResponse(refusal) => Cause::Refused { status: seen.status, refusal },
            RequestTokenError::Request(Lost::Unreachable(detail)) => Cause::Unreachable { host, detail },
            RequestTokenError::Request(Lost::Broken(detail)) => Cause::Broken { host, detail },
            RequestTokenError::Request(Lost::TooLong) => unreadable("the answer is far too long"),
            // The answer itself is withheld: what could not be read may be half a token.
            RequestTokenError::Parse(..) => unreadable("the answer is not the JSON it should be"),
            RequestTokenError::Other(_) => unreadable("the answer is empty or not JSON"),
        };
        EntraError::new(cause, seen.retry_after)
    }
}

/// Carries a request of the `oauth2` crate over our client, and notes what that crate throws away.
async fn carry(http: reqwest::Client, request: HttpRequest, seen: Arc<Mutex<Seen>>) -> Result<HttpResponse, Lost> {
    let request = reqwest::Request::try_from(request).map_err(Lost::from)?;
    let mut answer = http.execute(request).await.map_err(Lost::from)?;
    *seen.lock().unwrap_or_else(PoisonError::into_inner) =
        Seen { status: answer.status().as_u16(), retry_after: retry_after(answer.headers()) };
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(Lost::from)? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
            return Err(Lost::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = http::Response::new(body);
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    status: u16,
    retry_after: Option<Duration>,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Broken(String),
    #[error("the answer is too long")]
    TooLong,
}

impl From<reqwest::Error> for Lost {
    fn from(error: reqwest::Error) -> Self {
        // The innermost error is the one that says something: "Connection refused", "invalid peer certificate".
        let mut innermost: &dyn std::error::Error = &error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let detail = if error.source().is_none() { "the request failed".to_owned() } else { innermost.to_string() };
        if error.is_connect() { Self::Unreachable(detail) } else { Self::Broken(detail) }
    }
}

fn setup(problem: SetupProblem) -> EntraError {
    EntraError::new(Cause::Setup(problem), None)
}

fn token_endpoint(login: &Root, tenant_id: &str) -> Result<Url, EntraError> {
    let tenant = tenant_id.trim();
    if ["common", "organizations", "consumers"].iter().any(|word| tenant.eq_ignore_ascii_case(word)) {
        return Err(setup(SetupProblem::TenantNotConcrete));
    }
    // Letters, digits, dots and dashes cannot leave the path segment they are put into; ".." could.
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !tenant.starts_with(|c: char| c.is_ascii_alphanumeric()) || !tenant.chars().all(allowed) {
        return Err(setup(SetupProblem::TenantId));
    }
    Url::parse(&format!("{login}/{tenant}/oauth2/v2.0/token")).map_err(|_| setup(SetupProblem::TenantId))
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    parse_retry_after(headers.get(http::header::RETRY_AFTER)?.to_str().ok()?, Timestamp::now())
}
