//! Types that stand in the description for types of other crates. They are described and never made.

#![allow(dead_code, reason = "the derive reads them; nobody builds them")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::http::Problem;

/// What every call may answer.
#[derive(Debug, IntoResponses)]
pub enum AnyCall {
    /// Nobody who is known
    #[response(status = 401, content_type = "application/problem+json", headers(("WWW-Authenticate" = String, description = "`Bearer`")))]
    NoToken(Problem),
    /// The caller may not do this, or not from this network
    #[response(status = 403, content_type = "application/problem+json")]
    NotAllowed(Problem),
    /// To administrators: the server is not called that; `public_url` says what it is called
    #[response(status = 421, content_type = "application/problem+json")]
    OtherHost(Problem),
    /// Not now
    #[response(status = 503, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "In seconds")))]
    NotNow(Problem),
}

/// RFC 3339. Answers are in UTC.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct DateTime(String);

/// See `docs/operations.md` for what each means.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    Queued,
    Sending,
    Sent,
    Failed,
    Uncertain,
    Held,
    Cancelled,
    Quarantined,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum RecipientStatusName {
    Pending,
    Sent,
    /// Accepted, and a non-delivery report came back.
    Bounced,
    Failed,
    Uncertain,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WayIn {
    Smtp,
    Http,
    Sendmail,
    Cli,
    Gateway,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PriorityName {
    High,
    Normal,
    Bulk,
}

/// What failed, why, what to do, and who must do it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplanationView {
    what: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    fix: String,
    #[serde(default)]
    who: String,
    /// The upstream's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum OutcomeName {
    Accepted,
    Deferred,
    Refused,
    Uncertain,
}

/// Something that happened to the message beside attempts.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct EventView {
    at: DateTime,
    kind: String,
    actor: String,
    #[schema(required)]
    detail: Option<String>,
}

/// The message as it is (RFC 5322), header and body.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct RawMessage(Vec<u8>);

/// One mailbox, or several: `Name <user@example.org>`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

/// The message in JSON. At least one recipient; an unknown field is an error.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MessageRequest {
    /// `Name <user@example.org>`
    from: String,
    to: Option<OneOrSeveral>,
    cc: Option<OneOrSeveral>,
    bcc: Option<OneOrSeveral>,
    reply_to: Option<OneOrSeveral>,
    #[serde(default)]
    subject: String,
    text: Option<String>,
    html: Option<String>,
    #[serde(default)]
    attachments: Vec<AttachmentRequest>,
    /// Further header fields, name to value.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    priority: Option<PriorityName>,
    /// Not before then.
    send_at: Option<DateTime>,
    /// The submitter's own labels; not part of the message.
    #[serde(default)]
    #[schema(value_type = Value)]
    metadata: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AttachmentRequest {
    filename: String,
    /// `application/octet-stream` if left out.
    content_type: Option<String>,
    /// Base64.
    content: String,
    /// For images that the HTML shows by `cid:`.
    content_id: Option<String>,
}
