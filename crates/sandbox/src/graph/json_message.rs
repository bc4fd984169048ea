//! The JSON form of `sendMail`: read with Graph's strictness about names and types, then written as MIME, since MIME
//! is what mailboxes hold here.

mod compose;

pub(super) use compose::check_attachment;

use serde_json::{Map, Value};

use super::failure::Failure;
use super::schema::{self, list, text, wrong_type};
use super::submission::Submission;

/// Graph takes this many internet message headers.
const MAX_INTERNET_HEADERS: usize = 5;

/// Reads the body of a request with `Content-Type: application/json`.
pub(crate) fn read(body: &[u8]) -> Result<Submission, Failure> {
    let payload: Value = serde_json::from_slice(body)
        .map_err(|_| Failure::new(400, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."))?;
    let parameters = payload
        .as_object()
        .ok_or_else(|| Failure::new(400, "BadRequest", "Write request payload must be a JSON object."))?;
    let mut message = None;
    let mut save = true;
    for (name, value) in parameters {
        // The action's parameters are taken in either case; the SDKs write them in Pascal case.
        match name.to_ascii_lowercase().as_str() {
            "message" => message = Some(value),
            "savetosentitems" => save = read_boolean(value)?,
            other if other.starts_with("@odata.") => {}
            _ => {
                return Err(Failure::body_read(format!(
                    "The parameter '{name}' in the request payload is not a valid parameter for the operation \
                     'sendMail'."
                )));
            }
        }
    }
    let message = message
        .filter(|value| !value.is_null())
        .ok_or_else(|| Failure::body_read("The parameter 'Message' of the operation 'sendMail' is missing."))?;
    let mut submission = read_message(schema::MESSAGE.read(message)?)?;
    submission.save_to_sent_items = save;
    Ok(submission)
}

/// Microsoft's own sample writes the Boolean as a string.
fn read_boolean(value: &Value) -> Result<bool, Failure> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Null => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(wrong_type("SaveToSentItems", "Edm.Boolean")),
    }
}

/// A `microsoft.graph.message`, as the parameter of an action or as a draft.
pub(super) fn read_message(message: &Map<String, Value>) -> Result<Submission, Failure> {
    check_internet_headers(message)?;
    let from = [read_recipient(message.get("from"))?, read_recipient(message.get("sender"))?];
    Ok(Submission {
        form: "json",
        raw: compose::message(message)?.into(),
        from: from.into_iter().flatten().map(|mailbox| mailbox.address).collect(),
        subject: text(message, "subject")?.map(str::to_owned),
        internet_message_id: text(message, "internetMessageId")?.map(str::to_owned),
        to: read_addresses(message, "toRecipients")?,
        cc: read_addresses(message, "ccRecipients")?,
        bcc: read_addresses(message, "bccRecipients")?,
        save_to_sent_items: true,
    })
}

/// A name and an address.
#[derive(Debug)]
struct Mailbox {
    name: Option<String>,
    address: String,
}

fn read_recipient(value: Option<&Value>) -> Result<Option<Mailbox>, Failure> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let recipient = schema::RECIPIENT.read(value)?;
    let email = schema::EMAIL_ADDRESS.read(recipient.get("emailAddress").unwrap_or(&Value::Null))?;
    let name = text(email, "name")?.filter(|name| !name.is_empty()).map(str::to_owned);
    let address = text(email, "address")?.unwrap_or_default().to_owned();
    if address.is_empty() {
        return Err(Failure::unresolved_recipient(&name.unwrap_or_default()));
    }
    Ok(Some(Mailbox { name, address }))
}

fn read_recipients(message: &Map<String, Value>, property: &str) -> Result<Vec<Mailbox>, Failure> {
    let mut found = Vec::new();
    for value in list(message, property)? {
        found.extend(read_recipient(Some(value))?);
    }
    Ok(found)
}

fn read_addresses(message: &Map<String, Value>, property: &str) -> Result<Vec<String>, Failure> {
    Ok(read_recipients(message, property)?.into_iter().map(|mailbox| mailbox.address).collect())
}

/// Only names that begin with `x-`, and only five of them.
fn check_internet_headers(message: &Map<String, Value>) -> Result<(), Failure> {
    let headers = list(message, "internetMessageHeaders")?;
    for header in headers {
        let name = text(schema::HEADER.read(header)?, "name")?.unwrap_or_default();
        let is_custom = name.len() > 2 && name.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-"));
        let is_token = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !is_custom || !is_token {
            return Err(Failure::new(
                400,
                "InvalidInternetMessageHeader",
                format!("The internet message header name '{name}' should start with 'x-' or 'X-'."),
            ));
        }
    }
    if headers.len() > MAX_INTERNET_HEADERS {
        return Err(Failure::known("InvalidInternetMessageHeaderCollection"));
    }
    Ok(())
}
