//! Who is told: `[[webhook]]`, `[notices]` and `[notices.alarms]`.

use serde::Deserialize;
use settings::{Alarms, Notices};

use super::SecretValue;

/// A webhook. A secret that is left out stays as it is; a new webhook gets one made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookEntry {
    pub name: String,
    pub url: String,
    pub secret: Option<SecretValue>,
    /// Names of news; empty: all.
    #[serde(default)]
    pub events: Vec<String>,
    #[serde(default)]
    pub disabled: bool,
}

/// Notices by mail, whole: a key left out has its default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoticesEntry {
    pub failures: bool,
    /// 0: never.
    pub delay_after_minutes: u32,
    pub alarms: AlarmsEntry,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmsEntry {
    pub to: Vec<String>,
    /// Name of a connection.
    pub connection: Option<String>,
    pub mailbox: Option<String>,
    pub queue_age_minutes: u32,
    pub expiry_days: u32,
}

impl Default for NoticesEntry {
    fn default() -> Self {
        let Notices { failures, delay_after_minutes, alarms: _ } = Notices::default();
        Self { failures, delay_after_minutes: delay_after_minutes.unwrap_or_default(), alarms: AlarmsEntry::default() }
    }
}

impl Default for AlarmsEntry {
    fn default() -> Self {
        let Alarms { queue_age_minutes, expiry_days, .. } = Alarms::default();
        Self { to: Vec::new(), connection: None, mailbox: None, queue_age_minutes, expiry_days }
    }
}
