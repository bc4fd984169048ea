//! Tokens for people: the access token with its delegated permissions, and the ID token of OpenID Connect.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access_token::{BACKDATED_SECONDS, Proof, uti};
use super::accounts::Grantee;
use super::scope::{EMAIL, OFFLINE_ACCESS, PROFILE, Permission, Resource};
use crate::digest;
use crate::directory::{App, User};
use crate::guid;

/// Entra's ID tokens live this long.
const ID_TOKEN_SECONDS: i64 = 3600;

/// An access token to be made.
#[derive(Debug)]
pub(super) struct UserGrant<'a> {
    pub(super) grantee: &'a Grantee,
    pub(super) resource: Resource,
    pub(super) audience: &'a str,
    /// Everything the user or an administrator allowed the app: a token holds all of it that its resource has, not only
    /// what was asked for this time.
    pub(super) allowed: &'a BTreeSet<Permission>,
    pub(super) proof: Proof,
    pub(super) cae: bool,
    pub(super) lifetime_seconds: i64,
    pub(super) serial: u64,
}

/// The claims of an access token issued `now`.
pub(super) fn access_claims(grant: &UserGrant<'_>, now: Timestamp) -> Value {
    let issued = now.as_second() - BACKDATED_SECONDS;
    let Grantee { tenant, app, user, .. } = grant.grantee;
    let mut claims = json!({
        "aud": grant.audience,
        "iss": format!("https://sts.windows.net/{}/", tenant.id),
        "iat": issued,
        "nbf": issued,
        "exp": now.as_second() + grant.lifetime_seconds,
        "acct": 0,
        "acr": "1",
        "aio": URL_SAFE_NO_PAD.encode(guid::random_u128().to_be_bytes()),
        "amr": ["pwd"],
        "app_displayname": app.settings.name,
        "appid": app.settings.client_id,
        "appidacr": grant.proof.appidacr(),
        "idtyp": "user",
        "name": display_name(user),
        "oid": user.id,
        "scp": granted_scopes(grant).join(" "),
        "sub": pairwise_subject(app, user),
        "tenant_region_scope": "EU",
        "tid": tenant.id,
        "unique_name": user.settings.upn,
        "upn": user.settings.upn,
        "uti": uti(grant.serial),
        "ver": "1.0",
    });
    if let (true, Some(fields)) = (grant.cae, claims.as_object_mut()) {
        fields.insert("xms_cc".to_owned(), json!(["cp1"]));
    }
    claims
}

/// `scp`: never `offline_access`, and OpenID Connect's scopes only for Graph.
fn granted_scopes(grant: &UserGrant<'_>) -> Vec<&'static str> {
    let is_held = |permission: &&Permission| match permission.resource {
        Resource::OpenId => grant.resource == Resource::Graph && **permission != OFFLINE_ACCESS,
        resource => resource == grant.resource,
    };
    grant.allowed.iter().filter(is_held).map(|permission| permission.name).collect()
}

/// The claims of an ID token for the app, issued `now` by the tenant at `origin`.
pub(super) fn id_claims(grantee: &Grantee, origin: &str, serial: u64, now: Timestamp) -> Value {
    let Grantee { tenant, app, user, asked, nonce, .. } = grantee;
    let issued = now.as_second() - BACKDATED_SECONDS;
    let mut claims = json!({
        "aud": app.settings.client_id,
        "iss": format!("{origin}/{}/v2.0", tenant.id),
        "iat": issued,
        "nbf": issued,
        "exp": now.as_second() + ID_TOKEN_SECONDS,
        "oid": user.id,
        "sub": pairwise_subject(app, user),
        "tid": tenant.id,
        "uti": uti(serial),
        "ver": "2.0",
    });
    let Some(fields) = claims.as_object_mut() else { return claims };
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if let Some(nonce) = nonce {
        add("nonce", json!(nonce));
    }
    if asked.contains(PROFILE) {
        add("name", json!(display_name(user)));
        add("preferred_username", json!(user.settings.upn));
    }
    if asked.contains(EMAIL) {
        add("email", json!(user.settings.upn));
    }
    if app.settings.group_claims && !user.settings.groups.is_empty() {
        add("groups", json!(user.settings.groups));
    }
    claims
}

pub(super) fn display_name(user: &User) -> &str {
    let local = user.settings.upn.split('@').next().unwrap_or_default();
    user.settings.display_name.as_deref().unwrap_or(local)
}

/// A user has another subject at every app, so that apps cannot compare notes.
fn pairwise_subject(app: &App, user: &User) -> String {
    let name = format!("subject {} {}", app.object_id, user.id);
    URL_SAFE_NO_PAD.encode(digest::sha256(name.as_bytes()))
}
