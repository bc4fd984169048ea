use jiff::SignedDuration;
use mail::Envelope;
use settings::{Connection, ConnectionId, Emails, Mailbox, Route, RouteId, Service};
use store::model::ModelStore;
use store::{AuditEntry, Explanation, NewMessage, Priority, SettingsChange, Via};

use super::*;

#[test]
fn only_trouble_of_the_lane_that_lasts_breaks_it() {
    let (short, long) = (Duration::from_secs(30), Duration::from_mins(6));
    for (verdict, wait, rests, expected) in [
        (LaneVerdict::Go, long, 9, false),
        (LaneVerdict::MessageOnly, long, 9, false), // a refusal of the message, however often
        (LaneVerdict::NeedsAdministrator, short, 1, true),
        (LaneVerdict::Throttled(Some(short)), short, 9, false), // it works as fast as it is allowed to
        (LaneVerdict::Throttled(Some(long)), long, 1, true),
        (LaneVerdict::QuotaUsedUp(None), long, 1, true),
        (LaneVerdict::QuotaUsedUp(Some(short)), short, 1, false),
        (LaneVerdict::Throttled(None), short, 2, false), // a hiccup
        (LaneVerdict::Throttled(None), short, 3, true),
    ] {
        assert_eq!(breaks(verdict, wait, rests), expected, "{verdict:?} {wait:?} {rests}");
    }
}

fn at(seconds: i64) -> Timestamp {
    "2026-11-23T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn way(connection: &str) -> RoutedTo {
    RoutedTo { connection: ConnectionId(connection.into()), mailbox: "noreply@contoso.test".parse().unwrap() }
}

/// Mail of `hr.test` falls back from `c` to `d`; other mail has `c` alone.
async fn store() -> ModelStore {
    let store = ModelStore::default();
    let connection =
        |id: &str| SettingsChange::PutConnection(Connection::new(ConnectionId(id.into()), id, Service::SmtpServer));
    let emails = Emails {
        enabled: true,
        mailbox: Some(way("c").mailbox),
        service_connection: Some(way("c").connection),
        ..Emails::default()
    };
    let route = Route {
        id: RouteId("hr".into()),
        name: "HR".into(),
        sender: "*@hr.test".parse().unwrap(),
        service_connection: way("c").connection,
        mailbox: Mailbox::Address(way("c").mailbox),
        fallback: vec![way("d").connection],
    };
    let routes = SettingsChange::SetRoutes(vec![route]);
    let changes = vec![connection("c"), connection("d"), SettingsChange::PutEmails(emails), routes];
    let (actor, action) = ("test".to_owned(), "set up".to_owned());
    let audit = AuditEntry { at: at(0), actor, action, detail: serde_json::Value::Null };
    let version = store.settings().borrow().version;
    store.change_settings(version, changes, audit).await.unwrap();
    store
}

async fn enqueue(store: &ModelStore, number: u64, sender: &str, due_at: Timestamp) -> MessageId {
    let mut body = store.stage_body().await.unwrap();
    body.write(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
    let sender: Address = sender.parse().unwrap();
    let mut envelope = Envelope::new(sender.clone());
    envelope.add("a@x.test".parse::<Address>().unwrap());
    let message = NewMessage {
        id: MessageId::new(number, 0),
        envelope,
        body: body.finish().await.unwrap(),
        added_header: String::new(),
        header_from: Some(sender),
        subject: None,
        internet_message_id: None,
        routed_to: Some(way("c")),
        hold: None,
        priority: Priority::Normal,
        send_at: None,
        received_at: due_at,
        expires_at: at(100_000),
        account: None,
        via: Via::Smtp,
        peer: None,
        idempotency: None,
        metadata: None,
    };
    store.enqueue(message).await.unwrap();
    MessageId::new(number, 0)
}

fn pause() -> LanePause {
    LanePause { until: at(3_600), explanation: Explanation::default(), needs_administrator: false }
}

#[tokio::test]
async fn where_much_has_to_stay_what_arrives_moves_at_once_and_what_is_due_for_longer_with_the_next_whole_look() {
    let store = store().await;
    let lane = store.lane_of(&way("c")).await.unwrap();
    for number in 0..=u64::from(PAGE) {
        enqueue(&store, number, "app@contoso.test", at(10)).await;
    }
    let mut failover = Failover::default();
    failover.move_on(&store, lane, Some(pause()), at(100)).await.unwrap();
    assert_eq!(failover.look_again_at(), Some(at(110)));

    let arrived = enqueue(&store, 1_000, "anna@hr.test", at(101)).await;
    let due_for_longer = enqueue(&store, 1_001, "anna@hr.test", at(5)).await;
    let connection = async |id| store.message(id).await.unwrap().message.routed_to.unwrap().connection.0;
    failover.move_on(&store, lane, Some(pause()), at(101)).await.unwrap();
    assert_eq!((connection(arrived).await.as_str(), connection(due_for_longer).await.as_str()), ("d", "c"));
    assert_eq!(failover.look_again_at(), Some(at(110)), "mail that arrives does not put the whole look off");
    failover.move_on(&store, lane, Some(pause()), at(110)).await.unwrap();
    assert_eq!(connection(due_for_longer).await, "d");
}

#[tokio::test]
async fn where_little_has_to_stay_what_is_due_for_longer_moves_at_once() {
    let store = store().await;
    let lane = store.lane_of(&way("c")).await.unwrap();
    enqueue(&store, 1, "app@contoso.test", at(10)).await;
    let mut failover = Failover::default();
    failover.move_on(&store, lane, Some(pause()), at(100)).await.unwrap();
    let id = enqueue(&store, 2, "anna@hr.test", at(5)).await;
    failover.move_on(&store, lane, Some(pause()), at(101)).await.unwrap();
    assert_eq!(store.message(id).await.unwrap().message.routed_to, Some(way("d")));
}
