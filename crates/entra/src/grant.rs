//! What a user granted: a refresh token that is exchanged for access tokens and replaced each time.
//!
//! ```text
//!   load ──► Entra ──┬─ issued ────► store the new refresh token ──► hand out the access token
//!                    ├─ over ──────► died: somebody must sign in again
//!                    └─ passing ───► nothing changes
//! ```
//!
//! Promise: a rotated refresh token is stored before the access token it came with is of use to anybody. When storing
//! fails, or the process dies in between, the old one is still kept, and Entra still takes it.
//!
//! Left to others: where refresh tokens are kept, and how they are sealed ([`GrantKeeper`]).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Cause;
use crate::exchange::{Exchange, Issued};
use crate::{EntraError, Explanation, MailScope};

/// A grant as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    pub refresh_token: SecretString,
    pub scope: MailScope,
    /// When the refresh token was last exchanged; it lives for 90 days after that.
    pub refreshed_at: Timestamp,
}

/// The grant could not be read or stored.
#[derive(Debug, Clone)]
pub struct KeepError {
    pub explanation: Explanation,
    /// Whether waiting can help. `false` means a human has to change something.
    pub is_transient: bool,
}

/// Keeps one grant where it survives a restart.
#[async_trait]
pub trait GrantKeeper: Send + Sync + fmt::Debug + 'static {
    /// The grant as it is kept now; `None`: nobody has signed in.
    async fn load(&self) -> Result<Option<Kept>, KeepError>;

    /// Replaces `used` by `rotated`, durably, before it returns. The two are equal when Entra sent no new one. When
    /// another sign-in has taken the place of `used` meanwhile, that one stays, and this is a transient error.
    async fn store(&self, used: &SecretString, rotated: &SecretString) -> Result<(), KeepError>;

    /// Entra says that `used` is of no more use; unless another sign-in has taken its place, this is to be remembered and
    /// shown. The refresh token is kept: what a policy forbids today it may allow tomorrow.
    async fn died(&self, used: &SecretString, error: &EntraError);
}

/// A kept grant at work.
#[derive(Debug)]
pub(crate) struct Delegated {
    keeper: Arc<dyn GrantKeeper>,
    /// The refresh token last seen here, to notice when another sign-in has taken its place.
    known: Mutex<Option<SecretString>>,
}

impl Delegated {
    pub(crate) fn new(keeper: Arc<dyn GrantKeeper>) -> Self {
        Self { keeper, known: Mutex::default() }
    }

    pub(crate) async fn load(&self) -> Result<Option<Kept>, EntraError> {
        self.keeper.load().await.map_err(not_kept)
    }

    /// Whether the grant kept now is another one than was last seen here.
    pub(crate) async fn is_another(&self) -> Result<bool, EntraError> {
        let kept = self.load().await?.map(|kept| kept.refresh_token);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |token: &Option<SecretString>| token.as_ref().map(|it| it.expose_secret().to_owned());
        Ok(text(&kept) != text(&known))
    }

    pub(crate) async fn refresh(&self, exchange: &Exchange) -> Result<Issued, EntraError> {
        let kept = self.load().await?;
        self.remember(kept.as_ref().map(|kept| &kept.refresh_token));
        let Some(kept) = kept else { return Err(EntraError::new(Cause::NoGrant, None)) };
        let scopes = kept.scope.to_refresh(&exchange.application().cloud);
        let used = &kept.refresh_token;
        match exchange.refresh(used, scopes).await {
            Ok(answer) => {
                let rotated = answer.refresh_token.as_ref().unwrap_or(used);
                self.keeper.store(used, rotated).await.map_err(not_kept)?;
                self.remember(Some(rotated));
                Ok(answer.issued)
            }
            Err(error) => {
                let error = error.of_a_grant();
                if error.needs_sign_in() {
                    self.keeper.died(used, &error).await;
                }
                Err(error)
            }
        }
    }

    fn remember(&self, token: Option<&SecretString>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = token.cloned();
    }
}

fn not_kept(error: KeepError) -> EntraError {
    EntraError::new(Cause::NotKept(error), None)
}
