//! Refusals as Entra words them: an OAuth error, an AADSTS number, and ids for the support case.

mod known;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::exchange::{Call, json_reply, set_header};
use crate::guid;
use known::KNOWN;

/// A request that was refused.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: u32,
    pub(crate) error: &'static str,
    text: String,
    retry_after: Option<f64>,
}

impl Refusal {
    /// The refusal of this number with its usual text. An unknown number is an `invalid_request`.
    pub(crate) fn new(code: u32) -> Self {
        let known = KNOWN.iter().find(|(number, ..)| *number == code);
        let (error, text) =
            known.map_or(("invalid_request", "The request was refused."), |(_, error, text)| (error, text));
        Self { code, error, text: text.to_owned(), retry_after: None }
    }

    /// The refusal of this number with a text of its own.
    pub(crate) fn saying(code: u32, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::new(code) }
    }

    /// A required parameter is not there.
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::saying(900_144, format!("The request body must contain the following parameter: '{parameter}'."))
    }

    /// The token endpoint's 429.
    pub(crate) fn throttled(retry_after: f64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(90055) }
    }

    /// The same number under another OAuth error, where the protocol wants one of its own.
    pub(crate) fn with_error(self, error: &'static str) -> Self {
        Self { error, ..self }
    }

    /// The text after the number, for pages.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// `error_description` as it goes out with these ids.
    pub(crate) fn description(&self, ids: &Ids) -> String {
        let Self { code, text, .. } = self;
        let Ids { trace, correlation, stamp } = ids;
        format!("AADSTS{code}: {text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}")
    }

    fn status(&self) -> StatusCode {
        match self.error {
            _ if self.retry_after.is_some() => StatusCode::TOO_MANY_REQUESTS,
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer as it goes out.
    pub(crate) fn reply(&self, call: &Call, now: Timestamp) -> Response<Full<Bytes>> {
        let ids = Ids::new(call, now);
        let Self { code, error, .. } = self;
        let body = json!({
            "error": error,
            "error_description": self.description(&ids),
            "error_codes": [code],
            "timestamp": ids.stamp,
            "trace_id": ids.trace,
            "correlation_id": ids.correlation,
            "error_uri": format!("{}/error?code={code}", call.origin()),
        });
        let mut response = json_reply(self.status(), &body);
        set_header(&mut response, "x-ms-request-id", &ids.trace);
        set_header(&mut response, "client-request-id", &ids.correlation);
        if let Some(seconds) = self.retry_after {
            set_header(&mut response, "retry-after", &seconds.to_string());
        }
        response
    }
}

/// What an administrator would copy to support.
#[derive(Debug)]
pub(crate) struct Ids {
    pub(crate) trace: String,
    pub(crate) correlation: String,
    pub(crate) stamp: String,
}

impl Ids {
    pub(crate) fn new(call: &Call, now: Timestamp) -> Self {
        Self {
            trace: guid::random(),
            correlation: call.header("client-request-id").map_or_else(guid::random, str::to_owned),
            stamp: now.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        }
    }
}
