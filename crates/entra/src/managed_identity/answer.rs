//! What the machine's service answers: a token with times in strings, or a refusal in one of several forms.

use std::time::Duration;

use jiff::Timestamp;
use oauth2::HttpResponse;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Cause;
use crate::exchange::Issued;
use crate::{EntraError, parse_retry_after};

/// A sentence for an administrator, not a page.
const MAX_SENTENCE_CHARS: usize = 400;

#[derive(Deserialize)]
struct Given {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    expires_on: Value,
    #[serde(default)]
    client_id: Option<String>,
}

/// Reads the token; `echo`: the client id that the answer must name.
pub(super) fn read_answer(answer: &HttpResponse, echo: Option<&str>, now: Timestamp) -> Result<Issued, EntraError> {
    let status = answer.status().as_u16();
    if status != 200 {
        let after = answer.headers().get("retry-after").and_then(|value| parse_retry_after(value.to_str().ok()?, now));
        return Err(EntraError::new(Cause::MetadataRefused { status, sentence: sentence(answer.body()) }, after));
    }
    let unreadable = || {
        let problem = "the answer is not the JSON with a token that it should be";
        EntraError::new(Cause::Unreadable { status, problem }, None)
    };
    let token: Given = serde_json::from_slice(answer.body()).map_err(|_| unreadable())?;
    if echo.is_some_and(|id| token.client_id.as_deref().is_none_or(|named| !named.eq_ignore_ascii_case(id))) {
        let problem = "the agent of Azure Arc gave the token of another identity than the one with this Client ID";
        return Err(EntraError::new(Cause::MetadataSetup(problem), None));
    }
    let lifetime = lifetime(&token, now).filter(|seconds| *seconds > 0).ok_or_else(unreadable)?;
    Ok(Issued { secret: token.access_token, lifetime: Duration::from_secs(lifetime.unsigned_abs()) })
}

/// In seconds. App Service tells the end only.
fn lifetime(token: &Given, now: Timestamp) -> Option<i64> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    number(&token.expires_in).or_else(|| Some(number(&token.expires_on)?.saturating_sub(now.as_second())))
}

/// The service's own words, wherever they stand: `error_description`, `message`, or `error.message`.
fn sentence(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let found = ["/error_description", "/message", "/error/message", "/Message", "/error"];
    let text = found.iter().find_map(|place| body.pointer(place)?.as_str()).unwrap_or_default();
    let line = text.split(['\r', '\n']).next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(MAX_SENTENCE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use oauth2::http;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn answer(status: u16, body: &str) -> HttpResponse {
        http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn times_are_read_from_strings_and_numbers_and_ends() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let table = [
            (r#"{"access_token":"t","expires_in":"3599","expires_on":"1"}"#, Some(3599)),
            (r#"{"access_token":"t","expires_in":3599}"#, Some(3599)),
            (r#"{"access_token":"t","expires_on":"1003600"}"#, Some(3600)),
            (r#"{"access_token":"t","expires_on":1003600}"#, Some(3600)),
            // Over already, without any time, and no token.
            (r#"{"access_token":"t","expires_on":"1000000"}"#, None),
            (r#"{"access_token":"t"}"#, None),
            (r#"{"expires_in":"3599"}"#, None),
            ("<html>", None),
        ];
        for (body, seconds) in table {
            let issued = read_answer(&answer(200, body), None, now);
            assert_eq!(issued.as_ref().ok().map(|it| it.lifetime.as_secs()), seconds, "{body}");
            assert!(issued.is_err() || issued.is_ok_and(|it| it.secret.expose_secret() == "t"));
        }
    }

    #[test]
    fn another_identitys_token_is_not_taken() {
        let now = Timestamp::UNIX_EPOCH;
        let with = |id: &str| answer(200, &format!(r#"{{"access_token":"t","expires_in":"60"{id}}}"#));
        assert!(read_answer(&with(r#","client_id":"ABC""#), Some("abc"), now).is_ok());
        assert!(read_answer(&with(r#","client_id":"other""#), Some("abc"), now).is_err());
        assert!(read_answer(&with(""), Some("abc"), now).is_err());
    }

    #[test]
    fn the_services_own_words_are_found_in_each_form() {
        for body in [
            r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
            r#"{"statusCode":400,"message":"Identity not found"}"#,
            r#"{"error":{"code":"x","message":"Identity not found\r\nTrace ID: 1"}}"#,
        ] {
            assert_eq!(sentence(body.as_bytes()), "Identity not found");
        }
        assert_eq!(sentence(b"<html>"), "");
    }
}
