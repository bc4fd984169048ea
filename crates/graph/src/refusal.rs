//! Graph's error answers: JSON of several shapes, HTML, nothing, or far too much.
//!
//! Promise: status and headers are always kept; of the body at most [`MAX_BODY_BYTES`] are read, and whatever can be
//! understood is. Codes come from several layers in several spellings and are compared without regard to case.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// Graph's errors are under two kilobytes; a proxy's page may be any size.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// Enough of a sentence for an administrator.
const MAX_MESSAGE_CHARS: usize = 500;

/// An answer other than `202`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// The outermost code.
    pub(crate) code: Option<String>,
    /// Codes of the inner errors, outermost first.
    pub(crate) inner_codes: Vec<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) diagnostic: Option<String>,
    /// The `error` of a `WWW-Authenticate` challenge.
    pub(crate) challenge: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn from_head(status: u16, headers: &reqwest::header::HeaderMap, now: Timestamp) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(printable);
        Self {
            status,
            request_id: text("request-id"),
            date: text("date"),
            diagnostic: text("x-ms-ags-diagnostic"),
            challenge: text("www-authenticate").as_deref().and_then(challenge_error),
            retry_after: text("retry-after").and_then(|value| entra::parse_retry_after(&value, now)),
            ..Self::default()
        }
    }

    /// Adds what the body says, if it says anything.
    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return self;
        };
        let Some(error) = json.get("error") else {
            return self;
        };
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).map(printable).filter(|text| !text.is_empty())
        };
        self.code = text(error, "code");
        self.message = text(error, "message");
        let mut inner = inner_error(error);
        // Seen one and two deep; the bound is against an answer made to keep us busy.
        for _ in 0..8 {
            let Some(level) = inner else { break };
            self.inner_codes.extend(text(level, "code"));
            self.request_id = self.request_id.or_else(|| text(level, "request-id"));
            inner = inner_error(level);
        }
        self
    }

    /// Every code of the answer, outermost first.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &str> {
        self.code.iter().chain(&self.inner_codes).map(String::as_str)
    }

    /// Whether Graph itself answered, rather than something on the way.
    pub(crate) fn is_from_graph(&self) -> bool {
        self.request_id.is_some() || self.diagnostic.is_some()
    }

    /// "Recipient 'x.@gmail.test' is not resolved": the address between the quotes, which may itself hold one.
    pub(crate) fn invalid_recipient(&self) -> Option<&str> {
        if !self.codes().any(|code| code.eq_ignore_ascii_case("ErrorInvalidRecipients")) {
            return None;
        }
        let (_, after) = self.message.as_deref()?.split_once("Recipient '")?;
        let (address, _) = after.split_once("' is").or_else(|| after.split_once('\''))?;
        Some(address).filter(|address| !address.is_empty())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        for code in self.codes() {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " request-id={id}")?;
        }
        Ok(())
    }
}

fn inner_error(error: &Value) -> Option<&Value> {
    let (_, inner) = error.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case("innerError"))?;
    Some(inner)
}

/// Text from outside, fit for a log line.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}

fn challenge_error(header: &str) -> Option<String> {
    let (_, after) = header.split_once("error=\"")?;
    let (error, _) = after.split_once('"')?;
    Some(error.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Refusal {
        Refusal { status: 400, ..Refusal::default() }.with_body(body.as_bytes())
    }

    #[test]
    fn codes_are_found_however_deep_and_however_spelled() {
        let refusal = read(
            r#"{"error":{"code":"tooManyRequests","message":"Please retry","innererror":{"code":"429",
                "InnerError":{"code":"ApplicationThrottled","request-id":"r-1"}}}}"#,
        );
        assert_eq!(refusal.codes().collect::<Vec<_>>(), ["tooManyRequests", "429", "ApplicationThrottled"]);
        assert_eq!(refusal.request_id.as_deref(), Some("r-1"));
    }

    #[test]
    fn a_body_that_is_no_error_object_is_no_harm() {
        // HTML, nothing, an error that is a string, a list, and a nesting without end.
        let deep = format!("{}1{}", r#"{"error":{"innerError":"#.repeat(40), "}}".repeat(40));
        for body in ["<html>503</html>", "", r#"{"error":"x"}"#, "[]", "null", deep.as_str()] {
            assert_eq!(read(body).code, None, "{body}");
        }
    }

    #[test]
    fn the_invalid_recipient_is_named_when_the_text_names_it() {
        let table = [
            ("At least one recipient is not valid., Recipient 'x.@gmail.test' is not resolved.", Some("x.@gmail.test")),
            ("Recipient 'o'neil@d.test' is not resolved. All recipients must be resolved.", Some("o'neil@d.test")),
            ("At least one recipient isn't valid., A message can't be sent because it contains no recipients.", None),
            ("Recipient '' is not resolved.", None),
            ("", None),
        ];
        for (message, expected) in table {
            let json = serde_json::json!({"error": {"code": "errorinvalidrecipients", "message": message}});
            assert_eq!(read(&json.to_string()).invalid_recipient(), expected, "{message}");
        }
        assert_eq!(read(r#"{"error":{"code":"Other","message":"Recipient 'a' is"}}"#).invalid_recipient(), None);
    }

    #[test]
    fn headers_are_found_in_any_case_and_cleaned() {
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in [
            ("Retry-After", "2.128"),
            ("REQUEST-ID", "r-2"),
            ("WWW-Authenticate", r#"Bearer realm="", error="insufficient_claims", claims="e30=""#),
        ] {
            headers.insert(name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let refusal = Refusal::from_head(429, &headers, Timestamp::UNIX_EPOCH);
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(2128)));
        assert_eq!(refusal.request_id.as_deref(), Some("r-2"));
        assert_eq!(refusal.challenge.as_deref(), Some("insufficient_claims"));
    }
}
