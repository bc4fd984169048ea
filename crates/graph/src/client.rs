//! One request to Graph, whatever it asks for, and the simplest of them: sending a message as MIME.
//!
//! ```text
//!   token ─► open the payload ─► request ──► expected answer ─► done
//!                  ▲                ├──────► 401 ─► once: forget the token, begin again
//!                  └────────────────┘       other ► GraphError
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use entra::{AccessToken, Obstacle, Root, TokenSource};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Request, Response, StatusCode};
use url::Url;

use crate::body::Progress;
use crate::call::{Answered, Call, Effect, OpenedPayload, Payload, with_body};
use crate::connections::Connections;
use crate::deadlines::Deadlines;
use crate::error::{Cause, FailureClass, GraphError, LostBy, Refused, Sent, class_of_lost};
use crate::failure_table;
use crate::mailbox::MailboxSegment;
use crate::mime::MimeSource;
use crate::refusal::{MAX_BODY_BYTES, Refusal};
use crate::verdict;

/// The one call here that is not about a draft.
const SEND_MAIL: &str = "sendMail";

/// A refused token is replaced at most this often, so that a mailbox we may not use does not cause a sign-in per message.
const STALE_PERMISSIONS_AFTER: Duration = Duration::from_mins(1);

/// Graph has the message. Not: it was delivered; invalid recipients come back later as mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub client_request_id: String,
    pub request_id: Option<String>,
    /// The answer's `Date`.
    pub date: Option<String>,
}

/// Mail through one Graph endpoint with one credential. Cheap to clone.
#[derive(Clone)]
pub struct GraphMail {
    connections: Arc<Connections>,
    root: Root,
    tokens: TokenSource,
    pub(crate) deadlines: Deadlines,
}

impl GraphMail {
    pub fn new(http: Client, graph_root: Root, tokens: TokenSource) -> Self {
        Self {
            connections: Arc::new(Connections::new(http)),
            root: graph_root,
            tokens,
            deadlines: Deadlines::default(),
        }
    }

    #[must_use]
    pub fn with_deadlines(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    /// After a `503` or `504`, calls go over new connections, as Microsoft advises: `renew` makes the client for them.
    #[must_use]
    pub fn with_new_connections_from(self, renew: impl Fn() -> Option<Client> + Send + Sync + 'static) -> Self {
        Self { connections: Arc::new(self.connections.renewed_by(renew)), ..self }
    }

    /// Sends one message in MIME form from `mailbox`. Recipients are those of its header fields; Graph has no envelope.
    pub async fn send_mime(&self, mailbox: &MailboxSegment, message: &dyn MimeSource) -> Result<Accepted, GraphError> {
        let call = Call {
            method: Method::POST,
            below_mailbox: SEND_MAIL.to_owned(),
            payload: Payload::Mime(message),
            expected: StatusCode::ACCEPTED,
            effect: Effect::Sends,
        };
        self.call(mailbox, &call).await.map(|answered| answered.accepted())
    }

    /// One request, and a second one with a fresh token if the first token was refused.
    pub(crate) async fn call(&self, mailbox: &MailboxSegment, call: &Call<'_>) -> Result<Answered, GraphError> {
        let token = self.token().await?;
        match self.attempt(mailbox, call, &token).await {
            Err(error) if error.status() == Some(401) => {
                tracing::info!(event = "token_refused", %error, mailbox = %mailbox);
                self.tokens.invalidate(&token);
                let fresh = self.token().await?;
                self.attempt(mailbox, call, &fresh).await
            }
            result => result,
        }
    }

    async fn token(&self) -> Result<AccessToken, GraphError> {
        self.tokens.token().await.map_err(|error| {
            let class = if error.is_transient() {
                FailureClass::Transient { retry_after: error.retry_after() }
            } else {
                FailureClass::Configuration
            };
            GraphError { cause: Cause::Token(error), class, client_request_id: entra::fresh_guid() }
        })
    }

    /// One request. Whatever it answers, nothing is tried a second time here.
    async fn attempt(
        &self,
        mailbox: &MailboxSegment,
        call: &Call<'_>,
        token: &AccessToken,
    ) -> Result<Answered, GraphError> {
        let id = entra::fresh_guid();
        let fail = |cause, class| GraphError { cause, class, client_request_id: id.clone() };
        let nothing_sent = FailureClass::Transient { retry_after: None };
        let opened = call.open().await.map_err(|error| fail(Cause::Source(error), nothing_sent))?;
        let OpenedPayload { body, progress, content_type, request_bytes } = opened;
        let request = self
            .request(mailbox, call, token, &id, content_type)
            .ok_or_else(|| fail(Cause::Address, FailureClass::Configuration))?;
        let outcome = self.exchange(with_body(request, body), request_bytes, &progress, call.effect).await;
        let answer = outcome.map_err(|(cause, class)| fail(cause, class))?;
        if answer.status() == call.expected {
            return Ok(Answered { response: answer, client_request_id: id });
        }
        let refusal = self.read_refusal(answer).await;
        self.learn_from(&refusal, token);
        let row = failure_table::find(&refusal);
        let class = verdict::class_of(row, &refusal, progress.sent(), request_bytes);
        let class = if call.below_mailbox == SEND_MAIL { class } else { call.effect.class(class, &refusal) };
        let claims = verdict::is_about_permission(&refusal).then(|| token.claims().ok()).flatten();
        let mailbox = mailbox.to_string();
        let is_about_drafts = call.effect == Effect::Prepares;
        Err(fail(Cause::Refused(Box::new(Refused { refusal, row, claims, mailbox, is_about_drafts })), class))
    }

    /// Sends a request and waits for its answer, each within its time.
    pub(crate) async fn exchange(
        &self,
        request: Request,
        request_bytes: u64,
        progress: &Progress,
        effect: Effect,
    ) -> Result<Response, (Cause, FailureClass)> {
        let deadline = self.deadlines.total(request_bytes);
        match tokio::time::timeout(deadline, self.connections.client().execute(request)).await {
            Err(_) => {
                let sent = effect.sent(progress.sent());
                Err((Cause::Lost { sent, problem: LostBy::Deadline(deadline) }, class_of_lost(sent)))
            }
            Ok(Err(error)) => Err(lost(&error, progress, effect)),
            Ok(Ok(answer)) => Ok(answer),
        }
    }

    fn request(
        &self,
        mailbox: &MailboxSegment,
        call: &Call<'_>,
        token: &AccessToken,
        id: &str,
        content_type: Option<&'static str>,
    ) -> Option<Request> {
        let text = format!("{}/v1.0/{}/{}", self.root, mailbox.path(), call.below_mailbox);
        // A URL library that would rather have another path must not get its way.
        let url = Url::parse(&text).ok().filter(|url| url.as_str() == text)?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
        bearer.set_sensitive(true);
        let mut request = Request::new(call.method.clone(), url);
        let headers: &mut HeaderMap = request.headers_mut();
        headers.insert(AUTHORIZATION, bearer);
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        } else if call.method == Method::POST {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("client-request-id", HeaderValue::try_from(id).ok()?);
        if call.below_mailbox != SEND_MAIL {
            headers.insert("prefer", HeaderValue::from_static("IdType=\"ImmutableId\""));
        }
        Some(request)
    }

    /// Reads as much of a refusal's body as makes sense. A body that breaks or dawdles costs words, not the verdict.
    pub(crate) async fn read_refusal(&self, mut answer: Response) -> Refusal {
        let head = Refusal::from_head(answer.status().as_u16(), answer.headers(), Timestamp::now());
        let mut body = Vec::new();
        let reading = async {
            while let Ok(Some(chunk)) = answer.chunk().await {
                let room = MAX_BODY_BYTES.saturating_sub(body.len());
                body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
                if body.len() >= MAX_BODY_BYTES {
                    break;
                }
            }
        };
        // On a timeout, what was read until then is used.
        let _ = tokio::time::timeout(self.deadlines.error_body, reading).await;
        head.with_body(&body)
    }

    fn learn_from(&self, refusal: &Refusal, token: &AccessToken) {
        match refusal.status {
            503 | 504 => self.connections.renew(),
            // Permissions are written into the token when it is issued. Without this, a grant made in Entra today would
            // be noticed only when this token ends, an hour later.
            403 if token.age() > STALE_PERMISSIONS_AFTER => self.tokens.invalidate(token),
            _ => {}
        }
    }
}

impl fmt::Debug for GraphMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphMail")
            .field("root", &self.root)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

/// What an attempt without an answer was, and what it means for the message.
fn lost(error: &reqwest::Error, progress: &Progress, effect: Effect) -> (Cause, FailureClass) {
    if let Some(read_error) = progress.take_read_error() {
        return (Cause::Source(read_error), FailureClass::Transient { retry_after: None });
    }
    let obstacle = Obstacle::of(error);
    let (sent, problem) = if error.is_connect() {
        let host = error.url().and_then(Url::host_str).unwrap_or("Microsoft Graph").to_owned();
        (Sent::Nothing, LostBy::Connecting { host, obstacle })
    } else {
        (effect.sent(progress.sent()), LostBy::Breaking(obstacle.why))
    };
    (Cause::Lost { sent, problem }, class_of_lost(sent))
}
