//! Deliveries into a sandbox tenant: what reaches Microsoft, and what becomes of the message when Microsoft says no.

use std::fs;
use std::time::Duration;

use crate::rig::tenant::{Gateway, MAILBOX};
use sandbox::config::{App, Config, Tenant, User};
use sandbox::{Fault, FaultKind};
use store::{MessageState, RecipientState};

const MESSAGE: &[u8] = b"From: noreply@contoso.test\r\nTo: a@x.test\r\nSubject: hello\r\n\r\nhello\r\n";

#[tokio::test]
async fn a_message_arrives_with_its_bytes() {
    let gateway = Gateway::new().await;
    let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    let detail = gateway.until_state(id, MessageState::Sent).await;
    assert!(detail.attempts[0].request_id.is_some());
    let submitted = gateway.submitted(id);
    assert_eq!(submitted.len(), 1);
    let expected = [format!("Received: by test\r\nMessage-ID: <{id}@test>\r\n").as_bytes(), MESSAGE].concat();
    assert_eq!(submitted[0].raw, expected);
}

#[tokio::test]
async fn a_throttled_message_is_sent_again_with_identical_bytes_after_the_wait() {
    let gateway = Gateway::new().await;
    gateway.sandbox.add_fault(Fault { retry_after: Some(3.0), ..Fault::new(FaultKind::Throttle) });
    let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    gateway.until_state(id, MessageState::Sent).await;
    let requests = gateway.sandbox.requests();
    assert_eq!(requests.iter().map(|request| request.status).collect::<Vec<_>>(), [429, 202]);
    let waited = requests[1].at.duration_since(requests[0].at);
    assert!(waited >= jiff::SignedDuration::from_millis(2_990), "{waited}");
    assert_eq!(requests[1].body_bytes, (MESSAGE.len() + gateway_header_bytes()).div_ceil(3) * 4);
    if requests[0].body_sha256.is_some() {
        assert_eq!(requests[0].body_sha256, requests[1].body_sha256);
    }
}

fn gateway_header_bytes() -> usize {
    format!("Received: by test\r\nMessage-ID: <{}@test>\r\n", mail::MessageId::new(0, 0)).len()
}

#[tokio::test]
async fn trouble_that_passes_costs_no_message_and_no_duplicate() {
    for kind in [
        FaultKind::UnavailableJson,
        FaultKind::UnavailableHtml, // no JSON at all
        FaultKind::TokenThrottle,
    ] {
        let gateway = Gateway::new().await;
        let retry_after = matches!(kind, FaultKind::TokenThrottle).then_some(1.0);
        gateway.sandbox.add_fault(Fault { retry_after, ..Fault::new(kind) });
        let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
        let detail = gateway.until_state(id, MessageState::Sent).await;
        assert_eq!(gateway.submitted(id).len(), 1, "{kind:?}");
        assert!(!detail.message.may_be_duplicated, "{kind:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_marked_whether_or_not_the_mail_was_taken() {
    for (kind, copies) in [
        (FaultKind::GatewayTimeoutAfterCommit, 2), // taken, then the answer was lost: sent again
        (FaultKind::ResetAfterCommit, 2),
        (FaultKind::ResetAfterBody, 1), // not taken, which nobody here can know
    ] {
        let gateway = Gateway::new().await;
        gateway.sandbox.add_fault(Fault::new(kind));
        let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
        let detail = gateway.until_state(id, MessageState::Sent).await;
        assert_eq!(gateway.submitted(id).len(), copies, "{kind:?}");
        assert!(detail.message.may_be_duplicated, "{kind:?}");
    }
}

#[tokio::test]
async fn the_request_target_is_exact_for_hostile_mailboxes() {
    for (mailbox, segment) in [
        // Each is a valid address, so a From may name it; none may leave its path segment.
        ("a+b/../../x?y#z@d.test", "a%2Bb%2F..%2F..%2Fx%3Fy%23z%40d.test"),
        ("%2f@d.test", "%252f%40d.test"),
        ("ünïcode@d.test", "%C3%BCn%C3%AFcode%40d.test"),
        ("..@d.test", "..%40d.test"),
    ] {
        let gateway = Gateway::new().await;
        let id = gateway.enqueue(MESSAGE, &["a@x.test"], mailbox).await;
        // The sandbox does not know these users: the lane waits for an administrator, the message stays.
        let requests = loop {
            let requests = gateway.sandbox.requests();
            if !requests.is_empty() {
                break requests;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(requests[0].target, format!("/v1.0/users/{segment}/sendMail"), "{mailbox}");
        assert_ne!(gateway.detail(id).await.message.state, MessageState::Sent);
    }
}

#[tokio::test]
async fn a_refused_recipient_is_named_and_the_others_are_mailed() {
    let gateway = Gateway::new().await;
    let id = gateway.enqueue(MESSAGE, &["a@x.test", "bad.@x.test", "c@x.test"], MAILBOX).await;
    let detail = gateway.until_state(id, MessageState::Failed).await;
    let states: Vec<_> = detail.recipients.iter().map(|recipient| recipient.state).collect();
    assert_eq!(states, [RecipientState::Sent, RecipientState::Failed, RecipientState::Sent]);
    let submitted = gateway.submitted(id);
    assert_eq!(submitted.len(), 1);
    assert_eq!(submitted[0].delivery.recipients, ["a@x.test", "c@x.test"]);
}

#[tokio::test]
async fn more_recipients_than_graph_takes_are_mailed_once_each() {
    let gateway = Gateway::new().await;
    let recipients: Vec<String> = (0..1201).map(|n| format!("r{n}@x.test")).collect();
    let refs: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let id = gateway.enqueue(MESSAGE, &refs, MAILBOX).await;
    gateway.until_state(id, MessageState::Sent).await;
    let submitted = gateway.submitted(id);
    assert_eq!(submitted.len(), 3);
    let mut mailed: Vec<_> = submitted.iter().flat_map(|m| m.delivery.recipients.clone()).collect();
    mailed.sort_by_key(|address| address[1..address.find('@').unwrap()].parse::<u32>().unwrap());
    assert_eq!(mailed, recipients);
}

#[tokio::test]
async fn a_wrong_secret_stops_the_lane_with_the_fix_and_a_new_one_takes_effect_at_once() {
    let gateway = Gateway::new().await;
    gateway.change_secret("wrong").await;
    let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    let lane = loop {
        let lanes = gateway.store.lanes_with_work().await.unwrap();
        if let Some(lane) = lanes.into_iter().find(|lane| lane.pause.is_some()) {
            break lane;
        }
        tokio::task::yield_now().await;
    };
    let pause = lane.pause.unwrap();
    assert!(pause.needs_administrator);
    assert_eq!(pause.explanation.code.as_deref(), Some("AADSTS7000215"));
    gateway.change_secret("sandbox-secret").await;
    gateway.until_state(id, MessageState::Sent).await;
}

#[tokio::test]
async fn a_revoked_token_is_replaced_without_anybody_noticing() {
    let gateway = Gateway::new().await;
    let first = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    gateway.until_state(first, MessageState::Sent).await;
    gateway.sandbox.revoke_tokens();
    let second = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    let detail = gateway.until_state(second, MessageState::Sent).await;
    assert_eq!(detail.attempts.len(), 1);
    assert_eq!(gateway.sandbox.stats().tokens_issued, 2);
}

#[tokio::test]
async fn many_messages_need_one_token() {
    let gateway = Gateway::new().await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await);
    }
    for id in ids {
        gateway.until_state(id, MessageState::Sent).await;
    }
    assert_eq!(gateway.sandbox.stats().tokens_issued, 1);
}

#[tokio::test]
async fn each_state_of_a_mailbox_ends_as_its_kind_of_trouble() {
    for (user, code) in [
        ("missing", "ErrorInvalidUser"),
        ("unlicensed", "MailboxNotEnabledForRESTAPI"),
        ("out-of-scope", "ErrorAccessDenied"),
    ] {
        let gateway = Gateway::new().await;
        let id = gateway.enqueue(MESSAGE, &["a@x.test"], &format!("{user}@contoso.test")).await;
        let other = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
        gateway.until_state(other, MessageState::Sent).await;
        let error = loop {
            if let Some(error) = gateway.detail(id).await.message.last_error {
                break error;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(error.code.as_deref(), Some(code));
        assert!(!error.fix.is_empty() && !error.who.is_empty(), "{error:?}");
        assert_eq!(gateway.detail(id).await.message.state, MessageState::Queued, "kept until it is mended");
    }
}

#[tokio::test]
async fn what_graph_cannot_take_fails_with_the_reason() {
    let gateway = Gateway::new().await;
    let mut big = MESSAGE.to_vec();
    big.extend(std::iter::repeat_n(*b"0123456789\r\n", 400_000).flatten());
    let id = gateway.enqueue(&big, &["a@x.test"], MAILBOX).await;
    let detail = gateway.until_state(id, MessageState::Failed).await;
    assert_eq!(detail.recipients[0].status.unwrap().to_string(), "5.3.4");
}

#[tokio::test]
async fn a_message_near_the_limit_streams_through() {
    let gateway = Gateway::new().await;
    let mut big = MESSAGE.to_vec();
    big.extend(std::iter::repeat_n(*b"0123456789\r\n", 250_000).flatten());
    let id = gateway.enqueue(&big, &["a@x.test"], MAILBOX).await;
    gateway.until_state(id, MessageState::Sent).await;
    assert!(gateway.submitted(id)[0].raw.ends_with(&big));
}

#[tokio::test]
async fn a_damaged_body_is_set_aside_and_harms_nobody() {
    let gateway = Gateway::new().await;
    // The lane rests while the file is damaged.
    gateway.sandbox.add_fault(Fault { retry_after: Some(1.0), ..Fault::new(FaultKind::Throttle) });
    let mut big = MESSAGE.to_vec();
    big.extend(std::iter::repeat_n(*b"0123456789\r\n", 20_000).flatten());
    let damaged = gateway.enqueue(&big, &["a@x.test"], MAILBOX).await;
    while gateway.sandbox.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    damage_spool(&gateway.folder.path().join("spool"));
    let sound = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    gateway.until_state(damaged, MessageState::Quarantined).await;
    gateway.until_state(sound, MessageState::Sent).await;
}

fn damage_spool(folder: &std::path::Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage_spool(&path);
        } else {
            let mut bytes = fs::read(&path).unwrap();
            bytes[100] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
}

#[tokio::test]
async fn one_slow_mailbox_delays_nobody_else() {
    let contoso = Tenant {
        users: vec![user("noreply"), user("slow")],
        apps: Tenant::contoso().apps.into_iter().map(|app| App { send_as: vec![MAILBOX.into()], ..app }).collect(),
        ..Tenant::contoso()
    };
    let gateway = Gateway::with(Config { tenants: vec![contoso], ..Config::default() }).await;
    let slow =
        Fault { delay_ms: 2_000, count: 3, mailbox: Some("slow@contoso.test".into()), ..Fault::new(FaultKind::Slow) };
    gateway.sandbox.add_fault(slow);
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(gateway.enqueue(MESSAGE, &["a@x.test"], "slow@contoso.test").await);
    }
    let quick = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    tokio::time::timeout(Duration::from_millis(1_500), gateway.until_state(quick, MessageState::Sent))
        .await
        .expect("one slow mailbox delays nobody else");
    for id in slow {
        gateway.until_state(id, MessageState::Sent).await;
    }
}

fn user(name: &str) -> User {
    let upn = format!("{name}@contoso.test");
    Tenant::contoso().users.into_iter().next().map(|user| User { upn, ..user }).unwrap()
}
