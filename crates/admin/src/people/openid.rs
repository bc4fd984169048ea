//! Signing in with an OpenID provider: authorization code with PKCE, state and nonce, and a verified id token.

use jiff::Timestamp;
use relay::Network;
use secrecy::SecretString;
use serde::Serialize;
use settings::GroupRole;
use store::{Store, StoreError};
use url::Url;

use super::{Client, NewSession, SignedIn};
use crate::{Actor, AdminError};

/// Knows the provider, and who came back from it lately. Lives as long as the process.
#[derive(Debug)]
pub struct OpenIdGate {}

/// Where to send the browser, and what it keeps until it comes back.
#[derive(Debug)]
pub struct OpenIdRedirect {
    /// The provider's sign-in page.
    pub url: Url,
    /// For a cookie (`HttpOnly`, `SameSite=Lax`, ten minutes): only the browser that went may come back.
    pub pending: SecretString,
}

/// The query with which the provider sent the browser back.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub struct OpenIdAnswer {
    pub state: Option<String>,
    pub code: Option<SecretString>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

/// Why somebody is not let in by way of the provider. Each says to whom it may be shown as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenIdError {
    #[error("signing in with an OpenID provider is not set up")]
    NotSetUp,
    /// The answer belongs to nothing this browser began a short while ago: begin again.
    #[error("this sign-in was not begun in this browser, was finished already, or took too long: sign in again")]
    NotBegun,
    /// The provider said no, in its words (hostile text; shown escaped).
    #[error("the provider refused the sign-in: {code} {description}")]
    RefusedByProvider { code: String, description: String },
    /// An administrator of the provider or of Postern must act: a sentence what is wrong, and one what to do.
    #[error("{what}")]
    Refused { what: String, fix: String },
    /// The provider does not answer, or not as OpenID Connect says.
    #[error("the provider cannot be used: {detail}")]
    Provider { detail: String },
    /// Too many sign-ins came back from the provider in the last minutes: try again in a moment.
    #[error("too many sign-ins at once")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenIdGate {
    /// `redirect_uri`: the page of the console that calls [`Self::finish`]; made from `public_url`, never from a request.
    pub fn new(network: Network, redirect_uri: Url) -> Self {
        todo!()
    }

    /// Where the provider sends the browser back to: to be entered there.
    pub fn redirect_uri(&self) -> &Url {
        todo!()
    }

    /// Begins a sign-in. With `signed_in`, the same person must prove at the provider who they are, and the session
    /// becomes fresh.
    pub async fn begin(
        &self,
        store: &dyn Store,
        signed_in: Option<&SignedIn>,
        now: Timestamp,
    ) -> Result<OpenIdRedirect, OpenIdError> {
        todo!()
    }

    /// Exchanges the code, verifies the id token, finds or creates the user, refreshes their role and begins a session.
    pub async fn finish(
        &self,
        store: &dyn Store,
        pending: &SecretString,
        answer: &OpenIdAnswer,
        client: &Client,
        now: Timestamp,
    ) -> Result<NewSession, OpenIdError> {
        todo!()
    }
}

/// What the sign-in page's button says after "Sign in with"; `None`: no button.
pub fn openid_name(store: &dyn Store) -> Option<String> {
    todo!()
}

/// The provider as it is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenIdProviderSummary {
    pub name: String,
    pub issuer: Url,
    pub client_id: String,
    pub has_client_secret: bool,
    pub groups_claim: String,
    pub groups: Vec<GroupRole>,
}

/// The provider as an administrator enters it.
#[derive(Debug, Clone)]
pub struct OpenIdProviderEntry {
    pub name: String,
    /// `https`, or plain http on a loopback address. `/.well-known/openid-configuration` is found below it.
    pub issuer: Url,
    pub client_id: String,
    /// `None`: the one there is stays, if issuer and client id do.
    pub client_secret: Option<SecretString>,
    /// Usually `groups`.
    pub groups_claim: String,
    pub groups: Vec<GroupRole>,
}

/// For administrators.
pub fn sign_in_settings(store: &dyn Store, actor: &Actor) -> Result<Option<OpenIdProviderSummary>, AdminError> {
    todo!()
}

/// Sets the provider up, or (`None`) removes it.
pub async fn set_sign_in(
    store: &dyn Store,
    actor: &Actor,
    entry: Option<&OpenIdProviderEntry>,
    now: Timestamp,
) -> Result<Option<OpenIdProviderSummary>, AdminError> {
    todo!()
}
