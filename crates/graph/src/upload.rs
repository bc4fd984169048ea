//! Attachments of a draft: small ones in one request, large ones in ranges.
//!
//! Promise: a range whose answer was lost is not guessed about: the session is asked what it expects next, and the upload
//! goes on there. The upload URL is a credential on another origin: it gets no token of ours, and is logged nowhere.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mail::graph_json::File;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::body::Progress;
use crate::call::{Effect, Payload, read_json};
use crate::client::GraphMail;
use crate::draft::{DraftId, LargeSource, Pieces, preparing, unreadable};
use crate::error::{Cause, FailureClass, GraphError, Refused};
use crate::mailbox::MailboxSegment;
use crate::{failure_table, verdict};

/// Below this an attachment goes in one POST. Microsoft says '3 MB' without saying which.
const SESSION_FROM_BYTES: u64 = 3_000_000;

/// What Graph takes in one request.
const REQUEST_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Outlook takes ranges under 4 MB; this is also a multiple of the 320 KiB other services want.
const RANGE_BYTES: u64 = 12 * 320 * 1024;

/// Troubles in one range after which the attempt ends; the next one begins anew.
const MAX_TROUBLES: u32 = 5;

/// The longest `Retry-After` that is waited for within an upload: beginning anew would upload more.
const MAX_WAIT: Duration = Duration::from_mins(2);
const SHORT_WAIT: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    upload_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    #[serde(default)]
    next_expected_ranges: Vec<String>,
}

/// The files' content, read as much at a time as is wanted.
struct Reading {
    pieces: Box<dyn Pieces>,
    left: Bytes,
}

impl Reading {
    /// Exactly `wanted` bytes.
    async fn take(&mut self, wanted: u64) -> io::Result<Vec<u8>> {
        let wanted = usize::try_from(wanted).map_err(io::Error::other)?;
        let mut taken = Vec::with_capacity(wanted);
        while taken.len() < wanted {
            if self.left.is_empty() {
                let next = self.pieces.next().await?;
                self.left = next.ok_or_else(|| {
                    io::Error::new(io::ErrorKind::UnexpectedEof, "an attachment is shorter than recorded")
                })?;
            }
            let room = wanted.saturating_sub(taken.len()).min(self.left.len());
            taken.extend_from_slice(&self.left.split_to(room));
        }
        Ok(taken)
    }
}

fn unread(error: io::Error) -> GraphError {
    let class = FailureClass::Transient { retry_after: None };
    GraphError { cause: Cause::Source(error), class, client_request_id: entra::fresh_guid() }
}

/// Where an upload goes on.
enum Next {
    At(u64),
    Finished,
}

impl GraphMail {
    pub(crate) async fn attach_all(
        &self,
        mailbox: &MailboxSegment,
        id: &DraftId,
        message: &dyn LargeSource,
    ) -> Result<(), GraphError> {
        let pieces = message.open().await.map_err(unread)?;
        let mut reading = Reading { pieces, left: Bytes::new() };
        for file in message.files() {
            if file.size < SESSION_FROM_BYTES {
                let content = reading.take(file.size).await.map_err(unread)?;
                self.post(mailbox, id, file, &content).await?;
            } else {
                self.attach_large(mailbox, id, file, &mut reading).await?;
            }
        }
        Ok(())
    }

    async fn attach_large(
        &self,
        mailbox: &MailboxSegment,
        id: &DraftId,
        file: &File,
        reading: &mut Reading,
    ) -> Result<(), GraphError> {
        match self.open_session(mailbox, id, file).await {
            Ok(url) => self.upload(mailbox, &url, file, reading).await,
            // The other reading of '3 MB'. Some hundred bytes below that, a file fits neither way, and is told so.
            Err(error) if is_too_small(&error) && fits_one_request(file) => {
                let content = reading.take(file.size).await.map_err(unread)?;
                self.post(mailbox, id, file, &content).await
            }
            Err(error) => Err(error),
        }
    }

    async fn post(
        &self,
        mailbox: &MailboxSegment,
        id: &DraftId,
        file: &File,
        content: &[u8],
    ) -> Result<(), GraphError> {
        let mut body = head_of_post(file);
        // The base64 is written into the text, not copied into a value first.
        body.reserve(base64_bytes(content.len()).saturating_add(TAIL_OF_POST.len()));
        STANDARD.encode_string(content, &mut body);
        body.push_str(TAIL_OF_POST);
        let path = format!("{}/attachments", id.path());
        let call = preparing(Method::POST, path, Payload::Json(Bytes::from(body)), StatusCode::CREATED);
        self.call(mailbox, &call).await.map(|_| ())
    }

    async fn open_session(&self, mailbox: &MailboxSegment, id: &DraftId, file: &File) -> Result<Url, GraphError> {
        let mut item = json!({
            "attachmentType": "file",
            "name": file.name,
            "size": file.size,
            "contentType": file.media_type,
            "isInline": file.is_inline,
        });
        add_content_id(&mut item, file);
        let payload = Payload::Json(Bytes::from(json!({"AttachmentItem": item}).to_string()));
        let path = format!("{}/attachments/createUploadSession", id.path());
        let call = preparing(Method::POST, path, payload, StatusCode::CREATED);
        let answered = self.call(mailbox, &call).await?;
        let client_request_id = answered.client_request_id.clone();
        let session: Option<Session> = answered.json().await;
        let url = session.and_then(|it| Url::parse(&it.upload_url).ok()).filter(entra::is_private);
        url.ok_or_else(|| unreadable(client_request_id))
    }

    async fn upload(
        &self,
        mailbox: &MailboxSegment,
        url: &Url,
        file: &File,
        reading: &mut Reading,
    ) -> Result<(), GraphError> {
        let mut first = 0;
        while first < file.size {
            let length = RANGE_BYTES.min(file.size.saturating_sub(first));
            let range = Bytes::from(reading.take(length).await.map_err(unread)?);
            match self.put_range(mailbox, url, first, &range, file.size).await {
                Ok(()) => {}
                Err(error) => {
                    self.cancel(url).await;
                    return Err(error);
                }
            }
            first = first.saturating_add(length);
        }
        Ok(())
    }

    /// Sends one range until the session has all of it.
    async fn put_range(
        &self,
        mailbox: &MailboxSegment,
        url: &Url,
        first: u64,
        range: &Bytes,
        total: u64,
    ) -> Result<(), GraphError> {
        let end = first.saturating_add(u64::try_from(range.len()).unwrap_or(u64::MAX));
        let mut at = first;
        let mut troubles = 0;
        while at < end {
            let from = usize::try_from(at.saturating_sub(first)).unwrap_or(usize::MAX).min(range.len());
            let error = match self.put(mailbox, url, at, range.slice(from..), total).await {
                Ok(Next::Finished) => return Ok(()),
                Ok(Next::At(next)) if next > at && next <= end => {
                    at = next;
                    continue;
                }
                Ok(Next::At(_)) => unreadable(entra::fresh_guid()),
                Err(error) => error,
            };
            troubles += 1;
            let wait = error.retry_after().unwrap_or(SHORT_WAIT);
            let can_pass = matches!(error.class(), FailureClass::Transient { .. });
            if troubles >= MAX_TROUBLES || wait > MAX_WAIT || !can_pass {
                return Err(error);
            }
            tracing::info!(event = "upload_interrupted", %error, mailbox = %mailbox, at, total);
            tokio::time::sleep(wait).await;
            match self.ask(mailbox, url).await {
                Ok(next) if (first..=end).contains(&next) => at = next,
                // A session that wants something else has lost its way, or ended. The next attempt begins anew.
                Ok(_) => return Err(error),
                Err(asked) if matches!(asked.status(), Some(404 | 410)) => return Err(error),
                // Not even that can be asked now: the range again, or the same trouble again.
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn put(
        &self,
        mailbox: &MailboxSegment,
        url: &Url,
        at: u64,
        range: Bytes,
        total: u64,
    ) -> Result<Next, GraphError> {
        let length = u64::try_from(range.len()).unwrap_or(u64::MAX);
        let last = at.saturating_add(length).saturating_sub(1);
        let mut request = Request::new(Method::PUT, url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if let Ok(value) = HeaderValue::try_from(format!("bytes {at}-{last}/{total}")) {
            headers.insert(CONTENT_RANGE, value);
        }
        *request.body_mut() = Some(range.into());
        let answer = self.session_call(mailbox, request, length).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(Next::Finished);
        }
        // The answer says what it took; if it cannot be read, the session is asked.
        let expected: Option<Expected> = read_json(answer).await;
        let next = expected.as_ref().and_then(next_expected);
        next.map(Next::At).ok_or_else(|| unreadable(entra::fresh_guid()))
    }

    /// The byte the session expects next.
    async fn ask(&self, mailbox: &MailboxSegment, url: &Url) -> Result<u64, GraphError> {
        let answer = self.session_call(mailbox, Request::new(Method::GET, url.clone()), 0).await?;
        let expected: Option<Expected> = read_json(answer).await;
        expected.as_ref().and_then(next_expected).ok_or_else(|| unreadable(entra::fresh_guid()))
    }

    async fn cancel(&self, url: &Url) {
        let request = Request::new(Method::DELETE, url.clone());
        // Sessions end by themselves; this only spares Microsoft the wait.
        let _ = self.exchange(request, 0, &Progress::of_one_piece(), Effect::Prepares).await;
    }

    /// One request to the session's own origin, which wants no token.
    async fn session_call(
        &self,
        mailbox: &MailboxSegment,
        request: Request,
        request_bytes: u64,
    ) -> Result<Response, GraphError> {
        let id = entra::fresh_guid();
        let fail = |cause, class| GraphError { cause, class, client_request_id: id.clone() };
        let exchanged = self.exchange(request, request_bytes, &Progress::of_one_piece(), Effect::Prepares).await;
        let answer = exchanged.map_err(|(cause, class)| fail(cause, class))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let refusal = self.read_refusal(answer).await;
        let row = failure_table::find(&refusal);
        let class = verdict::class_of(row, &refusal, crate::error::Sent::Part, request_bytes);
        let class = Effect::Prepares.class(class, &refusal);
        let mailbox = mailbox.to_string();
        let refused = Refused { refusal, row, claims: None, mailbox, is_about_drafts: false };
        // A session that ended, or wants other ranges, says nothing about the message: a new one will do.
        let class = match class {
            FailureClass::Permanent | FailureClass::Configuration => FailureClass::Transient { retry_after: None },
            other => other,
        };
        Err(fail(Cause::Refused(Box::new(refused)), class))
    }
}

/// An attachment as JSON up to where its content begins.
fn head_of_post(file: &File) -> String {
    let mut head = json!({
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": file.name,
        "contentType": file.media_type,
        "isInline": file.is_inline,
    });
    add_content_id(&mut head, file);
    let mut head = head.to_string();
    // Without the closing brace.
    head.pop();
    head.push_str(",\"contentBytes\":\"");
    head
}

const TAIL_OF_POST: &str = "\"}";

fn base64_bytes(content_bytes: usize) -> usize {
    content_bytes.div_ceil(3).saturating_mul(4)
}

fn fits_one_request(file: &File) -> bool {
    let content = base64_bytes(usize::try_from(file.size).unwrap_or(usize::MAX));
    head_of_post(file).len().saturating_add(content).saturating_add(TAIL_OF_POST.len()) <= REQUEST_MAX_BYTES
}

fn add_content_id(item: &mut Value, file: &File) {
    if let (Some(id), Some(fields)) = (&file.content_id, item.as_object_mut()) {
        fields.insert("contentId".to_owned(), json!(id));
    }
}

fn is_too_small(error: &GraphError) -> bool {
    let code = error.code().unwrap_or_default();
    code.eq_ignore_ascii_case("ErrorAttachmentSizeShouldNotBeLessThanMinimumSize")
}

/// Microsoft writes `26-`, `26-99` and `26`.
fn next_expected(expected: &Expected) -> Option<u64> {
    let first = expected.next_expected_ranges.first()?;
    first.split('-').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_range_is_read_in_all_of_microsofts_forms() {
        for (text, next) in
            [("0-", Some(0)), ("3932160", Some(3_932_160)), ("26-99", Some(26)), ("", None), ("x", None)]
        {
            assert_eq!(next_expected(&Expected { next_expected_ranges: vec![text.to_owned()] }), next, "{text}");
        }
        assert_eq!(next_expected(&Expected { next_expected_ranges: vec![] }), None);
    }

    #[test]
    fn mail_is_uploaded_encrypted_or_to_this_machine() {
        for (url, fit) in [
            ("https://outlook.office.com/x?authtoken=e", true),
            ("http://outlook.office.com/x", false),
            ("http://127.0.0.1:9/x", true),
            ("http://localhost:9/x", true),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(entra::is_private(&Url::parse(url).unwrap()), fit, "{url}");
        }
    }

    #[test]
    fn a_file_is_sent_by_post_up_to_the_last_byte_of_a_request() {
        let file = |size| File {
            part: 1,
            name: "report.bin".into(),
            media_type: "application/octet-stream".into(),
            is_inline: false,
            content_id: None,
            size,
        };
        let around = head_of_post(&file(0)).len() + TAIL_OF_POST.len();
        let most = u64::try_from((REQUEST_MAX_BYTES - around) / 4 * 3).unwrap();
        assert!(fits_one_request(&file(most)) && !fits_one_request(&file(most + 1)));
        // What stands around it costs no more than that: the gap below 3 MiB is small.
        assert!(3 * 1024 * 1024 - most < 200, "{}", 3 * 1024 * 1024 - most);
    }
}
