//! `/sandbox/api/`: messages, deliveries, requests, counters, faults.
//!
//! | call | answer |
//! |---|---|
//! | `GET messages?mailbox=&folder=sentitems\|inbox&limit=` | `{"messages": [...]}`, newest first |
//! | `GET messages/{id}` | one of them |
//! | `GET messages/{id}/raw`, `/delivered` | the MIME as submitted; as a recipient finds it |
//! | `DELETE messages` | 204; messages, rows and counters are gone |
//! | `GET deliveries?limit=&wait_for=N&timeout_ms=` | `{"total": n, "deliveries": [...]}`, oldest first |
//! | `GET requests?limit=` | `{"requests": [...]}`, oldest first; status 0 is a reset |
//! | `GET token_requests?limit=` | `{"token_requests": [...]}`, oldest first; no secrets in them |
//! | `GET bounces` | `{"bounces": [...]}`: reports in Inboxes, and those still on their way; `bounces/{id}/raw` |
//! | `GET stats` | counters |
//! | `GET clock`, `POST clock` `{"advance_seconds": n}` | `{"now", "advanced_seconds"}`; it never goes back |
//! | `POST faults` ([`Fault`] as JSON), `GET`, `DELETE` | 201; `{"faults": [...]}`; 204 |
//! | `POST tokens/revoke` | 204; every access token issued so far is refused |
//! | `POST users/{upn}/revoke` | 204; the user's sign-ins, codes and refresh tokens end |
//! | `POST apps/{client_id}/revoke` | 204; every consent to the app is taken back |
//! | `PUT apps/{client_id}/secrets` `[{"value", "expires"}]` | 204; these are the app's secrets from now on |
//! | `PUT apps/{client_id}/certificates` `[{"pem"}]` | 204; these are its certificates from now on |
//! | `POST issuers/{name}/token` `{"subject", "audience", "lifetime_seconds"}` | `{"token"}` of the identity provider `/issuer/{name}` |

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::{Certificate, Secret};
use crate::credentials::read_certificates;
use crate::dispatch::not_found;
use crate::exchange::{Call, Received, decode_segment, json_reply, read_body, reply};
use crate::faults::Fault;
use crate::issuer::{self, WorkloadToken};
use crate::journal::{Delivery, Stats};
use crate::mailbox::{Folder, StoredMessage, delivered_copy};
use crate::state::State;

const MAX_BODY_BYTES: u64 = 64 * 1024;
/// The most a `wait` may ask for.
const MAX_WAIT: Duration = Duration::from_mins(2);

type Reply = Response<Full<Bytes>>;

/// A message as a folder lists it.
#[derive(Debug, Serialize)]
struct MessageRow<'a> {
    #[serde(flatten)]
    delivery: &'a Delivery,
    inboxes: &'a [String],
    raw: String,
}

impl<'a> MessageRow<'a> {
    fn new(message: &'a StoredMessage) -> Self {
        let raw = format!("/sandbox/api/messages/{}/raw", message.delivery.id);
        Self { delivery: &message.delivery, inboxes: &message.inboxes, raw }
    }
}

/// An order to move the clock.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

/// Answers a request below `/sandbox/api/`.
pub(crate) async fn api(state: &Arc<State>, call: &Call, segments: &[&str], body: Incoming) -> Reply {
    match (&call.method, segments) {
        (&Method::GET, ["messages"]) => messages(state, call),
        (&Method::DELETE, ["messages"]) => clear(state),
        (&Method::GET, ["messages", id]) => {
            with_message(state, id, |message| json_reply(StatusCode::OK, &MessageRow::new(message)))
        }
        (&Method::GET, ["messages", id, "raw"]) => with_message(state, id, |message| mime(message.raw.clone())),
        (&Method::GET, ["messages", id, "delivered"]) => {
            with_message(state, id, |message| mime(delivered_copy(message, &state.config.behaviour)))
        }
        (&Method::GET, ["deliveries"]) => deliveries(state, call).await,
        (&Method::GET, ["requests"]) => {
            json_reply(StatusCode::OK, &json!({"requests": state.journal.requests(limit(call))}))
        }
        (&Method::GET, ["token_requests"]) => {
            json_reply(StatusCode::OK, &json!({"token_requests": state.journal.token_requests(limit(call))}))
        }
        (&Method::GET, ["clock"]) => clock(state),
        (&Method::POST, ["clock"]) => advance_clock(state, call, body).await,
        (&Method::POST, ["users", key, "revoke"]) => {
            done_if(decode_segment(key).is_some_and(|upn| state.revoke_user(&upn)))
        }
        (&Method::PUT, ["apps", client_id, "secrets"]) => change_secrets(state, call, client_id, body).await,
        (&Method::PUT, ["apps", client_id, "certificates"]) => change_certificates(state, call, client_id, body).await,
        (&Method::POST, ["issuers", name, "token"]) => issue(state, call, name, body).await,
        (&Method::POST, ["apps", client_id, "revoke"]) => done_if(state.withdraw_consent(client_id)),
        (&Method::GET, ["bounces"]) => json_reply(StatusCode::OK, &json!({"bounces": state.bounces.all()})),
        (&Method::GET, ["bounces", id, "raw"]) => {
            state.bounces.all().into_iter().find(|it| it.id == *id).map_or_else(not_found, |it| mime(it.raw))
        }
        (&Method::GET, ["stats"]) => json_reply(StatusCode::OK, &stats(state)),
        (&Method::GET, ["faults"]) => json_reply(StatusCode::OK, &json!({"faults": state.faults.list()})),
        (&Method::DELETE, ["faults"]) => {
            state.faults.clear();
            reply(StatusCode::NO_CONTENT, "", Bytes::new())
        }
        (&Method::POST, ["faults"]) => add_fault(state, call, body).await,
        (&Method::POST, ["tokens", "revoke"]) => {
            state.revoke_tokens();
            reply(StatusCode::NO_CONTENT, "", Bytes::new())
        }
        _ => not_found(),
    }
}

/// Counters, with what is kept at the moment.
pub(crate) fn stats(state: &State) -> Stats {
    let (messages_kept, bytes_kept) = state.mailboxes.kept();
    Stats { messages_kept, bytes_kept, ..state.journal.stats() }
}

fn limit(call: &Call) -> usize {
    call.query_value("limit").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX)
}

fn refused(text: &str) -> Reply {
    json_reply(StatusCode::BAD_REQUEST, &json!({"error": text}))
}

fn mime(bytes: impl Into<Bytes>) -> Reply {
    // Not message/rfc822: a browser must show it as the text it is, never interpret it.
    let mut response = reply(StatusCode::OK, "text/plain; charset=utf-8", bytes);
    crate::exchange::set_header(&mut response, "x-content-type-options", "nosniff");
    response
}

fn with_message(state: &State, id: &str, show: impl FnOnce(&StoredMessage) -> Reply) -> Reply {
    state.mailboxes.message(id).map_or_else(not_found, |message| show(&message))
}

/// `?mailbox=&folder=&limit=`, newest first. Without a folder: any folder of the mailbox.
fn messages(state: &State, call: &Call) -> Reply {
    let mailbox = call.query_value("mailbox").map(|name| name.to_lowercase());
    let folder = match call.query_value("folder").map(|name| name.to_ascii_lowercase()).as_deref() {
        None => None,
        Some("sentitems") => Some(Folder::SentItems),
        Some("inbox") => Some(Folder::Inbox),
        Some(_) => return refused("folder is sentitems or inbox"),
    };
    let folders: &[Folder] = match &folder {
        Some(folder) => std::slice::from_ref(folder),
        None => &[Folder::SentItems, Folder::Inbox],
    };
    let is_wanted = |message: &StoredMessage| match &mailbox {
        Some(mailbox) => folders.iter().any(|folder| message.is_in(mailbox, *folder)),
        None => true,
    };
    let found = state.mailboxes.newest(limit(call), is_wanted);
    let rows: Vec<MessageRow<'_>> = found.iter().map(|message| MessageRow::new(message)).collect();
    json_reply(StatusCode::OK, &json!({"messages": rows}))
}

/// `?limit=`, and `?wait_for=N&timeout_ms=` to be answered as soon as N messages have been delivered.
async fn deliveries(state: &State, call: &Call) -> Reply {
    if let Some(wanted) = call.query_value("wait_for").and_then(|text| text.parse::<u64>().ok()) {
        let timeout = call.query_value("timeout_ms").and_then(|text| text.parse().ok()).map(Duration::from_millis);
        let mut delivered = state.journal.watch();
        let reached = delivered.wait_for(|total| *total >= wanted);
        // The answer is the same either way: what there is.
        let _ = tokio::time::timeout(timeout.unwrap_or(MAX_WAIT).min(MAX_WAIT), reached).await;
    }
    let rows = state.journal.deliveries(limit(call));
    let rows: Vec<&Delivery> = rows.iter().map(AsRef::as_ref).collect();
    json_reply(StatusCode::OK, &json!({"total": state.journal.stats().deliveries, "deliveries": rows}))
}

fn clear(state: &State) -> Reply {
    state.mailboxes.clear();
    state.bounces.clear();
    state.journal.clear();
    reply(StatusCode::NO_CONTENT, "", Bytes::new())
}

async fn change_secrets(state: &State, call: &Call, client_id: &str, body: Incoming) -> Reply {
    match read_json::<Vec<Secret>>(call, body).await {
        Ok(secrets) => done_if(state.change_credentials(client_id, |credentials| credentials.secrets = secrets)),
        Err(complaint) => refused(&complaint),
    }
}

async fn change_certificates(state: &State, call: &Call, client_id: &str, body: Incoming) -> Reply {
    let sources = match read_json::<Vec<Certificate>>(call, body).await {
        Ok(sources) => sources,
        Err(complaint) => return refused(&complaint),
    };
    match read_certificates(&sources) {
        Ok(certificates) => {
            done_if(state.change_credentials(client_id, |credentials| credentials.certificates = certificates))
        }
        Err(complaint) => refused(&complaint),
    }
}

async fn issue(state: &State, call: &Call, name: &str, body: Incoming) -> Reply {
    let order: WorkloadToken = match read_json(call, body).await {
        Ok(order) => order,
        Err(complaint) => return refused(&complaint),
    };
    match issuer::issue(state, &call.origin(), name, &order) {
        Ok(token) => json_reply(StatusCode::OK, &json!({ "token": token })),
        Err(error) => json_reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": error })),
    }
}

fn done_if(is_found: bool) -> Reply {
    if is_found { reply(StatusCode::NO_CONTENT, "", Bytes::new()) } else { not_found() }
}

fn clock(state: &State) -> Reply {
    let advanced = state.clock.advanced().as_secs();
    json_reply(StatusCode::OK, &json!({"now": state.clock.now(), "advanced_seconds": advanced}))
}

async fn advance_clock(state: &State, call: &Call, body: Incoming) -> Reply {
    match read_json::<Advance>(call, body).await {
        Ok(order) => {
            state.clock.advance(order.advance_seconds);
            clock(state)
        }
        Err(complaint) => refused(&complaint),
    }
}

async fn add_fault(state: &State, call: &Call, body: Incoming) -> Reply {
    let fault: Fault = match read_json(call, body).await {
        Ok(fault) => fault,
        Err(complaint) => return refused(&complaint),
    };
    match fault.complaint() {
        Some(complaint) => refused(complaint),
        None => json_reply(StatusCode::CREATED, &state.faults.add(fault)),
    }
}

/// An order in JSON, or what is wrong with it.
async fn read_json<T: DeserializeOwned>(call: &Call, body: Incoming) -> Result<T, String> {
    // A page of another origin can post forms, but not JSON.
    if call.media_type() != "application/json" {
        return Err("orders are posted as application/json".to_owned());
    }
    match read_body(body, MAX_BODY_BYTES).await {
        Received::Whole(body) => serde_json::from_slice(&body).map_err(|error| error.to_string()),
        Received::TooLarge | Received::Broken => Err("the body is too long".to_owned()),
    }
}
