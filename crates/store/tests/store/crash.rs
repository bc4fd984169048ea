//! A process that is killed at any moment loses nothing it acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use store::sqlite::SqliteStore;
use store::{Filter, MessageState, NewMessage, OutcomeKind, PageRequest, RecipientOutcome as O, Store, StoreError};

use crate::fixture::*;

const FOLDER: &str = "STORE_CRASH_TEST_FOLDER";
const WRITERS: i64 = 4;

/// Every third body is too large for a row.
fn body_of(number: i64) -> Vec<u8> {
    let length = if number % 3 == 0 { 100_000 } else { 3_000 };
    vec![u8::try_from(number % 251).unwrap(); length]
}

/// The process that is killed: enqueues until then, and says each id after the store said yes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_killed_process_loses_nothing_it_acknowledged in a process of its own"]
async fn child() {
    let folder = std::env::var(FOLDER).unwrap();
    let store = Arc::new(SqliteStore::open(Path::new(&folder)).unwrap());
    let tasks = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in (0..).map(|turn| turn * WRITERS + writer) {
                let body = staged(&*store, &body_of(number)).await;
                store.enqueue(NewMessage { body, ..message(number) }).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "acknowledged {number}").unwrap();
                out.flush().unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Lets a child work until it acknowledged `count` messages and kills it there; returns what it acknowledged, also in
/// its last moments.
fn acknowledged_until_killed(child: &str, folder: &Path, count: usize) -> Vec<i64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut numbers = Vec::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The test harness prints lines of its own, and may begin one that the child ends.
        let Some((_, number)) = line.as_ref().ok().and_then(|line| line.split_once("acknowledged ")) else { continue };
        numbers.push(number.parse().unwrap());
        if !killed && numbers.len() >= count {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself after {} messages", numbers.len());
    numbers
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    for count in [1, 2, 5, 17, 60] {
        let folder = tempfile::tempdir().unwrap();
        let acknowledged = acknowledged_until_killed("crash::child", folder.path(), count);
        let store = SqliteStore::open(folder.path()).unwrap();
        for number in &acknowledged {
            let shown = store.message(id(*number)).await.unwrap();
            assert_eq!(shown.recipients.len(), 1);
        }
        // What was not acknowledged may be there or not, but never in part.
        let all = store.messages(&Filter::default(), PageRequest { before: None, limit: 10_000 }).await.unwrap();
        assert!(all.messages.len() >= acknowledged.len());
        for record in &all.messages {
            let number = record.received_at.duration_since(at(0)).as_secs();
            let body = store.read_body(record.id).await.unwrap().into_bytes(1_000_000).await.unwrap();
            assert_eq!(body, body_of(number), "message {number}");
        }
        assert_eq!(store.counts().await.unwrap().queued, u64::try_from(all.messages.len()).unwrap());
        let lane = store.lane(the_lane(&store).await).await.unwrap();
        assert_eq!(lane.waiting, u64::try_from(all.messages.len()).unwrap());
    }
}

/// The process that is killed while it delivers: every other message is refused.
#[tokio::test]
#[ignore = "run by a_killed_process_tells_of_each_end_exactly_once in a process of its own"]
async fn delivering_child() {
    let folder = std::env::var(FOLDER).unwrap();
    let store = SqliteStore::open(Path::new(&folder)).unwrap();
    for number in (0..).step_by(2) {
        for number in [number, number + 1] {
            store.enqueue(message(number)).await.unwrap();
        }
        let lease = lease(&store, at(1)).await;
        for outcome in [O::Accepted, O::Refused(mail::EnhancedStatus::permanent(1, 1))] {
            let claim = claim_one(&store, &lease, at(1_000_000)).await;
            store.finish_attempt(&claim, report(&claim, outcome, at(1)), at(1)).await.unwrap();
            println!("acknowledged {}", claim.message.received_at.duration_since(at(0)).as_secs());
        }
    }
}

/// A message's move and the outcome that tells of it are one commit: whatever moment the process ends in, there are both
/// or neither.
#[tokio::test]
async fn a_killed_process_tells_of_each_end_exactly_once() {
    for count in [1, 2, 5, 17, 60] {
        let folder = tempfile::tempdir().unwrap();
        let acknowledged = acknowledged_until_killed("crash::delivering_child", folder.path(), count);
        let store = SqliteStore::open(folder.path()).unwrap();
        let outcomes = store.outcomes(0, 1_000_000).await.unwrap();
        let numbers: Vec<u64> = outcomes.iter().map(|outcome| outcome.number).collect();
        assert_eq!(numbers, (1..=store.newest_outcome().await.unwrap()).collect::<Vec<_>>());

        let ended = Filter { states: vec![MessageState::Sent, MessageState::Failed], ..Filter::default() };
        let ended = store.messages(&ended, PageRequest { before: None, limit: 100_000 }).await.unwrap().messages;
        let mut moved: Vec<_> = ended.iter().map(|record| (record.id, record.state == MessageState::Sent)).collect();
        let mut told: Vec<_> =
            outcomes.iter().map(|outcome| (outcome.message, outcome.kind == OutcomeKind::Sent)).collect();
        moved.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, moved, "each end is told of, once, and nothing else");
        for number in acknowledged {
            assert!(told.iter().any(|(message, _)| *message == id(number)), "{number}");
        }
    }
}

/// The steps of accepting a large body: 1 the file, 2 its sync and its folder's, 3 the row. Before 3 there is no message,
/// and what lies there is swept when it is old; after 3 there is.
#[tokio::test]
async fn a_body_without_its_row_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let mut half_written = store.stage_body().await.unwrap();
    half_written.write(&vec![1; 100_000]).await.unwrap();
    std::mem::forget(half_written); // stopped in 1
    std::mem::forget(staged(&store, &vec![2; 100_000]).await); // stopped after 2
    let body = staged(&store, &vec![3; 100_000]).await;
    store.enqueue(NewMessage { body, ..message(3) }).await.unwrap(); // stopped after 3
    drop(store);

    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(store.counts().await.unwrap().queued, 1);
    let an_hour = Duration::from_hours(1);
    assert_eq!(store.remove_orphans(SystemTime::now() - an_hour).await.unwrap(), 0, "young files may be coming in");
    assert_eq!(store.remove_orphans(SystemTime::now() + an_hour).await.unwrap(), 2);
    assert_eq!(store.read_body(id(3)).await.unwrap().into_bytes(100_000).await.unwrap(), vec![3; 100_000]);
}

#[tokio::test]
async fn a_caller_that_went_away_does_not_take_the_body_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let body = staged(&store, &vec![7; 100_000]).await;
    {
        let enqueue = store.enqueue(NewMessage { body, ..message(1) });
        // One look: the command is handed in, its answer is not waited for.
        tokio::select! { biased; _ = enqueue => {}, () = std::future::ready(()) => {} }
    }
    store.probe().await.unwrap(); // the writer is past it
    assert_eq!(store.read_body(id(1)).await.unwrap().len(), 100_000);
}

fn spooled_files(folder: &Path) -> usize {
    let folders = std::fs::read_dir(folder.join("spool")).unwrap();
    folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test]
async fn a_spool_file_goes_with_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let keyed = |body, number| NewMessage {
        body,
        idempotency: Some(store::IdempotencyKey { key: "k".into(), request_digest: [0; 32], expires_at: at(1_000) }),
        ..message(number)
    };
    for number in 1..=2 {
        // The second is a repetition: its body is not wanted.
        let body = staged(&store, &vec![7; 100_000]).await;
        store.enqueue(keyed(body, number)).await.unwrap();
        assert_eq!(spooled_files(folder.path()), 1);
    }
    let body = staged(&store, &vec![7; 100_000]).await;
    assert!(is_conflict(&store.enqueue(NewMessage { body, ..message(1) }).await));
    assert_eq!(spooled_files(folder.path()), 1, "a refused message leaves nothing");
    store.delete(id(1)).await.unwrap();
    assert_eq!(spooled_files(folder.path()), 0);
    assert!(matches!(store.read_body(id(1)).await, Err(StoreError::NotFound { .. })));
}
