//! The way out: leases, claims, attempts.

use bytes::Bytes;
use mail::EnhancedStatus;
use store::{
    Appetite, AttemptReport, LanePause, MessageState as S, NewMessage, Operation, Priority, RecipientOutcome as O,
    RecipientState as R, StagedBody, StoreError,
};

use super::stores;
use crate::fixture::*;

#[tokio::test]
async fn claims_go_by_priority_then_due_then_arrival() {
    for store in &stores() {
        for (number, priority, send_at) in [
            (1, Priority::Bulk, None),
            (2, Priority::Normal, Some(at(9))), // scheduled: due after number 3
            (3, Priority::Normal, None),
            (4, Priority::High, None),
            (5, Priority::Normal, Some(at(3))), // due with number 3, arrived later
            (6, Priority::High, Some(at(99))),  // not due yet
        ] {
            store.enqueue(NewMessage { priority, send_at, ..message(number) }).await.unwrap();
        }
        let lease = lease(store, at(10)).await;
        let claims = store.claim(&lease, 10, 10, at(10)).await.unwrap();
        let order: Vec<_> = claims.iter().map(|claim| claim.message.id).collect();
        assert_eq!(order, [4, 3, 5, 2, 1].map(id));
        assert_eq!(claims[0].message.state, S::Sending);
        assert_eq!((claims[0].message.attempts, claims[0].message.due_at), (1, None));
        assert_eq!(store.lane(lease.lane).await.unwrap().next_due, Some(at(99)));
        assert_eq!(store.lane(lease.lane).await.unwrap().waiting, 6);
        assert!(store.claim(&lease, 10, 10, at(98)).await.unwrap().is_empty());
        assert_eq!(store.claim(&lease, 10, 10, at(99)).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_is_not_to_the_lanes_appetite_is_passed_over_and_stays_due() {
    for store in &stores() {
        let large = || StagedBody::inline(Bytes::from(vec![b'x'; 1_000])).unwrap();
        for (number, priority, is_large) in [
            (1, Priority::Normal, true), // too large
            (2, Priority::Normal, false),
            (3, Priority::Bulk, false), // not urgent enough
        ] {
            let message = NewMessage { priority, ..message(number) };
            let body = if is_large { large() } else { message.body };
            store.enqueue(NewMessage { body, ..message }).await.unwrap();
        }
        let lease = lease(store, at(10)).await;
        let appetite = Appetite { max_bytes: 999, at_least: Priority::Normal, ..Appetite::for_any(9, 9) };
        let claims = store.claim_some(&lease, appetite, at(10)).await.unwrap();
        assert_eq!(claims.iter().map(|claim| claim.message.id).collect::<Vec<_>>(), [id(2)]);
        assert_eq!(store.lane(lease.lane).await.unwrap().next_due, Some(at(1)));
        let rest = store.claim_some(&lease, Appetite { max_bytes: 1_000, ..appetite }, at(10)).await.unwrap();
        assert_eq!(rest.iter().map(|claim| claim.message.id).collect::<Vec<_>>(), [id(1)]);
        assert_eq!(claim_one(store, &lease, at(10)).await.message.id, id(3));
    }
}

#[tokio::test]
async fn only_the_holder_of_the_lease_claims() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lane = the_lane(store).await;
        let first = store.lease_lane(lane, &node("n1"), None, at(20), at(10)).await.unwrap().unwrap();
        assert_eq!(store.lease_lane(lane, &node("n2"), None, at(40), at(19)).await.unwrap(), None);
        let renewed = store.lease_lane(lane, &node("n1"), Some(&first), at(30), at(19)).await.unwrap().unwrap();
        assert_eq!(renewed.epoch, first.epoch);
        assert_eq!(store.lease_lane(lane, &node("n2"), None, at(40), at(29)).await.unwrap(), None, "it was renewed");

        let expired = store.claim(&renewed, 1, 1, at(30)).await;
        assert!(matches!(expired, Err(StoreError::LeaseLost)), "nobody holds a lease at its end");
        let second = store.lease_lane(lane, &node("n2"), None, at(40), at(30)).await.unwrap().unwrap();
        assert!(second.epoch > first.epoch);
        assert!(matches!(store.claim(&renewed, 1, 1, at(31)).await, Err(StoreError::LeaseLost)));
        assert_eq!(store.claim(&second, 1, 1, at(31)).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_lane_taken_over_leaves_doubt_about_what_was_being_sent() {
    for store in &stores() {
        store.enqueue(to(message(1), &["a@x.test", "b@x.test"])).await.unwrap();
        store.enqueue(message(2)).await.unwrap();
        let first = lease(store, at(10)).await;
        let claim = store.claim(&first, 1, 1, at(10)).await.unwrap().remove(0);
        // The same node without its old lease is the node after a restart.
        let second = lease(store, at(11)).await;

        let shown = store.message(id(1)).await.unwrap();
        assert_eq!((shown.message.state, shown.message.may_be_duplicated), (S::Uncertain, true));
        let recipients: Vec<_> = shown.recipients.iter().map(|recipient| recipient.state).collect();
        assert_eq!(recipients, [R::Uncertain, R::Pending], "only those the attempt was for are in doubt");
        assert_eq!(shown.attempts[0].ended_at, None);
        assert_eq!(shown.events[0].kind, "attempt_lost");
        assert!(shown.message.last_error.is_some());
        assert_eq!(store.message(id(2)).await.unwrap().message.state, S::Queued);

        let late = store.finish_attempt(&claim, report(&claim, O::Accepted, at(12)), at(12)).await;
        assert!(matches!(late, Err(StoreError::LeaseLost)));
        assert_eq!(store.claim(&second, 9, 9, at(12)).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_renewal_leaves_what_is_being_sent_alone() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        store.lease_lane(lease.lane, &lease.node, Some(&lease), at(90), at(11)).await.unwrap().unwrap();
        let state = store.finish_attempt(&claim, report(&claim, O::Accepted, at(12)), at(12)).await.unwrap();
        assert_eq!(state, S::Sent);
    }
}

#[tokio::test]
async fn an_attempt_reaches_as_many_recipients_as_it_may() {
    for store in &stores() {
        store.enqueue(to(message(1), &["a@x.test", "b@x.test", "c@x.test"])).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = store.claim(&lease, 1, 2, at(10)).await.unwrap().remove(0);
        assert_eq!(claim.recipients, [0, 1]);
        let refused = EnhancedStatus::permanent(1, 1);
        let outcomes = vec![O::Refused(refused), O::Accepted];
        let first = AttemptReport { outcomes, ..report(&claim, O::Accepted, at(11)) };
        assert_eq!(store.finish_attempt(&claim, first, at(11)).await.unwrap(), S::Queued);

        let claim = store.claim(&lease, 1, 2, at(11)).await.unwrap().remove(0);
        assert_eq!(claim.addresses().map(mail::Address::as_str).collect::<Vec<_>>(), ["c@x.test"]);
        assert_eq!(store.finish_attempt(&claim, report(&claim, O::Accepted, at(12)), at(12)).await.unwrap(), S::Failed);

        let shown = store.message(id(1)).await.unwrap();
        let states: Vec<_> = shown.recipients.iter().map(|recipient| (recipient.state, recipient.status)).collect();
        assert_eq!(states, [(R::Failed, Some(refused)), (R::Sent, None), (R::Sent, None)]);
        assert_eq!(shown.attempts.len(), 2);
        assert_eq!(shown.attempts[0].outcomes, [O::Refused(refused), O::Accepted]);
        assert_eq!(shown.attempts[0].mailbox, address("noreply@contoso.test"));
        assert_eq!((shown.attempts[1].started_at, shown.attempts[1].ended_at), (at(11), Some(at(12))));
        assert_eq!(shown.attempts[1].request_id.as_deref(), Some("request-1"));
        assert_eq!(store.recipients_attempted(lease.lane, at(0)).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn what_an_attempt_left_is_due_when_the_report_says() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        let explanation = Some(because("the mailbox is busy"));
        let deferred = AttemptReport { explanation: explanation.clone(), ..report(&claim, O::Deferred, at(60)) };
        assert_eq!(store.finish_attempt(&claim, deferred, at(11)).await.unwrap(), S::Queued);
        assert_eq!(store.message(id(1)).await.unwrap().message.last_error, explanation);
        assert_eq!(store.lane(lease.lane).await.unwrap().next_due, Some(at(60)));
        assert!(store.claim(&lease, 1, 1, at(59)).await.unwrap().is_empty());

        let claim = claim_one(store, &lease, at(60)).await;
        store.finish_attempt(&claim, report(&claim, O::Accepted, at(61)), at(61)).await.unwrap();
        let record = store.message(id(1)).await.unwrap().message;
        assert_eq!((record.state, record.last_error, record.due_at), (S::Sent, None, None), "all is well");
        assert_eq!(store.lane(lease.lane).await.unwrap().waiting, 0);
    }
}

#[tokio::test]
async fn a_lost_answer_follows_the_policy_of_the_report() {
    for store in &stores() {
        for (number, retry_uncertain, state) in [(1, false, S::Uncertain), (2, true, S::Queued)] {
            store.enqueue(message(number)).await.unwrap();
            let lease = lease(store, at(10)).await;
            let claim = claim_one(store, &lease, at(10)).await;
            let lost = AttemptReport { retry_uncertain, ..report(&claim, O::Uncertain, at(99)) };
            assert_eq!(store.finish_attempt(&claim, lost, at(11)).await.unwrap(), state);
            assert!(store.message(id(number)).await.unwrap().message.may_be_duplicated);
            store.fail(id(number), because("enough"), at(12)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_attempt_ends_once_with_an_outcome_for_each_recipient() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        let short = AttemptReport { outcomes: vec![], ..report(&claim, O::Accepted, at(11)) };
        assert!(is_conflict(&store.finish_attempt(&claim, short, at(11)).await));
        let deferred = || report(&claim, O::Deferred, at(12));
        store.finish_attempt(&claim, deferred(), at(11)).await.unwrap();
        assert!(is_conflict(&store.finish_attempt(&claim, deferred(), at(11)).await));
        // Nor does an old claim end the next attempt.
        claim_one(store, &lease, at(12)).await;
        assert!(is_conflict(&store.finish_attempt(&claim, deferred(), at(13)).await));
    }
}

#[tokio::test]
async fn doubt_is_settled_only_by_an_attempt_that_says_so_and_has_none_of_its_own() {
    for store in &stores() {
        store.enqueue(to(message(1), &["a@x.test", "b@x.test"])).await.unwrap();
        let lease = lease(store, at(10)).await;
        for (outcomes, settles_doubt, may_be_duplicated, reason) in [
            ([O::Uncertain, O::Deferred], false, true, "an answer was lost"),
            ([O::Deferred, O::Deferred], false, true, "this attempt says nothing of the earlier one"),
            ([O::Uncertain, O::Deferred], true, true, "it settles the earlier one, and leaves doubt itself"),
            ([O::Deferred, O::Deferred], true, false, "it learned what became of both"),
            ([O::Accepted, O::Accepted], true, false, "there was none"),
        ] {
            let claim = claim_one(store, &lease, at(20)).await;
            let outcomes = outcomes.to_vec();
            let report =
                AttemptReport { outcomes, retry_uncertain: true, settles_doubt, ..report(&claim, O::Accepted, at(11)) };
            store.finish_attempt(&claim, report, at(11)).await.unwrap();
            assert_eq!(store.message(id(1)).await.unwrap().message.may_be_duplicated, may_be_duplicated, "{reason}");
        }
    }
}

#[tokio::test]
async fn a_paused_lane_stands_still_until_then() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lease = lease(store, at(10)).await;
        let explanation = because("429 Too Many Requests");
        let pause = LanePause { until: at(20), explanation, needs_administrator: false };
        store.pause_lane(lease.lane, Some(pause.clone())).await.unwrap();
        assert_eq!(store.lane(lease.lane).await.unwrap().pause, Some(pause.clone()));
        assert!(store.claim(&lease, 1, 1, at(19)).await.unwrap().is_empty());
        let in_a_hurry = Appetite { through_pause: true, ..Appetite::for_any(1, 1) };
        let claim = store.claim_some(&lease, in_a_hurry, at(19)).await.unwrap().remove(0);
        store.finish_attempt(&claim, report(&claim, O::Deferred, at(19)), at(19)).await.unwrap();
        assert_eq!(store.claim(&lease, 1, 1, at(20)).await.unwrap().len(), 1);

        store.operate(id(1), Operation::Cancel, "eve", None, at(20)).await.unwrap_err();
        store.pause_lane(lease.lane, None).await.unwrap();
        assert_eq!(store.lane(lease.lane).await.unwrap().pause, None);
        let nowhere = store.pause_lane(store::LaneId(777), None).await;
        assert!(matches!(nowhere, Err(StoreError::NotFound { .. })));
    }
}

#[tokio::test]
async fn the_days_budget_is_counted_by_the_hour() {
    for store in &stores() {
        for number in 0..3 {
            store.enqueue(to(message(number), &["a@x.test", "b@x.test"])).await.unwrap();
        }
        let lease = lease(store, at(10)).await;
        store.claim(&lease, 1, 9, at(10)).await.unwrap();
        store.claim(&lease, 1, 1, at(3_700)).await.unwrap();
        store.claim(&lease, 1, 9, at(7_300)).await.unwrap();
        for (since, count) in [(0, 5), (3_599, 5), (3_600, 3), (7_199, 3), (7_200, 2), (10_800, 0)] {
            assert_eq!(store.recipients_attempted(lease.lane, at(since)).await.unwrap(), count, "since {since}");
        }
    }
}
