//! Webhooks, notices, alarms.

use serde::{Deserialize, Serialize};
use submission::http::ExplanationView;
use utoipa::ToSchema;

use super::{DiffLine, SecretText};

/// What there is to tell.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in crate::api) enum NewsName {
    #[serde(rename = "message.sent")]
    Sent,
    #[serde(rename = "message.failed")]
    Failed,
    #[serde(rename = "message.delayed")]
    Delayed,
    #[serde(rename = "message.uncertain")]
    Uncertain,
    #[serde(rename = "message.bounced")]
    Bounced,
    #[serde(rename = "message.quarantined")]
    Quarantined,
    #[serde(rename = "alarm.raised")]
    AlarmRaised,
    #[serde(rename = "alarm.cleared")]
    AlarmCleared,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WebhookList {
    webhooks: Vec<WebhookView>,
}

/// A URL that is told of news by a signed POST (Standard Webhooks); its secret is not in it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WebhookView {
    id: String,
    name: String,
    #[schema(format = "uri")]
    url: String,
    /// Empty: all.
    events: Vec<NewsName>,
    disabled: bool,
}

/// A webhook. A secret that is left out stays as it is; a new webhook gets one made, which is in the answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct WebhookEntry {
    name: String,
    /// `https://`; `http://` for loopback addresses only.
    url: String,
    /// `whsec_` and 24 to 64 octets in base64.
    secret: Option<SecretText>,
    /// Empty: all.
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

/// What saving a webhook came to, with the secret if it was made: it is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WebhookSaved {
    id: String,
    /// The version the settings are at.
    version: u64,
    /// What was before and is now, secrets masked; empty: it was like that already.
    diff: Vec<DiffLine>,
    /// Waiting messages that go another way now.
    rerouted: u64,
    #[schema(required)]
    generated_secret: Option<String>,
}

/// What came of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WebhookTest {
    /// Name of the webhook.
    webhook: String,
    ok: bool,
    /// HTTP status; null: there was no answer.
    #[schema(required)]
    status: Option<u16>,
    #[schema(required)]
    explanation: Option<ExplanationView>,
}

/// Notices by mail.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct NoticesView {
    /// Senders are told of final failures.
    failures: bool,
    /// 0: never.
    delay_after_minutes: u32,
    alarms: AlarmsView,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AlarmsView {
    /// Empty: nobody by mail.
    to: Vec<String>,
    /// Name of the connection; null: as the Emails settings say.
    #[schema(required)]
    connection: Option<String>,
    /// Null: as the Emails settings say.
    #[schema(required)]
    mailbox: Option<String>,
    queue_age_minutes: u32,
    expiry_days: u32,
}

/// Notices by mail, whole: what is left out has its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NoticesEntry {
    #[serde(default)]
    failures: bool,
    /// 0: never.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    delay_after_minutes: u32,
    #[serde(default)]
    #[schema(nullable = false)]
    alarms: Option<AlarmsEntry>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AlarmsEntry {
    #[serde(default)]
    to: Vec<String>,
    /// Name of a connection.
    connection: Option<String>,
    mailbox: Option<String>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    queue_age_minutes: u32,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    expiry_days: u32,
}
