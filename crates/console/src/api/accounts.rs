//! `/api/v1/accounts`

use admin::people::{generate_password, generate_token};
use admin::{AccountEntry, Saved};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use submission::http::AnyCall;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, OfOne, WithBody, WithQuery};
use super::error::{ApiError, decided};
use super::request::{Asked, Given, Id, Precondition, parsed};
use crate::Console;

/// An account as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountRequest {
    name: String,
    password: Option<SecretString>,
    token: Option<SecretString>,
    #[serde(default)]
    generate_password: bool,
    #[serde(default)]
    generate_token: bool,
    #[serde(default)]
    allowed_senders: Vec<String>,
    #[serde(default)]
    networks: Vec<String>,
    messages_per_minute: Option<u32>,
}

/// Secrets that were made here: they go into one answer and are kept nowhere.
#[derive(Debug)]
struct Made {
    password: Option<SecretString>,
    token: Option<SecretString>,
}

#[derive(Serialize)]
struct AccountSaved {
    #[serde(flatten)]
    saved: Saved,
    generated_password: Option<String>,
    generated_token: Option<String>,
}

impl AccountRequest {
    fn entry(self) -> Result<(AccountEntry, Made), ApiError> {
        let pattern = |text: &String| parsed(text, "allowed_senders", "Write it as in *@contoso.test.");
        let network = |text: &String| parsed(text, "networks", "Write it as in 10.0.0.0/8.");
        let allowed_senders = self.allowed_senders.iter().map(pattern).collect::<Result<_, _>>()?;
        let networks = self.networks.iter().map(network).collect::<Result<_, _>>()?;
        let made = Made {
            password: self.generate_password.then(generate_password).transpose()?,
            token: self.generate_token.then(generate_token).transpose()?,
        };
        let entry = AccountEntry {
            name: self.name,
            password: made.password.clone().or(self.password).map(Into::into),
            token: made.token.clone().or(self.token).map(Into::into),
            allowed_senders,
            networks,
            messages_per_minute: self.messages_per_minute,
        };
        Ok((entry, made))
    }
}

impl Made {
    fn with(self, saved: Saved) -> AccountSaved {
        let exposed = |secret: Option<SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
        AccountSaved { saved, generated_password: exposed(self.password), generated_token: exposed(self.token) }
    }
}

/// Lists submission accounts.
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    tag = "accounts",
    responses(
        (status = 200, description = "All of them", body = described::AccountList, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
    )
)]
pub(super) async fn list_accounts(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let accounts = admin::list_accounts(console.store(), &caller.actor).await?;
    Ok(answer::settings(&console, json!({ "accounts": accounts })))
}

/// Shows one submission account.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "The account", body = described::AccountView, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
        OfOne,
    )
)]
pub(super) async fn show_account(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let account = known(&console, &caller, &id).await?;
    Ok(answer::settings(&console, account))
}

async fn known(console: &Console, caller: &Caller, id: &str) -> Result<admin::AccountView, ApiError> {
    let accounts = admin::list_accounts(console.store(), &caller.actor).await?;
    accounts.into_iter().find(|account| account.id == id).ok_or_else(|| ApiError::not_found("account"))
}

/// Creates a submission account.
#[utoipa::path(
    post,
    path = "/api/v1/accounts",
    tag = "accounts",
    params(("version" = Option<u64>, Query, description = "Refused unless the settings are at this version")),
    request_body = described::AccountEntry,
    responses(
        (status = 201, description = "Created", body = described::AccountSaved, headers(("Location" = String, description = "The account"))),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn create_account(
    State(console): State<Console>,
    caller: Caller,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(request): Given<AccountRequest>,
) -> Result<Response, ApiError> {
    let (entry, made) = request.entry()?;
    let saved = admin::create_account(console.store(), &caller.actor, &entry, version, console.now()).await;
    let saved = decided(&console, version, saved)?;
    answer::created("accounts", &saved.id.clone(), made.with(saved))
}

/// Replaces a submission account.
///
/// A password or token that is neither given nor made stays as it is.
#[utoipa::path(
    put,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    request_body = described::AccountEntry,
    responses(
        (status = 200, description = "Saved", body = described::AccountSaved),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn update_account(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(request): Given<AccountRequest>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id).await?;
    let (entry, made) = request.entry()?;
    let saved = admin::update_account(console.store(), &caller.actor, &id, &entry, version, console.now()).await;
    Ok(Json(made.with(decided(&console, version, saved)?)).into_response())
}

/// Removes a submission account.
///
/// What it handed in stays.
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    responses((status = 204, description = "It is gone"), AnyCall, WithQuery, OfOne, Change)
)]
pub(super) async fn remove_account(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id).await?;
    let removed = admin::remove_account(console.store(), &caller.actor, &id, version, console.now()).await;
    decided(&console, version, removed)?;
    Ok(answer::gone())
}
