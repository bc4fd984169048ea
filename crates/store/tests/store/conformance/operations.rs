//! What administrators and housekeeping do to messages.

use store::{MessageState as S, NewMessage, Operation, RecipientOutcome as O, RecipientState as R, StoreError};

use super::stores;
use crate::fixture::*;

#[tokio::test]
async fn a_held_message_keeps_its_time() {
    for store in &stores() {
        store.enqueue(NewMessage { send_at: Some(at(50)), ..message(1) }).await.unwrap();
        let lane = the_lane(store).await;
        assert_eq!(store.operate(id(1), Operation::Hold, "eve", Some("wait"), at(2)).await.unwrap(), S::Held);
        assert_eq!(store.message(id(1)).await.unwrap().message.due_at, None);
        assert_eq!(store.lane(lane).await.unwrap().waiting, 0);
        assert_eq!(store.operate(id(1), Operation::Release, "eve", None, at(3)).await.unwrap(), S::Queued);
        assert_eq!(store.message(id(1)).await.unwrap().message.due_at, Some(at(50)));
        assert_eq!(store.operate(id(1), Operation::Retry, "eve", None, at(4)).await.unwrap(), S::Queued);
        let shown = store.message(id(1)).await.unwrap();
        assert_eq!(shown.message.due_at, Some(at(4)), "a retry means now");
        let events: Vec<_> = shown.events.iter().map(|event| (event.kind.as_str(), event.at)).collect();
        assert_eq!(events, [("hold", at(2)), ("release", at(3)), ("retry", at(4))]);
        assert_eq!((shown.events[0].actor.as_str(), shown.events[0].detail.as_deref()), ("eve", Some("wait")));
    }
}

#[tokio::test]
async fn a_retry_sends_again_to_all_but_those_it_was_sent_to() {
    for store in &stores() {
        store.enqueue(to(message(1), &["a@x.test", "b@x.test", "c@x.test"])).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        let refused = O::Refused(mail::EnhancedStatus::permanent(1, 1));
        let mixed = store::AttemptReport {
            outcomes: vec![O::Accepted, refused, O::Uncertain],
            ..report(&claim, O::Accepted, at(11))
        };
        assert_eq!(store.finish_attempt(&claim, mixed, at(11)).await.unwrap(), S::Uncertain);
        store.operate(id(1), Operation::Retry, "eve", None, at(12)).await.unwrap();
        let shown = store.message(id(1)).await.unwrap();
        let states: Vec<_> = shown.recipients.iter().map(|recipient| (recipient.state, recipient.status)).collect();
        assert_eq!(states, [(R::Sent, None), (R::Pending, None), (R::Pending, None)]);
        assert_eq!(claim_one(store, &lease, at(12)).await.recipients, [1, 2]);
    }
}

#[tokio::test]
async fn a_release_after_doubt_has_somebody_to_send_to() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        store.finish_attempt(&claim, report(&claim, O::Uncertain, at(11)), at(11)).await.unwrap();
        store.operate(id(1), Operation::Hold, "eve", None, at(12)).await.unwrap();
        store.operate(id(1), Operation::Release, "eve", None, at(13)).await.unwrap();
        assert_eq!(claim_one(store, &lease, at(14)).await.recipients, [0]);
    }
}

#[tokio::test]
async fn an_operation_that_cannot_be_changes_nothing() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let before = store.message(id(1)).await.unwrap();
        assert!(is_conflict(&store.operate(id(1), Operation::Release, "eve", None, at(2)).await));
        assert_eq!(store.message(id(1)).await.unwrap(), before);
        let nobody = store.operate(id(9), Operation::Hold, "eve", None, at(2)).await;
        assert!(matches!(nobody, Err(StoreError::NotFound { .. })));
    }
}

#[tokio::test]
async fn a_message_that_waits_can_fail_and_one_under_way_cannot() {
    for store in &stores() {
        store.enqueue(to(message(1), &["a@x.test", "b@x.test"])).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = store.claim(&lease, 1, 1, at(10)).await.unwrap().remove(0);
        assert!(is_conflict(&store.fail(id(1), because("too old"), at(11)).await));
        store.finish_attempt(&claim, report(&claim, O::Accepted, at(12)), at(12)).await.unwrap();
        store.fail(id(1), because("too old"), at(13)).await.unwrap();
        let shown = store.message(id(1)).await.unwrap();
        assert_eq!((shown.message.state, shown.message.last_error), (S::Failed, Some(because("too old"))));
        let states: Vec<_> = shown.recipients.iter().map(|recipient| recipient.state).collect();
        assert_eq!(states, [R::Sent, R::Failed]);
        assert!(is_conflict(&store.fail(id(1), because("again"), at(14)).await));
    }
}

#[tokio::test]
async fn quarantine_ends_the_attempt_and_keeps_the_message() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        store.quarantine(id(1), because("the body is damaged"), at(11)).await.unwrap();
        let shown = store.message(id(1)).await.unwrap();
        assert_eq!(shown.message.state, S::Quarantined);
        assert_eq!((shown.attempts[0].ended_at, &shown.attempts[0].outcomes), (Some(at(11)), &vec![O::Deferred]));
        assert!(is_conflict(&store.finish_attempt(&claim, report(&claim, O::Accepted, at(12)), at(12)).await));
        assert!(is_conflict(&store.purge(S::Quarantined, at(1_000_000), 9).await), "it is never deleted by itself");
        store.delete(id(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_deleted_message_is_gone_and_one_under_way_stays() {
    for store in &stores() {
        let body = staged(store, &vec![b'x'; 100_000]).await;
        store.enqueue(NewMessage { body, ..message(1) }).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        assert!(is_conflict(&store.delete(id(1)).await));
        store.finish_attempt(&claim, report(&claim, O::Deferred, at(12)), at(12)).await.unwrap();
        store.delete(id(1)).await.unwrap();
        assert!(matches!(store.message(id(1)).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(store.read_body(id(1)).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(store.delete(id(1)).await, Err(StoreError::NotFound { .. })));
        assert_eq!(store.counts().await.unwrap(), store::Counts::default());
        assert!(store.lanes_with_work().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn purging_takes_what_is_settled_and_old() {
    for store in &stores() {
        for number in 1..=5 {
            store.enqueue(message(number)).await.unwrap();
        }
        for number in [1, 2, 4, 5] {
            store.operate(id(number), Operation::Cancel, "eve", None, at(9)).await.unwrap();
        }
        assert_eq!(store.purge(S::Sent, at(100), 9).await.unwrap(), 0, "another state");
        assert_eq!(store.purge(S::Cancelled, at(5), 2).await.unwrap(), 2, "as many as asked for");
        assert_eq!(store.purge(S::Cancelled, at(5), 2).await.unwrap(), 1, "and none that arrived at or after the time");
        let left =
            store.messages(&store::Filter::default(), store::PageRequest { before: None, limit: 9 }).await.unwrap();
        assert_eq!(left.messages.iter().map(|record| record.id).collect::<Vec<_>>(), [5, 3].map(id));
        assert!(is_conflict(&store.purge(S::Queued, at(100), 9).await));
    }
}

#[tokio::test]
async fn rerouting_moves_what_waits() {
    for store in &stores() {
        store.enqueue(NewMessage { routed_to: None, ..message(1) }).await.unwrap();
        store.enqueue(NewMessage { routed_to: None, ..message(2) }).await.unwrap();
        store.enqueue(message(3)).await.unwrap();
        assert_eq!(store.unrouted(9).await.unwrap(), [1, 2].map(id));
        let old = the_lane(store).await;
        let lease = lease(store, at(10)).await;
        claim_one(store, &lease, at(10)).await;

        let new = Some(route("other@contoso.test"));
        store.reroute(vec![(id(1), new.clone()), (id(3), new.clone()), (id(77), new.clone())]).await.unwrap();
        assert_eq!(store.message(id(1)).await.unwrap().message.routed_to, new);
        assert_eq!(store.message(id(3)).await.unwrap().message.lane, Some(old), "it is being sent");
        assert_eq!(store.unrouted(9).await.unwrap(), [id(2)]);
        let mut lanes: Vec<_> = store.lanes_with_work().await.unwrap();
        lanes.sort_by_key(|lane| lane.key.mailbox.clone());
        assert_eq!(lanes.iter().map(|lane| lane.waiting).collect::<Vec<_>>(), [1, 1]);

        // A mailbox that differs only in case is the same mailbox, so the same lane.
        store.reroute(vec![(id(2), Some(route("OTHER@Contoso.test")))]).await.unwrap();
        let lane = |number| async move { store.message(id(number)).await.unwrap().message.lane };
        assert_eq!(lane(2).await, lane(1).await);
        store.reroute(vec![(id(2), None)]).await.unwrap();
        assert_eq!(store.unrouted(9).await.unwrap(), [id(2)]);
    }
}

/// The event of a move at that second.
fn moved(seconds: i64) -> store::Event {
    let detail = Some("the secret has expired".to_owned());
    store::Event { at: at(seconds), kind: "moved_to_fallback".into(), actor: "system".into(), detail }
}

#[tokio::test]
async fn only_what_is_queued_due_and_not_in_doubt_takes_another_way() {
    for store in &stores() {
        for number in 1..=2 {
            store.enqueue(message(number)).await.unwrap();
        }
        store.enqueue(NewMessage { send_at: Some(at(500)), ..message(3) }).await.unwrap();
        let old = the_lane(store).await;
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        let way = route("other@contoso.test");
        let all = vec![id(1), id(2), id(3), id(77)];
        assert_eq!(
            store.divert(all.clone(), way.clone(), at(11), moved(11)).await.unwrap(),
            [id(2)],
            "1 is being sent"
        );

        let again = store::AttemptReport { retry_uncertain: true, ..report(&claim, O::Uncertain, at(12)) };
        assert_eq!(store.finish_attempt(&claim, again, at(12)).await.unwrap(), S::Queued);
        assert_eq!(store.divert(all.clone(), way.clone(), at(13), moved(13)).await.unwrap(), [], "1 may have left");
        let claim = claim_one(store, &lease, at(14)).await;
        store.finish_attempt(&claim, report(&claim, O::Deferred, at(14)), at(14)).await.unwrap();
        assert_eq!(
            store.divert(all.clone(), way.clone(), at(14), moved(14)).await.unwrap(),
            [],
            "this attempt did not leave, the one before may have"
        );
        assert_eq!(
            store.queued_in_lane(old, at(500), None, 9).await.unwrap().len(),
            1,
            "nor is it offered to be moved; 3 is"
        );
        let claim = claim_one(store, &lease, at(14)).await;
        let knows = store::AttemptReport { settles_doubt: true, ..report(&claim, O::Deferred, at(15)) };
        store.finish_attempt(&claim, knows, at(15)).await.unwrap();
        assert_eq!(
            store.divert(all, way.clone(), at(16), moved(16)).await.unwrap(),
            [id(1)],
            "now it is known that none did"
        );

        let shown = store.message(id(2)).await.unwrap();
        assert_eq!((&shown.message.routed_to, shown.message.due_at), (&Some(way.clone()), Some(at(2))));
        assert_eq!(shown.events, [moved(11)]);
        assert_eq!(store.lane(old).await.unwrap().waiting, 1, "3 is not due");
        assert_eq!(store.message(id(1)).await.unwrap().message.due_at, Some(at(15)));
        assert_eq!(store.divert(vec![id(1)], route("third@contoso.test"), at(15), moved(14)).await.unwrap(), [id(1)]);
        assert_eq!(store.message(id(1)).await.unwrap().message.due_at, Some(at(14)), "at once");
        store.divert(vec![id(1)], way.clone(), at(15), moved(16)).await.unwrap();
        assert_eq!(store.lane(store.lane_of(&way).await.unwrap()).await.unwrap().waiting, 2);
    }
}
