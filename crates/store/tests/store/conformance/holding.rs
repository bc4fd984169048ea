//! Mail that is held as it comes, and all that waits held at once.

use store::{Filter, MessageState as S, NewMessage, Operation, PageRequest};

use super::stores;
use crate::fixture::*;

#[tokio::test]
async fn a_message_can_be_held_from_the_start() {
    for store in &stores() {
        let held = NewMessage { hold: Some("a test system".into()), send_at: Some(at(50)), ..message(1) };
        store.enqueue(held).await.unwrap();
        let shown = store.message(id(1)).await.unwrap();
        assert_eq!((shown.message.state, shown.message.due_at), (S::Held, None));
        let event = &shown.events[0];
        assert_eq!((event.kind.as_str(), event.actor.as_str(), event.at), ("held", "system", at(1)));
        assert_eq!(event.detail.as_deref(), Some("a test system"));
        assert!(store.lanes_with_work().await.unwrap().is_empty());
        let counts = store.counts().await.unwrap();
        assert_eq!((counts.held, counts.queued, counts.oldest_waiting), (1, 0, None));
        assert_eq!(store.history(at(0), at(999)).await.unwrap()[0].accepted, 1, "it came in");

        assert_eq!(store.operate(id(1), Operation::Release, "eve", None, at(9)).await.unwrap(), S::Queued);
        assert_eq!(store.message(id(1)).await.unwrap().message.due_at, Some(at(50)), "and it keeps its time");
        let lease = lease(store, at(10)).await;
        assert_eq!(claim_one(store, &lease, at(50)).await.message.id, id(1));
    }
}

#[tokio::test]
async fn all_that_is_queued_can_be_held_at_once() {
    for store in &stores() {
        for number in 1..=4 {
            store.enqueue(message(number)).await.unwrap();
        }
        store.enqueue(NewMessage { routed_to: None, ..message(5) }).await.unwrap();
        let lease = lease(store, at(10)).await;
        claim_one(store, &lease, at(10)).await;
        assert_eq!(store.hold_queued("eve", "a test system", 3, at(11)).await.unwrap(), 3);
        assert_eq!(store.message(id(5)).await.unwrap().message.state, S::Queued, "oldest first");
        assert_eq!(store.hold_queued("eve", "a test system", 3, at(12)).await.unwrap(), 1);
        assert_eq!(store.hold_queued("eve", "a test system", 3, at(13)).await.unwrap(), 0);

        let filter = Filter { states: vec![S::Held], ..Filter::default() };
        let held = store.messages(&filter, PageRequest { before: None, limit: 9 }).await.unwrap();
        assert_eq!(held.messages.len(), 4, "what is being sent goes on");
        let event = store.message(id(2)).await.unwrap().events.remove(0);
        assert_eq!((event.kind.as_str(), event.actor.as_str(), event.at), ("hold", "eve", at(11)));
        assert_eq!(event.detail.as_deref(), Some("a test system"));
        assert_eq!(store.lane(lease.lane).await.unwrap().waiting, 1);
        assert!(store.claim(&lease, 9, 9, at(99)).await.unwrap().is_empty());
    }
}
