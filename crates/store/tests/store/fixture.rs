//! Messages and reports as tests need them.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, Envelope, MessageId};
use settings::{ConnectionId, RoutedTo};
use store::{
    AttemptReport, Claim, Explanation, Lease, NewMessage, NodeId, Priority, RecipientOutcome, StagedBody, Store,
    StoreError, Via,
};

/// A moment, in seconds after the tests' beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// The id of the message number `number`, which arrives at `at(number)`.
pub(crate) fn id(number: i64) -> MessageId {
    MessageId::new(u64::try_from(at(number).as_millisecond()).unwrap(), 7)
}

pub(crate) fn route(mailbox: &str) -> RoutedTo {
    RoutedTo { connection: ConnectionId("c1".into()), mailbox: address(mailbox) }
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId(name.into())
}

pub(crate) async fn staged(store: &dyn Store, bytes: &[u8]) -> StagedBody {
    let mut writer = store.stage_body().await.unwrap();
    for chunk in bytes.chunks(40_000) {
        writer.write(chunk).await.unwrap();
    }
    writer.finish().await.unwrap()
}

/// Message `number`, to one recipient, on the lane of noreply@contoso.test.
pub(crate) fn message(number: i64) -> NewMessage {
    let mut envelope = Envelope::new(address("app@contoso.test"));
    envelope.add(address("anna@example.test"));
    NewMessage {
        id: id(number),
        envelope,
        body: StagedBody::inline(Bytes::from_static(b"Subject: Hi\r\n\r\nHello\r\n")).unwrap(),
        added_header: "Received: by postern\r\n".into(),
        header_from: Some(address("app@contoso.test")),
        subject: Some("Hi".into()),
        internet_message_id: Some("<1@contoso.test>".into()),
        routed_to: Some(route("noreply@contoso.test")),
        hold: None,
        priority: Priority::Normal,
        send_at: None,
        received_at: at(number),
        expires_at: at(number + 172_800),
        account: None,
        via: Via::Smtp,
        peer: None,
        idempotency: None,
        metadata: None,
    }
}

pub(crate) fn to(mut message: NewMessage, recipients: &[&str]) -> NewMessage {
    message.envelope.recipients.clear();
    recipients.iter().for_each(|recipient| message.envelope.add(address(recipient)));
    message
}

pub(crate) fn report(claim: &Claim, outcome: RecipientOutcome, due_at: Timestamp) -> AttemptReport {
    AttemptReport {
        outcomes: vec![outcome; claim.recipients.len()],
        explanation: None,
        request_id: Some("request-1".into()),
        due_at,
        retry_uncertain: false,
        settles_doubt: false,
    }
}

pub(crate) fn because(what: &str) -> Explanation {
    Explanation { what: what.into(), ..Explanation::default() }
}

/// The only lane that has work.
pub(crate) async fn the_lane(store: &dyn Store) -> store::LaneId {
    let lanes = store.lanes_with_work().await.unwrap();
    assert_eq!(lanes.len(), 1, "{lanes:?}");
    lanes[0].id
}

/// A lease on the only lane with work, for node n1, until far in the future.
pub(crate) async fn lease(store: &dyn Store, now: Timestamp) -> Lease {
    let lane = the_lane(store).await;
    store.lease_lane(lane, &node("n1"), None, at(1_000_000_000), now).await.unwrap().unwrap()
}

pub(crate) async fn claim_one(store: &dyn Store, lease: &Lease, now: Timestamp) -> Claim {
    let mut claims = store.claim(lease, 1, 100, now).await.unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

pub(crate) fn is_conflict<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { .. }))
}
