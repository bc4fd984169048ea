//! Non-delivery reports: what Exchange sends back to the mailbox that mailed nobody.
//!
//! Promise: mail to a name that a domain of the tenant does not have, to a full mailbox, or to a domain that the settings
//! call unreachable, comes back into the sender's Inbox, in Exchange's form, as late as the settings say by the sandbox's
//! clock. Memory is bounded, the oldest go first.
//!
//! Left to others: what an Inbox is asked (`graph::inbox`).

mod text;

pub(crate) use text::is_report;

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::config::{Behaviour, UserState};
use crate::directory::Tenant;
use crate::guid;
use crate::mailbox::StoredMessage;
use crate::state::lock;

/// Reports kept.
const KEEP: usize = 5_000;

/// One report in one Inbox.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bounce {
    pub(crate) id: String,
    /// Whose Inbox: a UPN in lower case.
    pub(crate) mailbox: String,
    /// When it is there.
    pub(crate) at: Timestamp,
    pub(crate) recipient: String,
    pub(crate) status: &'static str,
    /// The delivery that came back.
    pub(crate) of: String,
    #[serde(skip)]
    pub(crate) raw: Bytes,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Bounces {
    kept: Mutex<VecDeque<Bounce>>,
}

/// Why mail does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) status: &'static str,
    /// The SMTP reply that goes with it.
    pub(crate) reply: &'static str,
}

const UNKNOWN: Reason = Reason {
    status: "5.1.10",
    reply: "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
};
const FULL: Reason = Reason {
    status: "5.2.2",
    reply: "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
};
const UNREACHABLE: Reason = Reason {
    status: "5.4.310",
    reply: "550 5.4.310 DNS domain does not exist [Message=InfoDomainNonexistent] [LastAttemptedServerName=none]",
};

impl Bounces {
    /// What comes back of a message that was taken.
    pub(crate) fn follow(&self, tenant: &Tenant, message: &StoredMessage, behaviour: &Behaviour) {
        // Exchange reports to a sender, and a report has none.
        if text::is_report(&message.raw) {
            return;
        }
        let delivery = &message.delivery;
        let late = SignedDuration::from_secs(i64::try_from(behaviour.bounce_after_seconds).unwrap_or(i64::MAX));
        let at = delivery.at.checked_add(late).unwrap_or(Timestamp::MAX);
        for recipient in &delivery.recipients {
            let Some(reason) = reason(tenant, recipient, behaviour) else { continue };
            let raw = Bytes::from(text::report(tenant, message, recipient, reason, at));
            let bounce = Bounce {
                id: guid::random(),
                mailbox: delivery.mailbox.clone(),
                at,
                recipient: recipient.clone(),
                status: reason.status,
                of: delivery.id.clone(),
                raw,
            };
            let mut kept = lock(&self.kept);
            kept.push_back(bounce);
            if kept.len() > KEEP {
                kept.pop_front();
            }
        }
    }

    /// What lies in an Inbox by `now`, oldest first.
    pub(crate) fn in_inbox(&self, mailbox: &str, now: Timestamp) -> Vec<Bounce> {
        lock(&self.kept).iter().filter(|it| it.mailbox == mailbox && it.at <= now).cloned().collect()
    }

    /// All, also those still on their way.
    pub(crate) fn all(&self) -> Vec<Bounce> {
        lock(&self.kept).iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.kept).clear();
    }
}

fn reason(tenant: &Tenant, recipient: &str, behaviour: &Behaviour) -> Option<Reason> {
    let (_, domain) = recipient.rsplit_once('@')?;
    let is = |known: &String| known.eq_ignore_ascii_case(domain);
    if behaviour.unreachable_domains.iter().any(is) {
        return Some(UNREACHABLE);
    }
    if !tenant.domains.iter().any(is) {
        return None;
    }
    match tenant.user(&tenant.mailbox_of(recipient)).map(|user| user.settings.state) {
        None | Some(UserState::Unlicensed | UserState::SoftDeleted) => Some(UNKNOWN),
        Some(UserState::Full) => Some(FULL),
        Some(_) => None,
    }
}
