//! What the stores promise, asked of both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)] // all of this is tests

mod fixture;
use crate::fixture::*;
use store::sqlite::SqliteStore;
use store::*;

#[tokio::test]
async fn a_message_goes_through() {
    let temp = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(temp.path()).unwrap();
    let big = vec![b'x'; 200_000];
    let body = staged(&store, &big).await;
    let new = NewMessage { body, ..message(1) };
    assert_eq!(store.enqueue(new).await.unwrap(), Enqueued::New(id(1)));
    store.enqueue(message(2)).await.unwrap();
    assert_eq!(store.counts().await.unwrap().queued, 2);
    assert_eq!(store.read_body(id(1)).await.unwrap().into_bytes(1 << 20).await.unwrap(), big);
    drop(store);
    let store = SqliteStore::open(temp.path()).unwrap();
    let lease = lease(&store, at(2)).await;
    let claim = claim_one(&store, &lease, at(2)).await;
    let done = store.finish_attempt(&claim, report(&claim, RecipientOutcome::Accepted, at(3)), at(3)).await.unwrap();
    assert_eq!(done, MessageState::Sent);
    let detail = store.message(id(1)).await.unwrap();
    assert_eq!(detail.attempts.len(), 1);
    assert_eq!(store.expired(at(1_000_000), 10).await.unwrap(), [id(2)]);
    store.probe().await.unwrap();
}
