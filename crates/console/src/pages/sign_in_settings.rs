//! Settings → Edit Global System Settings → Sign-in: the OpenID provider.

use admin::people::{self, OpenIdProviderEntry, OpenIdProviderSummary};
use admin::{AdminError, Refused};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;
use settings::{GroupRole, Role};

use super::settings::{VIEWS, View};
use crate::Console;
use crate::error::PageError;
use crate::form::{Field, FormView};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "people/sign_in_settings.html")]
struct SignInSettingsPage {
    frame: Frame,
    views: &'static [View],
    here: &'static str,
    form: FormView,
    redirect_uri: String,
    is_set_up: bool,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ProviderForm {
    name: String,
    issuer: String,
    client_id: String,
    #[serde(default)]
    client_secret: String,
    groups_claim: String,
    groups: String,
}

impl ProviderForm {
    fn of(provider: Option<&OpenIdProviderSummary>) -> Self {
        let Some(provider) = provider else {
            return Self { groups_claim: "groups".to_owned(), ..Self::default() };
        };
        let line = |known: &GroupRole| format!("{} = {}", known.group, known.role.name());
        Self {
            name: provider.name.clone(),
            issuer: provider.issuer.to_string(),
            client_id: provider.client_id.clone(),
            client_secret: String::new(),
            groups_claim: provider.groups_claim.clone(),
            groups: provider.groups.iter().map(line).collect::<Vec<_>>().join("\n"),
        }
    }

    fn entry(&self) -> Result<OpenIdProviderEntry, Refused> {
        let issuer = self.issuer.trim().parse().map_err(|_| {
            let fix = "Write it as https://login.microsoftonline.com/TENANT-ID/v2.0";
            Refused::new("the issuer is not an address", fix).at("issuer")
        })?;
        let secret = self.client_secret.trim();
        Ok(OpenIdProviderEntry {
            name: self.name.trim().to_owned(),
            issuer,
            client_id: self.client_id.trim().to_owned(),
            client_secret: (!secret.is_empty()).then(|| SecretString::from(secret)),
            groups_claim: self.groups_claim.trim().to_owned(),
            groups: self.groups.lines().filter(|line| !line.trim().is_empty()).map(group).collect::<Result<_, _>>()?,
        })
    }
}

/// `group = role`
fn group(line: &str) -> Result<GroupRole, Refused> {
    let parts = line.split_once('=').map(|(group, role)| (group.trim(), Role::from_name(role.trim())));
    match parts {
        Some((group, Some(role))) if !group.is_empty() => Ok(GroupRole { group: group.to_owned(), role }),
        _ => {
            let fix = "Write one line for each: GROUP = viewer, operator or administrator.";
            Err(Refused::new(format!("'{}' does not give a group a role", line.trim()), fix).at("groups"))
        }
    }
}

fn form(values: &ProviderForm, has_secret: bool) -> FormView {
    let fields = vec![
        Field::text("name", "Name", &values.name).required().hint("The button says \"Sign in with NAME\"."),
        Field::text("issuer", "Issuer", &values.issuer)
            .required()
            .hint("For Entra ID: https://login.microsoftonline.com/TENANT-ID/v2.0"),
        Field::text("client_id", "Client ID", &values.client_id).required(),
        Field::secret("client_secret", "Client Secret", has_secret),
        Field::text("groups_claim", "Claim with the groups", &values.groups_claim).required(),
        Field::lines("groups", "Groups and their roles", &values.groups, 4)
            .hint("One to a line: GROUP = administrator. Entra ID names groups by their object id. Who is in none may not sign in."),
    ];
    FormView::new("/settings/sign-in", "/settings", fields)
}

fn show_page(console: &Console, visitor: &Visitor, form: FormView, is_set_up: bool) -> Result<Response, PageError> {
    let redirect_uri = console.openid.redirect_uri().to_string();
    let frame = Frame::new(visitor, "Edit Global System Settings");
    page(&SignInSettingsPage { frame, views: VIEWS, here: "Sign-in", form, redirect_uri, is_set_up })
}

pub(super) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let provider = people::sign_in_settings(console.store(), visitor.actor())?;
    let has_secret = provider.as_ref().is_some_and(|provider| provider.has_client_secret);
    let form = form(&ProviderForm::of(provider.as_ref()), has_secret);
    show_page(&console, &visitor, form, provider.is_some())
}

pub(super) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<ProviderForm>,
) -> Result<Response, PageError> {
    let saved = match values.entry() {
        Ok(entry) => people::set_sign_in(console.store(), visitor.actor(), Some(&entry), console.now()).await,
        Err(refused) => Err(AdminError::Refused(refused)),
    };
    match saved {
        Ok(_) => Ok(Redirect::to("/settings/sign-in?done=saved").into_response()),
        Err(AdminError::Refused(refused)) => {
            let known = people::sign_in_settings(console.store(), visitor.actor())?;
            let has_secret = known.as_ref().is_some_and(|provider| provider.has_client_secret);
            let form = form(&values, has_secret).with_problem(Some(refused));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, show_page(&console, &visitor, form, known.is_some())?)
                .into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn remove(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    people::set_sign_in(console.store(), visitor.actor(), None, console.now()).await?;
    Ok(Redirect::to("/settings/sign-in?done=removed").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_one_group_one_role_or_is_refused_at_its_field() {
        let known = group(" 0f1e = operator ").unwrap();
        assert_eq!((known.group.as_str(), known.role), ("0f1e", Role::Operator));
        for line in ["0f1e", "= viewer", "0f1e = owner", "0f1e viewer"] {
            assert_eq!(group(line).unwrap_err().field, Some("groups"), "{line}");
        }
    }
}
