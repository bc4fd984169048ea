//! Signing in to a delegated connection on another device, with a code to type there (RFC 8628).

use entra::DevicePoll;
use jiff::{SignedDuration, Timestamp};
use relay::Network;
use secrecy::SecretString;
use serde::Serialize;
use store::{Explanation, Store};
use url::Url;

use super::browser::unknown_sign_in;
use super::flows::{Flow, Flows, Kind};
use super::{GrantSummary, SignInRequest, delegated, keep, refused, scope_of, sign_in};
use crate::{Actor, AdminError, Role};

/// RFC 8628 §3.5.
const SLOW_DOWN: SignedDuration = SignedDuration::from_secs(5);

/// What to tell the person, and how to ask what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceSignIn {
    /// For [`poll_device_sign_in`].
    pub id: String,
    pub user_code: String,
    pub verification_uri: Url,
    /// Entra's instruction in one sentence.
    pub message: String,
    pub interval_seconds: u64,
}

/// What has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DevicePolled {
    /// Ask again after the interval; asking sooner does no harm.
    Pending,
    Granted(GrantSummary),
    /// It is over; nothing was changed.
    Refused(Explanation),
}

pub async fn begin_device_sign_in(
    store: &dyn Store,
    flows: &Flows,
    actor: &Actor,
    request: &SignInRequest<'_>,
    network: &Network,
    now: Timestamp,
) -> Result<Result<DeviceSignIn, Explanation>, AdminError> {
    actor.must_be(Role::Administrator)?;
    let settings = store.settings().borrow().clone();
    let (connection, tenant) = delegated(&settings, request.connection)?;
    let scope = scope_of(connection, request.shared_mailboxes);
    let code = match sign_in(connection, tenant, &store.key_ring(), network, scope)?.begin_device().await {
        Ok(code) => code,
        Err(error) => return Ok(Err(refused(&error))),
    };
    let interval = SignedDuration::try_from(code.interval).unwrap_or(SLOW_DOWN);
    let begun = DeviceSignIn {
        id: entra::fresh_guid(),
        user_code: code.user_code.clone(),
        verification_uri: code.verification_uri.clone(),
        message: code.message.clone(),
        interval_seconds: code.interval.as_secs(),
    };
    let flow = Flow {
        key: SecretString::from(begun.id.as_str()),
        connection: connection.id.clone(),
        session_digest: request.session_digest.to_owned(),
        began_at: now,
        scope,
        kind: Kind::Device { code: Box::new(code), interval, ask_at: now.saturating_add(interval).unwrap_or(now) },
    };
    flows.add(flow, now);
    Ok(Ok(begun))
}

/// Asks Entra what became of it, at most once an interval however often a page asks.
pub async fn poll_device_sign_in(
    store: &dyn Store,
    flows: &Flows,
    actor: &Actor,
    id: &str,
    session_digest: &str,
    network: &Network,
    now: Timestamp,
) -> Result<DevicePolled, AdminError> {
    actor.must_be(Role::Administrator)?;
    let asked = flows.with(id, session_digest, now, |flow| turn(flow, SignedDuration::ZERO, now));
    let Some((flow, code)) = asked.ok_or_else(unknown_sign_in)? else { return Ok(DevicePolled::Pending) };
    let settings = store.settings().borrow().clone();
    let (connection, tenant) = delegated(&settings, &flow.connection.0)?;
    let polled = sign_in(connection, tenant, &store.key_ring(), network, flow.scope)?.poll(&code).await;
    let over = |what: &str, fix: &str| {
        flows.take(id, session_digest, now);
        let (what, fix) = (what.to_owned(), fix.to_owned());
        let who = crate::doctor::GATEWAY_ADMINISTRATOR.to_owned();
        Ok(DevicePolled::Refused(Explanation { what, fix, who, ..Explanation::default() }))
    };
    match polled {
        Ok(DevicePoll::Pending) => Ok(DevicePolled::Pending),
        Ok(DevicePoll::SlowDown) => {
            flows.with(id, session_digest, now, |flow| turn(flow, SLOW_DOWN, now));
            Ok(DevicePolled::Pending)
        }
        Ok(DevicePoll::Granted(granted)) => {
            // Taken first: a second answer to the same code cannot be.
            flows.take(id, session_digest, now).ok_or_else(unknown_sign_in)?;
            Ok(DevicePolled::Granted(keep(store, actor, &connection.id, *granted, now).await?))
        }
        Ok(DevicePoll::Declined) => over("The user declined.", "Begin again, and accept."),
        Ok(DevicePoll::Expired) => over("Nobody finished the sign-in in time.", "Begin again."),
        Err(error) if error.is_transient() => Ok(DevicePolled::Pending),
        Err(error) => {
            flows.take(id, session_digest, now);
            Ok(DevicePolled::Refused(refused(&error)))
        }
    }
}

/// The flow with its code if Entra may be asked now; it then may not before the next interval is over.
fn turn(flow: &mut Flow, slower: SignedDuration, now: Timestamp) -> Option<(Flow, entra::DeviceCode)> {
    let copy = flow.clone();
    let Kind::Device { code, interval, ask_at } = &mut flow.kind else { return None };
    *interval = interval.saturating_add(slower);
    if now < *ask_at && slower.is_zero() {
        return None;
    }
    *ask_at = now.saturating_add(*interval).unwrap_or(now);
    Some((copy, (**code).clone()))
}
