//! Delivery status notifications to those who sent.
//!
//! For each outcome, in this order; stopping after any step leads to the same end:
//!
//! 1. The outcome is read; what became of the message is read.
//! 2. The report is queued, under a name made of message, outcome and kind: again, it would be the same letter.
//! 3. The position is saved.
//!
//! Never to a null reverse-path, and our own letters have one, so no report is ever about a report.

mod compose;

#[cfg(test)]
mod tests;

use std::time::Duration;

use mail::dsn::{Action, Report, Returned};
use mail::{Address, DsnReturn};
use settings::{Service, Settings};
use store::{MessageDetail, MessageRecord, Outcome, OutcomeKind, Priority, StoreError};
use tokio::io::AsyncReadExt as _;

use crate::letters::{self, Letter};
use crate::position;
use crate::running::{Shared, is_outcome, wait_for};
use compose::{Reported, reported};

/// The name of the position.
pub(crate) const READER: &str = "reports";
/// Outcomes read at once.
const PAGE: u32 = 100;
const STORE_RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Reports {
    shared: Shared,
    read: u64,
}

impl Reports {
    pub(crate) async fn open(shared: Shared) -> Result<Self, StoreError> {
        let read = position::load(&*shared.store, READER).await?;
        Ok(Self { shared, read })
    }

    pub(crate) async fn run(mut self) {
        let mut news = self.shared.store.subscribe();
        loop {
            if let Err(error) = self.catch_up().await {
                tracing::error!(event = "reports_wait_for_store", %error);
                if self.shared.pause(STORE_RETRY).await {
                    continue;
                }
                return;
            }
            tokio::select! {
                is_open = wait_for(&mut news, is_outcome) => if !is_open { return },
                () = self.shared.stop.cancelled() => return,
            }
        }
    }

    /// Deals with all outcomes there are.
    pub(crate) async fn catch_up(&mut self) -> Result<(), StoreError> {
        loop {
            let page = self.shared.store.outcomes(self.read, PAGE).await?;
            let Some(last) = page.last().map(|outcome| outcome.number) else { return Ok(()) };
            for outcome in page {
                if self.shared.stop.is_cancelled() {
                    return Ok(());
                }
                if self.tell(&outcome).await? {
                    position::save(&*self.shared.store, READER, outcome.number).await?;
                }
                self.read = outcome.number;
            }
            position::save(&*self.shared.store, READER, last).await?;
        }
    }

    /// Whether there was anybody to tell.
    async fn tell(&self, outcome: &Outcome) -> Result<bool, StoreError> {
        let settings = self.shared.store.settings().borrow().clone();
        let actions: &[Action] = match outcome.kind {
            OutcomeKind::Failed if settings.notices.failures => &[Action::Failed, Action::Relayed],
            OutcomeKind::Delayed if settings.notices.delay_after_minutes.is_some() => &[Action::Delayed],
            // Success is ours to report only of what went through Graph; without it, no message need be read.
            OutcomeKind::Failed | OutcomeKind::Sent if has_graph(&settings) => &[Action::Relayed],
            _ => return Ok(false),
        };
        let detail = match self.shared.store.message(outcome.message).await {
            Ok(detail) => detail,
            Err(StoreError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut told = false;
        for action in actions {
            if let Some(report) = reported(&detail, *action, self.shared.now(), |id| is_graph(&settings, id)) {
                told |= self.send(&settings, outcome, *action, &detail, report).await?;
            }
        }
        Ok(told)
    }

    async fn send(
        &self,
        settings: &Settings,
        outcome: &Outcome,
        action: Action,
        detail: &MessageDetail,
        reported: Reported<'_>,
    ) -> Result<bool, StoreError> {
        let message = &detail.message;
        let Some(from) = sender(settings, message) else {
            tracing::warn!(event = "report_without_mailbox", message_id = %message.id);
            return Ok(false);
        };
        let now = self.shared.now();
        let id = self.shared.ids.next(now)?;
        let returned = self.returned(message).await?;
        let report = Report {
            id,
            at: now,
            reporting_mta: &self.shared.config.hostname,
            from: &from,
            to: reported.to,
            action,
            recipients: &reported.recipients,
            subject: message.subject.as_deref(),
            internet_message_id: message.internet_message_id.as_deref(),
            envelope_id: message.envelope.envelope_id.as_deref(),
            arrived_at: message.received_at,
            given_up_at: Some(message.expires_at),
            returned: if returned.is_whole {
                Returned::Full(&returned.bytes)
            } else {
                Returned::Headers(&returned.bytes)
            },
        };
        let letter = Letter {
            id,
            name: format!("dsn:{}:{}:{}", message.id, outcome.number, action.name()),
            kind: "report",
            about: Some(message.id),
            to: vec![reported.to.clone()],
            subject: report.subject_line().to_owned(),
            internet_message_id: report.message_id(),
            mime: report.to_mime(),
            from,
            way: None,
            priority: Priority::Normal,
        };
        letters::post(&*self.shared.store, letter, self.shared.config.queue_lifetime, now).await?;
        Ok(true)
    }

    /// What RET asks for, as far as it fits. A body that cannot be read costs the words, not the report.
    async fn returned(&self, message: &MessageRecord) -> Result<Content, StoreError> {
        let limits = &self.shared.config.limits;
        let mut bytes = message.added_header.clone().into_bytes();
        let is_whole =
            message.envelope.dsn_return == Some(DsnReturn::Full) && message.size_bytes <= limits.returned_max_bytes;
        let most = if is_whole { limits.returned_max_bytes } else { limits.returned_header_max_bytes };
        let read = match self.shared.store.read_body(message.id).await {
            Ok(body) => body.take(most).read_to_end(&mut bytes).await.map(drop),
            Err(StoreError::Unreadable { .. } | StoreError::NotFound { .. }) => Ok(()),
            Err(error) => return Err(error),
        };
        if let Err(error) = read {
            tracing::warn!(event = "report_without_message", message_id = %message.id, %error);
        }
        let (header, body) = mail::header::split(&bytes);
        let mut shown = mail::recipients::remove_bcc(header).into_owned();
        if is_whole {
            shown.extend_from_slice(body);
        }
        Ok(Content { bytes: shown, is_whole })
    }
}

struct Content {
    bytes: Vec<u8>,
    is_whole: bool,
}

/// The mailbox of the Emails settings, or the one the message itself went from.
fn sender(settings: &Settings, message: &MessageRecord) -> Option<Address> {
    settings.emails.mailbox.clone().or_else(|| Some(message.routed_to.as_ref()?.mailbox.clone()))
}

fn has_graph(settings: &Settings) -> bool {
    settings.connections.iter().any(|connection| connection.service == Service::GraphApi)
}

fn is_graph(settings: &Settings, id: &settings::ConnectionId) -> bool {
    settings.connection(id).is_some_and(|connection| connection.service == Service::GraphApi)
}
