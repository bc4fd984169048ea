//! The pages: an overview, a mailbox, a message. No script, nothing from another host, mail shown as text only.

use askama::Template;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode};
use mail_parser::MessageParser;

use super::api::stats;
use super::document::{Forms, document};
use crate::config::{SignIn, UserState};
use crate::dispatch::not_found;
use crate::exchange::{Call, decode_segment, reply};
use crate::faults::Armed;
use crate::journal::{Delivery, Stats};
use crate::mailbox::{Counts, Folder, StoredMessage};
use crate::state::State;

/// Messages a page lists.
const LISTED: usize = 50;
/// Characters of a message's text and of its source that its page shows.
const SHOWN_CHARS: usize = 100_000;
const STYLE: &str = include_str!("../../templates/style.css");

type Reply = Response<Full<Bytes>>;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    origin: String,
    tenants: Vec<TenantView>,
    mailboxes: Vec<(String, Counts)>,
    messages: Vec<Row>,
    faults: Vec<(Armed, String)>,
    stats: Stats,
    /// Set if the tenant's clock is ahead: what it shows.
    clock: Option<String>,
}

struct TenantView {
    name: String,
    id: String,
    domains: String,
    apps: Vec<AppView>,
    users: Vec<UserView>,
}

struct AppView {
    name: String,
    client_id: String,
    roles: String,
    delegated: String,
    redirect_uris: String,
    is_public: bool,
    secrets: Vec<String>,
    certificates: usize,
}

struct UserView {
    upn: String,
    password: String,
    is_admin: bool,
    /// What is wrong with the mailbox or the sign-in, as the settings name it.
    states: Vec<String>,
}

/// A message in a list.
struct Row {
    id: String,
    at: String,
    from: String,
    to: String,
    subject: String,
    bytes: usize,
}

#[derive(Template)]
#[template(path = "mailbox.html")]
struct MailboxPage {
    mailbox: String,
    inbox: Vec<Row>,
    sent: Vec<Row>,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    delivery: &'a Delivery,
    at: String,
    text: String,
    attachments: Vec<String>,
    source: String,
    is_source_cut: bool,
}

/// Answers a request for a page.
pub(crate) fn page(state: &State, call: &Call, segments: &[&str]) -> Reply {
    if call.method != Method::GET && call.method != Method::HEAD {
        return not_found();
    }
    match segments {
        [""] => document(StatusCode::OK, &overview(state, call), &Forms::None),
        ["style.css"] => reply(StatusCode::OK, "text/css; charset=utf-8", STYLE),
        ["mailboxes", name] => match decode_segment(name) {
            Some(name) => document(StatusCode::OK, &mailbox(state, &name.to_lowercase()), &Forms::None),
            None => not_found(),
        },
        ["messages", id] => match state.mailboxes.message(id) {
            Some(stored) => document(StatusCode::OK, &message(&stored), &Forms::None),
            None => not_found(),
        },
        _ => not_found(),
    }
}

fn overview(state: &State, call: &Call) -> Overview {
    let tenants = state.directory.tenants.iter().map(|tenant| TenantView {
        name: tenant.name.clone(),
        id: tenant.id.clone(),
        domains: tenant.domains.join(", "),
        apps: tenant.app_list.iter().map(|app| app_view(app)).collect(),
        users: tenant.user_list.iter().map(|user| user_view(user)).collect(),
    });
    Overview {
        origin: call.origin(),
        tenants: tenants.collect(),
        mailboxes: state.mailboxes.counts(),
        messages: rows(state, |_| true),
        faults: state.faults.list().into_iter().map(|armed| (armed.clone(), name_of(armed.fault.kind))).collect(),
        stats: stats(state),
        clock: (!state.clock.advanced().is_zero()).then(|| state.clock.now().strftime("%Y-%m-%d %H:%M:%S").to_string()),
    }
}

fn app_view(app: &crate::directory::App) -> AppView {
    let settings = &app.settings;
    let credentials = app.credentials();
    AppView {
        name: settings.name.clone(),
        client_id: settings.client_id.clone(),
        roles: list_or_none(&settings.roles),
        delegated: list_or_none(&settings.delegated_scopes),
        redirect_uris: list_or_none(&settings.redirect_uris),
        is_public: settings.allow_public_client,
        // A sandbox's secrets are there to be copied.
        secrets: credentials.secrets.iter().map(|secret| secret.value.clone()).collect(),
        certificates: credentials.certificates.len(),
    }
}

fn list_or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn user_view(user: &crate::directory::User) -> UserView {
    let settings = &user.settings;
    let mailbox = (settings.state != UserState::Ok).then(|| name_of(settings.state));
    let sign_in = (settings.sign_in != SignIn::Ok).then(|| name_of(settings.sign_in));
    UserView {
        upn: settings.upn.clone(),
        password: settings.password.as_ref().map(|password| password.0.clone()).unwrap_or_default(),
        is_admin: settings.admin,
        states: mailbox.into_iter().chain(sign_in).collect(),
    }
}

/// A value as the settings file and the API spell it.
fn name_of(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

fn rows(state: &State, wanted: impl Fn(&StoredMessage) -> bool) -> Vec<Row> {
    state.mailboxes.newest(LISTED, wanted).iter().map(|message| row(&message.delivery)).collect()
}

fn row(delivery: &Delivery) -> Row {
    Row {
        id: delivery.id.clone(),
        at: shown_time(delivery),
        from: delivery.mailbox.clone(),
        to: delivery.recipients.join(", "),
        subject: delivery.subject.clone().filter(|subject| !subject.is_empty()).unwrap_or("(no subject)".to_owned()),
        bytes: delivery.bytes,
    }
}

fn shown_time(delivery: &Delivery) -> String {
    delivery.at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn mailbox(state: &State, name: &str) -> MailboxPage {
    MailboxPage {
        mailbox: name.to_owned(),
        inbox: rows(state, |message| message.is_in(name, Folder::Inbox)),
        sent: rows(state, |message| message.is_in(name, Folder::SentItems)),
    }
}

fn message(stored: &StoredMessage) -> MessagePage<'_> {
    let parsed = MessageParser::default().parse(stored.raw.as_ref());
    let text = parsed.as_ref().and_then(|parsed| parsed.body_text(0)).unwrap_or_default();
    let attachments = parsed.as_ref().map(|parsed| parsed.attachments().map(attachment_name).collect());
    let source = String::from_utf8_lossy(&stored.raw);
    MessagePage {
        delivery: &stored.delivery,
        at: shown_time(&stored.delivery),
        text: text.chars().take(SHOWN_CHARS).collect(),
        attachments: attachments.unwrap_or_default(),
        is_source_cut: source.chars().count() > SHOWN_CHARS,
        source: source.chars().take(SHOWN_CHARS).collect(),
    }
}

fn attachment_name(part: &mail_parser::MessagePart<'_>) -> String {
    use mail_parser::MimeHeaders as _;
    let name = part.attachment_name().unwrap_or("unnamed");
    format!("{name} ({} bytes)", part.contents().len())
}
