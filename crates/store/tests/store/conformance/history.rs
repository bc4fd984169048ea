//! What the overview shows: what went through, who handed it in, and which lanes wait.

use settings::AccountId;
use store::{HISTORY_STEP_SECONDS, HistoryPoint, LanePause, NewMessage, Operation, RecipientOutcome as O, Store};

use super::stores;
use crate::fixture::*;

/// One step, as `step`, accepted, sent, failed, waiting.
type Step = (i64, u64, u64, u64, u64);

async fn steps(store: &dyn Store, since: i64, until: i64) -> Vec<Step> {
    let plain = |point: HistoryPoint| {
        let seconds = point.at.duration_since(at(0)).as_secs();
        assert_eq!(seconds % HISTORY_STEP_SECONDS, 0);
        (seconds / HISTORY_STEP_SECONDS, point.accepted, point.sent, point.failed, point.waiting)
    };
    store.history(at(since), at(until)).await.unwrap().into_iter().map(plain).collect()
}

#[tokio::test]
async fn history_counts_what_came_went_and_failed_in_each_step() {
    for store in &stores() {
        assert_eq!(steps(store, 0, 9_999).await, []);
        for number in [1, 2, 299, 300] {
            store.enqueue(message(number)).await.unwrap();
        }
        assert_eq!(steps(store, 0, 9_999).await, [(0, 3, 0, 0, 3), (1, 1, 0, 0, 4)], "a step ends before the next");

        let lease = lease(store, at(310)).await;
        for (outcome, now) in [(O::Accepted, 650), (O::Refused(mail::EnhancedStatus::permanent(1, 1)), 660)] {
            let claim = claim_one(store, &lease, at(now)).await;
            store.finish_attempt(&claim, report(&claim, outcome, at(now)), at(now)).await.unwrap();
        }
        store.fail(id(299), because("too old"), at(1_250)).await.unwrap();
        let expected = [(0, 3, 0, 0, 3), (1, 1, 0, 0, 4), (2, 0, 1, 1, 2), (4, 0, 0, 1, 1)];
        assert_eq!(steps(store, 0, 9_999).await, expected, "a step in which nothing happened is left out");
    }
}

#[tokio::test]
async fn history_leaves_alone_what_is_neither_an_arrival_nor_an_end() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        let lease = lease(store, at(400)).await;
        let claim = claim_one(store, &lease, at(400)).await;
        store.finish_attempt(&claim, report(&claim, O::Deferred, at(401)), at(401)).await.unwrap();
        store.operate(id(1), Operation::Cancel, "eve", None, at(402)).await.unwrap();
        assert_eq!(steps(store, 0, 9_999).await, [(0, 1, 0, 0, 1)]);
    }
}

#[tokio::test]
async fn a_span_of_history_begins_with_its_start_and_ends_before_its_end() {
    for store in &stores() {
        for number in [0, 300, 600, 900] {
            store.enqueue(message(number)).await.unwrap();
        }
        let first = |steps: Vec<Step>| steps.into_iter().map(|step| step.0).collect::<Vec<_>>();
        assert_eq!(first(steps(store, 300, 900).await), [1, 2]);
        assert_eq!(first(steps(store, 301, 901).await), [2, 3], "a step that began before is not the span's");
        let half = jiff::SignedDuration::from_millis(500);
        let points = store.history(at(300) + half, at(600) + half).await.unwrap();
        assert_eq!(points.iter().map(|point| point.at).collect::<Vec<_>>(), [at(600)]);
    }
}

#[tokio::test]
async fn purged_history_is_gone_up_to_the_moment_and_nothing_else() {
    for store in &stores() {
        for number in [0, 300, 600] {
            store.enqueue(message(number)).await.unwrap();
        }
        assert_eq!(store.purge_history(at(0)).await.unwrap(), 0);
        assert_eq!(store.purge_history(at(301)).await.unwrap(), 2, "those that began before");
        assert_eq!(steps(store, 0, 9_999).await, [(2, 1, 0, 0, 3)]);
        assert_eq!(store.counts().await.unwrap().queued, 3, "messages have a retention of their own");
    }
}

#[tokio::test]
async fn the_newest_message_of_each_account_is_remembered() {
    for store in &stores() {
        let from = |number, account: &str| NewMessage { account: Some(AccountId(account.into())), ..message(number) };
        store.enqueue(message(1)).await.unwrap();
        assert_eq!(store.last_submissions().await.unwrap(), [], "of nobody");
        for (number, account) in [(5, "shop"), (9, "erp"), (7, "shop"), (6, "shop")] {
            store.enqueue(from(number, account)).await.unwrap();
        }
        let known = [(AccountId("erp".into()), at(9)), (AccountId("shop".into()), at(7))];
        assert_eq!(store.last_submissions().await.unwrap(), known);
        store.delete(id(7)).await.unwrap();
        assert_eq!(store.last_submissions().await.unwrap(), known, "also when the message is gone");
    }
}

#[tokio::test]
async fn lanes_come_with_the_most_waiting_first_also_those_without_work() {
    for store in &stores() {
        for (number, mailbox) in [(1, "b@x.test"), (2, "c@x.test"), (3, "c@x.test"), (4, "A@x.test"), (5, "d@x.test")] {
            store.enqueue(NewMessage { routed_to: Some(route(mailbox)), ..message(number) }).await.unwrap();
        }
        store.operate(id(5), Operation::Cancel, "eve", None, at(6)).await.unwrap();
        let lanes = store.lanes(9).await.unwrap();
        let seen: Vec<_> = lanes.iter().map(|lane| (lane.key.mailbox.as_str(), lane.waiting)).collect();
        assert_eq!(seen, [("c@x.test", 2), ("A@x.test", 1), ("b@x.test", 1), ("d@x.test", 0)]);
        assert_eq!((lanes[0].next_due, lanes[3].next_due), (Some(at(2)), None));
        assert_eq!(store.lanes(2).await.unwrap(), lanes[..2]);

        let pause = LanePause { until: at(99), explanation: because("busy"), needs_administrator: true };
        store.pause_lane(lanes[3].id, Some(pause.clone())).await.unwrap();
        assert_eq!(store.lanes(9).await.unwrap()[3].pause, Some(pause));
    }
}
