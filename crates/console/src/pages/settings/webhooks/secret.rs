//! The secret that Postern signs a webhook's calls with: shown once, when it is made.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};

use super::webhook;
use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;

#[derive(Template)]
#[template(path = "settings/webhook_secret.html")]
struct SecretPage {
    frame: Frame,
    name: String,
    secret: String,
}

pub(super) fn shown_once(visitor: &Visitor, name: &str, secret: &SecretString) -> Result<Response, PageError> {
    let (name, secret) = (name.to_owned(), secret.expose_secret().to_owned());
    page(&SecretPage { frame: Frame::new(visitor, format!("Secret of {name}")), name, secret })
}

/// Makes a new one, which signs from the next call on.
pub(in crate::pages) async fn rotate(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let known = webhook(&console, &visitor, &id)?;
    let rotated = admin::rotate_webhook_secret(console.store(), visitor.actor(), &id, None, console.now()).await?;
    let secret = rotated.secret.ok_or_else(|| PageError::not_found("new secret"))?;
    shown_once(&visitor, &known.name, &secret)
}
