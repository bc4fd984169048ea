//! Which part of the tenant a request is for, by its path alone. Query strings decide nothing here: clients add their
//! own to Entra's addresses.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde_json::json;

use crate::exchange::{Answer, Call, json_reply};
use crate::state::State;
use crate::{entra, graph, issuer, machine, pages};

/// Which origin a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Main,
    /// Upload sessions, and nothing else.
    Uploads,
}

/// Answers one request.
pub(crate) async fn answer(state: &Arc<State>, request: Request<Incoming>, secure: bool, door: Door) -> Answer {
    let (head, body) = request.into_parts();
    let call = Arc::new(Call {
        target: head.uri.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        method: head.method,
        headers: head.headers,
        secure,
    });
    let segments: Vec<&str> = call.path.split('/').skip(1).collect();
    if door == Door::Uploads {
        return graph::answer_upload(state, &call, &segments, body).await;
    }
    match segments.as_slice() {
        [version, rest @ ..] if graph::is_version(version) => graph::answer(state, &call, version, rest, body).await,
        ["sandbox", "api", rest @ ..] => Answer::Reply(pages::api(state, &call, rest, body).await),
        [tenant, "oauth2", "v2.0", "token"] => Answer::Reply(entra::token(state, &call, tenant, body).await),
        [tenant, "oauth2", "v2.0", "authorize"] => Answer::Reply(entra::authorize(state, &call, tenant, body).await),
        [tenant, "oauth2", "v2.0", "devicecode"] => Answer::Reply(entra::device_code(state, &call, tenant, body).await),
        [tenant, "oauth2", "v2.0", "logout"] => Answer::Reply(entra::sign_out(state, &call, tenant)),
        ["metadata", "identity", "oauth2", "token"] => Answer::Reply(machine::imds(state, &call).await),
        ["msi", "token"] => Answer::Reply(machine::app_service(state, &call).await),
        ["arc", "metadata", "identity", "oauth2", "token"] => Answer::Reply(machine::arc(state, &call).await),
        ["issuer", name, ".well-known", "openid-configuration"] => Answer::Reply(issuer::configuration(&call, name)),
        ["issuer", _, "keys"] => Answer::Reply(issuer::keys(state)),
        ["devicelogin"] => Answer::Reply(entra::device_login(state, &call, body).await),
        [tenant, "adminconsent"] | [tenant, "v2.0", "adminconsent"] => {
            Answer::Reply(entra::admin_consent(state, &call, tenant, body).await)
        }
        [tenant, "v2.0", ".well-known", "openid-configuration"] => {
            Answer::Reply(entra::openid_configuration(state, &call, tenant))
        }
        [tenant, "discovery", "v2.0", "keys"] => Answer::Reply(entra::keys(state, &call, tenant)),
        [_, "discovery", "instance"] => Answer::Reply(entra::instance_discovery(&call)),
        page => Answer::Reply(pages::page(state, &call, page)),
    }
}

/// What a path gets that leads nowhere.
pub(crate) fn not_found() -> hyper::Response<http_body_util::Full<bytes::Bytes>> {
    json_reply(StatusCode::NOT_FOUND, &json!({"error": "there is nothing at this address"}))
}
