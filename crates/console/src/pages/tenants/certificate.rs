//! A certificate for a tenant: made here, registered with the app by a person, then used.

use admin::KeyBits;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::Console;
use crate::error::PageError;
use crate::guard::{Submitted, Visitor};

/// From which page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct Came {
    /// Id of the connection that is being set up; empty: from the tenant's own page.
    connection: String,
}

pub(in crate::pages) async fn make(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(came): Submitted<Came>,
) -> Result<Response, PageError> {
    admin::make_certificate(console.store(), visitor.actor(), &id, KeyBits::default(), None, console.now()).await?;
    Ok(back(&id, &came))
}

pub(in crate::pages) async fn activate(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(came): Submitted<Came>,
) -> Result<Response, PageError> {
    admin::use_certificate(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(back(&id, &came))
}

pub(in crate::pages) async fn discard(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(came): Submitted<Came>,
) -> Result<Response, PageError> {
    admin::discard_certificate(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(back(&id, &came))
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

/// To where the button was.
fn back(id: &str, came: &Came) -> Response {
    let place = match came.connection.as_str() {
        "" => format!("/integration/tenants/{id}"),
        connection => format!("/integration/connections/{connection}/authentication"),
    };
    Redirect::to(&format!("{place}?done=saved#certificate")).into_response()
}
