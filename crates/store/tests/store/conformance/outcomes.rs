//! What somebody may want to be told.

use store::{
    Change, MessageState as S, NewMessage, Operation, Outcome, OutcomeKind as K, RecipientOutcome as O, Store,
};

use super::stores;
use crate::fixture::*;

fn refused() -> O {
    O::Refused(mail::EnhancedStatus::permanent(1, 1))
}

/// Number, message and kind of each.
async fn told(store: &dyn Store) -> Vec<(u64, i64, K)> {
    let plain = |outcome: Outcome| {
        let number = (0..100).find(|number| id(*number) == outcome.message).unwrap();
        (outcome.number, number, outcome.kind)
    };
    store.outcomes(0, 1_000).await.unwrap().into_iter().map(plain).collect()
}

/// Attempts message after message, with these outcomes.
async fn attempt(store: &dyn Store, outcomes: &[O]) {
    let lease = lease(store, at(100)).await;
    for outcome in outcomes {
        let claim = claim_one(store, &lease, at(100)).await;
        store.finish_attempt(&claim, report(&claim, *outcome, at(999)), at(110)).await.unwrap();
    }
}

#[tokio::test]
async fn every_end_of_an_attempt_that_ends_something_is_told() {
    for store in &stores() {
        for number in 1..=4 {
            store.enqueue(message(number)).await.unwrap();
        }
        assert_eq!((told(store).await, store.newest_outcome().await.unwrap()), (vec![], 0));
        attempt(store, &[O::Accepted, refused(), O::Uncertain, O::Deferred]).await;
        assert_eq!(told(store).await, [(1, 1, K::Sent), (2, 2, K::Failed), (3, 3, K::Uncertain)]);
        assert!(store.outcomes(0, 9).await.unwrap().iter().all(|outcome| outcome.at == at(110)));
        assert_eq!(store.newest_outcome().await.unwrap(), 3);
    }
}

#[tokio::test]
async fn what_ends_without_an_attempts_report_is_told_too() {
    for store in &stores() {
        for number in 1..=4 {
            store.enqueue(message(number)).await.unwrap();
        }
        let first = lease(store, at(10)).await;
        claim_one(store, &first, at(10)).await;
        lease(store, at(11)).await; // nobody will report
        store.fail(id(2), because("too old"), at(12)).await.unwrap();
        store.quarantine(id(3), because("damaged"), at(13)).await.unwrap();
        store.operate(id(4), Operation::Cancel, "eve", None, at(14)).await.unwrap();
        let seen = [(1, 1, K::Uncertain), (2, 2, K::Failed), (3, 3, K::Quarantined)];
        assert_eq!(told(store).await, seen, "and what a person did, that person knows");
    }
}

#[tokio::test]
async fn doubt_that_policy_settles_at_once_is_not_told() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await;
        let again = store::AttemptReport { retry_uncertain: true, ..report(&claim, O::Uncertain, at(11)) };
        assert_eq!(store.finish_attempt(&claim, again, at(11)).await.unwrap(), S::Queued);
        assert_eq!(told(store).await, []);
    }
}

#[tokio::test]
async fn outcomes_come_in_pages_and_outlive_their_message() {
    for store in &stores() {
        for number in 1..=5 {
            store.enqueue(message(number)).await.unwrap();
            store.fail(id(number), because("too old"), at(9)).await.unwrap();
        }
        store.delete(id(3)).await.unwrap();
        let numbers = |page: Vec<Outcome>| page.into_iter().map(|outcome| outcome.number).collect::<Vec<_>>();
        assert_eq!(numbers(store.outcomes(0, 2).await.unwrap()), [1, 2]);
        assert_eq!(numbers(store.outcomes(2, 2).await.unwrap()), [3, 4]);
        assert_eq!(numbers(store.outcomes(4, 2).await.unwrap()), [5]);
        assert_eq!(store.outcomes(2, 1).await.unwrap()[0].message, id(3));
    }
}

#[tokio::test]
async fn a_number_is_never_used_again() {
    for store in &stores() {
        for number in 1..=3 {
            store.enqueue(message(number)).await.unwrap();
            store.fail(id(number), because("too old"), at(9)).await.unwrap();
        }
        assert_eq!(store.purge_outcomes(2).await.unwrap(), 2);
        assert_eq!(told(store).await, [(3, 3, K::Failed)]);
        assert_eq!(store.purge_outcomes(99).await.unwrap(), 1);
        assert_eq!((told(store).await, store.newest_outcome().await.unwrap()), (vec![], 3));
        store.enqueue(message(4)).await.unwrap();
        store.fail(id(4), because("too old"), at(9)).await.unwrap();
        assert_eq!(told(store).await, [(4, 4, K::Failed)]);
    }
}

#[tokio::test]
async fn new_outcomes_are_announced() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let mut news = store.subscribe();
        store.fail(id(1), because("too old"), at(9)).await.unwrap();
        let mut heard = Vec::new();
        while let Ok(change) = news.try_recv() {
            heard.push(change);
        }
        assert_eq!(heard.iter().filter(|change| **change == Change::Outcomes).count(), 1, "{heard:?}");
        store.enqueue(message(2)).await.unwrap();
        while let Ok(change) = news.try_recv() {
            assert_ne!(change, Change::Outcomes, "an arrival is none");
        }
    }
}

#[tokio::test]
async fn a_delay_is_noted_once_and_only_of_what_is_queued() {
    for store in &stores() {
        for number in [1, 2, 3, 50] {
            store.enqueue(message(number)).await.unwrap();
        }
        store.operate(id(2), Operation::Hold, "eve", None, at(4)).await.unwrap();
        let lease = lease(store, at(10)).await;
        let claim = claim_one(store, &lease, at(10)).await; // 1 is being sent
        assert_eq!(store.note_delayed(at(50), 9, at(60)).await.unwrap(), 1, "50 did not arrive before");
        assert_eq!(store.note_delayed(at(50), 9, at(61)).await.unwrap(), 0, "once");

        store.finish_attempt(&claim, report(&claim, O::Deferred, at(70)), at(62)).await.unwrap();
        store.operate(id(2), Operation::Release, "eve", None, at(63)).await.unwrap();
        assert_eq!(store.note_delayed(at(50), 9, at(64)).await.unwrap(), 2, "those that wait again");
        assert_eq!(store.note_delayed(at(51), 9, at(65)).await.unwrap(), 1);
        let seen = [(1, 3, K::Delayed), (2, 1, K::Delayed), (3, 2, K::Delayed), (4, 50, K::Delayed)];
        assert_eq!(told(store).await, seen);
        assert_eq!(store.outcomes(0, 1).await.unwrap()[0].at, at(60));
        assert_eq!(store.message(id(3)).await.unwrap().message.state, S::Queued);
    }
}

#[tokio::test]
async fn delays_are_noted_oldest_first_and_as_many_as_asked_for() {
    for store in &stores() {
        for number in 1..=3 {
            store.enqueue(NewMessage { routed_to: None, ..message(number) }).await.unwrap();
        }
        for (noted, number) in [(2, 1), (1, 3), (0, 0)] {
            assert_eq!(store.note_delayed(at(50), 2, at(60)).await.unwrap(), noted);
            let newest = told(store).await;
            assert!(noted == 0 || newest.iter().any(|(_, of, _)| *of == number), "{newest:?}");
        }
    }
}

#[tokio::test]
async fn what_is_to_be_sent_later_is_not_late_before_that() {
    for store in &stores() {
        store.enqueue(NewMessage { send_at: Some(at(500)), ..message(1) }).await.unwrap();
        // Handed in with a time that is over: due when it came.
        store.enqueue(NewMessage { send_at: Some(at(1)), ..message(2) }).await.unwrap();
        assert_eq!(store.note_delayed(at(500), 9, at(600)).await.unwrap(), 1);
        assert_eq!(told(store).await, [(1, 2, K::Delayed)]);
        assert_eq!(store.note_delayed(at(501), 9, at(601)).await.unwrap(), 1);
    }
}
