//! A user lets the application send as them: in a browser (authorization code with PKCE), or with a device code.
//!
//! ```text
//!   begin ──► the user's browser ──► callback with `code` and `state` ──► redeem ──► Granted
//!   begin_device ──► the user types a code somewhere ──► poll, poll ... ──► Granted
//! ```
//!
//! Promise: state and verifier of each sign-in are new and unguessable (RFC 7636 §7.1); what is granted can be kept, for it
//! always comes with a refresh token.
//!
//! Left to others: comparing the callback's `state`, and keeping what was granted.

use std::time::Duration;

use oauth2::{
    AuthUrl, Client, CsrfToken, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet, ExtraDeviceAuthorizationFields,
    PkceCodeChallenge, RedirectUrl,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::carrier::in_time;
use crate::error::SetupProblem;
use crate::exchange::{Answer, EntraClient, Exchange, setup};
use crate::refusal::Refusal;
use crate::{Application, Claims, EntraError, Explanation, MailScope, aadsts};

/// A sign-in that a browser is to be sent to.
#[derive(Debug)]
pub struct Authorization {
    pub url: Url,
    /// The callback must bring this back; anything else is somebody else's sign-in.
    pub state: SecretString,
    /// Proves at the end that this is who began it. It never leaves the gateway before that.
    pub verifier: SecretString,
}

/// A sign-in that waits for the user to type a code on another device.
#[derive(Debug, Clone)]
pub struct DeviceCode {
    pub user_code: String,
    pub verification_uri: Url,
    /// Entra's instruction to the user, in one sentence.
    pub message: String,
    pub expires_in: Duration,
    /// Between two polls, at least.
    pub interval: Duration,
    pub device_code: SecretString,
}

/// What became of a device code.
#[derive(Debug)]
pub enum DevicePoll {
    /// The user has not finished: ask again after the interval.
    Pending,
    /// Asked too often: the interval is five seconds longer from now on (RFC 8628 §3.5).
    SlowDown,
    Granted(Box<Granted>),
    /// The user said no.
    Declined,
    /// Nobody finished in time: begin again.
    Expired,
}

/// What a user granted.
#[derive(Debug)]
pub struct Granted {
    pub access_token: SecretString,
    /// How long the access token lives.
    pub lifetime: Duration,
    pub refresh_token: SecretString,
    pub scopes: Vec<String>,
    /// The user principal name, if Entra tells.
    pub user: Option<String>,
    /// The tenant that the account lives in.
    pub tenant_id: Option<String>,
}

/// Leads users of one application through signing in.
#[derive(Debug)]
pub struct DelegatedSignIn {
    exchange: Exchange,
    authorize: EntraClient<EndpointSet, EndpointSet, EndpointNotSet>,
    scope: MailScope,
}

impl DelegatedSignIn {
    /// Asks nothing of the network. The client brings proxy and trust anchors, and follows no redirects.
    pub fn new(http: reqwest::Client, application: Application, scope: MailScope) -> Result<Self, EntraError> {
        // No secret here: the browser's address and the request for a device code carry none.
        let authorize = Client::new(application.client_id()?)
            .set_auth_type(oauth2::AuthType::RequestBody)
            .set_auth_uri(AuthUrl::from_url(application.endpoint("authorize")?))
            .set_device_authorization_url(DeviceAuthorizationUrl::from_url(application.endpoint("devicecode")?));
        Ok(Self { exchange: Exchange::new(http, application)?, authorize, scope })
    }

    /// Begins a sign-in in a browser that ends at `redirect_uri`, which the app registration must list. With a hint the
    /// user's name is filled in.
    pub fn begin(&self, redirect_uri: &Url, login_hint: Option<&str>) -> Authorization {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let redirect_uri = RedirectUrl::from_url(redirect_uri.clone());
        let mut request = self
            .authorize
            .authorize_url(CsrfToken::new_random)
            .set_redirect_uri(std::borrow::Cow::Owned(redirect_uri))
            .set_pkce_challenge(challenge)
            .add_scopes(self.scope.to_sign_in(&self.exchange.application().cloud))
            // Whoever is signed in to the browser is seldom the mailbox that is to send.
            .add_extra_param("prompt", "select_account");
        if let Some(hint) = login_hint {
            request = request.add_extra_param("login_hint", hint.to_owned());
        }
        let (url, state) = request.url();
        Authorization {
            url,
            state: SecretString::from(state.into_secret()),
            verifier: SecretString::from(verifier.into_secret()),
        }
    }

    /// Ends a sign-in in a browser: exchanges the callback's code, with redirect URI and verifier as it began.
    pub async fn redeem(
        &self,
        code: &SecretString,
        redirect_uri: &Url,
        verifier: &SecretString,
    ) -> Result<Granted, EntraError> {
        let answer = self.exchange.code(code, redirect_uri, verifier).await?;
        self.granted(answer)
    }

    /// Begins a sign-in on another device. The app registration must allow public client flows.
    pub async fn begin_device(&self) -> Result<DeviceCode, EntraError> {
        let scopes = self.scope.to_sign_in(&self.exchange.application().cloud);
        let request = self.authorize.exchange_device_code().add_scopes(scopes);
        let carrier = self.exchange.carrier();
        let answer = in_time(async {
            let sent = request.request_async(&|request| carrier.clone().carry(request)).await;
            sent.map_err(|error| carrier.explain(self.exchange.host(), error))
        });
        let answer: oauth2::DeviceAuthorizationResponse<DeviceFields> = answer.await?;
        let user_code = answer.user_code().secret().clone();
        let verification_uri = answer.verification_uri().url().clone();
        let message = answer.extra_fields().message.clone();
        Ok(DeviceCode {
            message: message.unwrap_or_else(|| format!("Open {verification_uri} and enter the code {user_code}.")),
            user_code,
            verification_uri,
            expires_in: answer.expires_in(),
            interval: answer.interval(),
            device_code: SecretString::from(answer.device_code().secret().as_str()),
        })
    }

    /// Asks once what became of it. An error that is transient changes nothing: ask again.
    pub async fn poll(&self, code: &DeviceCode) -> Result<DevicePoll, EntraError> {
        let error = match self.exchange.device_code(&code.device_code).await {
            Ok(answer) => return Ok(DevicePoll::Granted(Box::new(self.granted(answer)?))),
            Err(error) => error,
        };
        match error.oauth_error() {
            Some("authorization_pending") => Ok(DevicePoll::Pending),
            Some("slow_down") => Ok(DevicePoll::SlowDown),
            Some("authorization_declined") => Ok(DevicePoll::Declined),
            Some("expired_token") => Ok(DevicePoll::Expired),
            _ => Err(error),
        }
    }

    fn granted(&self, answer: Answer) -> Result<Granted, EntraError> {
        let refresh_token = answer.refresh_token.ok_or_else(|| setup(SetupProblem::NoRefreshToken))?;
        let read = |token: &SecretString| Claims::decode(token.expose_secret()).ok();
        // The id token is made for us to read; the access token only may be readable.
        let identity = answer.id_token.as_ref().and_then(read).unwrap_or_default();
        let access = read(&answer.issued.secret).unwrap_or_default();
        let mut scopes = answer.scopes;
        if scopes.is_empty() {
            scopes = self.scope.to_sign_in(&self.exchange.application().cloud).iter().map(|s| s.to_string()).collect();
        }
        Ok(Granted {
            access_token: answer.issued.secret,
            lifetime: answer.issued.lifetime,
            refresh_token,
            scopes,
            user: identity.upn.or(access.upn),
            tenant_id: identity.tid.or(access.tid),
        })
    }
}

/// Entra's addition to RFC 8628 §3.2.
#[derive(Debug, Serialize, Deserialize)]
struct DeviceFields {
    message: Option<String>,
}

impl ExtraDeviceAuthorizationFields for DeviceFields {}

/// What the callback's `error` and `error_description` mean (RFC 6749 §4.1.2.1). Both come from the browser: words to
/// show, nothing to believe.
pub fn explain_callback(error: &str, description: &str) -> Explanation {
    let refusal = Refusal { error: error.to_owned(), error_description: description.to_owned(), ..Refusal::default() };
    aadsts::explain_sign_in(&refusal)
}
