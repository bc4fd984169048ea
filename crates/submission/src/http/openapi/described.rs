//! Types that stand in the description for types of other crates. They are described and never made.

#![allow(dead_code, reason = "the derive reads them; nobody builds them")]

use serde::Serialize;
use utoipa::ToSchema;

/// RFC 3339, in UTC.
#[derive(Debug, Serialize, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub(in crate::http) struct DateTime(String);

/// See `docs/operations.md` for what each means.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum MessageStatus {
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
    Failed,
    Uncertain,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum WayIn {
    Smtp,
    Http,
    Sendmail,
    Cli,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum PriorityName {
    High,
    Normal,
    Bulk,
}

/// What failed, why, what to do, and who must do it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ExplanationView {
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    /// The upstream's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// Something that happened to the message beside attempts.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct EventView {
    at: DateTime,
    kind: String,
    actor: String,
    detail: Option<String>,
}

/// One mailbox, or several: `Name <user@example.org>`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

/// The message in JSON. At least one recipient; an unknown field is an error.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MessageRequest {
    /// `Name <user@example.org>`
    from: String,
    to: Option<OneOrSeveral>,
    cc: Option<OneOrSeveral>,
    bcc: Option<OneOrSeveral>,
    reply_to: Option<OneOrSeveral>,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    attachments: Option<Vec<AttachmentRequest>>,
    /// Further header fields, name to value.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    headers: Option<serde_json::Value>,
    priority: Option<PriorityName>,
    /// Not before then.
    send_at: Option<DateTime>,
    /// The submitter's own labels; not part of the message.
    #[schema(value_type = Option<Object>)]
    metadata: Option<serde_json::Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AttachmentRequest {
    filename: Option<String>,
    /// `application/octet-stream` if left out.
    content_type: Option<String>,
    /// Base64.
    content: String,
    /// For images that the HTML shows by `cid:`.
    content_id: Option<String>,
}
