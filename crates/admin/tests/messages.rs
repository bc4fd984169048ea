//! Messages: again, many at once, as a list, and looked into.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic like tests do")]

use admin::{
    Actor, AdminError, Role, delete_messages, export_list, operate_messages, overview, preview, resend_message,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, Envelope, MessageId};
use store::model::ModelStore;
use store::{Filter, MessageState, NewMessage, Operation, Priority, StagedBody, Store, Via};

fn anna() -> Actor {
    Actor::new("anna", Role::Administrator)
}

fn now() -> Timestamp {
    "2026-11-01T08:00:00Z".parse().unwrap()
}

async fn queued(store: &ModelStore, number: u128, subject: &str, body: &str) -> MessageId {
    let id = MessageId::new(u64::try_from(now().as_millisecond()).unwrap(), number);
    let mut envelope = Envelope::new("a@x.test".parse::<Address>().unwrap());
    envelope.add("b@x.test".parse::<Address>().unwrap());
    let message = NewMessage {
        id,
        envelope,
        body: StagedBody::inline(Bytes::from(body.to_owned())).unwrap(),
        added_header: "Received: by gate.test\r\n".to_owned(),
        header_from: Some("a@x.test".parse().unwrap()),
        subject: Some(subject.to_owned()),
        internet_message_id: None,
        routed_to: None,
        hold: None,
        priority: Priority::Normal,
        send_at: None,
        received_at: now(),
        expires_at: now() + SignedDuration::from_hours(48),
        account: None,
        via: Via::Smtp,
        peer: None,
        idempotency: None,
        metadata: None,
    };
    store.enqueue(message).await.unwrap();
    id
}

#[tokio::test]
async fn a_resent_message_is_a_new_one_with_the_same_envelope_and_body() {
    let store = ModelStore::default();
    let first = queued(&store, 1, "s", "Subject: s\r\n\r\nbody\r\n").await;
    operate_messages(&store, &anna(), &[first], Operation::Cancel, now()).await.unwrap();
    let later = now() + SignedDuration::from_hours(1);
    let again = resend_message(&store, &anna(), first, later).await.unwrap();
    assert_ne!(first, again);
    let (old, new) = (store.message(first).await.unwrap().message, store.message(again).await.unwrap().message);
    assert_eq!((old.state, new.state), (MessageState::Cancelled, MessageState::Queued));
    assert_eq!((&old.envelope, &old.added_header), (&new.envelope, &new.added_header));
    assert_eq!(new.expires_at, later + SignedDuration::from_hours(48));
    assert_eq!(new.metadata.unwrap()["resent_of"], first.to_string());
    let body = store.read_body(again).await.unwrap().into_bytes(1000).await.unwrap();
    assert_eq!(body, "Subject: s\r\n\r\nbody\r\n");
    assert_eq!(store.audit(None, 1).await.unwrap()[0].entry.action, "message_resent");
}

#[tokio::test]
async fn one_message_that_cannot_be_operated_on_does_not_stop_the_others() {
    let store = ModelStore::default();
    let (one, gone) = (queued(&store, 1, "s", "\r\n").await, MessageId::new(0, 7));
    let results = operate_messages(&store, &anna(), &[gone, one], Operation::Hold, now()).await.unwrap();
    assert!(matches!(results[0].1, Err(AdminError::Store(_))) && matches!(results[1].1, Ok(MessageState::Held)));
    let olga = Actor::new("olga", Role::Operator);
    assert!(matches!(delete_messages(&store, &olga, &[one]).await, Err(AdminError::Forbidden { .. })));
    assert!(delete_messages(&store, &anna(), &[one]).await.unwrap()[0].1.is_ok());
}

#[tokio::test]
async fn a_list_as_csv_runs_no_formula_and_has_every_message_once() {
    let store = ModelStore::default();
    for number in 0..501 {
        queued(&store, number, "=1+1", "\r\n").await;
    }
    let first = export_list(&store, &anna(), &Filter::default(), None).await.unwrap();
    let second = export_list(&store, &anna(), &Filter::default(), first.next).await.unwrap();
    assert!(second.next.is_none() && first.text.starts_with("id,state,"));
    let all = first.text + &second.text;
    assert_eq!((all.matches("\"'=1+1\"").count(), all.lines().count()), (501, 502));
}

#[tokio::test]
async fn a_preview_decodes_nests_and_survives_broken_mime() {
    let store = ModelStore::default();
    let nested = "Subject: =?utf-8?q?=C3=9Cber=0D=0AX-Evil:_1?=\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n\
        --o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n\
        --i\r\nContent-Type: text/plain\r\n\r\nplain\r\n--i\r\nContent-Type: text/html\r\n\r\n<b>html</b>\r\n--i--\r\n\
        --o\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--o--\r\n";
    let id = queued(&store, 1, "s", nested).await;
    let seen = preview(&store, &anna(), id, now()).await.unwrap();
    let header = |name: &str| seen.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
    assert_eq!(header("Subject"), Some("Über  X-Evil: 1"), "a line end in an encoded word is none");
    assert_eq!(header("From"), Some("Jürgen <j@x.test>"));
    assert_eq!(seen.headers[0].0, "Received", "what was added at arrival comes first");
    assert_eq!(seen.text.unwrap().trim(), "plain");
    assert_eq!(seen.html.unwrap().trim(), "<b>html</b>");
    let attachment = &seen.attachments[0];
    assert_eq!((attachment.name.as_deref(), attachment.size_bytes), (Some("a.pdf"), 3));
    assert!(seen.cut.is_empty(), "{:?}", seen.cut);
    let deep = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n".repeat(800);
    for (number, broken) in [(2, ""), (3, "\r\n"), (4, "Content-Type: multipart/mixed\r\n\r\n--"), (5, &deep)] {
        let id = queued(&store, number, "s", broken).await;
        preview(&store, &anna(), id, now()).await.unwrap();
    }
}

#[tokio::test]
async fn who_looks_into_a_message_leaves_one_trace_an_hour() {
    let store = ModelStore::default();
    let id = queued(&store, 1, "s", "\r\nx\r\n").await;
    let later = now() + SignedDuration::from_mins(61);
    for (at, traces) in [(now(), 1), (now() + SignedDuration::from_mins(59), 1), (later, 2)] {
        preview(&store, &anna(), id, at).await.unwrap();
        let audit = store.audit(None, 100).await.unwrap();
        assert_eq!(audit.iter().filter(|it| it.entry.action == "message_viewed").count(), traces, "{at}");
    }
    let olga = Actor::new("olga", Role::Operator);
    assert!(matches!(preview(&store, &olga, id, now()).await, Err(AdminError::Forbidden { .. })));
}

#[tokio::test]
async fn the_overview_says_what_waits_and_why() {
    let store = ModelStore::default();
    queued(&store, 1, "s", "\r\n").await;
    let later = now() + SignedDuration::from_mins(10);
    let seen = overview(&store, &anna(), None, later).await.unwrap();
    assert_eq!((seen.counts.queued, seen.oldest_waiting_seconds), (1, Some(600)));
    assert_eq!((seen.last_day.len(), seen.last_week.len()), (96, 84));
    assert_eq!(seen.last_day.iter().map(|point| point.accepted).sum::<u64>(), 1);
    assert!(seen.emails_problem.is_some());
}
