//! What is waiting on a lane, for whoever must move it.

use settings::AccountId;
use store::{NewMessage, Operation, Priority, Store};

use super::stores;
use crate::fixture::*;

/// Messages on one lane, of several accounts and priorities, due in the order 4, 2, 3, 1, 5.
async fn fill(store: &dyn Store) {
    for (number, account, priority, due) in [
        (1, Some("a"), Priority::High, 40),
        (2, None, Priority::Bulk, 20),
        (3, Some("a"), Priority::Normal, 30),
        (4, Some("b"), Priority::Bulk, 10),
        (5, Some("a"), Priority::High, 40), // arrived later than number 1
    ] {
        let account = account.map(|account| AccountId(account.into()));
        let mut new = NewMessage { account, priority, send_at: Some(at(due)), ..message(number) };
        new.header_from = Some(address(&format!("app{number}@contoso.test")));
        store.enqueue(new).await.unwrap();
    }
    store.enqueue(NewMessage { routed_to: Some(route("hr@contoso.test")), ..message(6) }).await.unwrap();
    store.enqueue(NewMessage { hold: Some("a test".into()), ..message(7) }).await.unwrap();
}

#[tokio::test]
async fn a_lanes_queue_comes_in_pages_oldest_due_first() {
    for store in &stores() {
        fill(store).await;
        let lane = store.lane_of(&route("noreply@contoso.test")).await.unwrap();
        let ids = |page: Vec<(mail::MessageId, _)>| page.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        let (mut after, mut seen) = (None, Vec::new());
        for expected in [2, 2, 1, 0] {
            let page = ids(store.queued_in_lane(lane, at(99), after, 2).await.unwrap());
            assert_eq!(page.len(), expected);
            after = page.last().copied();
            seen.extend(page);
        }
        assert_eq!(seen, [4, 2, 3, 1, 5].map(id));
        let first = store.queued_in_lane(lane, at(99), None, 1).await.unwrap();
        assert_eq!(first, [(id(4), Some(address("app4@contoso.test")))]);
        for (due_by, expected) in [(9, &[][..]), (20, &[4, 2]), (39, &[4, 2, 3]), (40, &[4, 2, 3, 1, 5])] {
            let page = ids(store.queued_in_lane(lane, at(due_by), None, 9).await.unwrap());
            assert_eq!(page, expected.iter().copied().map(id).collect::<Vec<_>>(), "due by {due_by}");
        }
    }
}

#[tokio::test]
async fn what_left_the_queue_still_says_where_the_next_page_begins() {
    for store in &stores() {
        fill(store).await;
        let lane = store.lane_of(&route("noreply@contoso.test")).await.unwrap();
        let ids = async |after: i64| -> Vec<_> {
            let page = store.queued_in_lane(lane, at(99), Some(id(after)), 9).await.unwrap();
            page.into_iter().map(|(id, _)| id).collect()
        };
        store.reroute(vec![(id(2), Some(route("hr@contoso.test")))]).await.unwrap();
        assert_eq!(store.message(id(2)).await.unwrap().message.due_at, Some(at(20)), "it keeps its time");
        assert_eq!(ids(2).await, [3, 1, 5].map(id));
        store.operate(id(3), Operation::Hold, "eve", None, at(8)).await.unwrap();
        assert_eq!(ids(3).await, [1, 5].map(id));
        store.delete(id(3)).await.unwrap();
        assert_eq!(ids(3).await, [4, 1, 5].map(id), "gone for good: the list begins again");
    }
}

#[tokio::test]
async fn a_lane_is_one_however_its_mailbox_is_spelled() {
    for store in &stores() {
        let lane = store.lane_of(&route("NoReply@contoso.test")).await.unwrap();
        assert_eq!(store.lane_of(&route("noreply@Contoso.test")).await.unwrap(), lane);
        assert_ne!(store.lane_of(&route("hr@contoso.test")).await.unwrap(), lane);
        assert!(store.lanes_with_work().await.unwrap().is_empty());
        assert!(store.queued_in_lane(lane, at(99), None, 9).await.unwrap().is_empty());
        store.enqueue(message(1)).await.unwrap();
        assert_eq!(the_lane(store).await, lane);
    }
}
