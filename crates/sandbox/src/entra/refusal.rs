//! Refusals as Entra words them: an OAuth error, an AADSTS number, and ids for the support case.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::exchange::{Call, json_reply, set_header};
use crate::guid;

/// Number, OAuth error, and the text when nothing more exact is known.
const KNOWN: &[(u32, &str, &str)] = &[
    (50012, "invalid_client", "Authentication failed."),
    (50027, "invalid_request", "JWT token is invalid or malformed."),
    (50048, "invalid_client", "Subject must match Issuer claim in the client assertion."),
    (
        50059,
        "invalid_request",
        "No tenant-identifying information found in either the request or implied by any provided credentials.",
    ),
    (50196, "invalid_grant", "The server terminated an operation because it encountered a client request loop."),
    (
        53003,
        "access_denied",
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
    ),
    (65001, "invalid_grant", "The user or administrator has not consented to use the application."),
    (70003, "unsupported_grant_type", "The app requested an unsupported grant type."),
    (70011, "invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    (
        90002,
        "invalid_request",
        "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
    ),
    (90006, "server_error", "The service has encountered an internal error. Please retry."),
    (90012, "temporarily_unavailable", "The service request timed out."),
    (90024, "temporarily_unavailable", "The request budget was exceeded. Please retry."),
    (90033, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    (90055, "temporarily_unavailable", "The tenant has exceeded its request rate."),
    (500_011, "invalid_resource", "The resource principal was not found in the tenant."),
    (700_016, "unauthorized_client", "The application was not found in the directory."),
    (700_021, "invalid_client", "Client assertion application identifier doesn't match 'client_id' parameter."),
    (700_023, "invalid_client", "Client assertion audience claim does not match the token endpoint."),
    (700_024, "invalid_client", "Client assertion is not within its valid time range."),
    (
        700_025,
        "invalid_client",
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    ),
    (
        700_027,
        "invalid_client",
        "The certificate with identifier used to sign the client assertion is not registered on application.",
    ),
    (700_030, "invalid_client", "Invalid certificate."),
    (900_144, "invalid_request", "The request body must contain a parameter that is missing."),
    (900_561, "invalid_request", "The endpoint only accepts POST requests."),
    (
        1_002_012,
        "invalid_scope",
        "Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
    ),
    (
        5_002_738,
        "invalid_request",
        "Invalid JWT token. The signature algorithm is not supported. Supported signing algorithms are: 'RS256, PS256'.",
    ),
    (7_000_112, "unauthorized_client", "Application is disabled."),
    (
        7_000_215,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app.",
    ),
    (
        7_000_218,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    (7_000_222, "invalid_client", "The provided client secret keys are expired."),
    (
        9_001_023,
        "invalid_request",
        "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
    ),
];

/// A token request that was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u32,
    error: &'static str,
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
        let trace = guid::random();
        let correlation = call.header("client-request-id").map_or_else(guid::random, str::to_owned);
        let stamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let Self { code, error, text, .. } = self;
        let body = json!({
            "error": error,
            "error_description":
                format!("AADSTS{code}: {text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}"),
            "error_codes": [code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{}/error?code={code}", call.origin()),
        });
        let mut response = json_reply(self.status(), &body);
        set_header(&mut response, "x-ms-request-id", &trace);
        set_header(&mut response, "client-request-id", &correlation);
        if let Some(seconds) = self.retry_after {
            set_header(&mut response, "retry-after", &seconds.to_string());
        }
        response
    }
}
