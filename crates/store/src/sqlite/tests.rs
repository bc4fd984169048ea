//! What can only be shown from inside: batches, and a disk that is full.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use mail::{Envelope, MessageId, ReversePath};

use super::checkpoint::Checkpointer;
use super::unit::Unit;
use super::writer::Writer;
use super::{SqliteStore, schema};
use crate::{NewMessage, Priority, StagedBody, Store, StoreError, Via};

pub(super) fn message(number: u64, bytes: usize) -> NewMessage {
    let mut envelope = Envelope::new(ReversePath::Null);
    envelope.add("anna@example.test".parse::<mail::Address>().unwrap());
    let now = jiff::Timestamp::UNIX_EPOCH;
    NewMessage {
        id: MessageId::new(number, 0),
        envelope,
        body: StagedBody::inline(Bytes::from(vec![b'x'; bytes])).unwrap(),
        added_header: String::new(),
        header_from: None,
        subject: None,
        internet_message_id: None,
        routed_to: None,
        hold: None,
        priority: Priority::Normal,
        send_at: None,
        received_at: now,
        expires_at: now,
        account: None,
        via: Via::Smtp,
        peer: None,
        idempotency: None,
        metadata: None,
    }
}

/// A writer whose commits are counted, and a gate: while it is shut, commands wait for the same batch.
struct Gated {
    _folder: tempfile::TempDir,
    writer: Writer,
    commits: Arc<AtomicUsize>,
}

impl Gated {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("postern.db");
        let connection = schema::open_writer(&database).unwrap();
        let (checkpointer, _) = Checkpointer::start(&database).unwrap();
        let commits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&commits);
        let (writer, _) = Writer::start(connection, checkpointer, move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
        Self { _folder: folder, writer, commits }
    }

    /// Keeps the writer busy until the sender is dropped.
    async fn shut(&self) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), StoreError>>) {
        let (gate, wait) = mpsc::channel::<()>();
        let (busy, started) = tokio::sync::oneshot::channel();
        let (writer, mut busy) = (self.writer.clone(), Some(busy));
        let blocked = tokio::spawn(async move {
            let block = move |_: &mut Unit<'_>| {
                busy.take().map(|busy| busy.send(()));
                let _ = wait.recv();
                Ok(())
            };
            writer.write(block).await
        });
        started.await.unwrap();
        (gate, blocked)
    }
}

fn add(number: i64) -> impl FnMut(&mut Unit<'_>) -> Result<usize, StoreError> {
    move |unit| unit.execute("INSERT INTO probe (id, count) VALUES (?1, 0)", [number])
}

async fn rows(writer: &Writer) -> i64 {
    let count = |unit: &mut Unit<'_>| unit.row("SELECT COUNT(*) - 1 FROM probe", [], |row| row.get(0));
    writer.write(count).await.unwrap().unwrap()
}

#[tokio::test]
async fn commands_that_wait_share_one_commit() {
    let gated = Gated::new();
    let (gate, blocked) = gated.shut().await;
    let (one, two, three) = (gated.writer.write(add(1)), gated.writer.write(add(2)), gated.writer.write(add(3)));
    let open = async { drop(gate) }; // polled last, when the others are handed in
    let (one, two, three, ()) = tokio::join!(one, two, three, open);
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    blocked.await.unwrap().unwrap();
    assert_eq!(gated.commits.load(Ordering::SeqCst), 2, "the one that was busy, and the one for all three");
}

#[tokio::test]
async fn a_bad_command_fails_alone() {
    let gated = Gated::new();
    let (gate, blocked) = gated.shut().await;
    let bad = |unit: &mut Unit<'_>| {
        unit.execute("INSERT INTO probe (id, count) VALUES (77, 0)", [])?;
        unit.execute("INSERT INTO nowhere VALUES (1)", [])
    };
    // An answer after a write would leave half a command behind: it is undone like an error.
    let half = |unit: &mut Unit<'_>| {
        unit.execute("INSERT INTO probe (id, count) VALUES (78, 0)", [])?;
        Err::<(), _>(StoreError::LeaseLost)
    };
    let open = async { drop(gate) };
    let (one, bad, half, two, ()) = tokio::join!(
        gated.writer.write(add(1)),
        gated.writer.write(bad),
        gated.writer.write(half),
        gated.writer.write(add(2)),
        open
    );
    assert!(one.is_ok() && two.is_ok());
    assert!(matches!(bad, Err(StoreError::Unavailable { .. })));
    assert!(matches!(half, Err(StoreError::LeaseLost)));
    blocked.await.unwrap().unwrap();
    assert_eq!(rows(&gated.writer).await, 2);
}

#[tokio::test]
async fn an_answer_of_no_does_not_undo_its_neighbours() {
    let gated = Gated::new();
    let (gate, blocked) = gated.shut().await;
    let no = |_: &mut Unit<'_>| Err::<(), _>(StoreError::LeaseLost);
    let open = async { drop(gate) };
    let (one, no, ()) = tokio::join!(gated.writer.write(add(1)), gated.writer.write(no), open);
    assert!(one.is_ok() && matches!(no, Err(StoreError::LeaseLost)));
    blocked.await.unwrap().unwrap();
    assert_eq!(gated.commits.load(Ordering::SeqCst), 2);
}

async fn limit_pages(store: &SqliteStore, more: Option<i64>) {
    let work = move |unit: &mut Unit<'_>| {
        let pages: i64 = unit.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let most = more.map_or(1 << 30, |more| pages + more);
        unit.connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))?;
        Ok(())
    };
    store.writer().unwrap().write(work).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_works_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path()).unwrap());
    store.enqueue(message(1, 10)).await.unwrap();
    limit_pages(&store, Some(20)).await;
    let tasks: Vec<_> = (2..40)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.enqueue(message(number, 20_000)).await })
        })
        .collect();
    let (mut accepted, mut full) = (1, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(StoreError::DiskFull { .. }) => full += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(full > 0, "the limit was not met");
    assert_eq!(store.counts().await.unwrap().queued, accepted);
    // What was refused does not exist, and what was accepted can still be worked with.
    store
        .operate(MessageId::new(1, 0), crate::Operation::Cancel, "eve", None, jiff::Timestamp::UNIX_EPOCH)
        .await
        .unwrap();

    limit_pages(&store, None).await;
    store.enqueue(message(99, 20_000)).await.unwrap();
    drop(store);
    let store = SqliteStore::open(folder.path()).unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.queued, counts.cancelled), (accepted, 1));
}

#[test]
fn every_commit_is_synced_and_the_wal_is_on() {
    let folder = tempfile::tempdir().unwrap();
    let connection = schema::open_writer(&folder.path().join("postern.db")).unwrap();
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!((synchronous, journal.as_str()), (2, "wal"), "2 is FULL: the WAL is synced at every commit");
}
