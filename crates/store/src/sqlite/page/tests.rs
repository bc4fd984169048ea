//! Whatever of a search is done by looking and whatever by the index: it finds the same.

use jiff::{SignedDuration, Timestamp};
use mail::{Address, Envelope, MessageId};
use settings::AccountId;

use super::{Patience, page};
use crate::sqlite::SqliteStore;
use crate::sqlite::tests::message;
use crate::{Filter, MessageRecord, MessageState as S, NewMessage, Operation, PageRequest, Store};

const MESSAGES: u64 = 240;
const WORDS: [&str; 5] = ["Invoice", "Reminder", "Über", "invoices", "x\"y"];

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// Message `number` of some thousand seconds; neighbours arrive out of order.
fn various(number: u64) -> NewMessage {
    let pick = |count: u64| usize::try_from(number * 7_919 % count).unwrap();
    let second = number ^ 5;
    let received_at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second.try_into().unwrap());
    let mut envelope = Envelope::new(address(&format!("app{}@contoso.test", pick(3))));
    envelope.add(address(&format!("Customer{}@x.test", pick(40))));
    envelope.add(address("archive@contoso.test"));
    NewMessage {
        id: MessageId::new(second * 1_000, 0),
        envelope,
        subject: Some(format!("{} {} no. {number}", WORDS[pick(5)], WORDS[pick(3)])),
        internet_message_id: Some(format!("<x{}.Übung@contoso.test>", pick(9))),
        received_at,
        account: (pick(4) > 0).then(|| AccountId(format!("shop {}", pick(4)))),
        ..message(0, 10)
    }
}

async fn move_some(store: &SqliteStore, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let operate = async |operation| {
            let id = MessageId::new((number ^ 5) * 1_000, 0);
            store.operate(id, operation, "eve", None, Timestamp::UNIX_EPOCH).await.unwrap();
        };
        match number % 6 {
            0 => operate(Operation::Hold).await,
            1 => operate(Operation::Cancel).await,
            2 if number % 5 == 0 => store.delete(MessageId::new((number ^ 5) * 1_000, 0)).await.unwrap(),
            _ => {}
        }
    }
}

/// A store with messages of several states, of which some bounced; the newest third is not in the index, for its words are gone from there
/// and `indexed_up_to` says so.
async fn filled(folder: &std::path::Path) -> SqliteStore {
    let store = SqliteStore::open(folder).unwrap();
    for number in 0..MESSAGES {
        store.enqueue(various(number)).await.unwrap();
    }
    move_some(&store, 0..MESSAGES / 2).await; // before they are indexed
    store.index_words().await.unwrap();
    move_some(&store, MESSAGES / 2..MESSAGES).await;
    let forget = |unit: &mut crate::sqlite::unit::Unit<'_>| {
        unit.execute("UPDATE message SET bounced = 1 WHERE seq % 11 = 0", [])?;
        unit.execute("DELETE FROM message_words WHERE rowid > 160", [])?;
        unit.execute("UPDATE tally SET value = 160 WHERE name = 'indexed_up_to'", [])
    };
    store.writer().unwrap().write(forget).await.unwrap();
    store
}

fn filters() -> Vec<Filter> {
    let text = |text: &str| Filter { text: Some(text.into()), ..Filter::default() };
    let second = |second| Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second));
    let mut all = vec![Filter::default()];
    all.extend(
        [
            "invoice",
            "invoices",
            "über inv",
            "no 17",
            "X\"y",
            "nothing",
            "archive",
            "archive no 17",
            "contoso x rem",
            "%",
            "",
        ]
        .map(text),
    );
    all.push(Filter { sender: Some("app1".into()), ..Filter::default() });
    all.push(Filter { sender: Some("app1@contoso".into()), ..text("archive inv") });
    all.push(Filter { sender: Some("customer1".into()), ..Filter::default() });
    all.push(Filter { recipient: Some(address("CUSTOMER7@X.test")), ..Filter::default() });
    all.push(Filter { account: Some(AccountId("shop 1".into())), ..text("rem") });
    let message_id = |id: &str| Filter { internet_message_id: Some(id.into()), ..Filter::default() };
    all.extend(["<x7.Übung@contoso.test>", "<x7.übung@contoso.test>", "<x@contoso.test>", "<>"].map(message_id));
    let plain = all.clone();
    for filter in &plain {
        for states in
            [vec![S::Held], vec![S::Queued], vec![S::Queued, S::Sending, S::Held, S::Uncertain], vec![S::Sent]]
        {
            all.push(Filter { states, ..filter.clone() });
        }
        all.push(Filter { bounced: true, ..filter.clone() });
        all.push(Filter { bounced: true, states: vec![S::Held, S::Queued], ..filter.clone() });
        all.push(Filter { since: second(60), until: second(150), ..filter.clone() });
        all.push(Filter { until: second(3), states: vec![S::Held, S::Cancelled], ..filter.clone() });
        all.push(Filter { since: second(9_999), ..filter.clone() });
    }
    all
}

#[tokio::test]
async fn looking_and_the_index_find_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let everything = |connection: &rusqlite::Connection| {
        page(connection, &Filter::default(), PageRequest { before: None, limit: u32::MAX }, super::PATIENCE)
    };
    let everything: Vec<MessageRecord> = store.readers.read(everything).await.unwrap().messages;
    assert!(everything.len() > 200);
    for filter in filters() {
        let expected: Vec<MessageId> = everything.iter().filter(|it| filter.matches(it)).map(|it| it.id).collect();
        for (looked_at_first, in_vain_max) in [(0, 0), (0, 2), (3, 999), (usize::MAX, 0)] {
            let patience = Patience { looked_at_first, in_vain_max };
            let mut seen = Vec::new();
            let mut before = None;
            loop {
                let filter = filter.clone();
                let next = move |connection: &rusqlite::Connection| {
                    page(connection, &filter, PageRequest { before, limit: 7 }, patience)
                };
                let next = store.readers.read(next).await.unwrap();
                seen.extend(next.messages.iter().map(|record| record.id));
                before = next.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected, "{filter:?}, {patience:?}");
        }
    }
}

#[tokio::test]
async fn what_was_deleted_leaves_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for number in 0..3 {
        store.enqueue(various(number)).await.unwrap();
    }
    let indexed = |connection: &rusqlite::Connection| {
        super::all(connection, "SELECT rowid FROM message_words WHERE message_words MATCH 'archive'", [], |row| {
            Ok(row.get::<_, i64>(0)?)
        })
    };
    store.index_words().await.unwrap();
    assert_eq!(store.readers.read(indexed).await.unwrap(), [1, 2, 3]);
    store.delete(various(0).id).await.unwrap();
    store.operate(various(1).id, Operation::Cancel, "eve", None, Timestamp::UNIX_EPOCH).await.unwrap();
    let future = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
    assert_eq!(store.purge(S::Cancelled, future, 9).await.unwrap(), 1);
    assert_eq!(store.readers.read(indexed).await.unwrap(), [3]);
}

/// The thread does by itself what `index_words` does at once; the index is filled when the store says so by a commit.
#[tokio::test]
async fn the_index_fills_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.enqueue(various(0)).await.unwrap();
    let indexed_up_to = |connection: &rusqlite::Connection| Ok(super::Span::of(connection, None, None)?.indexed_up_to);
    let filled = async {
        while store.readers.read(indexed_up_to).await.unwrap() < 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), filled).await.unwrap();
}
