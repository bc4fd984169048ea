//! Adding, changing and removing a Service Connection.

use admin::{AdminError, ConnectionSummary, Refused, Saved, TenantView};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::form::{ConnectionForm, THEN_AUTHENTICATE};
use super::network::NetworkFields;
use crate::Console;
use crate::error::PageError;
use crate::form::FormView;
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};
use crate::pages::tenants;

#[derive(Template)]
#[template(path = "integration/connection_form.html")]
struct ConnectionFormPage {
    frame: Frame,
    form: FormView,
    suggests: &'static str,
}

/// The name follows these choices.
const SUGGESTS: &str = "name=service tenant tenant_name";
const ADD: &str = "/integration/connections/add";

fn form_page(visitor: &Visitor, title: &str, form: FormView) -> Result<Response, PageError> {
    page(&ConnectionFormPage { frame: Frame::new(visitor, title), form, suggests: SUGGESTS })
}

fn known_tenants(console: &Console, visitor: &Visitor) -> Result<Vec<TenantView>, AdminError> {
    admin::list_tenants(console.store(), visitor.actor())
}

pub(in crate::pages) async fn show_add(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let tenants = known_tenants(&console, &visitor)?;
    let version = admin::settings_version(console.store(), visitor.actor())?;
    let form = ConnectionForm::empty(&tenants, version).view(ADD.to_owned(), &tenants);
    form_page(&visitor, "Add Service Connection", form)
}

pub(in crate::pages) async fn add(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(mut values): Submitted<ConnectionForm>,
) -> Result<Response, PageError> {
    let saved = store(&console, &visitor, None, &mut values).await;
    answer(&console, &visitor, "Add Service Connection", ADD.to_owned(), &values, saved)
}

pub(in crate::pages) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let known = super::connection(&console, &visitor, &id)?;
    let tenants = known_tenants(&console, &visitor)?;
    let version = admin::settings_version(console.store(), visitor.actor())?;
    let form = ConnectionForm::of(&known, &tenants, version).view(address(&known), &tenants);
    form_page(&visitor, &known.name, form)
}

pub(in crate::pages) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(mut values): Submitted<ConnectionForm>,
) -> Result<Response, PageError> {
    let known = super::connection(&console, &visitor, &id)?;
    let saved = store(&console, &visitor, Some(&known), &mut values).await;
    answer(&console, &visitor, &known.name, address(&known), &values, saved)
}

pub(in crate::pages) async fn remove(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::remove_connection(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(Redirect::to("/integration/connections?done=removed").into_response())
}

fn address(known: &ConnectionSummary) -> String {
    format!("/integration/connections/{}/edit", known.id)
}

/// The new tenant first. Should the connection be refused after that, the form comes back with the tenant chosen, so
/// that sending it again does not create another.
async fn store(
    console: &Console,
    visitor: &Visitor,
    known: Option<&ConnectionSummary>,
    values: &mut ConnectionForm,
) -> Result<Saved, AdminError> {
    let mut tenants = known_tenants(console, visitor)?;
    // What is wrong with the connection itself is said before anything is created.
    values.entry(&tenants)?;
    if values.wants_new_tenant() {
        let created = tenants::edit::create(console, visitor, &values.tenant_name, &values.fields, values.version);
        let created = created.await.map_err(at_the_tenant)?;
        values.tenant = created.id;
        values.version = Some(created.version);
        tenants = known_tenants(console, visitor)?;
    }
    let entry = values.entry(&tenants)?;
    let (store, actor, now) = (console.store(), visitor.actor(), console.now());
    match known {
        Some(known) => admin::update_connection(store, actor, &known.id, &entry, values.version, now).await,
        None => admin::create_connection(store, actor, &entry, values.version, now).await,
    }
}

/// The tenant's name has a field of its own here.
fn at_the_tenant(error: AdminError) -> AdminError {
    match error {
        AdminError::Refused(Refused { what, fix, field: Some("name") }) => {
            Refused::new(what, fix).at("tenant_name").into()
        }
        other => other,
    }
}

fn answer(
    console: &Console,
    visitor: &Visitor,
    title: &str,
    action: String,
    values: &ConnectionForm,
    saved: Result<Saved, AdminError>,
) -> Result<Response, PageError> {
    match saved {
        Ok(saved) if values.then.as_deref() == Some(THEN_AUTHENTICATE) => {
            let to = format!("/integration/connections/{}/authentication?done=saved", saved.id);
            Ok(Redirect::to(&to).into_response())
        }
        Ok(saved) => {
            let done = if saved.diff.is_empty() { "unchanged" } else { "saved" };
            Ok(Redirect::to(&format!("/integration/connections?done={done}")).into_response())
        }
        Err(AdminError::Refused(refused)) => {
            let form = values
                .view(action, &known_tenants(console, visitor)?)
                .with_problem(Some(NetworkFields::in_words_of_the_form(refused)));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, form_page(visitor, title, form)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_refused_by_its_name_is_refused_at_the_field_that_has_it() {
        let refused = |field| AdminError::Refused(Refused::new("taken", "Choose another.").at(field));
        for (field, shown_at) in [("name", "tenant_name"), ("client_id", "client_id")] {
            let AdminError::Refused(moved) = at_the_tenant(refused(field)) else { panic!("still a refusal") };
            assert_eq!(moved.field, Some(shown_at));
        }
    }
}
