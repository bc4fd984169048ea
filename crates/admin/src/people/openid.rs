//! Signing in with an OpenID provider: authorization code with PKCE, state and nonce, and a verified id token.
//!
//! ```text
//!   begin ──► browser with a sealed cookie ──► provider ──► finish: cookie opened, state compared, used once
//!                                                             │ code exchanged, id token verified
//!                                                             ▼
//!                              groups ──► role ──► user found by (issuer, subject), or made ──► session
//! ```
//!
//! Promise: only the browser that went may come back, once, within ten minutes. What it needs for that it carries itself,
//! sealed: a flood of sign-ins that are begun and left costs no memory and pushes nobody out, and a sign-in survives a
//! restart. Used ones are remembered until they would have expired anyway, a bounded number.

mod pending;
mod provider;
mod setting;
mod user;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use relay::Network;
use secrecy::SecretString;
use serde_json::json;
use settings::OpenIdProvider;
use store::{Store, StoreError};
use url::Url;

use self::pending::{Pending, Reauthentication};
use self::provider::Provider;
use super::change::entry;
use super::{Client, NewSession, SignedIn, session};

pub use setting::{OpenIdProviderEntry, OpenIdProviderSummary, openid_name, set_sign_in, sign_in_settings};

/// How long what the provider said about itself is believed.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Keys that are not known are asked for again, but not more often than this: anybody can make one up.
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// Sign-ins that came back within ten minutes; each asked the provider something.
const MAX_USED: usize = 4096;

/// Knows the provider, and who came back from it lately. Lives as long as the process.
#[derive(Debug)]
pub struct OpenIdGate {
    network: Network,
    redirect_uri: Url,
    provider: Mutex<Option<Arc<Provider>>>,
    /// States of sign-ins that came back, and when they may be forgotten.
    used: Mutex<HashMap<String, Timestamp>>,
}

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
        Self { network, redirect_uri, provider: Mutex::default(), used: Mutex::default() }
    }

    /// Where the provider sends the browser back to: to be entered there.
    pub fn redirect_uri(&self) -> &Url {
        &self.redirect_uri
    }

    /// Begins a sign-in. With `signed_in`, the same person must prove at the provider who they are, and the session
    /// becomes fresh.
    pub async fn begin(
        &self,
        store: &dyn Store,
        signed_in: Option<&SignedIn>,
        now: Timestamp,
    ) -> Result<OpenIdRedirect, OpenIdError> {
        let setting = setting(store)?;
        let provider = self.provider(&setting, now, KNOWN_FOR).await?;
        let again =
            signed_in.map(|it| Reauthentication { user: it.user.id.clone(), session: it.session.digest.clone() });
        let client = provider.client(&setting, &store.key_ring(), &self.redirect_uri)?;
        let (url, pending) = provider::authorization(&client, again, now)?;
        Ok(OpenIdRedirect { url, pending: pending.seal(&store.key_ring())? })
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
        let setting = setting(store)?;
        let pending = Pending::open(&store.key_ring(), pending, now).ok_or(OpenIdError::NotBegun)?;
        if !answer.state.as_deref().is_some_and(|state| pending.is_state(state)) {
            return Err(OpenIdError::NotBegun);
        }
        self.use_up(&pending, now)?;
        if let Some(code) = &answer.error {
            let description = answer.error_description.clone().unwrap_or_default();
            return Err(OpenIdError::RefusedByProvider { code: code.clone(), description });
        }
        let code = answer.code.as_ref().ok_or(OpenIdError::NotBegun)?;
        let claims = self.claims(store, &setting, &pending, code, now).await?;
        let user = user::sign_in(store, &setting, &claims, now).await?;
        if pending.again.as_ref().is_some_and(|again| again.user != user.id) {
            return Err(OpenIdError::Refused {
                what: format!("you signed in as '{}', which is somebody else than before", user.name),
                fix: "Sign out, or sign in as the same user.".to_owned(),
            });
        }
        let begun = session::begin(store, &user, client, now).await?.ok_or(OpenIdError::NotBegun)?;
        if let Some(again) = &pending.again {
            store.remove_sessions(vec![again.session.clone()]).await?;
        }
        let detail = json!({ "peer": client.peer, "provider": setting.name });
        store.record_audit(entry(&user.name, "signed_in", detail, now)).await?;
        tracing::info!(event = "signed_in", user = user.name, peer = %client.peer, provider = setting.name);
        Ok(begun)
    }

    async fn claims(
        &self,
        store: &dyn Store,
        setting: &OpenIdProvider,
        pending: &Pending,
        code: &SecretString,
        now: Timestamp,
    ) -> Result<provider::Claims, OpenIdError> {
        let provider = self.provider(setting, now, KNOWN_FOR).await?;
        let client = provider.client(setting, &store.key_ring(), &self.redirect_uri)?;
        let id_token = provider.exchange(&client, code, pending).await?;
        match provider::verify(&client, &id_token, pending, now) {
            // The provider has new keys.
            Err(provider::Unverified::UnknownKey) => {
                let provider = self.provider(setting, now, ASK_AGAIN_AFTER).await?;
                let client = provider.client(setting, &store.key_ring(), &self.redirect_uri)?;
                provider::verify(&client, &id_token, pending, now).map_err(OpenIdError::from)
            }
            other => other.map_err(OpenIdError::from),
        }
    }

    /// What the provider says about itself, asked for again when it is older than `max_age`.
    async fn provider(
        &self,
        setting: &OpenIdProvider,
        now: Timestamp,
        max_age: SignedDuration,
    ) -> Result<Arc<Provider>, OpenIdError> {
        let known = self.provider.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|it| it.issuer == setting.issuer && now.duration_since(it.asked_at) < max_age)
        {
            return Ok(known);
        }
        let asked = Arc::new(Provider::discover(&self.network, &setting.issuer, now).await?);
        *self.provider.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&asked));
        Ok(asked)
    }

    fn use_up(&self, pending: &Pending, now: Timestamp) -> Result<(), OpenIdError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| now < *until);
        if used.len() >= MAX_USED {
            return Err(OpenIdError::Busy);
        }
        match used.insert(pending.state.clone(), pending.until) {
            None => Ok(()),
            Some(_) => Err(OpenIdError::NotBegun),
        }
    }
}

fn setting(store: &dyn Store) -> Result<OpenIdProvider, OpenIdError> {
    store.settings().borrow().sign_in.openid.clone().ok_or(OpenIdError::NotSetUp)
}
