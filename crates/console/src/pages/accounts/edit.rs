//! Adding, changing and removing a submission account.

use admin::people::{generate_password, generate_token};
use admin::{AccountView, AdminError, Saved};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;

use super::form::AccountForm;
use super::secret::{Made, shown_once};
use super::{Pointing, account};
use crate::Console;
use crate::error::PageError;
use crate::form::FormView;
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "integration/account_form.html")]
struct AccountFormPage {
    frame: Frame,
    form: FormView,
}

fn form_page(visitor: &Visitor, known: Option<&AccountView>, form: FormView) -> Result<Response, PageError> {
    let title = known.map_or_else(|| "Add submission account".to_owned(), |known| known.name.clone());
    page(&AccountFormPage { frame: Frame::new(visitor, title), form })
}

pub(in crate::pages) async fn show_add(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let version = admin::settings_version(console.store(), visitor.actor())?;
    form_page(&visitor, None, AccountForm::empty(version).view(None))
}

pub(in crate::pages) async fn add(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<AccountForm>,
) -> Result<Response, PageError> {
    store(&console, &visitor, None, &values).await
}

pub(in crate::pages) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let known = account(&console, &visitor, &id).await?;
    let version = admin::settings_version(console.store(), visitor.actor())?;
    form_page(&visitor, Some(&known), AccountForm::of(&known, version).view(Some(&known)))
}

pub(in crate::pages) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(values): Submitted<AccountForm>,
) -> Result<Response, PageError> {
    let known = account(&console, &visitor, &id).await?;
    store(&console, &visitor, Some(&known), &values).await
}

pub(in crate::pages) async fn remove(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::remove_account(console.store(), visitor.actor(), &id, None, console.now()).await?;
    Ok(Redirect::to("/integration/accounts?done=removed").into_response())
}

async fn store(
    console: &Console,
    visitor: &Visitor,
    known: Option<&AccountView>,
    values: &AccountForm,
) -> Result<Response, PageError> {
    let password = values.generates_password().then(generate_password).transpose()?;
    let token = values.generates_token().then(generate_token).transpose()?;
    match put(console, visitor, known, values, password.as_ref(), token.as_ref()).await {
        Ok(saved) if password.is_none() && token.is_none() => {
            Ok(Redirect::to(&format!("/integration/accounts/{}?done=saved", saved.id)).into_response())
        }
        Ok(saved) => {
            let account = account(console, visitor, &saved.id).await?;
            let made = Made { account: account.name, id: saved.id, password, token };
            page(&shown_once(visitor, made, Pointing::of(console)))
        }
        Err(AdminError::Refused(refused)) => {
            let form = values.view(known).with_problem(Some(refused));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, form_page(visitor, known, form)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn put(
    console: &Console,
    visitor: &Visitor,
    known: Option<&AccountView>,
    values: &AccountForm,
    password: Option<&SecretString>,
    token: Option<&SecretString>,
) -> Result<Saved, AdminError> {
    let entry = values.entry(password, token)?;
    let (store, actor, now) = (console.store(), visitor.actor(), console.now());
    match known {
        Some(known) => admin::update_account(store, actor, &known.id, &entry, values.version, now).await,
        None => admin::create_account(store, actor, &entry, values.version, now).await,
    }
}
