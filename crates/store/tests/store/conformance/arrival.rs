//! The way in: what was handed in is there, once.

use settings::AccountId;
use store::{Enqueued, INLINE_BODY_MAX_BYTES, IdempotencyKey, MessageState, NewMessage, RecipientState, StoreError};
use tokio::io::AsyncReadExt;

use super::stores;
use crate::fixture::*;

#[tokio::test]
async fn what_was_handed_in_is_what_is_shown() {
    for store in &stores() {
        let mut new = to(message(1), &["a@x.test", "B@x.test"]);
        new.account = Some(AccountId("a1".into()));
        new.peer = Some("2001:db8::1".parse().unwrap());
        new.metadata = Some(serde_json::json!({"order": 7}));
        new.subject = Some("Grüße\0 'quoted'".into());
        assert_eq!(store.enqueue(new).await.unwrap(), Enqueued::New(id(1)));

        let shown = store.message(id(1)).await.unwrap();
        let record = shown.message;
        assert_eq!(record.state, MessageState::Queued);
        assert_eq!(record.envelope.recipients[1].address.as_str(), "B@x.test");
        assert_eq!(record.subject.as_deref(), Some("Grüße\0 'quoted'"));
        assert_eq!(record.metadata, Some(serde_json::json!({"order": 7})));
        assert_eq!((record.received_at, record.due_at, record.expires_at), (at(1), Some(at(1)), at(172_801)));
        assert_eq!(record.routed_to, Some(route("noreply@contoso.test")));
        assert_eq!((record.attempts, record.may_be_duplicated, record.last_error), (0, false, None));
        assert!(shown.recipients.iter().all(|recipient| recipient.state == RecipientState::Pending));
        assert!(shown.attempts.is_empty() && shown.events.is_empty());
    }
}

#[tokio::test]
async fn a_body_comes_back_as_it_went_in() {
    for store in &stores() {
        for (number, length) in [
            (1, 0),
            (2, 1),
            (3, INLINE_BODY_MAX_BYTES),     // the last that lies in the row
            (4, INLINE_BODY_MAX_BYTES + 1), // the first that does not
            (5, 1_000_000),                 // many chunks
        ] {
            let bytes: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let body = staged(store, &bytes).await;
            assert_eq!(body.len(), u64::try_from(length).unwrap());
            store.enqueue(NewMessage { body, ..message(number) }).await.unwrap();

            let mut reader = store.read_body(id(number)).await.unwrap();
            assert_eq!(reader.len(), u64::try_from(length).unwrap());
            let mut read = Vec::new();
            reader.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, bytes, "{length} octets as a stream");
            let whole = store.read_body(id(number)).await.unwrap().into_bytes(length).await.unwrap();
            assert_eq!(whole, bytes, "{length} octets at once");
            assert_eq!(store.message(id(number)).await.unwrap().message.size_bytes, u64::try_from(length).unwrap());
        }
        let refused = store.read_body(id(5)).await.unwrap().into_bytes(999_999).await;
        assert!(refused.is_err(), "a limit is a limit");
    }
}

#[tokio::test]
async fn an_id_is_taken_once() {
    for store in &stores() {
        store.enqueue(message(1)).await.unwrap();
        assert!(is_conflict(&store.enqueue(message(1)).await));
        assert_eq!(store.counts().await.unwrap().queued, 1);
    }
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_message() {
    let keyed = |number, account: Option<&str>, digest| NewMessage {
        account: account.map(|account| AccountId(account.into())),
        idempotency: Some(IdempotencyKey {
            key: "k".into(),
            request_digest: [digest; 32],
            expires_at: at(number + 100),
        }),
        ..message(number)
    };
    for store in &stores() {
        assert_eq!(store.enqueue(keyed(1, Some("a"), 1)).await.unwrap(), Enqueued::New(id(1)));
        assert_eq!(store.enqueue(keyed(2, Some("a"), 1)).await.unwrap(), Enqueued::Repeated(id(1)));
        let other_request = store.enqueue(keyed(3, Some("a"), 2)).await;
        assert!(matches!(other_request, Err(StoreError::IdempotencyMismatch)));
        // Another account, no account, and an account with an empty name are three other users of the same key.
        for (number, account) in [(4, Some("b")), (5, None), (6, Some(""))] {
            assert_eq!(store.enqueue(keyed(number, account, 9)).await.unwrap(), Enqueued::New(id(number)));
        }
        assert_eq!(store.counts().await.unwrap().queued, 4);
        // A second is too late: the key is free again.
        assert_eq!(store.enqueue(keyed(101, Some("a"), 2)).await.unwrap(), Enqueued::New(id(101)));
        // Deleting the message does not free the key: the client asked once and was told so.
        store.delete(id(101)).await.unwrap();
        assert_eq!(store.enqueue(keyed(102, Some("a"), 2)).await.unwrap(), Enqueued::Repeated(id(101)));
    }
}

#[tokio::test]
async fn arrival_is_news_for_the_lane() {
    for store in &stores() {
        let mut news = store.subscribe();
        store.enqueue(message(1)).await.unwrap();
        let lane = the_lane(store).await;
        assert_eq!(news.recv().await.unwrap(), store::Change::Lane(lane));
        assert_eq!(news.recv().await.unwrap(), store::Change::Message(id(1)));
    }
}
