//! Tracked delivery: whatever becomes of answers and processes, a message arrives exactly once.

use std::time::Duration;

use mail::MessageId;
use sandbox::{Fault, FaultKind};
use settings::{Delivery, OnUncertain};
use store::{MessageState, RecipientState};

use crate::rig::drafting::{MIB, Rig, SMALL, letter, tenant};
use crate::rig::tenant::MAILBOX;

#[tokio::test]
async fn drafts_of_tracked_mail_are_removed_whether_or_not_they_were_marked() {
    for (operation, kind) in [
        ("createDraft", FaultKind::GatewayTimeoutAfterCommit), // there, with an id that nobody heard
        ("createDraft", FaultKind::ResetAfterCommit),
        ("updateDraft", FaultKind::ResetAfterBody),   // not marked
        ("updateDraft", FaultKind::ResetAfterCommit), // marked
        ("send", FaultKind::Throttle),
    ] {
        let rig = Rig::new(Delivery::Tracked, false).await;
        rig.sandbox.add_fault(Fault { retry_after: Some(0.01), ..Fault::new(kind).operation(operation) });
        let id = rig.enqueue(SMALL, &["a@x.test"], MAILBOX).await;
        let detail = rig.until_settled(id).await;
        assert_eq!((detail.message.state, detail.attempts.len()), (MessageState::Sent, 2), "{operation} {kind:?}");
        assert!(!detail.message.may_be_duplicated, "{operation} {kind:?}");
        assert_eq!((rig.sandbox.deliveries().len(), rig.sandbox.drafts(MAILBOX)), (1, vec![]), "{operation} {kind:?}");
    }
}

#[tokio::test]
async fn tracked_mail_keeps_its_bytes_and_a_lost_answer_is_no_doubt() {
    for kind in [
        FaultKind::GatewayTimeoutAfterCommit, // sent: the draft has moved
        FaultKind::ResetAfterCommit,
        FaultKind::ResetAfterBody, // not sent: it is still a draft, and sent again
        FaultKind::ResetBeforeBody,
    ] {
        let rig = Rig::new(Delivery::Tracked, false).await;
        rig.sandbox.add_fault(Fault::new(kind).operation("send"));
        let id = rig.enqueue(SMALL, &["a@x.test", "blind@x.test"], MAILBOX).await;
        let detail = rig.until_settled(id).await;
        assert_eq!((detail.message.state, detail.attempts.len()), (MessageState::Sent, 1), "{kind:?}");
        assert!(!detail.message.may_be_duplicated, "{kind:?}");
        assert!(rig.only_message().ends_with(b"Subject: hello\r\n\r\nhello\r\n"));
        assert_eq!(rig.sandbox.deliveries()[0].recipients, ["a@x.test", "blind@x.test"]);
        assert_eq!(rig.sandbox.drafts(MAILBOX), []);
    }
}

#[tokio::test]
async fn a_process_killed_between_sending_and_recording_sends_nothing_twice() {
    for delivery_is_large in [false, true] {
        let mut rig = Rig::new(Delivery::Tracked, true).await;
        // Sent; the answer is lost, and the draft cannot be asked before the process dies.
        rig.sandbox.add_fault(Fault { delay_ms: 600_000, ..Fault::new(FaultKind::Slow).operation("getMessage") });
        rig.sandbox.add_fault(Fault::new(FaultKind::GatewayTimeoutAfterCommit).operation("send"));
        let message = if delivery_is_large { letter(&[4 * MIB]) } else { SMALL.to_vec() };
        let id = rig.enqueue(&message, &["a@x.test"], MAILBOX).await;
        tokio::time::timeout(Duration::from_mins(1), rig.sandbox.wait_for_deliveries(1)).await.unwrap();
        rig.kill_relay();
        assert_ne!(rig.store.message(id).await.unwrap().message.state, MessageState::Sent);
        rig.sandbox.clear_faults();
        rig.start_relay().await;
        let detail = rig.until_settled(id).await;
        assert_eq!((detail.message.state, detail.attempts.len()), (MessageState::Sent, 2));
        assert_eq!(rig.sandbox.deliveries().len(), 1, "large: {delivery_is_large}");
        assert!(!detail.message.may_be_duplicated, "its trace tells exactly");
    }
}

#[tokio::test]
async fn a_draft_that_cannot_be_asked_about_stays_in_doubt_until_it_can() {
    let rig = Rig::with(tenant(&["Mail.Send", "Mail.ReadWrite"]), Delivery::Tracked, false, OnUncertain::Hold).await;
    rig.sandbox.add_fault(Fault::new(FaultKind::GatewayTimeoutAfterCommit).operation("send"));
    rig.sandbox.add_fault(Fault {
        status: Some(404),
        code: Some("ErrorItemNotFound".into()),
        ..Fault::new(FaultKind::Error).operation("getMessage")
    });
    let id = rig.enqueue(SMALL, &["a@x.test"], MAILBOX).await;
    let detail = rig.until_settled(id).await;
    assert_eq!(detail.message.state, MessageState::Sent, "the second attempt finds what the first one sent");
    assert_eq!(rig.sandbox.deliveries().len(), 1);
    assert!(!detail.message.may_be_duplicated, "it was in doubt for a while, and is no more");
}

#[tokio::test]
async fn a_doubt_whose_trace_somebody_swept_away_stays_marked() {
    let mut rig = Rig::new(Delivery::Tracked, false).await;
    rig.sandbox.add_fault(Fault { delay_ms: 600_000, ..Fault::new(FaultKind::Slow).operation("createDraft") });
    let mut news = rig.store.subscribe();
    let id = rig.enqueue(SMALL, &["a@x.test"], MAILBOX).await;
    while rig.store.message(id).await.unwrap().message.state != MessageState::Sending {
        let _news_or_lag = news.recv().await;
    }
    rig.kill_relay();
    rig.sandbox.clear_faults();
    rig.start_relay().await;
    let detail = rig.until_settled(id).await;
    assert_eq!((detail.message.state, rig.sandbox.deliveries().len()), (MessageState::Sent, 1));
    assert!(detail.message.may_be_duplicated, "no trace of the first attempt was found");
}

/// Mailboxes of the sandbox's tenant, each a lane.
const MAILBOXES: [&str; 5] =
    ["noreply@contoso.test", "anna@contoso.test", "ben@contoso.test", "erp@contoso.test", "scanner@contoso.test"];

/// Sends `count` messages, every attempt to send them failing in one of the ways networks do, with two processes that
/// die on the way.
async fn storm(delivery: Delivery, on_uncertain: OnUncertain, count: usize) -> (Rig, Vec<MessageId>) {
    let operation = if delivery == Delivery::Tracked { "send" } else { "sendMail" };
    let mut rig = Rig::with(tenant(&["Mail.Send", "Mail.ReadWrite"]), delivery, false, on_uncertain).await;
    let kinds = [
        FaultKind::GatewayTimeoutAfterCommit,
        FaultKind::ResetAfterBody,
        FaultKind::ResetAfterCommit,
        FaultKind::ResetBeforeBody,
    ];
    for number in 0..count {
        rig.sandbox.add_fault(Fault::new(kinds[number % kinds.len()]).operation(operation));
    }
    let mut ids = Vec::new();
    for number in 0..count {
        let mailbox = MAILBOXES[number % MAILBOXES.len()];
        let raw = format!("From: {mailbox}\r\nTo: r{number}@x.test\r\n\r\nhello\r\n");
        ids.push(rig.enqueue(raw.as_bytes(), &[&format!("r{number}@x.test")], mailbox).await);
    }
    for share in [4, 2] {
        let wanted = u64::try_from(count / share).unwrap();
        tokio::time::timeout(Duration::from_mins(3), rig.sandbox.wait_for_deliveries(wanted)).await.unwrap();
        rig.kill_relay();
        rig.start_relay().await;
    }
    (rig, ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_faulted_tracked_sends_arrive_exactly_once() {
    let (rig, ids) = storm(Delivery::Tracked, OnUncertain::Retry, 1000).await;
    for id in &ids {
        assert_eq!(rig.until_settled(*id).await.message.state, MessageState::Sent);
    }
    let copies = rig.copies();
    let wrong: Vec<_> = ids.iter().filter(|id| copies.get(&format!("{id}@test")) != Some(&1)).collect();
    assert!(wrong.is_empty(), "{} are not there exactly once", wrong.len());
    assert_eq!(rig.sandbox.deliveries().len(), ids.len());
    for mailbox in MAILBOXES {
        assert_eq!(rig.sandbox.drafts(mailbox), [], "{mailbox}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_faulted_standard_sends_lose_nothing_and_mark_every_duplicate() {
    let (rig, ids) = storm(Delivery::Standard, OnUncertain::Retry, 1000).await;
    let mut duplicates = 0;
    for id in &ids {
        let detail = rig.until_settled(*id).await;
        assert_eq!(detail.recipients[0].state, RecipientState::Sent);
        let copies = rig.copies().get(&format!("{id}@test")).copied().unwrap_or_default();
        assert!(copies >= 1, "{id} is lost");
        assert!(copies == 1 || detail.message.may_be_duplicated, "{id} came {copies} times, and nobody was told");
        duplicates += copies - 1;
    }
    assert!(duplicates > 0, "the storm was none");
}
