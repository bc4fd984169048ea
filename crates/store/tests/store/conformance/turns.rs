//! Accounts take turns on a lane.

use std::sync::Arc;

use bytes::Bytes;
use settings::AccountId;
use store::sqlite::SqliteStore;
use store::{Appetite, Lease, MessageState as S, NewMessage, Priority, RecipientOutcome as O, StagedBody, Store};

use super::stores;
use crate::fixture::*;

fn of(account: &str, number: i64) -> NewMessage {
    let account = (!account.is_empty()).then(|| AccountId(account.into()));
    NewMessage { account, ..message(number) }
}

async fn claimed(store: &dyn Store, lease: &Lease, count: u32, now: i64) -> Vec<i64> {
    let claims = store.claim(lease, count, 9, at(now)).await.unwrap();
    claims.iter().map(|claim| claim.message.received_at.duration_since(at(0)).as_secs()).collect()
}

/// One message of an account behind `count` of another one.
async fn comes_second(store: &dyn Store, count: i64) {
    let lease = lease(store, at(20_000)).await;
    // One at a time, as a lane does whose attempts end one by one.
    let mut first = claimed(store, &lease, 1, 20_000).await;
    first.extend(claimed(store, &lease, 1, 20_000).await);
    assert_eq!(first.len(), 2);
    assert!(first.contains(&count), "{first:?}");
    assert_eq!(claimed(store, &lease, 2, 20_000).await, [1, 2], "and then the others go on");
}

#[tokio::test]
async fn one_message_waits_for_one_turn_of_an_account_that_queued_many() {
    for store in &stores() {
        for number in 0..50 {
            store.enqueue(of("newsletter", number)).await.unwrap();
        }
        store.enqueue(of("erp", 50)).await.unwrap();
        comes_second(store, 50).await;
    }
}

#[tokio::test]
async fn one_message_waits_for_one_turn_of_an_account_that_queued_ten_thousand() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let store = Arc::new(SqliteStore::open(folder.path()).unwrap());
    let tasks = (0..100).map(|task| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..100 {
                store.enqueue(of("newsletter", task * 100 + number)).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    store.enqueue(of("erp", 10_000)).await.unwrap();
    comes_second(&*store, 10_000).await;
}

#[tokio::test]
async fn a_round_goes_through_the_accounts_and_the_next_claim_goes_on() {
    for store in &stores() {
        for (number, account) in
            [(1, "b"), (2, "b"), (3, "b"), (4, "c"), (5, ""), (6, "a"), (7, ""), (8, "a"), (9, "b")]
        {
            store.enqueue(of(account, number)).await.unwrap();
        }
        let lease = lease(store, at(20)).await;
        assert_eq!(claimed(store, &lease, 3, 20).await, [5, 6, 1], "nobody's, then by name, each one's oldest");
        assert_eq!(claimed(store, &lease, 1, 20).await, [4], "after b comes c");
        store.enqueue(of("bb", 10)).await.unwrap();
        assert_eq!(claimed(store, &lease, 4, 20).await, [7, 8, 2, 10], "a newcomer has its place in the round");
        assert_eq!(claimed(store, &lease, 9, 20).await, [3, 9], "who has nothing left is passed over");
    }
}

#[tokio::test]
async fn who_has_nothing_due_loses_no_turn_and_takes_none() {
    for store in &stores() {
        for number in 1..=3 {
            store.enqueue(of("b", number)).await.unwrap();
        }
        store.enqueue(NewMessage { send_at: Some(at(50)), ..of("a", 4) }).await.unwrap();
        let lease = lease(store, at(20)).await;
        assert_eq!(claimed(store, &lease, 2, 20).await, [1, 2]);
        assert_eq!(claimed(store, &lease, 2, 50).await, [4, 3]);
    }
}

#[tokio::test]
async fn turns_do_not_go_before_priority_and_each_priority_has_its_own() {
    for store in &stores() {
        let urgent = |account, number| NewMessage { priority: Priority::High, ..of(account, number) };
        for message in [of("a", 1), of("a", 2), of("b", 3), urgent("b", 4), urgent("b", 5), urgent("a", 6)] {
            store.enqueue(message).await.unwrap();
        }
        let lease = lease(store, at(20)).await;
        assert_eq!(claimed(store, &lease, 4, 20).await, [6, 4, 5, 1]);
        store.enqueue(urgent("a", 7)).await.unwrap();
        assert_eq!(claimed(store, &lease, 2, 20).await, [7, 3], "an urgent one of a is not a's turn among the others");
    }
}

#[tokio::test]
async fn a_lanes_turns_are_its_own() {
    for store in &stores() {
        let elsewhere =
            |account, number| NewMessage { routed_to: Some(route("hr@contoso.test")), ..of(account, number) };
        for message in [of("a", 1), of("b", 2), elsewhere("a", 3), elsewhere("b", 4)] {
            store.enqueue(message).await.unwrap();
        }
        let mut seen = Vec::new();
        for key in [route("noreply@contoso.test"), route("hr@contoso.test")] {
            let lane = store.lane_of(&key).await.unwrap();
            let lease = store.lease_lane(lane, &node("n1"), None, at(99), at(20)).await.unwrap().unwrap();
            seen.extend(claimed(store, &lease, 1, 20).await);
        }
        assert_eq!(seen, [1, 3]);
    }
}

#[tokio::test]
async fn a_message_put_off_waits_its_turn_like_the_others() {
    for store in &stores() {
        for message in [of("a", 1), of("a", 2), of("b", 3)] {
            store.enqueue(message).await.unwrap();
        }
        let lease = lease(store, at(20)).await;
        let claim = claim_one(store, &lease, at(20)).await;
        let state = store.finish_attempt(&claim, report(&claim, O::Deferred, at(20)), at(20)).await.unwrap();
        assert_eq!(state, S::Queued);
        assert_eq!(claimed(store, &lease, 3, 20).await, [3, 2, 1], "a's oldest due is the second now");
    }
}

#[tokio::test]
async fn a_small_message_is_seen_behind_so_many_large_ones_and_those_of_others_behind_any_number() {
    let most = i64::from(Appetite::PASSED_OVER_MAX);
    for store in &stores() {
        let large = || StagedBody::inline(Bytes::from(vec![b'x'; 1_000])).unwrap();
        for number in 0..most {
            store.enqueue(NewMessage { body: large(), ..of("a", number) }).await.unwrap();
        }
        store.enqueue(of("a", most)).await.unwrap();
        store.enqueue(of("b", most + 1)).await.unwrap();
        let lease = lease(store, at(9_999)).await;
        let small = Appetite { max_bytes: 999, ..Appetite::for_any(9, 9) };
        let claims = store.claim_some(&lease, small, at(9_999)).await.unwrap();
        assert_eq!(claims.iter().map(|claim| claim.message.id).collect::<Vec<_>>(), [id(most + 1)]);
        assert_eq!(claimed(store, &lease, 1, 9_999).await, [0], "one large less");
        let claims = store.claim_some(&lease, small, at(9_999)).await.unwrap();
        assert_eq!(claims.iter().map(|claim| claim.message.id).collect::<Vec<_>>(), [id(most)]);
    }
}
