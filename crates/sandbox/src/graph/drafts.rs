//! Drafts: made as JSON or MIME, given attachments, changed, looked at, found, sent and deleted.
//!
//! Promise: as strict as Graph. `Mail.ReadWrite` is needed for everything but `send`, which needs `Mail.Send`. An id is
//! compared with case; the ordinary one ends when the message moves to Sent Items, the immutable one
//! (`Prefer: IdType="ImmutableId"`) does not, and is known only to requests that ask for it. A draft is sent once.
//!
//! Left to others: what makes a message (`json_message`, `mime`), the upload sessions' own origin (`upload`).

mod keep;
mod look;
mod upload;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::reply::{Done, Taken};
use super::route::DraftPath;
use super::schema::{self, list, text};
use super::send_mail::{self, Admitted, Need};
use super::submission::Submission;
use super::{json_message, mime};
use crate::directory::User;
use crate::exchange::Call;
use crate::state::State;

pub(crate) use keep::Drafts;
pub(super) use upload::{OpenSession, find_session, upload_operation};

use keep::{Content, Item, Key};

/// What is asked of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Create,
    List,
    Look(String),
    Change(String),
    Delete(String),
    Attach(String),
    OpenSession(String),
    Send(String),
}

impl Request {
    pub(super) fn read(method: &Method, path: DraftPath) -> Result<Self, Failure> {
        Ok(match (method, path) {
            (&Method::POST, DraftPath::All) => Self::Create,
            (&Method::GET, DraftPath::All) => Self::List,
            (&Method::GET, DraftPath::One(id)) => Self::Look(id),
            (&Method::PATCH, DraftPath::One(id)) => Self::Change(id),
            (&Method::DELETE, DraftPath::One(id)) => Self::Delete(id),
            (&Method::POST, DraftPath::Attachments(id)) => Self::Attach(id),
            (&Method::POST, DraftPath::UploadSessions(id)) => Self::OpenSession(id),
            (&Method::POST, DraftPath::Send(id)) => Self::Send(id),
            _ => return Err(Failure::wrong_method()),
        })
    }

    /// As faults name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Create => "createDraft",
            Self::List => "listMessages",
            Self::Look(_) => "getMessage",
            Self::Change(_) => "updateDraft",
            Self::Delete(_) => "deleteMessage",
            Self::Attach(_) => "addAttachment",
            Self::OpenSession(_) => "createUploadSession",
            Self::Send(_) => "send",
        }
    }

    fn need(&self) -> Need {
        if matches!(self, Self::Send(_)) { Need::Send } else { Need::ReadWrite }
    }
}

/// Does what is asked.
pub(super) fn perform(
    state: &State,
    call: &Call,
    admitted: &Admitted,
    request: &Request,
    body: &Bytes,
    taken: &Taken,
) -> Result<Done, Failure> {
    let user = send_mail::mailbox(admitted, request.need())?;
    let key = |id: &str| Key::new(&user.mailbox, id, wants_immutable_ids(call));
    match request {
        Request::Create => create(state, call, &user, body),
        Request::List => look::list_messages(state, call, &user),
        Request::Look(id) => state.drafts.with(&key(id), |item| Ok(look::message(call, item))),
        Request::Change(id) => state.drafts.with(&key(id), |item| change(call, item, body)),
        Request::Delete(id) => {
            state.drafts.remove(&key(id))?;
            Ok(Done::empty(StatusCode::NO_CONTENT))
        }
        Request::Attach(id) => attach(state, &key(id), body),
        Request::OpenSession(id) => {
            // A known issue of Graph: not with a delegated token in somebody else's mailbox.
            if send_mail::is_somebody_elses(admitted, &user) {
                return Err(Failure::access_denied());
            }
            upload::open(state, call, admitted, &user, &key(id), body)
        }
        Request::Send(id) => {
            check_empty(call, body)?;
            send(state, call, admitted, (user.clone(), &key(id)), taken)
        }
    }
}

pub(super) fn wants_immutable_ids(call: &Call) -> bool {
    let wishes = call.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    wishes.flat_map(|value| value.split(',')).any(|wish| wish.trim().eq_ignore_ascii_case("IdType=\"ImmutableId\""))
}

fn create(state: &State, call: &Call, user: &User, body: &Bytes) -> Result<Done, Failure> {
    let (submission, content) = match call.media_type().as_str() {
        "text/plain" => {
            let submission = mime::read(body)?;
            let raw = submission.raw.clone();
            (submission, Content::Mime(raw))
        }
        "application/json" => {
            let fields = read_object(body)?;
            (read_draft(&fields)?, Content::Json(fields))
        }
        other => {
            let text = format!(
                "A supported MIME type could not be found that matches the content type '{other}' of the request."
            );
            return Err(Failure::new(415, "RequestBodyRead", text));
        }
    };
    let item = Item::new(&user.mailbox, content, &submission)?;
    let done = Done::json(StatusCode::CREATED, look::view(call, &item));
    state.drafts.add(item)?;
    Ok(done)
}

fn read_object(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    let text = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.";
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Failure::new(400, "BadRequest", text)),
    }
}

/// A draft may lack everything that a submission must have; what it has must be right.
fn read_draft(fields: &Map<String, Value>) -> Result<Submission, Failure> {
    schema::MESSAGE.read(&Value::Object(fields.clone()))?;
    json_message::read_message(fields)
}

/// Only what a client changes on a draft of its own making: MAPI properties, and for JSON the other fields as well.
fn change(call: &Call, item: &mut Item, body: &[u8]) -> Result<Done, Failure> {
    let fields = read_object(body)?;
    schema::MESSAGE.read(&Value::Object(fields.clone()))?;
    if fields.contains_key("internetMessageHeaders") {
        return Err(Failure::new(400, "ErrorInvalidPropertySet", "Internet message headers are set at creation only."));
    }
    if item.is_sent && fields.keys().any(|name| name != "singleValueExtendedProperties" && !name.contains('@')) {
        return Err(Failure::new(400, "ErrorInvalidRequest", "The message is no draft any more."));
    }
    for property in list(&fields, "singleValueExtendedProperties")? {
        let property = schema::EXTENDED_PROPERTY.read(property)?;
        item.set_property(text(property, "id")?.unwrap_or_default(), text(property, "value")?.unwrap_or_default())?;
    }
    if let Content::Json(own) = &mut item.content {
        own.extend(fields.into_iter().filter(|(name, _)| name != "singleValueExtendedProperties"));
        let submission = read_draft(own)?;
        item.describe(&submission);
    }
    Ok(look::message(call, item))
}

fn attach(state: &State, key: &Key, body: &[u8]) -> Result<Done, Failure> {
    let attachment = Value::Object(read_object(body)?);
    json_message::check_attachment(&attachment)?;
    let id = state.drafts.attach(key, attachment)?;
    Ok(Done::json(StatusCode::CREATED, json!({"@odata.type": "#microsoft.graph.fileAttachment", "id": id})))
}

/// `send` has no body, and says so.
fn check_empty(call: &Call, body: &[u8]) -> Result<(), Failure> {
    if call.header("content-length").is_none() && call.header("transfer-encoding").is_none() {
        return Err(Failure::new(411, "LengthRequired", "A Content-Length header of 0 is needed."));
    }
    if body.is_empty() { Ok(()) } else { Err(Failure::new(400, "BadRequest", "The request must not have a body.")) }
}

fn send(
    state: &State,
    call: &Call,
    admitted: &Admitted,
    (user, key): (std::sync::Arc<User>, &Key),
    taken: &Taken,
) -> Result<Done, Failure> {
    let mut submission = state.drafts.with(key, |item| submission_of(item))?;
    submission.save_to_sent_items = true;
    send_mail::check_submission(state, admitted, &user, &submission)?;
    // Whoever is first moves it; a second request for the same draft finds none.
    state.drafts.move_to_sent(key)?;
    send_mail::commit(state, call, admitted, (user, submission), taken);
    Ok(Done::accepted())
}

fn submission_of(item: &Item) -> Result<Submission, Failure> {
    if item.is_sent {
        return Err(Failure::new(400, "ErrorInvalidRequest", "The message is no draft any more."));
    }
    match &item.content {
        Content::Mime(raw) if item.attachments.is_empty() => mime::read_raw(raw.clone()),
        Content::Mime(_) => Err(Failure::new(501, "NotImplemented", "The sandbox adds no attachments to MIME drafts.")),
        Content::Json(fields) => {
            let mut whole = fields.clone();
            let mut all = list(fields, "attachments")?.to_vec();
            all.extend(item.attachments.iter().cloned());
            whole.insert("attachments".to_owned(), Value::Array(all));
            read_draft(&whole)
        }
    }
}
