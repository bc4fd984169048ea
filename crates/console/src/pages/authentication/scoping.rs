//! The PowerShell script that lets the app send from chosen mailboxes only.

use admin::{AdminError, Refused};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use mail::Address;
use serde::Deserialize;

use super::{Extra, authentication_page};
use crate::Console;
use crate::error::PageError;
use crate::form::list;
use crate::guard::Visitor;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct Asked {
    mailboxes: String,
}

pub(in crate::pages) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let script = match addresses(&asked.mailboxes) {
        Ok(mailboxes) => admin::scoping_script(console.store(), visitor.actor(), &id, &mailboxes),
        Err(refused) => Err(refused.into()),
    };
    let script = match script {
        Ok(script) => Ok(script),
        Err(AdminError::Refused(refused)) => Err(refused),
        Err(error) => return Err(error.into()),
    };
    let extra = Extra { script: Some(script), mailboxes: asked.mailboxes, ..Extra::default() };
    authentication_page(&console, &visitor, &id, extra).await
}

fn addresses(text: &str) -> Result<Vec<Address>, Refused> {
    let parse = |one: String| {
        one.parse().map_err(|error| {
            Refused::new(format!("'{one}' is not an address: {error}"), "Write one address to a line.").at("mailboxes")
        })
    };
    list(text).into_iter().map(parse).collect()
}
