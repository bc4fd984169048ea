//! The claims of an access token for an application.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::directory::{App, Tenant};
use crate::guid;

/// Entra dates tokens back, so that a client's slow clock does not make them "not yet valid".
pub(super) const BACKDATED_SECONDS: i64 = 300;

/// How the client proved itself, as `appidacr` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Not at all: a public client.
    Public,
    Secret,
    Certificate,
}

impl Proof {
    pub(super) fn appidacr(self) -> &'static str {
        match self {
            Self::Public => "0",
            Self::Secret => "1",
            Self::Certificate => "2",
        }
    }
}

/// What a token is issued for.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) app: &'a App,
    pub(crate) resource: &'a str,
    pub(crate) is_graph: bool,
    /// An administrator consented to the app's roles.
    pub(crate) has_roles: bool,
    pub(crate) proof: Proof,
    /// The client understands claims challenges.
    pub(crate) cae: bool,
    pub(crate) lifetime_seconds: i64,
    pub(crate) serial: u64,
}

/// The claims of a token issued `now`. An app without permissions on the resource gets no `roles` at all.
pub(crate) fn claims(grant: &Grant<'_>, now: Timestamp) -> Value {
    let issued = now.as_second() - BACKDATED_SECONDS;
    let tenant_id = &grant.tenant.id;
    let settings = &grant.app.settings;
    let mut claims = json!({
        "aud": grant.resource,
        "iss": format!("https://sts.windows.net/{tenant_id}/"),
        "iat": issued,
        "nbf": issued,
        "exp": now.as_second() + grant.lifetime_seconds,
        "aio": URL_SAFE_NO_PAD.encode(guid::random_u128().to_be_bytes()),
        "app_displayname": settings.name,
        "appid": settings.client_id,
        "appidacr": grant.proof.appidacr(),
        "idp": format!("https://sts.windows.net/{tenant_id}/"),
        "idtyp": "app",
        "oid": grant.app.object_id,
        "sub": grant.app.object_id,
        "tenant_region_scope": "EU",
        "tid": tenant_id,
        "uti": uti(grant.serial),
        "ver": "1.0",
        "wids": ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"],
    });
    let roles: Vec<&String> =
        settings.roles.iter().filter(|role| grant.has_roles && is_role_of(role, grant.is_graph)).collect();
    if let Some(fields) = claims.as_object_mut() {
        if !roles.is_empty() {
            fields.insert("roles".to_owned(), json!(roles));
        }
        if grant.cae {
            fields.insert("xms_cc".to_owned(), json!(["cp1"]));
        }
    }
    claims
}

/// Roles belong to one resource: SMTP, IMAP and POP to Exchange, the rest to Graph.
fn is_role_of(role: &str, is_graph: bool) -> bool {
    let is_exchange = ["SMTP.", "IMAP.", "POP."].iter().any(|prefix| role.starts_with(prefix));
    is_exchange != is_graph
}

/// The token's own id: its serial number and noise, so that "all tokens before" can be told.
pub(super) fn uti(serial: u64) -> String {
    let noise = guid::random_u128() >> 64;
    URL_SAFE_NO_PAD.encode(((u128::from(serial) << 64) | noise).to_be_bytes())
}

/// The serial number in a `uti`; 0 if it is none of ours.
pub(crate) fn serial_of(uti: &str) -> u64 {
    let bytes = URL_SAFE_NO_PAD.decode(uti).unwrap_or_default();
    let number: [u8; 16] = bytes.try_into().unwrap_or_default();
    u64::try_from(u128::from_be_bytes(number) >> 64).unwrap_or(0)
}
