//! What the end of a transaction means for each recipient and for the lane.

use mail::{Address, EnhancedStatus};
use store::RecipientOutcome;
use wire::{ServerReply, Severity};

use super::exchange::{self, Class};
use super::explain::{self, Scene};
use super::fit;
use super::message::is_unreadable;
use super::transaction::{End, Ended};
use super::trouble::{Cause, Failure, Step};
use crate::{LaneVerdict, Verdict};

/// A transaction that came to its end.
pub(super) fn of_end(ended: &Ended, recipients: &[&Address], scene: &Scene<'_>) -> Verdict {
    let (taken, lane) = match &ended.end {
        End::Reply(_, reply) if reply.severity() == Severity::Positive => (RecipientOutcome::Accepted, LaneVerdict::Go),
        End::Reply(_, reply) => meaning(reply, scene),
        End::NobodyTaken => (RecipientOutcome::Deferred, LaneVerdict::MessageOnly),
        // A rest: the server that lost an answer would lose the next one, too.
        End::Lost(_) => (RecipientOutcome::Uncertain, LaneVerdict::Throttled(None)),
    };
    let mut verdict = Verdict::all(recipients.len(), taken, lane);
    for (outcome, refusal) in verdict.outcomes.iter_mut().zip(&ended.refused) {
        if let Some(reply) = refusal {
            let (one, of_lane) = rcpt_meaning(reply, scene);
            *outcome = one;
            if of_lane != LaneVerdict::MessageOnly && verdict.lane == LaneVerdict::MessageOnly {
                verdict.lane = of_lane;
            }
        }
    }
    let has_room = verdict.outcomes.contains(&RecipientOutcome::Accepted);
    let are_too_many = ended.refused.iter().flatten().any(is_too_many);
    verdict.retry_at_once = has_room && are_too_many;
    verdict.explanation = explain::end(ended, recipients, scene);
    if let End::Reply(_, reply) = &ended.end
        && reply.severity() == Severity::Positive
    {
        verdict.request_id = Some(explain::words(reply));
    }
    verdict
}

/// The verdict of all recipients of an attempt, from that of those whom the server was told; `told` has one entry for each.
pub(super) fn with_untold(mut verdict: Verdict, told: &[bool]) -> Verdict {
    if told.iter().all(|is_told| *is_told) {
        return verdict;
    }
    let (status, words) = fit::untellable("An address of the envelope");
    // Only where nobody else was refused is the refusal one of this way alone.
    verdict.is_beyond_the_way = !verdict.outcomes.iter().any(|it| matches!(it, RecipientOutcome::Refused(_)));
    let mut outcomes = std::mem::take(&mut verdict.outcomes).into_iter();
    let of_one = |is_told: &bool| if *is_told { outcomes.next() } else { Some(RecipientOutcome::Refused(status)) };
    verdict.outcomes = told.iter().filter_map(of_one).collect();
    verdict.explanation.get_or_insert(words);
    verdict
}

/// Nothing was sent, for all recipients alike.
pub(super) fn of_failure(failure: &Failure, count: usize, scene: &Scene<'_>) -> Verdict {
    let (outcome, lane) = match &failure.cause {
        Cause::Reply(reply) if failure.step >= Step::Mail => meaning(reply, scene),
        Cause::Reply(reply) => (RecipientOutcome::Deferred, session_meaning(reply, scene)),
        Cause::Trouble(_) => (RecipientOutcome::Deferred, LaneVerdict::Throttled(None)),
        Cause::Token(error) if error.is_transient() => {
            (RecipientOutcome::Deferred, LaneVerdict::Throttled(error.retry_after()))
        }
        Cause::Token(_) | Cause::NoStartTls | Cause::NoMechanism(_) => {
            (RecipientOutcome::Deferred, LaneVerdict::NeedsAdministrator)
        }
        Cause::Body(_) => (RecipientOutcome::Deferred, LaneVerdict::MessageOnly),
    };
    let mut verdict = Verdict::all(count, outcome, lane).explained(explain::failure(failure, scene));
    verdict.is_unreadable = matches!(&failure.cause, Cause::Body(error) if is_unreadable(error));
    verdict
}

/// A reply about the message as a whole.
fn meaning(reply: &ServerReply, scene: &Scene<'_>) -> (RecipientOutcome, LaneVerdict) {
    if let Some(known) = exchange::recognise(reply, scene) {
        return match known.class(scene) {
            Class::Configuration => (RecipientOutcome::Deferred, LaneVerdict::NeedsAdministrator),
            Class::Throttled => (RecipientOutcome::Deferred, LaneVerdict::Throttled(None)),
            Class::Later => (RecipientOutcome::Deferred, LaneVerdict::MessageOnly),
            Class::Quota => (RecipientOutcome::Deferred, LaneVerdict::QuotaUsedUp(None)),
            Class::Message | Class::SendAs => (RecipientOutcome::Refused(status_of(reply)), LaneVerdict::MessageOnly),
        };
    }
    match reply.code {
        // 530: authentication is required; 538: encryption is.
        530 | 538 => (RecipientOutcome::Deferred, LaneVerdict::NeedsAdministrator),
        400..500 if reply.code != 421 && !is_of_the_system(reply) => {
            (RecipientOutcome::Deferred, LaneVerdict::MessageOnly)
        }
        500.. => (RecipientOutcome::Refused(status_of(reply)), LaneVerdict::MessageOnly),
        // The end of the session, trouble of the system there, or a 2yz or 3yz where it has no meaning.
        _ => (RecipientOutcome::Deferred, LaneVerdict::Throttled(None)),
    }
}

/// The same of one recipient: RFC 5321 §4.5.3.1.10 has 552 there mean what 452 means.
fn rcpt_meaning(reply: &ServerReply, scene: &Scene<'_>) -> (RecipientOutcome, LaneVerdict) {
    if is_too_many(reply) { (RecipientOutcome::Deferred, LaneVerdict::MessageOnly) } else { meaning(reply, scene) }
}

fn is_too_many(reply: &ServerReply) -> bool {
    let says_so = reply.status.is_some_and(|status| (status.subject, status.detail) == (5, 3));
    says_so || (matches!(reply.code, 452 | 552) && reply.status.is_none())
}

/// 4.3.x: the mail system there, not this message (RFC 3463 §3.4).
fn is_of_the_system(reply: &ServerReply) -> bool {
    reply.status.is_some_and(|status| status.subject == 3)
}

/// A reply to what comes before any message.
fn session_meaning(reply: &ServerReply, scene: &Scene<'_>) -> LaneVerdict {
    match exchange::recognise(reply, scene).map(|known| known.class(scene)) {
        Some(Class::Quota) => LaneVerdict::QuotaUsedUp(None),
        Some(Class::Configuration | Class::Message | Class::SendAs) => LaneVerdict::NeedsAdministrator,
        None if reply.severity() == Severity::Permanent => LaneVerdict::NeedsAdministrator,
        Some(Class::Throttled | Class::Later) | None => LaneVerdict::Throttled(None),
    }
}

/// The server's own status code, or the least that its reply says.
pub(super) fn status_of(reply: &ServerReply) -> EnhancedStatus {
    reply.status.unwrap_or(EnhancedStatus::permanent(0, 0))
}
