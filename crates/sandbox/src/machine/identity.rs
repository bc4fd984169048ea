//! Which of the machine's identities is asked for, and its token.

use std::sync::Arc;

use crate::config::ManagedIdentity;
use crate::directory::{App, Tenant};
use crate::entra::{EXCHANGE, Grant, Proof, claims};
use crate::exchange::Call;
use crate::journal::TokenRecord;
use crate::state::State;

/// A token as the services tell it.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) token: String,
    pub(super) client_id: String,
    pub(super) resource: String,
    pub(super) lifetime_seconds: i64,
    /// Seconds since 1970.
    pub(super) expires_on: i64,
    pub(super) not_before: i64,
}

#[derive(Debug)]
pub(super) enum NotGiven {
    NoResource,
    NoIdentity,
    UnknownResource(String),
}

pub(super) fn give(state: &State, call: &Call) -> Result<Given, NotGiven> {
    let resource = call.query_value("resource").filter(|it| !it.is_empty()).ok_or(NotGiven::NoResource)?;
    let found = identity(state, call);
    let issued =
        found.ok_or(NotGiven::NoIdentity).and_then(|(tenant, app)| issue(state, call, &tenant, &app, &resource));
    record(state, call, &resource, issued.as_ref());
    issued
}

/// By client id, or by object id; without either the one that was made with the machine.
fn identity(state: &State, call: &Call) -> Option<(Arc<Tenant>, Arc<App>)> {
    let client_id = call.query_value("client_id");
    let object_id = call.query_value("object_id").or_else(|| call.query_value("principal_id"));
    let is_meant = |app: &App| match (&client_id, &object_id, app.settings.managed_identity) {
        (_, _, None) => false,
        (Some(id), ..) => app.settings.client_id.eq_ignore_ascii_case(id),
        (None, Some(id), _) => app.object_id.eq_ignore_ascii_case(id),
        (None, None, Some(kind)) => kind == ManagedIdentity::System,
    };
    state.directory.tenants.iter().find_map(|tenant| {
        let app = tenant.app_list.iter().find(|app| app.settings.enabled && is_meant(app))?;
        Some((Arc::clone(tenant), Arc::clone(app)))
    })
}

fn issue(state: &State, call: &Call, tenant: &Tenant, app: &App, resource: &str) -> Result<Given, NotGiven> {
    let plain = resource.trim_end_matches('/');
    let is_graph = state.is_graph_resource(plain, call.header("host").unwrap_or_default());
    if !is_graph && !EXCHANGE.contains(&plain) {
        let text = format!("AADSTS500011: The resource principal named {resource} was not found in the tenant.");
        return Err(NotGiven::UnknownResource(text));
    }
    let now = state.clock.now();
    let lifetime_seconds = i64::from(state.config.token.max_lifetime_seconds);
    let grant = Grant {
        tenant,
        app,
        resource: plain,
        is_graph,
        has_roles: state.accounts.has_admin_consent(app),
        proof: Proof::Certificate,
        cae: false,
        lifetime_seconds,
        serial: state.take_token_serial(),
    };
    let token = state.key.sign(&claims(&grant, now)).map_err(NotGiven::UnknownResource)?;
    Ok(Given {
        token,
        client_id: app.settings.client_id.clone(),
        resource: resource.to_owned(),
        lifetime_seconds: lifetime_seconds.saturating_sub(1),
        expires_on: now.as_second().saturating_add(lifetime_seconds),
        not_before: now.as_second(),
    })
}

fn record(state: &State, call: &Call, resource: &str, issued: Result<&Given, &NotGiven>) {
    state.journal.token_answered(TokenRecord {
        at: state.clock.now(),
        tenant: String::new(),
        grant_type: Some("managed_identity".to_owned()),
        client_id: issued.map(|given| given.client_id.clone()).ok().or_else(|| call.query_value("client_id")),
        scope: Some(resource.chars().take(TokenRecord::SHOWN_CHARS).collect()),
        user: None,
        error: issued.is_err().then_some("invalid_request"),
        aadsts: None,
    });
}
