//! A certificate for a tenant: made here, registered with the app by a person, then used.

use admin::KeyBits;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};

use crate::Console;
use crate::error::PageError;
use crate::guard::Visitor;

pub(in crate::pages) async fn make(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::make_certificate(console.store(), visitor.actor(), &id, KeyBits::default(), None, console.now()).await?;
    Ok(back(&id))
}

pub(in crate::pages) async fn activate(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::use_certificate(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(back(&id))
}

pub(in crate::pages) async fn discard(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::discard_certificate(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(back(&id))
}

/// The public part, as the app registration takes it.
pub(in crate::pages) async fn download(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let file = admin::certificate_file(console.store(), visitor.actor(), &id)?;
    let disposition = format!("attachment; filename=\"{}\"", file.name);
    let headers =
        [(header::CONTENT_TYPE, "application/x-x509-ca-cert".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, file.pem).into_response())
}

fn back(id: &str) -> Response {
    Redirect::to(&format!("/integration/tenants/{id}?done=saved#certificate")).into_response()
}
