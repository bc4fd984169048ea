//! `/api/v1/tenants/{id}/certificate`: a key pair made here.

use admin::KeyBits;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use submission::http::AnyCall;
use utoipa::ToSchema;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, OfOne, WithBody, WithQuery};
use super::error::{ApiError, decided};
use super::request::{Asked, Given, Id, Precondition};
use super::tenants::known;
use crate::Console;

/// What to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateEntry {
    /// `2048` if left out.
    #[serde(default)]
    #[schema(value_type = Option<BitsName>, nullable = false)]
    bits: KeyBits,
}

/// Of the RSA key.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(dead_code, reason = "described, and never made")]
pub(super) enum BitsName {
    #[serde(rename = "2048")]
    Rsa2048,
    #[serde(rename = "3072")]
    Rsa3072,
}

/// The public part, to be registered with the app.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "described, and never made")]
pub(super) struct CertificateFile {
    /// Ends in `.cer`.
    name: String,
    pem: String,
}

/// Shows the public part of the pending certificate, or of the one in use if none is pending.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{id}/certificate",
    tag = "tenants",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "The public part", body = CertificateFile),
        AnyCall,
        OfOne,
        Change,
    )
)]
pub(super) async fn show_certificate(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let file = admin::certificate_file(console.store(), &caller.actor, &id)?;
    Ok(Json(json!({ "name": file.name, "pem": file.pem })).into_response())
}

/// Makes a key pair and keeps it as the pending certificate.
///
/// The credential in use stays in use until the certificate is activated.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/{id}/certificate",
    tag = "tenants",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    request_body = CertificateEntry,
    responses(
        (status = 200, description = "Made", body = described::Saved),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn make_certificate(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(CertificateEntry { bits }): Given<CertificateEntry>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let made = admin::make_certificate(console.store(), &caller.actor, &id, bits, version, console.now()).await;
    Ok(Json(decided(&console, version, made)?).into_response())
}

/// Uses the pending certificate from now on: its public part is registered with the app.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/{id}/certificate/activate",
    tag = "tenants",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    responses(
        (status = 200, description = "In use", body = described::Saved),
        AnyCall,
        WithQuery,
        OfOne,
        Change,
    )
)]
pub(super) async fn activate_certificate(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let used = admin::use_certificate(console.store(), &caller.actor, &id, version, console.now()).await;
    Ok(Json(decided(&console, version, used)?).into_response())
}

/// Forgets the pending certificate.
#[utoipa::path(
    delete,
    path = "/api/v1/tenants/{id}/certificate",
    tag = "tenants",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    responses((status = 204, description = "It is gone"), AnyCall, WithQuery, OfOne, Change)
)]
pub(super) async fn discard_certificate(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let discarded = admin::discard_certificate(console.store(), &caller.actor, &id, version, console.now()).await;
    decided(&console, version, discarded)?;
    Ok(answer::gone())
}
