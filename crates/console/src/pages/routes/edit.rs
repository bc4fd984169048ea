//! Adding, changing, moving and removing a route.

use admin::{AdminError, Move, RouteView, Saved};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::form::RouteForm;
use crate::Console;
use crate::error::PageError;
use crate::form::FormView;
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "integration/route_form.html")]
struct RouteFormPage {
    frame: Frame,
    form: FormView,
    /// There are no connections to choose from.
    has_no_connection: bool,
}

fn form_page(
    console: &Console,
    visitor: &Visitor,
    known: Option<&RouteView>,
    refused: Option<admin::Refused>,
    values: &RouteForm,
) -> Result<Response, PageError> {
    let connections = admin::list_connections(console.store(), visitor.actor())?;
    let names: Vec<String> = connections.into_iter().map(|connection| connection.name).collect();
    let title = known.map_or_else(|| "Add route".to_owned(), |known| known.name.clone());
    let form = values.view(known, &names).with_problem(refused);
    page(&RouteFormPage { frame: Frame::new(visitor, title), form, has_no_connection: names.is_empty() })
}

fn route(console: &Console, visitor: &Visitor, id: &str) -> Result<RouteView, PageError> {
    let all = admin::list_routes(console.store(), visitor.actor())?;
    all.into_iter().find(|route| route.id == id).ok_or_else(|| PageError::not_found("route"))
}

pub(in crate::pages) async fn show_add(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let version = admin::settings_version(console.store(), visitor.actor())?;
    form_page(&console, &visitor, None, None, &RouteForm::empty(version))
}

pub(in crate::pages) async fn add(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<RouteForm>,
) -> Result<Response, PageError> {
    let (store, actor, now) = (console.store(), visitor.actor(), console.now());
    let saved = match values.entry() {
        Ok(entry) => admin::create_route(store, actor, &entry, values.version, now).await,
        Err(refused) => Err(refused.into()),
    };
    answer(&console, &visitor, None, &values, saved)
}

pub(in crate::pages) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let known = route(&console, &visitor, &id)?;
    let version = admin::settings_version(console.store(), visitor.actor())?;
    form_page(&console, &visitor, Some(&known), None, &RouteForm::of(&known, version))
}

pub(in crate::pages) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(values): Submitted<RouteForm>,
) -> Result<Response, PageError> {
    let known = route(&console, &visitor, &id)?;
    let (store, actor, now) = (console.store(), visitor.actor(), console.now());
    let saved = match values.entry() {
        Ok(entry) => admin::update_route(store, actor, &id, &entry, values.version, now).await,
        Err(refused) => Err(refused.into()),
    };
    answer(&console, &visitor, Some(&known), &values, saved)
}

fn answer(
    console: &Console,
    visitor: &Visitor,
    known: Option<&RouteView>,
    values: &RouteForm,
    saved: Result<Saved, AdminError>,
) -> Result<Response, PageError> {
    match saved {
        Ok(saved) => {
            let done = if saved.diff.is_empty() { "unchanged" } else { "saved" };
            Ok(Redirect::to(&format!("/integration/routes?done={done}")).into_response())
        }
        Err(AdminError::Refused(refused)) => {
            let shown = form_page(console, visitor, known, Some(refused), values)?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Deserialize)]
pub(in crate::pages) struct MoveForm {
    to: Move,
    version: Option<u64>,
}

pub(in crate::pages) async fn reorder(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(form): Submitted<MoveForm>,
) -> Result<Response, PageError> {
    admin::move_route(console.store(), visitor.actor(), &id, form.to, form.version, console.now()).await?;
    Ok(Redirect::to("/integration/routes?done=moved").into_response())
}

pub(in crate::pages) async fn remove(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::remove_route(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(Redirect::to("/integration/routes?done=removed").into_response())
}
