//! Whether a token opens a mailbox for submission.
//!
//! Promise: only tokens this sandbox signed, for Exchange, within their time and not revoked, with the application role
//! `SMTP.SendAsApp`, or with the scope `SMTP.Send` of a user who may send from that mailbox.

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::mechanism::Bearer;
use crate::config::UserState;
use crate::directory::{Tenant, User};
use crate::entra;
use crate::state::State;

/// Names Exchange's tokens carry as their audience.
const AUDIENCES: [&str; 3] =
    ["https://outlook.office365.com", "https://outlook.office.com", "00000002-0000-0ff1-ce00-000000000000"];

#[derive(Debug, Deserialize)]
struct Claims {
    aud: String,
    tid: String,
    appid: String,
    #[serde(default)]
    roles: Vec<String>,
    scp: Option<String>,
    upn: Option<String>,
    exp: i64,
    #[serde(default)]
    nbf: i64,
    #[serde(default)]
    uti: String,
}

/// Who is submitting.
#[derive(Debug)]
pub(super) struct Submitter {
    pub(super) tenant: Arc<Tenant>,
    pub(super) user: Arc<User>,
    pub(super) client_id: String,
    /// Addresses beyond the mailbox's own that it may send as.
    pub(super) send_as: Vec<String>,
}

/// Exchange's words for every reason but the two switches: it does not tell them apart.
pub(super) const UNSUCCESSFUL: &str = "535 5.7.3 Authentication unsuccessful";
const OFF_FOR_TENANT: &str = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. \
     Visit https://aka.ms/smtp_auth_disabled for more information.";
const OFF_FOR_MAILBOX: &str = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. \
     Visit https://aka.ms/smtp_auth_disabled for more information.";

/// The submitter, or the sentence that refuses.
pub(super) fn check(state: &State, bearer: &Bearer) -> Result<Submitter, &'static str> {
    let claims = verify(state, &bearer.token).filter(|claims| is_current(state, claims, state.clock.now()));
    let claims = claims.ok_or(UNSUCCESSFUL)?;
    let tenant = state.directory.tenant(&claims.tid).ok_or(UNSUCCESSFUL)?;
    let app = tenant.app(&claims.appid).ok_or(UNSUCCESSFUL)?;
    let user = tenant.user(&bearer.user).ok_or(UNSUCCESSFUL)?;
    let has_mailbox =
        !matches!(user.settings.state, UserState::Unlicensed | UserState::SoftDeleted | UserState::OnPremises);
    if !has_mailbox || !may_open(&claims, tenant, user) {
        return Err(UNSUCCESSFUL);
    }
    if tenant.smtp_auth_disabled {
        return Err(OFF_FOR_TENANT);
    }
    if user.settings.smtp_auth_disabled {
        return Err(OFF_FOR_MAILBOX);
    }
    let send_as = user.settings.send_as.iter().chain(&app.settings.send_as).map(|it| it.to_lowercase()).collect();
    Ok(Submitter { tenant: Arc::clone(tenant), user: Arc::clone(user), client_id: claims.appid, send_as })
}

fn verify(state: &State, token: &str) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::RS256);
    // Time and audience are judged below, by the tenant's own clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    Some(jsonwebtoken::decode(token, state.key.public(), &validation).ok()?.claims)
}

fn is_current(state: &State, claims: &Claims, now: Timestamp) -> bool {
    AUDIENCES.contains(&claims.aud.trim_end_matches('/'))
        && claims.exp > now.as_second()
        && claims.nbf <= now.as_second() + 300
        && !state.is_revoked(entra::serial_of(&claims.uti))
}

fn may_open(claims: &Claims, tenant: &Tenant, user: &User) -> bool {
    let Some(scopes) = &claims.scp else { return claims.roles.iter().any(|role| role == "SMTP.SendAsApp") };
    let Some(delegate) = claims.upn.as_deref().and_then(|upn| tenant.user(upn)) else { return false };
    let is_own = delegate.mailbox == user.mailbox;
    let is_granted = || delegate.settings.send_as.iter().any(|address| user.owns(address));
    scopes.split(' ').any(|scope| scope == "SMTP.Send") && (is_own || is_granted())
}
