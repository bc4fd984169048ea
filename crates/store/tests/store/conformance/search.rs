//! Looking at messages.

use settings::AccountId;
use store::{Counts, Filter, MessageState as S, NewMessage, Operation, PageRequest, Store};

use super::stores;
use crate::fixture::*;

async fn found(store: &dyn Store, filter: Filter) -> Vec<i64> {
    let page = store.messages(&filter, PageRequest { before: None, limit: 100 }).await.unwrap();
    assert_eq!(page.next, None);
    page.messages.iter().map(|record| record.received_at.duration_since(at(0)).as_secs()).collect()
}

async fn fill(store: &dyn Store) {
    let mut hr = to(message(1), &["boss@contoso.test", "öko@example.test"]);
    hr.header_from = Some(address("hr@contoso.test"));
    hr.subject = Some("Über uns".into());
    let mut shop = message(2);
    shop.account = Some(AccountId("shop".into()));
    shop.internet_message_id = Some("<order-7\"x@shop.test>".into());
    store.enqueue(hr).await.unwrap();
    store.enqueue(shop).await.unwrap();
    store.enqueue(NewMessage { routed_to: None, ..message(3) }).await.unwrap();
    store.operate(id(3), Operation::Hold, "eve", None, at(4)).await.unwrap();
}

#[tokio::test]
async fn every_condition_of_a_filter_must_hold() {
    let all = Filter::default;
    for store in &stores() {
        fill(store).await;
        let text = |text: &str| Filter { text: Some(text.into()), ..all() };
        for (filter, numbers, reason) in [
            (all(), vec![3, 2, 1], "newest first"),
            (Filter { states: vec![S::Held], ..all() }, vec![3], "one rare state"),
            (Filter { states: vec![S::Queued], ..all() }, vec![2, 1], "one common state"),
            (Filter { states: vec![S::Queued, S::Sending], ..all() }, vec![2, 1], "what waits"),
            (Filter { states: vec![S::Queued, S::Held], ..all() }, vec![3, 2, 1], "common and rare"),
            (Filter { states: vec![S::Sent], ..all() }, vec![], "none"),
            (Filter { account: Some(AccountId("shop".into())), ..all() }, vec![2], "account"),
            (Filter { since: Some(at(2)), ..all() }, vec![3, 2], "since is inclusive"),
            (Filter { until: Some(at(2)), ..all() }, vec![1], "until is not"),
            (Filter { sender: Some("HR@".into()), ..all() }, vec![1], "header From, case ignored"),
            (Filter { sender: Some("app@".into()), ..all() }, vec![3, 2, 1], "reverse-path"),
            (Filter { recipient: Some(address("BOSS@contoso.test")), ..all() }, vec![1], "recipient"),
            (Filter { recipient: Some(address("boss@contoso.tes")), ..all() }, vec![], "the whole address"),
            (text("ÜBER"), vec![1], "case beyond ASCII"),
            (text("ÖKO@"), vec![1], "in a recipient"),
            (text("order-7\"X"), vec![2], "a quote in a Message-ID"),
            (text(&id(3).to_string().to_lowercase()), vec![3], "our own id"),
            (text("über hr"), vec![1], "every word, in any field and order"),
            (text("über shop"), vec![], "not of two messages"),
            (text("cont"), vec![3, 2, 1], "the beginning of a word"),
            (text("ontoso"), vec![], "not its middle"),
            (text("  "), vec![3, 2, 1], "blank is no condition"),
            (text("%"), vec![], "no wildcard: nothing that could be found"),
            (Filter { sender: Some("anna".into()), ..all() }, vec![], "a recipient is no sender"),
            (Filter { sender: Some("\"".into()), ..all() }, vec![], "no word in the sender either"),
            (Filter { sender: Some("app".into()), ..text("shop") }, vec![2], "sender and text"),
            (Filter { account: Some(AccountId("sho".into())), ..all() }, vec![], "the whole account"),
            (Filter { account: Some(AccountId("shop".into())), ..text("uber") }, vec![], "account and text"),
            (Filter { states: vec![S::Held], ..text("über") }, vec![], "both, not either"),
        ] {
            assert_eq!(found(store, filter).await, numbers, "{reason}");
        }
    }
}

/// Messages come into the store in another order than they began to come in.
#[tokio::test]
async fn pages_go_by_arrival_in_the_store() {
    for store in &stores() {
        for number in [3, 1, 5, 2] {
            store.enqueue(message(number)).await.unwrap();
        }
        assert_eq!(found(store, Filter::default()).await, [2, 5, 1, 3]);
        let after = |number| PageRequest { before: Some(id(number)), limit: 9 };
        let ids = |page: store::Page| page.messages.iter().map(|record| record.id).collect::<Vec<_>>();
        assert_eq!(ids(store.messages(&Filter::default(), after(5)).await.unwrap()), [1, 3].map(id));
        store.delete(id(5)).await.unwrap();
        let page = store.messages(&Filter::default(), after(5)).await.unwrap();
        assert_eq!(ids(page), [3].map(id), "the cursor is gone: on with the id that comes next below");
        let page = store.messages(&Filter::default(), after(0)).await.unwrap();
        assert_eq!(ids(page), [], "nothing is below");
        assert_eq!(store.counts().await.unwrap().oldest_waiting, Some(at(3)));
    }
}

#[tokio::test]
async fn pages_meet_without_gap_or_overlap() {
    for store in &stores() {
        for number in 1..=5 {
            store.enqueue(message(number)).await.unwrap();
        }
        let (mut before, mut seen) = (None, Vec::new());
        for _ in 0..3 {
            let page = store.messages(&Filter::default(), PageRequest { before, limit: 2 }).await.unwrap();
            seen.extend(page.messages.iter().map(|record| record.id));
            before = page.next;
        }
        assert_eq!(before, None, "the third page is the last");
        assert_eq!(seen, [5, 4, 3, 2, 1].map(id));
        let exact = store.messages(&Filter::default(), PageRequest { before: None, limit: 5 }).await.unwrap();
        assert_eq!(exact.next, None, "a full page may be the last");
    }
}

#[tokio::test]
async fn waiting_messages_come_in_pages_with_their_sender() {
    for store in &stores() {
        fill(store).await;
        store.operate(id(2), Operation::Cancel, "eve", None, at(4)).await.unwrap();
        store.enqueue(message(5)).await.unwrap();
        let first = store.waiting_messages(None, 2).await.unwrap();
        assert_eq!(first.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [1, 3].map(id));
        assert_eq!(first[0].1, Some(address("hr@contoso.test")));
        assert_eq!((&first[0].2, &first[1].2), (&Some(route("noreply@contoso.test")), &None));
        let second = store.waiting_messages(Some(id(3)), 2).await.unwrap();
        assert_eq!(second.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [id(5)]);
        store.delete(id(3)).await.unwrap();
        let again = store.waiting_messages(Some(id(3)), 2).await.unwrap();
        assert_eq!(again.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [1, 5].map(id), "none may be passed over");
    }
}

#[tokio::test]
async fn expired_messages_are_those_still_queued() {
    for store in &stores() {
        for (number, expires_at) in [(1, at(100)), (2, at(50)), (3, at(101)), (4, at(50))] {
            store.enqueue(NewMessage { expires_at, ..message(number) }).await.unwrap();
        }
        store.operate(id(4), Operation::Hold, "eve", None, at(5)).await.unwrap();
        assert_eq!(store.expired(at(49), 9).await.unwrap(), []);
        assert_eq!(store.expired(at(100), 9).await.unwrap(), [1, 2].map(id), "oldest first, at the moment itself");
        assert_eq!(store.expired(at(100), 1).await.unwrap(), [id(1)]);
    }
}

#[tokio::test]
async fn counts_follow_every_move() {
    for store in &stores() {
        assert_eq!(store.counts().await.unwrap(), Counts::default());
        fill(store).await;
        let lease = lease(store, at(9)).await;
        claim_one(store, &lease, at(9)).await;
        let counts = store.counts().await.unwrap();
        assert_eq!((counts.queued, counts.sending, counts.held), (1, 1, 1));
        assert_eq!(counts.oldest_waiting, Some(at(1)), "being sent is still waiting");
    }
}
