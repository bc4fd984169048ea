//! The provider on the wire: what it says about itself, the code for an id token, and whether that token holds.
//!
//! Promise: one deadline and one size limit an answer, no redirects, over the gateway's own client (its proxy, its trust
//! anchors). A token counts only when signature, issuer, audience, expiry and nonce hold; shared-secret signatures do not.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdToken,
    IdTokenClaims, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, http,
};
use relay::Network;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use settings::OpenIdProvider;
use store::KeyRing;
use url::Url;

use super::super::change::unusable;
use super::OpenIdError;
use super::pending::{LIFETIME, Pending, Reauthentication};
use super::setting::client_secret_place;

/// Providers answer in well under a second; a proxy that inspects TLS may take several.
const DEADLINE: Duration = Duration::from_secs(15);
/// Metadata, keys and tokens are a few kilobytes.
const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// Signatures only the provider can make. RS256 is the one every provider must have.
const SIGNATURES: [CoreJwsSigningAlgorithm; 8] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
];

/// Every claim beside the standard ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MoreClaims {
    #[serde(flatten)]
    pub all: HashMap<String, serde_json::Value>,
}

impl AdditionalClaims for MoreClaims {}

pub(super) type Claims = IdTokenClaims<MoreClaims, CoreGenderClaim>;
pub(super) type RawIdToken =
    IdToken<MoreClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Fields = IdTokenFields<
    MoreClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
pub(super) type OpenIdClient = openidconnect::Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

#[derive(Debug)]
pub(super) struct Provider {
    pub issuer: Url,
    pub asked_at: Timestamp,
    metadata: CoreProviderMetadata,
    http: reqwest::Client,
}

impl Provider {
    pub(super) async fn discover(network: &Network, issuer: &Url, now: Timestamp) -> Result<Self, OpenIdError> {
        let http = network.client().map_err(|error| failed(format!("the network settings cannot be used: {error}")))?;
        let mut last = failed("its address cannot be used");
        for issuer_url in spellings(issuer) {
            let carrier = |request| carry(http.clone(), request);
            match CoreProviderMetadata::discover_async(issuer_url, &carrier).await {
                Ok(metadata) => {
                    check_endpoints(&metadata)?;
                    return Ok(Self { issuer: issuer.clone(), asked_at: now, metadata, http });
                }
                Err(error) => last = failed(innermost(&error)),
            }
        }
        Err(last)
    }

    pub(super) fn client(
        &self,
        setting: &OpenIdProvider,
        keys: &KeyRing,
        redirect_uri: &Url,
    ) -> Result<OpenIdClient, OpenIdError> {
        let open = |sealed| keys.open(&client_secret_place(), sealed).map_err(|error| unusable(&error));
        let secret = setting.client_secret.as_ref().map(open).transpose()?;
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let client_id = ClientId::new(setting.client_id.clone());
        let client = OpenIdClient::from_provider_metadata(self.metadata.clone(), client_id, secret);
        Ok(client.set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone())).set_auth_type(self.auth_type()))
    }

    /// In the header, as every provider must be able to (OpenID Connect Discovery, 3), unless it says otherwise.
    fn auth_type(&self) -> AuthType {
        let methods = self.metadata.token_endpoint_auth_methods_supported();
        let only_body = methods.is_some_and(|methods| {
            methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        });
        if only_body { AuthType::RequestBody } else { AuthType::BasicAuth }
    }

    /// The code for an id token, which is not verified yet.
    pub(super) async fn exchange(
        &self,
        client: &OpenIdClient,
        code: &SecretString,
        pending: &Pending,
    ) -> Result<RawIdToken, OpenIdError> {
        let request = client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .map_err(|_| failed("it names no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.pkce_verifier.clone()));
        let carrier = |request| carry(self.http.clone(), request);
        let answer = request.request_async(&carrier).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(refusal) => OpenIdError::RefusedByProvider {
                code: refusal.error().to_string(),
                description: refusal.error_description().cloned().unwrap_or_default(),
            },
            RequestTokenError::Request(lost) => failed(lost.to_string()),
            // The answer itself is withheld: what could not be read may be half a token.
            _ => failed("its answer to the code is not what it should be"),
        })?;
        answer.extra_fields().id_token().cloned().ok_or_else(|| failed("it sent no id token"))
    }
}

/// The address to send the browser to, and what must come back.
pub(super) fn authorization(
    client: &OpenIdClient,
    again: Option<Reauthentication>,
    now: Timestamp,
) -> Result<(Url, Pending), OpenIdError> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .set_pkce_challenge(challenge)
        // Besides `openid`: the name to show.
        .add_scope(Scope::new("profile".to_owned()))
        .add_scope(Scope::new("email".to_owned()));
    if again.is_some() {
        request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO);
    }
    let (url, state, nonce) = request.url();
    let until = now.checked_add(LIFETIME).map_err(|error| failed(format!("the clock is wrong: {error}")))?;
    let pending = Pending {
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        pkce_verifier: verifier.secret().clone(),
        begun_at: now,
        until,
        again,
    };
    Ok((url, pending))
}

/// Why an id token does not hold.
#[derive(Debug)]
pub(super) enum Unverified {
    /// Signed with a key that is not among those we know.
    UnknownKey,
    Other(String),
}

impl From<Unverified> for OpenIdError {
    fn from(unverified: Unverified) -> Self {
        match unverified {
            Unverified::UnknownKey => failed("its id token is signed with a key it does not publish"),
            Unverified::Other(detail) => failed(format!("its id token does not hold: {detail}")),
        }
    }
}

pub(super) fn verify(
    client: &OpenIdClient,
    id_token: &RawIdToken,
    pending: &Pending,
    now: Timestamp,
) -> Result<Claims, Unverified> {
    // Who proves it again must have done so after they were asked to; a minute for clocks that differ.
    let since = pending.again.is_some().then(|| pending.begun_at.as_second().saturating_sub(60));
    let since_1970 = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(SIGNATURES)
        .set_time_fn(move || (SystemTime::UNIX_EPOCH + since_1970).into())
        .set_auth_time_verifier_fn(move |at| match (since, at) {
            (Some(since), Some(at)) if at.timestamp() < since => Err("the sign-in is older than asked for".to_owned()),
            (Some(_), None) => Err("it does not say when the person signed in".to_owned()),
            _ => Ok(()),
        });
    let nonce = Nonce::new(pending.nonce.clone());
    id_token.claims(&verifier, &nonce).cloned().map_err(|error| match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            Unverified::UnknownKey
        }
        error => Unverified::Other(innermost(&error)),
    })
}

/// `https://host` and `https://host/` are one address and two issuers: providers mean either.
fn spellings(issuer: &Url) -> Vec<IssuerUrl> {
    let text = issuer.as_str();
    let bare = if issuer.path() == "/" { text.strip_suffix('/') } else { None };
    bare.into_iter().chain([text]).filter_map(|text| IssuerUrl::new(text.to_owned()).ok()).collect()
}

/// Code and secret must not travel in clear because the metadata says so.
fn check_endpoints(metadata: &CoreProviderMetadata) -> Result<(), OpenIdError> {
    let token = metadata.token_endpoint().map(openidconnect::TokenUrl::url);
    let endpoints = [Some(metadata.authorization_endpoint().url()), token, Some(metadata.jwks_uri().url())];
    match endpoints.into_iter().flatten().find(|url| !entra::is_private(url)) {
        Some(url) => Err(failed(format!("its address {url} is not https"))),
        None => Ok(()),
    }
}

/// Carries a request of the `openidconnect` crate over our client.
async fn carry(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, Lost> {
    match tokio::time::timeout(DEADLINE, carry_without_deadline(http, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(Lost(format!("no answer within {} seconds", DEADLINE.as_secs()))),
    }
}

async fn carry_without_deadline(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, Lost> {
    let lost = |error: reqwest::Error| Lost(innermost(&error));
    let request = reqwest::Request::try_from(request).map_err(lost)?;
    let mut answer = http.execute(request).await.map_err(lost)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(lost)? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
            return Err(Lost("the answer is far too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = http::Response::new(body);
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Lost(String);

fn failed(detail: impl Into<String>) -> OpenIdError {
    OpenIdError::Provider { detail: detail.into() }
}

/// The innermost error is the one that says something: "Connection refused", "Invalid issuer".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
