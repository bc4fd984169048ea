//! Client assertions: the JWT an application signs with its certificate instead of sending a secret.
//!
//! Promise: accepted only if a registered, unexpired certificate signed it with RS256 or PS256, for this endpoint, this
//! client and this moment. Replay is not watched for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;
use crate::credentials::{Credentials, RegisteredCertificate};
use crate::directory::App;

/// Clocks may differ by this much.
const LEEWAY_SECONDS: f64 = 300.0;

#[derive(Debug, Deserialize)]
struct AssertionHeader {
    alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

/// Checks an assertion for `app`. `audiences` are the addresses of this token endpoint.
pub(super) fn check(assertion: &str, app: &App, audiences: &[String], now: Timestamp) -> Result<(), Refusal> {
    let header = read_header(assertion)?;
    if !matches!(header.alg.as_str(), "RS256" | "PS256") {
        return Err(Refusal::saying(
            5_002_738,
            format!(
                "Invalid JWT token. '{}' is not a supported signature algorithm. Supported signing algorithms are: \
                 'RS256, PS256'.",
                header.alg
            ),
        ));
    }
    let credentials = app.credentials();
    let certificate =
        find_certificate(&header, &credentials).ok_or_else(|| unregistered(app, "The key was not found"))?;
    let claims = verified_claims(assertion, certificate)
        .ok_or_else(|| unregistered(app, "The signature does not match the key"))?;
    if certificate.not_after < now.as_second() {
        return Err(unregistered(app, "The key used is expired"));
    }
    check_names(&claims, app, audiences)?;
    check_times(&claims, now)
}

/// Whether the app itself claims to have signed it, and not an identity provider outside: it says so by naming a key of a
/// certificate, or itself as the issuer.
pub(super) fn is_by_certificate(assertion: &str, app: &App) -> Result<bool, Refusal> {
    let header = read_header(assertion)?;
    let issuer = read_payload(assertion)?.get("iss").and_then(Value::as_str).unwrap_or_default().to_owned();
    let names_a_certificate = header.x5t_s256.is_some() || (header.x5t.is_some() && !issuer.contains("://"));
    Ok(names_a_certificate || issuer.eq_ignore_ascii_case(&app.settings.client_id))
}

/// The claims, whoever signed them.
pub(super) fn read_payload(assertion: &str) -> Result<Value, Refusal> {
    let encoded = assertion.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('='));
    bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| Refusal::new(50027))
}

fn read_header(assertion: &str) -> Result<AssertionHeader, Refusal> {
    let encoded = assertion.split('.').next().unwrap_or_default();
    let is_three_parts = assertion.split('.').count() == 3;
    URL_SAFE_NO_PAD
        .decode(encoded)
        .ok()
        .filter(|_| is_three_parts)
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| Refusal::new(50027))
}

fn find_certificate<'a>(header: &AssertionHeader, known: &'a Credentials) -> Option<&'a RegisteredCertificate> {
    let decode =
        |text: &Option<String>| text.as_ref().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
    let (sha256, sha1) = (decode(&header.x5t_s256), decode(&header.x5t));
    known.certificates.iter().find(|certificate| {
        sha256.as_deref() == Some(certificate.sha256.as_slice()) || sha1.as_ref() == Some(&certificate.sha1)
    })
}

fn unregistered(app: &App, reason: &str) -> Refusal {
    Refusal::saying(
        700_027,
        format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. \
             [Reason - {reason}.] Application '{}'.",
            app.settings.client_id
        ),
    )
}

fn verified_claims(assertion: &str, certificate: &RegisteredCertificate) -> Option<Value> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.algorithms.push(Algorithm::PS256);
    // Times may be fractions and the audience is one of several: both are checked here, not there.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode(assertion, &certificate.key, &validation).ok().map(|token| token.claims)
}

fn check_names(claims: &Value, app: &App, audiences: &[String]) -> Result<(), Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("iss") != text("sub") {
        return Err(Refusal::new(50048));
    }
    if !text("iss").eq_ignore_ascii_case(&app.settings.client_id) {
        return Err(Refusal::new(700_021));
    }
    if !audiences.iter().any(|audience| audience.eq_ignore_ascii_case(text("aud"))) {
        return Err(Refusal::new(700_023));
    }
    Ok(())
}

pub(super) fn check_times(claims: &Value, now: Timestamp) -> Result<(), Refusal> {
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    let now_seconds = now.as_duration().as_secs_f64();
    let starts = time("nbf").or_else(|| time("iat")).unwrap_or(now_seconds);
    let is_valid = time("exp").is_some_and(|ends| now_seconds < ends + LEEWAY_SECONDS && starts < ends)
        && now_seconds > starts - LEEWAY_SECONDS;
    if is_valid {
        return Ok(());
    }
    let show = |seconds: Option<f64>| seconds.map_or_else(|| "<none>".to_owned(), |seconds| seconds.to_string());
    Err(Refusal::saying(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion valid from \
             {starts}, expiry time of assertion {}.",
            show(time("exp"))
        ),
    ))
}
