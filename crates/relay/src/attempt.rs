//! One attempt, from claim to durable outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use settings::{OnUncertain, RoutedTo, Settings};
use store::{AttemptReport, Claim, Explanation, MessageState, RecipientOutcome, Store, StoreError};

use crate::failover::{breaks, divert, next_way};
use crate::outdated::{end_outdated_rest, judge_again};
use crate::redirect::{for_all, redirected};
use crate::rest::Rest;
use crate::retry::after;
use crate::{Clock, Delivery, LaneVerdict, Limits, Transport, Upstreams, Verdict};

/// How long to wait before the outcome is offered to a failing store again.
const RECORD_RETRY: Duration = Duration::from_millis(500);

/// How long a message that this way cannot carry may take to move to the next.
const MOVING: Duration = Duration::from_secs(30);

/// What every attempt of a lane shares.
#[derive(Clone)]
pub(crate) struct Deliverer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) upstreams: Arc<dyn Upstreams>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
}

/// The end of an attempt as its lane sees it.
pub(crate) struct AttemptEnd {
    /// When the message is due again, if it went back to the queue.
    pub(crate) due_at: Option<Timestamp>,
    /// What the upstream said of the lane.
    pub(crate) lane: LaneVerdict,
    /// For each recipient of the attempt: it was mailed, or may have been.
    pub(crate) mailed: Vec<bool>,
}

impl Deliverer {
    /// Carries one claim to its end and returns what its lane must know.
    ///
    /// 1. The message is carried (or found expired).
    /// 2. The lane's rest, if the upstream wants one, is begun and recorded: before the message can be claimed again.
    /// 3. The outcome is recorded; it is offered until the store takes it. Stopping before that leaves the attempt
    ///    without an end, which the next owner of the lane finds and calls uncertain.
    pub(crate) async fn run(&self, transport: Arc<dyn Transport>, claim: Claim, rest: &Rest) -> AttemptEnd {
        let started = std::time::Instant::now();
        let began = (self.clock)();
        let verdict =
            if claim.message.expires_at <= began { expired(&claim) } else { self.deliver(&*transport, &claim).await };
        metrics::histogram!("postern_attempt_seconds").record(started.elapsed().as_secs_f64());
        let verdict = judge_again(verdict, &*self.upstreams, &claim, &transport);
        let is_unreadable = verdict.is_unreadable;
        let (lane, mailed) = (verdict.lane, verdict.outcomes.iter().copied().map(may_be_mailed).collect());
        let times = (began, (self.clock)());
        rest.take_in(&*self.store, &self.limits, verdict.lane, verdict.explanation.as_ref(), times).await;
        end_outdated_rest(rest, &*self.store, &*self.upstreams, &claim, &transport).await;
        let settings = Arc::clone(&self.store.settings().borrow());
        let elsewhere = verdict.is_beyond_the_way.then(|| next_way(&settings, &claim.message)).flatten();
        let verdict = if elsewhere.is_some() { verdict.sent_elsewhere() } else { verdict };
        let mut report = self.report(&claim, verdict, transport.on_uncertain());
        if elsewhere.is_some() {
            // So that this lane does not take it up again before it has moved.
            report.due_at = after((self.clock)(), MOVING);
        }
        log_end(&claim, &report);
        let (explanation, due_at) = (report.explanation.clone(), report.due_at);
        let queued_again = self.record(&claim, report).await == Some(MessageState::Queued);
        if let Some(way) = elsewhere.filter(|_| queued_again) {
            self.send_elsewhere(&claim, &settings, &way, explanation.unwrap_or_default(), due_at).await;
            return AttemptEnd { due_at: Some(due_at), lane, mailed };
        }
        if queued_again && is_unreadable {
            self.set_aside(&claim, explanation.clone().unwrap_or_default()).await;
            return AttemptEnd { due_at: None, lane, mailed };
        }
        AttemptEnd { due_at: queued_again.then_some(due_at), lane, mailed }
    }

    /// A bug in a transport ends one attempt, not the lane; whether the message left is then in doubt.
    async fn deliver(&self, transport: &dyn Transport, claim: &Claim) -> Verdict {
        let from_policy = self.upstreams.header_from_policy();
        let redirect = self.store.settings().borrow().emails.redirect_all_to.clone();
        let redirected = redirect.map(|to| redirected(claim, &to));
        let claim_to_carry = redirected.as_ref().unwrap_or(claim);
        let delivery = transport.deliver(Delivery { claim: claim_to_carry, store: &self.store, from_policy });
        let verdict = AssertUnwindSafe(delivery).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(event = "attempt_crashed", message_id = %claim.message.id, attempt = claim.attempt.0);
            Verdict::all(claim_to_carry.recipients.len(), RecipientOutcome::Uncertain, LaneVerdict::MessageOnly)
                .explained(crashed())
        });
        if redirected.is_some() { for_all(verdict, claim.recipients.len()) } else { verdict }
    }

    /// If that fails, the next attempt on this way finds out again that it cannot carry the message.
    async fn send_elsewhere(
        &self,
        claim: &Claim,
        settings: &Settings,
        way: &RoutedTo,
        reason: Explanation,
        due_at: Timestamp,
    ) {
        let Some(here) = &claim.message.routed_to else { return };
        let ids = vec![claim.message.id];
        let times = (due_at, (self.clock)());
        if let Err(error) = divert(&*self.store, settings, ids, (here, way), &reason.what, times).await {
            tracing::error!(event = "not_moved_to_fallback", message_id = %claim.message.id, %error);
        }
    }

    fn report(&self, claim: &Claim, verdict: Verdict, on_uncertain: OnUncertain) -> AttemptReport {
        let now = (self.clock)();
        let wait = if verdict.retry_at_once || all_settled(&verdict.outcomes) {
            Duration::ZERO
        } else {
            self.wait_of(verdict.lane, claim.message.attempts)
        };
        AttemptReport {
            outcomes: verdict.outcomes,
            explanation: verdict.explanation,
            request_id: verdict.request_id,
            due_at: after(now, wait),
            retry_uncertain: on_uncertain == OnUncertain::Retry,
            settles_doubt: verdict.settles_doubt,
        }
    }

    /// How long the message itself waits. Where the whole lane rests, the lane's rest is what counts, and the message
    /// is due as soon as it ends.
    fn wait_of(&self, lane: LaneVerdict, attempts: u32) -> Duration {
        match lane {
            LaneVerdict::Throttled(Some(wait)) | LaneVerdict::QuotaUsedUp(Some(wait)) if !breaks(lane, wait, 0) => wait,
            // Also because a fallback may take it before.
            LaneVerdict::QuotaUsedUp(_) | LaneVerdict::NeedsAdministrator | LaneVerdict::Throttled(_) => Duration::ZERO,
            LaneVerdict::Go | LaneVerdict::MessageOnly => {
                self.limits.message_backoff.wait(attempts, rand::random::<f64>())
            }
        }
    }

    pub(crate) async fn record(&self, claim: &Claim, report: AttemptReport) -> Option<MessageState> {
        loop {
            match self.store.finish_attempt(claim, report.clone(), (self.clock)()).await {
                Ok(state) => return Some(state),
                Err(error @ (StoreError::LeaseLost | StoreError::NotFound { .. } | StoreError::Conflict { .. })) => {
                    tracing::error!(
                        event = "outcome_not_recorded", message_id = %claim.message.id, attempt = claim.attempt.0, %error,
                        "another node owns the lane now, or the message is gone"
                    );
                    return None;
                }
                Err(error) => {
                    tracing::error!(
                        event = "outcome_waits_for_store", message_id = %claim.message.id, attempt = claim.attempt.0, %error
                    );
                    tokio::time::sleep(RECORD_RETRY).await;
                }
            }
        }
    }
}

impl Deliverer {
    /// A damaged message would fail every time. It is kept for a person to look at.
    async fn set_aside(&self, claim: &Claim, reason: Explanation) {
        let id = claim.message.id;
        tracing::error!(event = "message_quarantined", message_id = %id, what = reason.what, why = reason.why);
        if let Err(error) = self.store.quarantine(id, reason, (self.clock)()).await {
            tracing::error!(event = "quarantine_failed", message_id = %id, %error);
        }
    }
}

fn may_be_mailed(outcome: RecipientOutcome) -> bool {
    matches!(outcome, RecipientOutcome::Accepted | RecipientOutcome::Uncertain)
}

fn all_settled(outcomes: &[RecipientOutcome]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, RecipientOutcome::Accepted | RecipientOutcome::Refused(_)))
}

fn crashed() -> Explanation {
    Explanation {
        what: "Postern itself failed during the attempt.".to_owned(),
        why: "A bug. The log has its place beside event=\"attempt_crashed\".".to_owned(),
        fix: "Ask a recipient whether the message arrived, then retry or cancel it; report the bug.".to_owned(),
        who: "Postern administrator".to_owned(),
        code: None,
    }
}

/// RFC 3463: X.4.7, delivery time expired.
fn expired(claim: &Claim) -> Verdict {
    let refused = RecipientOutcome::Refused(mail::EnhancedStatus::permanent(4, 7));
    Verdict::all(claim.recipients.len(), refused, LaneVerdict::MessageOnly)
        .explained(lifetime_over(claim.message.last_error.as_ref()))
}

/// Why a message failed whose lifetime ended, with the trouble it had last.
pub(crate) fn lifetime_over(last: Option<&Explanation>) -> Explanation {
    let why = last.map_or_else(
        || "It waited in the queue until its lifetime ([limits] queue_lifetime) was over.".to_owned(),
        |last| format!("Its lifetime ([limits] queue_lifetime) ended. The last trouble was: {}", last.what),
    );
    Explanation {
        what: "The message could not be delivered in time.".to_owned(),
        why,
        fix: "Mend what the last attempt reports, then retry the message: it is kept.".to_owned(),
        who: "Postern administrator".to_owned(),
        code: last.and_then(|last| last.code.clone()),
    }
}

fn log_end(claim: &Claim, report: &AttemptReport) {
    let id = claim.message.id;
    let attempt = claim.attempt.0;
    let request_id = report.request_id.as_deref().unwrap_or_default();
    let (result, failed) = match report.outcomes.iter().find(|o| !matches!(o, RecipientOutcome::Accepted)) {
        None => ("accepted", false),
        Some(RecipientOutcome::Uncertain) => ("uncertain", true),
        Some(RecipientOutcome::Deferred) => ("deferred", true),
        Some(RecipientOutcome::Refused(_) | RecipientOutcome::Accepted) => ("refused", true),
    };
    metrics::counter!("postern_attempts_total", "result" => result).increment(1);
    if failed {
        let explanation = report.explanation.clone().unwrap_or_default();
        tracing::warn!(
            event = "attempt_failed", message_id = %id, attempt, result, request_id,
            what = explanation.what, code = explanation.code, next_due = %report.due_at
        );
    } else {
        tracing::info!(event = "attempt_accepted", message_id = %id, attempt, recipients = claim.recipients.len(), request_id);
    }
}
