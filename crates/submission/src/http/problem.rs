//! Errors as problem documents (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mail::compose::ComposeError;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use crate::intake::{AuthError, Refusal, RefusalKind};

/// A disk does not grow room, and a store does not mend, in a second.
const RETRY_AFTER_TROUBLE_SECONDS: u64 = 60;

/// An error answer. `detail` is for the person who reads it and says what to do; `code` is for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// `snake_case`, stable.
    code: &'static str,
    /// Which part of the request, if one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
}

/// Rides on an error answer to whoever counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProblemCode(pub(super) &'static str);

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            field: None,
            retry_after_seconds: None,
        }
    }

    /// Names the part of the request that is to blame.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// The request can be read, and asks for what cannot be.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_message", detail)
    }

    /// For callers beyond a bound.
    pub fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(1)
    }

    pub(super) fn too_large(limit: u64) -> Self {
        let detail = format!("The request is larger than {limit} bytes: send less, or ask for a higher limit");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    pub(super) fn timeout() -> Self {
        let detail = "The request did not arrive in time: send it again, over a faster connection if you can";
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let detail = "Send the message as application/json, or as it is with Content-Type message/rfc822";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail = "This address does not take that method: the Allow header names those it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    pub(super) fn unknown_message() -> Self {
        let detail = "There is no message with this id, or another account handed it in: check the id";
        Self::new(StatusCode::NOT_FOUND, "unknown_message", detail)
    }

    pub(super) fn no_such_call() -> Self {
        let detail = "There is no such call: /api/openapi.json describes those there are";
        Self::new(StatusCode::NOT_FOUND, "no_such_call", detail)
    }

    pub(super) fn account_needed() -> Self {
        let detail = "Only a submission account hands messages in: use the API token of one";
        Self::new(StatusCode::FORBIDDEN, "account_needed", detail)
    }

    pub(super) fn missing_token() -> Self {
        let detail = "Send the submission account's API token: Authorization: Bearer TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, "missing_token", detail)
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::InvalidCredentials => {
                let detail = "This API token is not known: check it, or ask your administrator for a new one";
                Self::new(StatusCode::UNAUTHORIZED, "invalid_token", detail)
            }
            AuthError::NetworkNotAllowed => {
                let detail =
                    "This account may not be used from this network: ask your administrator to add the network";
                Self::new(StatusCode::FORBIDDEN, "network_not_allowed", detail)
            }
            AuthError::Busy => Self::busy("Too many sign-ins at once: try again in a moment"),
            AuthError::Unavailable => {
                let detail = "Signing in does not work at the moment: try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                    .retry_after(RETRY_AFTER_TROUBLE_SECONDS)
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, retry_after) = match refusal.kind {
            RefusalKind::SenderNotAllowed => (StatusCode::FORBIDDEN, None),
            RefusalKind::AccountGone => (StatusCode::UNAUTHORIZED, None),
            RefusalKind::RateLimited { retry_after } => (StatusCode::TOO_MANY_REQUESTS, Some(retry_after.as_secs())),
            RefusalKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, None),
            RefusalKind::NoRecipients
            | RefusalKind::TooManyRecipients
            | RefusalKind::HeaderTooLarge
            | RefusalKind::Loop
            | RefusalKind::IdempotencyMismatch => (StatusCode::UNPROCESSABLE_ENTITY, None),
            RefusalKind::DiskFull | RefusalKind::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER_TROUBLE_SECONDS))
            }
        };
        let problem = Self::new(status, refusal.kind.name(), refusal.peer_text);
        retry_after.map_or(problem.clone(), |seconds| problem.retry_after(seconds))
    }
}

impl From<ComposeError> for Problem {
    fn from(error: ComposeError) -> Self {
        Self { field: Some(error.field.clone()), ..Self::unprocessable(error.to_string()) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::NotFound { .. }) {
            return Self::unknown_message();
        }
        tracing::error!(event = "http_store_failed", %error, "a request failed in the store");
        let detail = "The queue cannot be read at the moment: try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(RETRY_AFTER_TROUBLE_SECONDS)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        response.extensions_mut().insert(ProblemCode(self.code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
