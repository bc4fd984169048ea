//! Upload sessions: attachments of 3 MB and more, in ranges, on an origin of their own.
//!
//! Promise: as strict as Outlook. The URL is opaque and holds its own permission, so a request that shows a token is
//! refused; ranges come strictly in order, at most 4 MB each; a session ends with its last byte, when it is
//! cancelled, or an hour after it was opened.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::reply::Done;
use super::super::schema::{self, flag, text, wrong_type};
use super::super::send_mail::{self, Admitted};
use super::super::throttle::Permit;
use super::keep::Key;
use super::read_object;
use crate::directory::User;
use crate::exchange::{Call, Received, decode_segment};
use crate::guid;
use crate::state::State;

/// What is smaller is added by one POST.
const MIN_BYTES: u64 = 3 * 1024 * 1024;
const MAX_BYTES: u64 = 150 * 1024 * 1024;
const LIFETIME: Duration = Duration::from_hours(1);

/// An attachment on its way in.
#[derive(Debug)]
pub(super) struct Session {
    token: String,
    client_id: String,
    user: String,
    mailbox: String,
    key: Key,
    /// The attachment without its content.
    attachment: Value,
    size: u64,
    received: Vec<u8>,
    expires: Timestamp,
}

/// Opens a session for a draft.
pub(super) fn open(
    state: &State,
    call: &Call,
    admitted: &Admitted,
    user: &User,
    key: &Key,
    body: &[u8],
) -> Result<Done, Failure> {
    let parameters = read_object(body)?;
    let item = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("AttachmentItem")).map(|(_, value)| value);
    let item = schema::ATTACHMENT_ITEM.read(item.unwrap_or(&Value::Null))?;
    if text(item, "attachmentType")? != Some("file") {
        return Err(wrong_type("attachmentType", "microsoft.graph.attachmentType"));
    }
    let size = item.get("size").and_then(Value::as_u64).ok_or_else(|| wrong_type("size", "Edm.Int64"))?;
    if size < MIN_BYTES {
        return Err(Failure::known("ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"));
    }
    if size > MAX_BYTES {
        return Err(Failure::known("ErrorAttachmentSizeLimitExceeded"));
    }
    let name = text(item, "name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::new(400, "ErrorInvalidRequest", "An attachment needs a name."))?;
    let attachment = json!({
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": name,
        "contentType": text(item, "contentType")?,
        "isInline": flag(item, "isInline")?,
        "contentId": text(item, "contentId")?,
    });
    // The draft must be there.
    state.drafts.with(key, |item| if item.is_sent { Err(Failure::known("ErrorItemNotFound")) } else { Ok(()) })?;
    let (id, token) = (guid::random(), guid::random());
    let expires = state.clock.now().checked_add(LIFETIME).unwrap_or(Timestamp::MAX);
    let answer = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.uploadSession",
        "uploadUrl": upload_url(state, call, user, &id, &token),
        "expirationDateTime": expires.to_string(),
        "nextExpectedRanges": ["0-"],
    });
    let session = Session {
        token,
        client_id: admitted.app.settings.client_id.clone(),
        user: user.settings.upn.clone(),
        mailbox: user.mailbox.clone(),
        key: key.clone(),
        attachment,
        size,
        received: Vec::new(),
        expires,
    };
    state.drafts.open_session(id, session);
    Ok(Done::json(StatusCode::CREATED, answer))
}

/// Another origin than Graph's: another port always, another name where there are two for the same machine.
fn upload_url(state: &State, call: &Call, user: &User, id: &str, token: &str) -> String {
    let scheme = if call.secure { "https" } else { "http" };
    let host = call.header("host").unwrap_or("localhost");
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let name = if name.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { name };
    let port = state.upload_port.get().copied().unwrap_or_default();
    let user = utf8_percent_encode(&user.settings.upn, NON_ALPHANUMERIC);
    format!("{scheme}://{name}:{port}/api/v2.0/Users('{user}')/AttachmentSessions('{id}')?authtoken={token}")
}

/// A session that a request showed the way to.
#[derive(Debug)]
pub(in crate::graph) struct OpenSession {
    id: String,
    user: String,
    mailbox: String,
    client_id: String,
}

/// As faults name it.
pub(in crate::graph) fn upload_operation(method: &Method) -> Option<&'static str> {
    match *method {
        Method::PUT => Some("putRange"),
        Method::GET => Some("getRanges"),
        Method::DELETE => Some("cancelUpload"),
        _ => None,
    }
}

/// The session a request is for, if it shows the right to it.
pub(in crate::graph) fn find_session(state: &State, call: &Call, segments: &[&str]) -> Result<OpenSession, Failure> {
    let gone = || Failure::known("uploadSessionNotFound");
    if call.header("authorization").is_some() {
        return Err(Failure::unauthenticated("The upload URL is authorized by itself; send no Authorization header."));
    }
    let [api, version, _, session] = segments else { return Err(gone()) };
    if (*api, *version) != ("api", "v2.0") {
        return Err(gone());
    }
    let segment = decode_segment(session).ok_or_else(gone)?;
    let id = segment.strip_prefix("AttachmentSessions('").and_then(|it| it.strip_suffix("')")).ok_or_else(gone)?;
    let token = call.query_value("authtoken").ok_or_else(gone)?;
    let now = state.clock.now();
    let found = state.drafts.session(id, |session| {
        (session.token == token && session.expires > now).then(|| OpenSession {
            id: id.to_owned(),
            user: session.user.clone(),
            mailbox: session.mailbox.clone(),
            client_id: session.client_id.clone(),
        })
    });
    found.flatten().ok_or_else(gone)
}

impl OpenSession {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// As faults name the mailbox.
    pub(in crate::graph) fn user_key(&self) -> &str {
        &self.user
    }

    /// Uploads count against the same limits as everything else on the mailbox.
    pub(in crate::graph) fn enter(&self, state: &State) -> Result<Permit, Failure> {
        state.throttle.enter(&self.client_id, &self.mailbox)
    }

    pub(in crate::graph) fn perform(
        &self,
        state: &State,
        call: &Call,
        permit: &Permit,
        body: &Received,
    ) -> Result<Done, Failure> {
        match call.method {
            Method::PUT => self.put(state, call, permit, send_mail::whole(state, body)?),
            Method::GET => state
                .drafts
                .session(&self.id, |session| {
                    let next = format!("{}-{}", session.received.len(), session.size.saturating_sub(1));
                    let expires = session.expires.to_string();
                    Done::json(StatusCode::OK, json!({"expirationDateTime": expires, "nextExpectedRanges": [next]}))
                })
                .ok_or_else(|| Failure::known("uploadSessionNotFound")),
            Method::DELETE => {
                state.drafts.close_session(&self.id);
                Ok(Done::empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Failure::wrong_method()),
        }
    }

    fn put(&self, state: &State, call: &Call, permit: &Permit, body: &Bytes) -> Result<Done, Failure> {
        permit.upload(body.len())?;
        let invalid = || Failure::known("invalidRange");
        let range = call.header("content-range").and_then(ContentRange::parse).ok_or_else(invalid)?;
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if body.is_empty() || range.last.checked_sub(range.first).map(|it| it + 1) != Some(length) {
            return Err(invalid());
        }
        let taken = state.drafts.session(&self.id, |session| session.take(&range, body));
        let next = taken.ok_or_else(|| Failure::known("uploadSessionNotFound"))??;
        match next {
            Some(answer) => Ok(Done::json(StatusCode::OK, answer)),
            None => self.finish(state, call),
        }
    }

    fn finish(&self, state: &State, call: &Call) -> Result<Done, Failure> {
        let session = state.drafts.close_session(&self.id).ok_or_else(|| Failure::known("uploadSessionNotFound"))?;
        let mut attachment = session.attachment;
        if let Some(fields) = attachment.as_object_mut() {
            fields.insert("contentBytes".to_owned(), json!(STANDARD.encode(&session.received)));
        }
        let id = state.drafts.attach(&session.key, attachment)?;
        Ok(Done::created_at(format!("{}/api/v2.0/Users('me')/Attachments('{id}')", call.origin())))
    }
}

impl Session {
    /// Takes a range; `None` when it was the last.
    fn take(&mut self, range: &ContentRange, body: &[u8]) -> Result<Option<Value>, Failure> {
        let so_far = u64::try_from(self.received.len()).unwrap_or(u64::MAX);
        if range.total != self.size || range.last >= self.size {
            return Err(Failure::known("invalidRange"));
        }
        match range.first.cmp(&so_far) {
            std::cmp::Ordering::Less => return Err(Failure::known("fragmentOverlap")),
            std::cmp::Ordering::Greater => return Err(Failure::known("fragmentOutOfOrder")),
            std::cmp::Ordering::Equal => self.received.extend_from_slice(body),
        }
        if range.last + 1 == self.size {
            return Ok(None);
        }
        // The bare number and the capital letter are Outlook's own.
        let next = (range.last + 1).to_string();
        Ok(Some(json!({"ExpirationDateTime": self.expires.to_string(), "nextExpectedRanges": [next]})))
    }
}

/// `bytes first-last/total`.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    total: u64,
}

impl ContentRange {
    fn parse(value: &str) -> Option<Self> {
        let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()?, total: total.parse().ok()? })
    }
}
