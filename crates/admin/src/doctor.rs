//! The doctor: follows the way of a message from the configuration to Microsoft and says where it is broken.
//!
//! Promise: each finding says what was found; each that is not well says what to do and who must do it. Nothing is
//! changed, and no mail is sent unless an address for a test message is given.

mod expiry;
mod machine;
mod mailboxes;
mod report;
mod rights;
mod smtp;
mod upstream;
mod way;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use mail::Address;
use relay::Network;
use serde::Serialize;
use settings::{ConnectionId, Settings};
use store::{Explanation, Store};

pub use report::report;

use crate::connection::find;
use crate::{Actor, AdminError, Refused, Role};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Ok,
    /// Works, but somebody should look.
    Warn,
    Fail,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable, for monitoring.
    pub name: &'static str,
    pub status: CheckStatus,
    pub found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub who: String,
}

pub(crate) const GATEWAY_ADMINISTRATOR: &str = "the administrator of this gateway";

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: CheckStatus::Ok, found: found.into(), fix: String::new(), who: String::new() }
    }

    fn not_ok(name: &'static str, status: CheckStatus, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, status, found: found.into(), fix: fix.into(), who: GATEWAY_ADMINISTRATOR.to_owned() }
    }

    fn explained(name: &'static str, status: CheckStatus, explanation: &Explanation) -> Self {
        let code = explanation.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
        Self {
            name,
            status,
            found: format!("{} {}{code}", explanation.what, explanation.why).trim().to_owned(),
            fix: explanation.fix.clone(),
            who: explanation.who.clone(),
        }
    }
}

/// What to look at.
#[derive(Debug)]
pub struct DoctorRequest {
    /// Name of one connection; `None`: all that the Emails settings and routes use.
    pub connection: Option<String>,
    /// Sends a test message there.
    pub send_to: Option<Address>,
    /// The test message's From, if it is not the mailbox's own address: whether the mailbox may send as that.
    pub send_from: Option<Address>,
    pub network: Network,
    pub data_dir: PathBuf,
    /// What is wrong with the configuration file.
    pub configuration: Vec<Refused>,
    pub now: Timestamp,
}

/// Every finding, in the order a message meets what was looked at.
pub async fn doctor(store: &Arc<dyn Store>, actor: &Actor, request: &DoctorRequest) -> Result<Vec<Check>, AdminError> {
    actor.must_be(Role::Operator)?;
    let settings = store.settings().borrow().clone();
    let mut checks = machine::configuration(&request.configuration);
    checks.extend(machine::data_folder(&request.data_dir));
    checks.push(machine::store_writable(&**store).await);
    checks.push(emails(&settings));
    checks.extend(waiting(&**store, request.now).await);
    let connections = connections(&settings, request.connection.as_deref())?;
    // One that does not answer does not keep the findings of the others.
    let looks = connections.iter().map(|connection| upstream::checks(store, &settings, connection, request));
    checks.extend(join_all(looks).await.into_iter().flatten());
    tracing::info!(
        event = "doctor_ran",
        actor = actor.name(),
        failed = checks.iter().filter(|check| check.status == CheckStatus::Fail).count()
    );
    Ok(checks)
}

/// What keeps mail from being accepted: the store, and the disk it is on.
pub(crate) async fn health(store: &dyn Store, data_dir: Option<&Path>) -> Vec<Check> {
    let mut checks = vec![machine::store_writable(store).await];
    checks.extend(data_dir.into_iter().flat_map(machine::data_folder));
    checks
}

/// The connections mail can leave by, fallbacks and that of alarms too, each once.
fn connections(settings: &Settings, named: Option<&str>) -> Result<Vec<ConnectionId>, AdminError> {
    if let Some(name) = named {
        return Ok(vec![find(settings, name)?.id.clone()]);
    }
    let emails = &settings.emails;
    let by_routes =
        settings.routes.iter().flat_map(|route| [&route.service_connection].into_iter().chain(&route.fallback));
    let by_alarms = settings.notices.alarms.connection.iter();
    let mut used = Vec::new();
    for id in emails.service_connection.iter().chain(&emails.fallback).chain(by_routes).chain(by_alarms) {
        if !used.contains(id) {
            used.push(id.clone());
        }
    }
    Ok(used)
}

fn emails(settings: &Settings) -> Check {
    const NAME: &str = "emails_settings";
    let missing = match settings.route(None) {
        Ok(to) => {
            let connection = settings.connection(&to.connection).map_or("?", |connection| connection.name.as_str());
            return Check::ok(NAME, format!("mail leaves from {} through '{connection}'", to.mailbox));
        }
        Err(missing) => missing.to_string(),
    };
    let fix = "Fill in [emails] in a setup file (enabled, mailbox, service_connection) and run 'postern apply FILE'.";
    let status = if settings.routes.is_empty() { CheckStatus::Fail } else { CheckStatus::Warn };
    Check::not_ok(NAME, status, missing, fix)
}

/// Mail that waits for long is the first thing an operator should hear of.
async fn waiting(store: &dyn Store, now: Timestamp) -> Option<Check> {
    const NAME: &str = "queue";
    const LONG_SECONDS: i64 = 900;
    let counts = store.counts().await.ok()?;
    let age = counts.oldest_waiting.map_or(0, |oldest| now.as_second() - oldest.as_second());
    let found = format!(
        "{} queued, {} being sent, {} uncertain, {} held, {} failed",
        counts.queued, counts.sending, counts.uncertain, counts.held, counts.failed
    );
    if age > LONG_SECONDS {
        let found = format!("{found}; the oldest has waited {} minutes", age / 60);
        return Some(Check::not_ok(NAME, CheckStatus::Warn, found, "See why: postern queue list --state queued"));
    }
    Some(Check::ok(NAME, found))
}
