//! Service connections: what is there, and whether each can get a token.

mod edit;
mod network;
mod smtp_offer;
mod smtp_server;

use std::sync::Arc;

use entra::Claims;
use jiff::Timestamp;
use relay::{Network, Upstream};
use serde::Serialize;
use settings::{
    Connection, ConnectionId, ConnectionType, Credential, Delivery, OnUncertain, Permission, Service, Settings,
};
use store::{Explanation, Store};

use crate::tenants::credential_kind;
use crate::{Actor, AdminError, Role};

pub(crate) use edit::with_id;
pub use edit::{
    Capability, ServiceView, create_connection, list_services, remove_connection, suggest_connection_name,
    update_connection,
};
pub use network::NetworkView;
pub use smtp_offer::SmtpOffer;
pub(crate) use smtp_offer::mailbox;
pub use smtp_server::SmtpServerView;

/// The application permission that lets Graph send.
pub(crate) const MAIL_SEND: &str = "Mail.Send";

#[derive(Debug, Clone, Serialize)]
pub struct ConnectionSummary {
    pub id: String,
    pub name: String,
    pub service: Service,
    pub tenant: Option<String>,
    pub permission: Permission,
    /// How its tenant's application proves to be itself, in words.
    pub credential: Option<&'static str>,
    pub client_secret_expires: Option<jiff::civil::Date>,
    pub large_messages: bool,
    pub delivery: Delivery,
    pub on_uncertain: OnUncertain,
    pub in_flight: u32,
    /// Of Graph, where it is not the usual: octets of message in one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_max_bytes: Option<u64>,
    /// Of Graph with large messages, where it is not the usual: octets of the largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_max_bytes: Option<u64>,
    pub read_bounces: bool,
    pub messages_per_minute: Option<u32>,
    pub recipients_per_day: Option<u32>,
    #[serde(flatten)]
    pub network: NetworkView,
    /// Of the service *SMTP Server*.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp_server: Option<SmtpServerView>,
    /// `emails`, the names of routes, `alarms`.
    pub used_by: Vec<String>,
}

/// What a token says about itself; never the token.
#[derive(Debug, Clone, Serialize)]
pub struct TokenFacts {
    pub audience: Option<String>,
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    pub roles: Vec<String>,
    pub expires: Option<Timestamp>,
    /// The token itself carries the right to send. Without it, RBAC for Applications may still grant it.
    pub grants_mail_send: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct ConnectionTest {
    pub connection: String,
    /// There was a token, or a session.
    pub ok: bool,
    pub token: Option<TokenFacts>,
    /// What the server said it can do, where mail goes by SMTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<SmtpOffer>,
    /// Why there was none, or what the token lets one expect.
    pub explanation: Option<Explanation>,
}

pub fn list_connections(store: &dyn Store, actor: &Actor) -> Result<Vec<ConnectionSummary>, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    Ok(settings.connections.iter().map(|connection| summary(&settings, connection)).collect())
}

/// By name, or by id.
pub fn connection_named(store: &dyn Store, actor: &Actor, name: &str) -> Result<ConnectionSummary, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    Ok(summary(&settings, find(&settings, name)?))
}

/// Asks for a token, or opens an SMTP session and ends it, as the relay would.
pub async fn test_connection(
    store: &Arc<dyn Store>,
    actor: &Actor,
    name: &str,
    network: &Network,
) -> Result<ConnectionTest, AdminError> {
    actor.must_be(Role::Operator)?;
    let settings = store.settings().borrow().clone();
    let connection = find(&settings, name)?.clone();
    let failed = |explanation| ConnectionTest {
        connection: connection.name.clone(),
        ok: false,
        token: None,
        smtp: None,
        explanation: Some(explanation),
    };
    if connection.service.connection_type() == ConnectionType::Smtp {
        let test = match relay::test_smtp(&settings, &connection.id, store, network, mailbox(&settings, &connection.id))
            .await
        {
            Ok(facts) => ConnectionTest {
                connection: connection.name.clone(),
                ok: true,
                token: None,
                smtp: Some(facts.into()),
                explanation: None,
            },
            Err(explanation) => failed(explanation),
        };
        tracing::info!(event = "connection_tested", connection = %connection.id, actor = actor.name(), ok = test.ok);
        return Ok(test);
    }
    let upstream = match Upstream::graph(&settings, &connection.id, store, network) {
        Ok(upstream) => upstream,
        Err(error) => return Ok(failed(error.explanation())),
    };
    let test = match upstream.tokens.token().await {
        Err(error) => failed(explain(&error.explanation(), error.aadsts().map(|number| format!("AADSTS{number}")))),
        Ok(token) => {
            let facts = token.claims().ok().map(TokenFacts::from);
            let explanation = facts.as_ref().and_then(|facts| facts.advice(&upstream));
            ConnectionTest { connection: connection.name.clone(), ok: true, token: facts, smtp: None, explanation }
        }
    };
    tracing::info!(event = "connection_tested", connection = %connection.id, actor = actor.name(), ok = test.ok);
    Ok(test)
}

pub(crate) fn find<'a>(settings: &'a Settings, name: &str) -> Result<&'a Connection, AdminError> {
    let found = settings.connections.iter().find(|it| it.name == name || it.id.0 == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = settings.connections.iter().map(|it| it.name.as_str()).collect();
        let fix = match known.as_slice() {
            [] => "There is none yet: describe one in a setup file and run 'postern apply FILE'.".to_owned(),
            known => format!("There are: {}.", known.join(", ")),
        };
        AdminError::refused(format!("there is no connection called '{name}'"), fix)
    })
}

fn summary(settings: &Settings, connection: &Connection) -> ConnectionSummary {
    let tenant = connection.tenant.as_ref().and_then(|id| settings.tenant(id));
    let credential = tenant.and_then(|tenant| tenant.credential.as_ref());
    let client_secret_expires = match credential {
        Some(Credential::ClientSecret { expires, .. }) => *expires,
        _ => None,
    };
    ConnectionSummary {
        id: connection.id.0.clone(),
        name: connection.name.clone(),
        service: connection.service,
        tenant: tenant.map(|tenant| tenant.name.clone()),
        permission: connection.permission,
        credential: credential.map(credential_kind),
        client_secret_expires,
        large_messages: connection.large_messages,
        delivery: connection.delivery,
        on_uncertain: connection.on_uncertain,
        in_flight: connection.in_flight,
        mime_max_bytes: connection.mime_max_bytes,
        large_max_bytes: connection.large_max_bytes,
        read_bounces: connection.read_bounces,
        messages_per_minute: connection.pace.messages_per_minute,
        recipients_per_day: connection.pace.recipients_per_day,
        network: connection.network.as_ref().map(NetworkView::from).unwrap_or_default(),
        smtp_server: connection.smtp.as_ref().map(SmtpServerView::from),
        used_by: used_by(settings, &connection.id),
    }
}

/// As a fallback, too.
fn used_by(settings: &Settings, id: &ConnectionId) -> Vec<String> {
    let emails = &settings.emails;
    let by_emails = emails.service_connection.as_ref() == Some(id) || emails.fallback.contains(id);
    let by_alarms = settings.notices.alarms.connection.as_ref() == Some(id);
    let by_routes = settings.routes.iter().filter(|it| it.service_connection == *id || it.fallback.contains(id));
    let emails = by_emails.then(|| "emails".to_owned()).into_iter();
    emails
        .chain(by_routes.map(|route| format!("route {}", route.name)))
        .chain(by_alarms.then(|| "alarms".to_owned()))
        .collect()
}

impl From<Claims> for TokenFacts {
    fn from(claims: Claims) -> Self {
        Self {
            grants_mail_send: claims.grants(MAIL_SEND),
            audience: claims.aud,
            tenant_id: claims.tid,
            client_id: claims.appid,
            roles: claims.roles,
            expires: claims.exp.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        }
    }
}

impl TokenFacts {
    /// What is odd about the token, if anything is.
    pub(crate) fn advice(&self, upstream: &Upstream) -> Option<Explanation> {
        let words = |what: &str, why: String, fix: &str| {
            Some(Explanation {
                what: what.to_owned(),
                why,
                fix: fix.to_owned(),
                who: entra::Who::EntraAdministrator.to_string(),
                code: None,
            })
        };
        if !self.is_for(upstream) {
            let why = format!("it is for {}", self.audience.as_deref().unwrap_or("nobody"));
            return words("The token is for another service.", why, "Choose the tenant's cloud again.");
        }
        if !self.grants_mail_send {
            let why = format!("its roles are [{}]", self.roles.join(", "));
            return words(
                "The token does not carry Mail.Send.",
                why,
                "Right if Exchange grants it by RBAC for Applications ('Application Mail.Send'). Otherwise grant the \
                 application permission Mail.Send of Microsoft Graph in the app registration, with admin consent.",
            );
        }
        None
    }

    /// Graph answers to its address and to its application id.
    pub(crate) fn is_for(&self, upstream: &Upstream) -> bool {
        const GRAPH_APPLICATION: &str = "00000003-0000-0000-c000-000000000000";
        let root = upstream.cloud.graph.as_str().trim_end_matches('/');
        self.audience
            .as_deref()
            .map(|audience| audience.trim_end_matches('/'))
            .is_none_or(|audience| audience.eq_ignore_ascii_case(root) || audience == GRAPH_APPLICATION)
    }
}

/// The identity crate's words in the queue's type.
pub(crate) fn explain(explanation: &entra::Explanation, code: Option<String>) -> Explanation {
    Explanation {
        what: explanation.what.to_string(),
        why: explanation.why.to_string(),
        fix: explanation.fix.to_string(),
        who: explanation.who.to_string(),
        code,
    }
}
