//! What a signed-in person left behind, exchanged for tokens: codes, refresh tokens, device codes.
//!
//! Promise: each is good for one user, one app and one tenant, for its time, and not after the user was revoked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use super::access_token::Proof;
use super::accounts::{Challenge, Code, Device, Grantee, Verdict};
use super::client::{Client, Form};
use super::refusal::Refusal;
use super::scope::{self, Asked, OFFLINE_ACCESS, OPENID};
use super::token::{Tokens, lifetime_seconds, wants_claims_challenges};
use super::user_token::{UserGrant, access_claims, id_claims};
use crate::digest;
use crate::exchange::Call;
use crate::state::State;

const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Each use of a refresh token brings a new one with its own ninety days; the old one keeps what it has left.
const REFRESH_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
pub(super) const DEVICE_LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// A client that waits exactly as long as it was told is not too fast because the network was slow the time before.
const POLL_TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// Grant `authorization_code`.
pub(super) fn code(
    state: &State,
    call: &Call,
    form: &Form,
    client: &Client<'_>,
    now: Timestamp,
) -> Result<Tokens, Refusal> {
    let handle = form.get("code").ok_or_else(|| Refusal::missing("code"))?;
    let redirect_uri = form.get("redirect_uri").ok_or_else(|| Refusal::missing("redirect_uri"))?;
    let asked = asked_now(state, call, form, client)?;
    let judged = state.accounts.codes.with(handle, |code| {
        judge_code(code, redirect_uri, form.get("code_verifier"), client, now)?;
        code.is_redeemed = true;
        Ok(code.grantee.clone())
    });
    let grantee = judged.unwrap_or_else(|| Err(malformed("authorization code")))?;
    let asked = asked.unwrap_or_else(|| grantee.asked.of_first_resource());
    issue(state, call, form, client, &grantee, &asked, now)
}

fn judge_code(
    code: &Code,
    redirect_uri: &str,
    verifier: Option<&String>,
    client: &Client<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Code { grantee, .. } = code;
    check_owner(grantee, client, "authorization code")?;
    if code.is_redeemed {
        return Err(Refusal::new(54005));
    }
    if now.duration_since(grantee.at) >= CODE_LIFETIME {
        return Err(Refusal::new(70008));
    }
    if code.redirect_uri != redirect_uri {
        let text = format!(
            "The reply address '{redirect_uri}' does not match the reply address '{}' provided when requesting \
             Authorization code.",
            code.redirect_uri
        );
        return Err(Refusal::saying(500_112, text));
    }
    let is_proved = match (&code.challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
        // A verifier nobody announced is a code that was swapped for another.
        (Some(_), None) | (None, Some(_)) => false,
    };
    if is_proved { Ok(()) } else { Err(Refusal::new(501_481)) }
}

impl Challenge {
    fn is_met_by(&self, verifier: &str) -> bool {
        let (expected, given) = match self {
            Self::Plain(text) => (text, verifier.to_owned()),
            Self::S256(text) => (text, URL_SAFE_NO_PAD.encode(digest::sha256(verifier.as_bytes()))),
        };
        bool::from(expected.as_bytes().ct_eq(given.as_bytes()))
    }
}

/// Grant `refresh_token`.
pub(super) fn refresh_token(
    state: &State,
    call: &Call,
    form: &Form,
    client: &Client<'_>,
    now: Timestamp,
) -> Result<Tokens, Refusal> {
    let handle = form.get("refresh_token").ok_or_else(|| Refusal::missing("refresh_token"))?;
    let asked = asked_now(state, call, form, client)?;
    let grantee = state.accounts.refresh_tokens.find(handle).ok_or_else(|| malformed("refresh token"))?;
    check_owner(&grantee, client, "refresh token")?;
    if client.proof == Proof::Public && !grantee.is_public {
        return Err(Refusal::new(7_000_218));
    }
    if now.duration_since(grantee.at) > REFRESH_LIFETIME {
        let text = format!(
            "The refresh token has expired due to inactivity. The token was issued on {} and was inactive for \
             90.00:00:00.",
            grantee.at
        );
        return Err(Refusal::saying(700_082, text));
    }
    let asked = asked.unwrap_or_else(|| grantee.asked.of_first_resource());
    issue(state, call, form, client, &grantee, &asked, now)
}

/// Grant `device_code`.
pub(super) fn device_code(
    state: &State,
    call: &Call,
    form: &Form,
    client: &Client<'_>,
    now: Timestamp,
) -> Result<Tokens, Refusal> {
    let handle = form.get("device_code").ok_or_else(|| Refusal::missing("device_code"))?;
    let interval = SignedDuration::from_secs(i64::from(state.config.token.device_code_interval_seconds));
    let judged = state.accounts.devices.with(handle, |device| judge_device(device, client, interval, now));
    let grantee = judged.unwrap_or_else(|| Err(Refusal::new(70018)))?;
    let asked = grantee.asked.of_first_resource();
    issue(state, call, form, client, &grantee, &asked, now)
}

fn judge_device(
    device: &mut Device,
    client: &Client<'_>,
    interval: SignedDuration,
    now: Timestamp,
) -> Result<Grantee, Refusal> {
    if device.app.object_id != client.app.object_id || device.tenant.id != client.tenant.id {
        return Err(Refusal::new(70018));
    }
    if now.duration_since(device.at) >= DEVICE_LIFETIME {
        return Err(Refusal::new(70020));
    }
    let last_asked = device.last_asked.replace(now);
    match std::mem::replace(&mut device.verdict, Verdict::Redeemed) {
        Verdict::Accepted(grantee) => return Ok(*grantee),
        Verdict::Redeemed => return Err(Refusal::new(54005)),
        Verdict::Declined => {
            device.verdict = Verdict::Declined;
            return Err(Refusal::new(65004).with_error("authorization_declined"));
        }
        Verdict::Pending => device.verdict = Verdict::Pending,
    }
    let is_too_fast = last_asked.is_some_and(|last| now.duration_since(last) + POLL_TOLERANCE < interval);
    let pending = Refusal::new(70016);
    Err(if is_too_fast { pending.with_error("slow_down") } else { pending })
}

/// The scope of this request, if it has one of its own.
fn asked_now(state: &State, call: &Call, form: &Form, client: &Client<'_>) -> Result<Option<Asked>, Refusal> {
    form.get("scope").map(|text| scope::parse(state, call, client.app, text)).transpose()
}

fn malformed(kind: &str) -> Refusal {
    Refusal::saying(70000, format!("Provided grant is invalid or malformed. The {kind} is not one of this tenant's."))
}

fn check_owner(grantee: &Grantee, client: &Client<'_>, kind: &str) -> Result<(), Refusal> {
    if grantee.tenant.id != client.tenant.id {
        return Err(Refusal::new(700_005));
    }
    if grantee.app.object_id != client.app.object_id {
        let text = format!("Provided grant is invalid or malformed. The {kind} was issued to another client.");
        return Err(Refusal::saying(70000, text));
    }
    Ok(())
}

/// The tokens for `grantee`, as far as consent reaches today.
fn issue(
    state: &State,
    call: &Call,
    form: &Form,
    client: &Client<'_>,
    grantee: &Grantee,
    asked: &Asked,
    now: Timestamp,
) -> Result<Tokens, Refusal> {
    check_revocation(state, grantee)?;
    let resource = asked.single_resource()?;
    let allowed = state.accounts.consents.of(&grantee.app, &grantee.user);
    if !asked.permissions.is_subset(&allowed) {
        return Err(unconsented(grantee));
    }
    let cae = wants_claims_challenges(form);
    let lifetime = lifetime_seconds(state, cae);
    let grant = UserGrant {
        grantee,
        resource,
        audience: asked.audience(resource),
        allowed: &allowed,
        proof: client.proof,
        cae,
        lifetime_seconds: lifetime,
        serial: state.take_token_serial(),
    };
    let sign = |claims| state.key.sign(&claims).map_err(|error| Refusal::saying(90006, error));
    let is_told = |permission: &&scope::Permission| **permission != OFFLINE_ACCESS;
    let told = asked.permissions.iter().filter(is_told).map(|permission| asked.spelled(*permission));
    let expires_in = lifetime - 1;
    let mut body = json!({
        "token_type": "Bearer",
        "scope": told.collect::<Vec<_>>().join(" "),
        "expires_in": expires_in,
        "ext_expires_in": expires_in,
        "access_token": sign(access_claims(&grant, now))?,
    });
    if let Some(fields) = body.as_object_mut() {
        if grantee.asked.contains(OFFLINE_ACCESS) || asked.contains(OFFLINE_ACCESS) {
            fields.insert("refresh_token".to_owned(), json!(hand_out_refresh_token(state, grantee, now)));
        }
        if asked.contains(OPENID) {
            let grantee = Grantee { asked: asked.clone(), ..grantee.clone() };
            let claims = id_claims(&grantee, &call.origin(), state.take_token_serial(), now);
            fields.insert("id_token".to_owned(), json!(sign(claims)?));
        }
    }
    Ok(Tokens { body, user: Some(grantee.user.mailbox.clone()) })
}

/// A new refresh token; it keeps the serial of the sign-in, so that a later revocation still finds it.
fn hand_out_refresh_token(state: &State, grantee: &Grantee, now: Timestamp) -> String {
    let mut kept = Grantee { nonce: None, at: now, ..grantee.clone() };
    kept.asked.permissions.insert(OFFLINE_ACCESS);
    state.accounts.refresh_tokens.hand_out("1.A", kept)
}

fn check_revocation(state: &State, grantee: &Grantee) -> Result<(), Refusal> {
    match state.accounts.revoked_since(&grantee.user, grantee.serial) {
        None => Ok(()),
        Some(since) => Err(Refusal::saying(
            50173,
            format!(
                "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might \
                 have changed or reset their password. The grant was issued on '{}' and the TokensValidFrom date \
                 (before which tokens are not valid) for this user is '{since}'.",
                grantee.at
            ),
        )),
    }
}

fn unconsented(grantee: &Grantee) -> Refusal {
    let settings = &grantee.app.settings;
    Refusal::saying(
        65001,
        format!(
            "The user or administrator has not consented to use the application with ID '{}' named '{}'. Send an \
             interactive authorization request for this user and resource.",
            settings.client_id, settings.name
        ),
    )
}
