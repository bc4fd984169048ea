use std::sync::Mutex;

use async_trait::async_trait;
use settings::{Connection, ConnectionId, FromPolicy, OnUncertain, Service};
use store::model::ModelStore;
use store::{AuditEntry, SettingsChange};

use super::*;
use crate::{Delivery, Transport, UpstreamError, Verdict};

/// Refuses what it is told to, and remembers what it was asked.
#[derive(Debug, Clone, Default)]
struct Scripted {
    forbidden_mailboxes: Vec<&'static str>,
    stubborn: Vec<MessageId>,
    asked: Arc<Mutex<Vec<MessageId>>>,
}

impl Scripted {
    fn asked(&self) -> Vec<MessageId> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Upstreams for Scripted {
    fn transport(&self, _connection: &ConnectionId) -> Result<Arc<dyn Transport>, UpstreamError> {
        Ok(Arc::new(self.clone()))
    }

    fn header_from_policy(&self) -> FromPolicy {
        FromPolicy::Keep
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn deliver(&self, _delivery: Delivery<'_>) -> Verdict {
        unreachable!("nothing is sent")
    }

    fn in_flight(&self) -> u32 {
        1
    }

    fn max_recipients(&self) -> u32 {
        1
    }

    fn on_uncertain(&self) -> OnUncertain {
        OnUncertain::Retry
    }

    async fn clear_away(&self, left: &Leftover<'_>) -> Result<(), Explanation> {
        self.asked.lock().unwrap().push(left.message);
        let is_refused =
            self.forbidden_mailboxes.contains(&left.mailbox.as_str()) || self.stubborn.contains(&left.message);
        if is_refused { Err(Explanation::default()) } else { Ok(()) }
    }
}

fn at(hours: i64) -> Timestamp {
    "2026-11-23T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn id(number: u64) -> MessageId {
    MessageId::new(number, 0)
}

/// A store with the connection `c`, and notes of messages that are gone, in these mailboxes.
async fn store_with(notes: impl IntoIterator<Item = (u64, &'static str, &'static str)>) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(ModelStore::default());
    let connection = Connection::new(ConnectionId("c".into()), "Contoso", Service::GraphApi);
    let audit =
        AuditEntry { at: at(0), actor: "test".into(), action: "change".into(), detail: serde_json::Value::Null };
    let version = store.settings().borrow().version;
    store.change_settings(version, vec![SettingsChange::PutConnection(connection)], audit).await.unwrap();
    for (number, connection, mailbox) in notes {
        let route = RoutedTo { connection: ConnectionId(connection.into()), mailbox: mailbox.parse().unwrap() };
        let left = Left { route, internet_message_id: None, ready: None, made_of: None, stuck: None };
        note(&*store, id(number), &left).await;
    }
    store
}

async fn noted(store: &Arc<dyn Store>) -> Vec<MessageId> {
    let mut noted: Vec<_> = all_left(&**store).await.unwrap().into_iter().map(|(id, _)| id).collect();
    noted.sort();
    noted
}

#[tokio::test]
async fn leftovers_in_a_forbidden_mailbox_starve_no_others() {
    let forbidden = (0..30).map(|number| (number, "c", "forbidden@x.test"));
    let store = store_with(forbidden.chain([(90, "c", "open@x.test"), (91, "c", "open@x.test")])).await;
    let upstream = Scripted { forbidden_mailboxes: vec!["forbidden@x.test"], ..Scripted::default() };
    clear_away(&store, &upstream, at(0)).await.unwrap();
    assert_eq!(upstream.asked(), [0, 90, 91].map(id), "after one failure the mailbox is left alone for the round");
    assert_eq!(noted(&store).await, (0..30).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_leftover_that_cannot_be_removed_keeps_back_none_beside_it() {
    let store = store_with((0..3).map(|number| (number, "c", "open@x.test"))).await;
    let upstream = Scripted { stubborn: vec![id(0)], ..Scripted::default() };
    clear_away(&store, &upstream, at(0)).await.unwrap();
    assert_eq!(upstream.asked(), [id(0)]);
    clear_away(&store, &upstream, at(1)).await.unwrap();
    assert_eq!(upstream.asked(), [1, 2, 0].map(id), "what failed goes to the end");
    assert_eq!(noted(&store).await, [id(0)]);
}

#[tokio::test]
async fn more_forbidden_mailboxes_than_a_round_tries_starve_none_either() {
    let mailboxes: Vec<&'static str> =
        (0..25).map(|number| &*Box::leak(format!("m{number}@x.test").into_boxed_str())).collect();
    let notes: Vec<_> = (0..).zip(&mailboxes).map(|(number, mailbox)| (number, "c", *mailbox)).collect();
    let store = store_with(notes.into_iter().chain([(90, "c", "open@x.test")])).await;
    let upstream = Scripted { forbidden_mailboxes: mailboxes, ..Scripted::default() };
    clear_away(&store, &upstream, at(0)).await.unwrap();
    assert_eq!(upstream.asked().len(), A_ROUND);
    clear_away(&store, &upstream, at(1)).await.unwrap();
    assert!(!noted(&store).await.contains(&id(90)));
}

#[tokio::test]
async fn a_connection_that_is_gone_takes_its_notes_along() {
    let store = store_with([(0, "gone", "open@x.test"), (1, "c", "forbidden@x.test")]).await;
    let upstream = Scripted { forbidden_mailboxes: vec!["forbidden@x.test"], ..Scripted::default() };
    clear_away(&store, &upstream, at(0)).await.unwrap();
    assert_eq!((upstream.asked(), noted(&store).await), (vec![id(1)], vec![id(1)]));
    assert_eq!(store.lanes(9).await.unwrap().len(), 1, "and gets no lane");
}

#[tokio::test]
async fn what_cannot_be_removed_for_thirty_days_is_given_up() {
    let store = store_with([(0, "c", "forbidden@x.test")]).await;
    let upstream = Scripted { forbidden_mailboxes: vec!["forbidden@x.test"], ..Scripted::default() };
    for (hours, is_noted) in [(0, true), (24, true), (30 * 24 - 1, true), (30 * 24, false)] {
        clear_away(&store, &upstream, at(hours)).await.unwrap();
        assert_eq!(!noted(&store).await.is_empty(), is_noted, "after {hours} hours");
    }
}
