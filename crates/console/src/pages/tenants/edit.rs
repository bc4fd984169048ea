//! Adding, changing and removing a tenant.

use admin::{AdminError, KeyBits, Saved, TenantView};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::form::TenantFields;
use crate::Console;
use crate::error::PageError;
use crate::form::{Field, FormView};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "integration/connection_form.html")]
struct TenantFormPage {
    frame: Frame,
    form: FormView,
    suggests: &'static str,
}

#[derive(Debug, Deserialize)]
pub(in crate::pages) struct TenantForm {
    name: String,
    version: Option<u64>,
    #[serde(flatten)]
    fields: TenantFields,
}

fn form(values: &TenantForm, known: Option<&TenantView>) -> FormView {
    let action = known.map_or_else(
        || "/integration/tenants/add".to_owned(),
        |known| format!("/integration/tenants/{}/edit", known.id),
    );
    let mut fields = vec![Field::text("name", "Name", &values.name).required()];
    fields.extend(values.fields.fields(known));
    fields.extend(values.fields.limit_fields());
    FormView::new(action, "/integration/tenants", fields).at_version(values.version)
}

fn form_page(visitor: &Visitor, known: Option<&TenantView>, form: FormView) -> Result<Response, PageError> {
    let title = known.map_or_else(|| "Add Tenant".to_owned(), |known| known.name.clone());
    page(&TenantFormPage { frame: Frame::new(visitor, title), form, suggests: "" })
}

pub(in crate::pages) async fn show_add(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let version = Some(admin::settings_version(console.store(), visitor.actor())?);
    let values = TenantForm { name: String::new(), version, fields: TenantFields::empty() };
    form_page(&visitor, None, form(&values, None))
}

pub(in crate::pages) async fn add(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<TenantForm>,
) -> Result<Response, PageError> {
    match create(&console, &visitor, &values.name, &values.fields, values.version).await {
        Ok(saved) => Ok(Redirect::to(&format!("/integration/tenants/{}?done=saved", saved.id)).into_response()),
        Err(AdminError::Refused(refused)) => {
            let form = form(&values, None).with_problem(Some(refused));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, form_page(&visitor, None, form)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// The tenant, and a key pair for it if that was chosen.
pub(in crate::pages) async fn create(
    console: &Console,
    visitor: &Visitor,
    name: &str,
    fields: &TenantFields,
    version: Option<u64>,
) -> Result<Saved, AdminError> {
    let (store, actor, now) = (console.store(), visitor.actor(), console.now());
    let saved = admin::create_tenant(store, actor, &fields.entry(name)?, version, now).await?;
    if !fields.wants_certificate() {
        return Ok(saved);
    }
    admin::make_certificate(store, actor, &saved.id, KeyBits::default(), Some(saved.version), now).await
}

pub(in crate::pages) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let known = super::tenant(&console, &visitor, &id)?;
    let version = Some(admin::settings_version(console.store(), visitor.actor())?);
    let values = TenantForm { name: known.name.clone(), version, fields: TenantFields::of(&known) };
    form_page(&visitor, Some(&known), form(&values, Some(&known)))
}

pub(in crate::pages) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(values): Submitted<TenantForm>,
) -> Result<Response, PageError> {
    let known = super::tenant(&console, &visitor, &id)?;
    let saved = match values.fields.entry(&values.name) {
        Ok(entry) => {
            admin::update_tenant(console.store(), visitor.actor(), &id, &entry, values.version, console.now()).await
        }
        Err(refused) => Err(refused.into()),
    };
    match saved {
        Ok(saved) => {
            let done = if saved.diff.is_empty() { "unchanged" } else { "saved" };
            Ok(Redirect::to(&format!("/integration/tenants/{id}?done={done}")).into_response())
        }
        Err(AdminError::Refused(refused)) => {
            let form = form(&values, Some(&known)).with_problem(Some(refused));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, form_page(&visitor, Some(&known), form)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(in crate::pages) async fn remove(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::remove_tenant(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(Redirect::to("/integration/tenants?done=removed").into_response())
}
