//! Adding, changing and removing a webhook.

use admin::{AdminError, SavedWebhook, WebhookView};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::form::WebhookForm;
use super::secret::shown_once;
use super::webhook;
use crate::Console;
use crate::error::PageError;
use crate::form::FormView;
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "settings/webhook_form.html")]
struct WebhookFormPage {
    frame: Frame,
    form: FormView,
    known: Option<WebhookView>,
}

fn form_page(
    visitor: &Visitor,
    known: Option<WebhookView>,
    values: &WebhookForm,
    refused: Option<admin::Refused>,
) -> Result<Response, PageError> {
    let title = known.as_ref().map_or_else(|| "Add webhook".to_owned(), |known| known.name.clone());
    let form = values.view(known.as_ref()).with_problem(refused);
    page(&WebhookFormPage { frame: Frame::new(visitor, title), form, known })
}

pub(in crate::pages) async fn show_add(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let version = admin::settings_version(console.store(), visitor.actor())?;
    form_page(&visitor, None, &WebhookForm::empty(version), None)
}

pub(in crate::pages) async fn add(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<WebhookForm>,
) -> Result<Response, PageError> {
    let created = match values.entry() {
        Ok(entry) => {
            admin::create_webhook(console.store(), visitor.actor(), &entry, values.version, console.now()).await
        }
        Err(refused) => Err(refused.into()),
    };
    match created {
        Ok(SavedWebhook { secret: Some(secret), .. }) => shown_once(&visitor, values.name.trim(), &secret),
        Ok(_) => Ok(Redirect::to("/settings/webhooks?done=saved").into_response()),
        Err(AdminError::Refused(refused)) => {
            let shown = form_page(&visitor, None, &values, Some(refused))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(in crate::pages) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let known = webhook(&console, &visitor, &id)?;
    let version = admin::settings_version(console.store(), visitor.actor())?;
    let values = WebhookForm::of(&known, version);
    form_page(&visitor, Some(known), &values, None)
}

pub(in crate::pages) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(values): Submitted<WebhookForm>,
) -> Result<Response, PageError> {
    let known = webhook(&console, &visitor, &id)?;
    let saved = match values.entry() {
        Ok(entry) => {
            admin::update_webhook(console.store(), visitor.actor(), &id, &entry, values.version, console.now()).await
        }
        Err(refused) => Err(refused.into()),
    };
    match saved {
        Ok(saved) => {
            let done = if saved.diff.is_empty() { "unchanged" } else { "saved" };
            Ok(Redirect::to(&format!("/settings/webhooks?done={done}")).into_response())
        }
        Err(AdminError::Refused(refused)) => {
            let shown = form_page(&visitor, Some(known), &values, Some(refused))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(in crate::pages) async fn remove(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::remove_webhook(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(Redirect::to("/settings/webhooks?done=removed").into_response())
}
