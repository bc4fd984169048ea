//! Signing in to a delegated connection in a browser: authorization code with PKCE.

use jiff::Timestamp;
use relay::Network;
use secrecy::SecretString;
use store::Store;
use url::Url;

use super::flows::{Flow, Flows, Kind};
use super::{SignInEnd, delegated, keep, refused, scope_of, sign_in};
use crate::connection::explain;
use crate::{Actor, AdminError, Refused, Role};

/// What a sign-in is for.
#[derive(Debug, Clone)]
pub struct SignInRequest<'a> {
    /// The connection's id.
    pub connection: &'a str,
    /// Asks for `Mail.Send.Shared` too: needed when the mailbox is not the user's own, but for Exchange by SMTP.
    pub shared_mailboxes: bool,
    /// Digest of the console session, to which the sign-in is bound.
    pub session_digest: &'a str,
    /// Fills in the user's name; for a browser only.
    pub login_hint: Option<&'a str>,
}

/// What the browser brings back, as it came.
#[derive(Debug)]
pub struct Callback {
    pub state: String,
    pub code: Option<SecretString>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

/// Where to send the browser. `redirect_uri` is the console's own callback, which the app registration must list.
pub async fn begin_sign_in(
    store: &dyn Store,
    flows: &Flows,
    actor: &Actor,
    request: &SignInRequest<'_>,
    redirect_uri: &Url,
    network: &Network,
    now: Timestamp,
) -> Result<Url, AdminError> {
    actor.must_be(Role::Administrator)?;
    let settings = store.settings().borrow().clone();
    let (connection, tenant) = delegated(&settings, request.connection)?;
    let scope = scope_of(connection, request.shared_mailboxes);
    let sign_in = sign_in(connection, tenant, &store.key_ring(), network, scope)?;
    let begun = sign_in.begin(redirect_uri, request.login_hint);
    let flow = Flow {
        key: begun.state,
        connection: connection.id.clone(),
        session_digest: request.session_digest.to_owned(),
        began_at: now,
        scope,
        kind: Kind::Browser { redirect_uri: redirect_uri.clone(), verifier: begun.verifier },
    };
    flows.add(flow, now);
    Ok(begun.url)
}

/// Ends it: exchanges the code and keeps what was granted. The state works once, in the session that began.
pub async fn finish_sign_in(
    store: &dyn Store,
    flows: &Flows,
    actor: &Actor,
    callback: &Callback,
    session_digest: &str,
    network: &Network,
    now: Timestamp,
) -> Result<SignInEnd, AdminError> {
    actor.must_be(Role::Administrator)?;
    let flow = flows.take(&callback.state, session_digest, now).ok_or_else(unknown_sign_in)?;
    let Kind::Browser { redirect_uri, verifier } = &flow.kind else { return Err(unknown_sign_in().into()) };
    let code = match (&callback.code, &callback.error) {
        (_, Some(error)) => {
            let description = callback.error_description.as_deref().unwrap_or_default();
            return Ok(SignInEnd::Refused(explain(&entra::explain_callback(error, description), None)));
        }
        (Some(code), None) => code,
        (None, None) => return Err(Refused::new("the answer holds no code", "Begin the sign-in again.").into()),
    };
    let settings = store.settings().borrow().clone();
    let (connection, tenant) = delegated(&settings, &flow.connection.0)?;
    let sign_in = sign_in(connection, tenant, &store.key_ring(), network, flow.scope)?;
    match sign_in.redeem(code, redirect_uri, verifier).await {
        Ok(granted) => Ok(SignInEnd::Granted(keep(store, actor, &connection.id, granted, now).await?)),
        Err(error) => Ok(SignInEnd::Refused(refused(&error))),
    }
}

pub(super) fn unknown_sign_in() -> Refused {
    Refused::new(
        "this sign-in is not known: it took longer than ten minutes, was used already, or began in another session",
        "Begin it again.",
    )
}
