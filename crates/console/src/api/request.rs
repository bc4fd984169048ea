//! What a call is given, or a problem that says what is wrong with it.

use std::str::FromStr;

use admin::Refused;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use mail::MessageId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use submission::http::{Problem, read_body};

use super::error::ApiError;
use super::{BODY_DEADLINE, MAX_BODY_BYTES};

/// A body of JSON.
#[derive(Debug)]
pub(super) struct Given<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Given<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let detail = "Send the body as JSON, with Content-Type application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).into());
        }
        let body = read_body(body, MAX_BODY_BYTES, BODY_DEADLINE).await?;
        let given = object(&body).and_then(serde_json::from_value);
        let given =
            given.map_err(|error| Problem::bad_request(format!("The body is not what this call takes: {error}")))?;
        Ok(Self(given))
    }
}

/// A sequence would pass for a struct with its members in order: nobody means that.
fn object(body: &[u8]) -> Result<Value, serde_json::Error> {
    let members: Map<String, Value> = serde_json::from_slice(body)?;
    Ok(with_whole_numbers(Value::Object(members)))
}

/// To JSON, `60.0` is the integer that `60` is.
fn with_whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            let whole = text.strip_suffix(".0").and_then(|digits| digits.parse::<i64>().ok());
            whole.map_or(Value::Number(number), Value::from)
        }
        Value::Array(items) => items.into_iter().map(with_whole_numbers).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, with_whole_numbers(member))).collect()
        }
        other => other,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The query; a parameter that is not known is an error.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text()).into()),
        }
    }
}

/// The version of the settings that a change was decided on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Precondition {
    pub(super) version: Option<u64>,
}

/// The id in the address.
#[derive(Debug)]
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| ApiError::not_found("thing"))
    }
}

/// The message's id in the address.
#[derive(Debug)]
pub(super) struct Message(pub(super) MessageId);

impl<S: Send + Sync> FromRequestParts<S> for Message {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Id(id) = Id::from_request_parts(parts, state).await?;
        id.parse().map(Self).map_err(|_| ApiError::not_found("message"))
    }
}

/// What a member says in words of its own, or a refusal that names the member.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(
    text: &str,
    field: &'static str,
    fix: &str,
) -> Result<T, ApiError> {
    text.parse()
        .map_err(|error| ApiError::refused(&Refused::new(format!("'{text}' is not right: {error}"), fix).at(field)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_an_object_and_its_whole_numbers_are_integers() {
        let read = |body: &str| object(body.as_bytes()).ok();
        assert_eq!(
            read(r#"{"a": 60.0, "b": [1.5, 2.0], "c": {"d": -3.0}}"#),
            Some(json!({"a": 60, "b": [1.5, 2], "c": {"d": -3}}))
        );
        // Too large to be a whole number for sure.
        assert_eq!(read(r#"{"a": 1e300}"#), Some(json!({"a": 1e300})));
        for body in ["", "{", "[null, null]", "7", "null", r#"{"a": 1} x"#] {
            assert_eq!(read(body), None, "{body}");
        }
    }
}
