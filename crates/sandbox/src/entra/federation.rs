//! Federated credentials: the token of an identity provider outside, in place of a secret.
//!
//! Promise: taken only if the app's registration names its issuer, subject and audience, each to the letter, the issuer
//! signed it, and its time is now. What does not match is named in the order in which Entra looks.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::Value;

use super::assertion::{check_times, read_payload};
use super::refusal::Refusal;
use crate::config::FederatedCredential;
use crate::directory::App;
use crate::state::State;

/// Checks an assertion that no certificate of the app signed.
pub(super) fn check(state: &State, assertion: &str, app: &App, now: Timestamp) -> Result<(), Refusal> {
    let claims = read_payload(assertion)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let known = &app.settings.federated;
    if known.is_empty() {
        return Err(unmatched(70021, "presented assertion", &claims));
    }
    let of_issuer: Vec<_> = known.iter().filter(|it| is_issuer(it, text("iss"))).collect();
    if of_issuer.is_empty() {
        return Err(unmatched(700_211, "presented assertion issuer", &claims));
    }
    let of_subject: Vec<_> = of_issuer.into_iter().filter(|it| it.subject == text("sub")).collect();
    if of_subject.is_empty() {
        return Err(unmatched(700_213, "presented assertion subject", &claims));
    }
    if !of_subject.iter().any(|it| is_audience(it, &claims)) {
        return Err(unmatched(700_212, "presented assertion audience", &claims));
    }
    if !is_signed(state, assertion) {
        let text = "Client assertion contains an invalid signature. [Reason - The key was not found.]";
        return Err(Refusal::saying(700_027, text));
    }
    check_times(&claims, now)
}

/// By its address; a name alone is an issuer of this sandbox, at whichever of its addresses.
fn is_issuer(known: &FederatedCredential, issuer: &str) -> bool {
    let is_name = !known.issuer.contains('/');
    known.issuer == issuer || (is_name && issuer.ends_with(&format!("/issuer/{}", known.issuer)))
}

fn is_audience(known: &FederatedCredential, claims: &Value) -> bool {
    match claims.get("aud") {
        Some(Value::String(audience)) => *audience == known.audience,
        Some(Value::Array(all)) => all.iter().any(|audience| audience.as_str() == Some(&known.audience)),
        _ => false,
    }
}

/// Only the sandbox's own issuers have keys here.
fn is_signed(state: &State, assertion: &str) -> bool {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let Ok(key) = state.issuer_key.get() else { return false };
    jsonwebtoken::decode::<Value>(assertion, key.public(), &validation).is_ok()
}

fn unmatched(code: u32, what: &str, claims: &Value) -> Refusal {
    let show = |name: &str| match claims.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    Refusal::saying(
        code,
        format!(
            "No matching federated identity record found for {what}. Please check your federated identity credential \
             Subject, Audience and Issuer against the presented assertion. Assertion Issuer: '{}'. Assertion Subject: \
             '{}'. Assertion Audience: '{}'.",
            show("iss"),
            show("sub"),
            show("aud")
        ),
    )
}
