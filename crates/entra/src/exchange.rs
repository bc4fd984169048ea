//! One request to the token endpoint: whichever grant, with the application's proof of identity.
//!
//! Promise: one call, one request, one deadline. Secrets, assertions, codes and tokens travel in the request body alone;
//! nothing of the request and nothing of a successful answer is put into an error.
//!
//! Left to others: when to ask and what to remember (`token`, `schedule`), where a refresh token is kept (`grant`).

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ExtraTokenFields,
    HttpRequest, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl, http,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::carrier::{Carrier, Lost, in_time};
use crate::error::{Cause, SetupProblem};
use crate::refusal::Refusal;
use crate::{Cloud, Credential, EntraError, Root, assertion, assertion_file};

/// What a token without `expires_in` (allowed by RFC 6749 §5.1) is trusted for.
const UNSTATED_LIFETIME: Duration = Duration::from_mins(5);

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An app registration, as the administrator entered it.
#[derive(Debug, Clone)]
pub struct Application {
    pub cloud: Cloud,
    /// GUID or verified domain of one tenant.
    pub tenant_id: String,
    pub client_id: String,
    pub credential: Credential,
}

impl Application {
    /// An endpoint of the application's tenant: `token`, `authorize` or `devicecode`.
    pub(crate) fn endpoint(&self, name: &str) -> Result<Url, EntraError> {
        endpoint(&self.cloud.login, &self.tenant_id, name)
    }

    pub(crate) fn client_id(&self) -> Result<ClientId, EntraError> {
        if self.client_id.trim().is_empty() {
            return Err(setup(SetupProblem::ClientId));
        }
        Ok(ClientId::new(self.client_id.clone()))
    }
}

/// Which service a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Microsoft Graph of the application's cloud.
    Graph,
    /// Exchange Online SMTP of the application's cloud.
    Exchange,
    /// Another service, by what a token for it is asked for: `https://mail.contoso.test/.default`.
    Custom(String),
}

impl Scope {
    fn of(&self, cloud: &Cloud) -> String {
        match self {
            Self::Graph => cloud.graph.default_scope(),
            Self::Exchange => cloud.exchange_scope.clone().into_owned(),
            Self::Custom(scope) => scope.clone(),
        }
    }

    /// The service itself, as a machine's identity is asked for its tokens.
    pub(crate) fn resource(&self, cloud: &Cloud) -> String {
        let scope = self.of(cloud);
        scope.strip_suffix("/.default").unwrap_or(&scope).to_owned()
    }
}

/// Parameters of a request that prove who asks.
type Proof = Vec<(&'static str, String)>;

/// A token just issued.
pub(crate) struct Issued {
    pub(crate) secret: SecretString,
    pub(crate) lifetime: Duration,
}

/// All of a token answer.
pub(crate) struct Answer {
    pub(crate) issued: Issued,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) id_token: Option<SecretString>,
    /// Empty: as asked for (RFC 6749 §5.1).
    pub(crate) scopes: Vec<String>,
}

/// What OpenID Connect adds to a token answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct IdentityFields {
    #[serde(default, skip_serializing)]
    id_token: Option<SecretString>,
}

impl ExtraTokenFields for IdentityFields {}

type TokenAnswer = StandardTokenResponse<IdentityFields, BasicTokenType>;

/// A client of the `oauth2` crate that speaks Entra's error body.
pub(crate) type EntraClient<Authorize, Device, Token> = Client<
    Refusal,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    Authorize,
    Device,
    EndpointNotSet,
    EndpointNotSet,
    Token,
>;

type TokenClient<Token> = EntraClient<EndpointNotSet, EndpointNotSet, Token>;

/// Everything needed to ask for a token.
#[derive(Debug)]
pub(crate) struct Exchange {
    http: reqwest::Client,
    client: TokenClient<EndpointSet>,
    application: Application,
}

impl Exchange {
    pub(crate) fn new(http: reqwest::Client, application: Application) -> Result<Self, EntraError> {
        if matches!(application.credential, Credential::ManagedIdentity(_)) {
            return Err(setup(SetupProblem::IdentityWithoutUsers));
        }
        let endpoint = application.endpoint("token")?;
        let mut client: TokenClient<EndpointNotSet> =
            Client::new(application.client_id()?).set_auth_type(AuthType::RequestBody);
        if let Credential::ClientSecret(secret) = &application.credential {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        Ok(Self { http, client: client.set_token_uri(TokenUrl::from_url(endpoint)), application })
    }

    pub(crate) fn application(&self) -> &Application {
        &self.application
    }

    /// Asks as the application itself. Only an application that can prove to be itself may.
    pub(crate) async fn client_credentials(&self, scope: &Scope) -> Result<Issued, EntraError> {
        if matches!(self.application.credential, Credential::PublicClient) {
            return Err(setup(SetupProblem::NoCredential));
        }
        let scope = oauth2::Scope::new(scope.of(&self.application.cloud));
        let mut request = self.client.exchange_client_credentials().add_scope(scope);
        for (name, value) in self.proof().await? {
            request = request.add_extra_param(name, value);
        }
        let carrier = self.carrier();
        let answer = in_time(async {
            let sent = request.request_async(&|request| carrier.clone().carry(request)).await;
            self.answer(&carrier, sent)
        });
        Ok(answer.await?.issued)
    }

    /// Exchanges a refresh token for an access token, and as a rule a new refresh token.
    pub(crate) async fn refresh(&self, token: &SecretString, scopes: Vec<String>) -> Result<Answer, EntraError> {
        let token = RefreshToken::new(token.expose_secret().to_owned());
        let mut request = self.client.exchange_refresh_token(&token);
        request = request.add_scopes(scopes.into_iter().map(oauth2::Scope::new));
        for (name, value) in self.proof().await? {
            request = request.add_extra_param(name, value);
        }
        let carrier = self.carrier();
        in_time(async {
            let sent = request.request_async(&|request| carrier.clone().carry(request)).await;
            self.answer(&carrier, sent)
        })
        .await
    }

    /// Exchanges the code that a browser brought back (RFC 6749 §4.1.3 with RFC 7636 §4.5).
    pub(crate) async fn code(
        &self,
        code: &SecretString,
        redirect_uri: &Url,
        verifier: &SecretString,
    ) -> Result<Answer, EntraError> {
        let code = AuthorizationCode::new(code.expose_secret().to_owned());
        let redirect_uri = RedirectUrl::from_url(redirect_uri.clone());
        let mut request = self
            .client
            .exchange_code(code)
            .set_redirect_uri(Cow::Borrowed(&redirect_uri))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()));
        for (name, value) in self.proof().await? {
            request = request.add_extra_param(name, value);
        }
        let carrier = self.carrier();
        in_time(async {
            let sent = request.request_async(&|request| carrier.clone().carry(request)).await;
            self.answer(&carrier, sent)
        })
        .await
    }

    /// Asks once what became of a device code (RFC 8628 §3.4). The `oauth2` crate would go on asking by itself, and keep
    /// Entra's reasons to itself.
    pub(crate) async fn device_code(&self, device_code: &SecretString) -> Result<Answer, EntraError> {
        let form = self.device_form(device_code, self.proof().await?);
        let request = form_request(self.client.token_uri().as_str(), form)?;
        let carrier = self.carrier();
        in_time(async { self.answer(&carrier, read_answer(carrier.clone().carry(request).await)) }).await
    }

    /// Apart from the request: the serializer is not `Send`, and may not live while something is waited for.
    fn device_form(&self, device_code: &SecretString, proof: Proof) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", DEVICE_GRANT)
            .append_pair("device_code", device_code.expose_secret())
            .append_pair("client_id", self.client.client_id());
        if let Credential::ClientSecret(secret) = &self.application.credential {
            form.append_pair("client_secret", secret.expose_secret());
        }
        for (name, value) in proof {
            form.append_pair(name, &value);
        }
        form.finish()
    }

    pub(crate) fn carrier(&self) -> Carrier {
        Carrier::new(&self.http)
    }

    pub(crate) fn host(&self) -> &str {
        self.client.token_uri().url().host_str().unwrap_or_default()
    }

    /// What proves the application's identity besides a client secret, which is part of the client.
    async fn proof(&self) -> Result<Proof, EntraError> {
        let now = Timestamp::now();
        let assertion = match &self.application.credential {
            Credential::Certificate(certificate) => {
                let endpoint = self.client.token_uri().as_str();
                let signed = assertion::sign(certificate, endpoint, self.client.client_id(), now);
                signed.map_err(|_| setup(SetupProblem::Signing))?
            }
            Credential::FederatedTokenFile(path) => {
                let read = assertion_file::read(path.clone(), now).await;
                let unusable = |problem| EntraError::new(Cause::AssertionFile { path: path.clone(), problem }, None);
                read.map_err(unusable)?
            }
            Credential::ClientSecret(_) | Credential::ManagedIdentity(_) | Credential::PublicClient => {
                return Ok(Proof::new());
            }
        };
        Ok(vec![
            ("client_assertion_type", ASSERTION_TYPE.to_owned()),
            ("client_assertion", assertion.expose_secret().to_owned()),
        ])
    }

    fn answer(
        &self,
        carrier: &Carrier,
        sent: Result<TokenAnswer, RequestTokenError<Lost, Refusal>>,
    ) -> Result<Answer, EntraError> {
        let token = sent.map_err(|error| carrier.explain(self.host(), error))?;
        Ok(Answer {
            issued: Issued {
                secret: SecretString::from(token.access_token().secret().as_str()),
                lifetime: token.expires_in().unwrap_or(UNSTATED_LIFETIME),
            },
            refresh_token: token.refresh_token().map(|it| SecretString::from(it.secret().as_str())),
            id_token: token.extra_fields().id_token.clone(),
            scopes: token.scopes().into_iter().flatten().map(|scope| scope.to_string()).collect(),
        })
    }
}

fn form_request(endpoint: &str, body: String) -> Result<HttpRequest, EntraError> {
    let request = http::Request::post(endpoint)
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(body.into_bytes()).map_err(|_| setup(SetupProblem::TenantId))
}

#[expect(clippy::result_large_err, reason = "the error is what the oauth2 crate's own requests give")]
fn read_answer(answer: Result<oauth2::HttpResponse, Lost>) -> Result<TokenAnswer, RequestTokenError<Lost, Refusal>> {
    let answer = answer.map_err(RequestTokenError::Request)?;
    let unreadable = || RequestTokenError::Other(String::new());
    if answer.status().is_success() {
        return serde_json::from_slice(answer.body()).map_err(|_| unreadable());
    }
    let refusal: Refusal = serde_json::from_slice(answer.body()).map_err(|_| unreadable())?;
    Err(RequestTokenError::ServerResponse(refusal))
}

pub(crate) fn setup(problem: SetupProblem) -> EntraError {
    EntraError::new(Cause::Setup(problem), None)
}

fn endpoint(login: &Root, tenant_id: &str, name: &str) -> Result<Url, EntraError> {
    let tenant = tenant_id.trim();
    if ["common", "organizations", "consumers"].iter().any(|word| tenant.eq_ignore_ascii_case(word)) {
        return Err(setup(SetupProblem::TenantNotConcrete));
    }
    // Letters, digits, dots and dashes cannot leave the path segment they are put into; ".." could.
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !tenant.starts_with(|c: char| c.is_ascii_alphanumeric()) || !tenant.chars().all(allowed) {
        return Err(setup(SetupProblem::TenantId));
    }
    Url::parse(&format!("{login}/{tenant}/oauth2/v2.0/{name}")).map_err(|_| setup(SetupProblem::TenantId))
}
