//! Messages too large for one request: taken apart, uploaded, put together, and nothing left behind.

use sandbox::{Fault, FaultKind};
use settings::{Delivery, OnUncertain};
use store::MessageState;

use crate::rig::drafting::{MIB, Rig, SMALL, assert_whole, change_connection, letter, tenant};
use crate::rig::tenant::MAILBOX;

#[tokio::test]
async fn a_message_beyond_one_request_arrives_whole_with_its_files() {
    let rig = Rig::new(Delivery::Standard, true).await;
    // By POST, on both sides of the two meanings of '3 MB', by session in one range, and in several.
    let sizes = [100, 2 * MIB, 3_050_000, 3 * MIB, 9 * MIB + 1];
    let id = rig.enqueue(&letter(&sizes), &["a@x.test", "blind@x.test"], MAILBOX).await;
    let detail = rig.until_settled(id).await;
    assert_eq!(detail.message.state, MessageState::Sent, "{:?}", detail.message.last_error);
    assert_whole(&rig.only_message(), &sizes);
    let delivery = &rig.sandbox.deliveries()[0];
    assert_eq!(
        (delivery.to.as_slice(), delivery.bcc.as_slice()),
        (&["a@x.test".to_owned()][..], &["blind@x.test".to_owned()][..])
    );
    assert_eq!(
        delivery.internet_message_id.as_deref().map(|it| it.trim_matches(['<', '>'])),
        Some(format!("{id}@test").as_str())
    );
    let uploads = rig.sandbox.requests().into_iter().filter(|it| it.method == "PUT" && it.status < 300).count();
    assert_eq!(uploads, 1 + 3, "ranges of 3.75 MiB");
    assert!(!detail.message.may_be_duplicated);
}

#[tokio::test]
async fn what_fits_one_request_still_goes_as_mime_with_its_bytes() {
    let rig = Rig::new(Delivery::Standard, true).await;
    let id = rig.enqueue(SMALL, &["a@x.test"], MAILBOX).await;
    rig.until_settled(id).await;
    assert!(rig.only_message().ends_with(SMALL));
    assert_eq!(rig.sandbox.requests().len(), 1);
}

#[tokio::test]
async fn the_limit_of_one_request_can_be_set_lower() {
    let rig = Rig::new(Delivery::Standard, true).await;
    change_connection(&rig.store, |connection| connection.mime_max_bytes = Some(100_000)).await;
    let id = rig.enqueue(&letter(&[90_000]), &["a@x.test"], MAILBOX).await;
    rig.until_settled(id).await;
    assert_whole(&rig.only_message(), &[90_000]);
    assert_eq!(rig.sandbox.deliveries()[0].form, "json");
}

#[tokio::test]
async fn graphs_own_limit_switches_the_way_when_it_is_lower_than_ours() {
    for too_large_is_400 in [false, true] {
        let mut config = tenant(&["Mail.Send", "Mail.ReadWrite"]);
        config.limits.max_request_bytes = 3 * 1024 * 1024;
        config.behaviour.too_large_is_400 = too_large_is_400;
        let rig = Rig::with(config, Delivery::Standard, true, OnUncertain::Retry).await;
        let sizes = [MIB, MIB + MIB / 5];
        let id = rig.enqueue(&letter(&sizes), &["a@x.test"], MAILBOX).await;
        assert_eq!(rig.until_settled(id).await.message.state, MessageState::Sent);
        assert_whole(&rig.only_message(), &sizes);
    }
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_interrupted() {
    for (kind, after) in [
        (FaultKind::GatewayTimeoutAfterCommit, "the range was taken"),
        (FaultKind::ResetAfterCommit, "the range was taken"),
        (FaultKind::ResetAfterBody, "the range was not taken"),
        (FaultKind::ResetBeforeBody, "the range was not read"),
        (FaultKind::UnavailableHtml, "the range was refused"),
        (FaultKind::Throttle, "the range must wait"),
    ] {
        let rig = Rig::new(Delivery::Standard, true).await;
        let retry_after = (kind == FaultKind::Throttle).then_some(0.5);
        rig.sandbox.add_fault(Fault { retry_after, ..Fault::new(kind).operation("putRange") });
        let sizes = [9 * MIB];
        let id = rig.enqueue(&letter(&sizes), &["a@x.test"], MAILBOX).await;
        let detail = rig.until_settled(id).await;
        assert_eq!((detail.message.state, detail.attempts.len()), (MessageState::Sent, 1), "{kind:?}: {after}");
        assert_whole(&rig.only_message(), &sizes);
        let sessions = rig.sandbox.requests().iter().filter(|it| it.target.contains("createUploadSession")).count();
        assert_eq!(sessions, 1, "{kind:?}: no byte was sent twice for nothing");
    }
}

#[tokio::test]
async fn drafts_of_failed_sends_are_removed() {
    for (operation, kind) in [
        ("createDraft", FaultKind::GatewayTimeoutAfterCommit),
        ("addAttachment", FaultKind::UnavailableJson),
        ("addAttachment", FaultKind::ResetAfterCommit),
        ("createUploadSession", FaultKind::Throttle),
        ("putRange", FaultKind::UploadSessionLost),
        ("send", FaultKind::UnavailableJson),
    ] {
        let rig = Rig::new(Delivery::Standard, true).await;
        rig.sandbox.add_fault(Fault { retry_after: Some(0.01), ..Fault::new(kind).operation(operation) });
        let id = rig.enqueue(&letter(&[MIB, 4 * MIB]), &["a@x.test"], MAILBOX).await;
        let detail = rig.until_settled(id).await;
        assert_eq!((detail.message.state, detail.attempts.len()), (MessageState::Sent, 2), "{operation} {kind:?}");
        assert_whole(&rig.only_message(), &[MIB, 4 * MIB]);
        assert_eq!(rig.sandbox.drafts(MAILBOX), [], "{operation} {kind:?}");
    }
}

#[tokio::test]
async fn what_json_cannot_carry_is_refused_and_not_mangled() {
    let rig = Rig::new(Delivery::Standard, true).await;
    let signed = String::from_utf8(letter(&[4 * MIB])).unwrap().replace("multipart/mixed", "multipart/signed");
    let id = rig.enqueue(signed.as_bytes(), &["a@x.test"], MAILBOX).await;
    let detail = rig.until_settled(id).await;
    assert_eq!(detail.message.state, MessageState::Failed);
    assert_eq!(detail.recipients[0].status.unwrap().to_string(), "5.6.3");
    assert!(detail.message.last_error.unwrap().why.contains("signature"));
    assert!(rig.sandbox.requests().is_empty(), "Graph is not even asked");
}

#[tokio::test]
async fn without_the_permission_large_messages_wait_and_small_ones_go_on() {
    let config = tenant(&["Mail.Send"]);
    let rig = Rig::with(config, Delivery::Standard, true, OnUncertain::Retry).await;
    let large = rig.enqueue(&letter(&[4 * MIB]), &["a@x.test"], MAILBOX).await;
    rig.until_asked("/messages", 1).await;
    let small = rig.enqueue(SMALL, &["a@x.test"], MAILBOX).await;
    assert_eq!(rig.until_settled(small).await.message.state, MessageState::Sent);
    let detail = rig.store.message(large).await.unwrap();
    assert_ne!(detail.message.state, MessageState::Failed);
    assert!(detail.message.last_error.unwrap().why.contains("Mail.ReadWrite"));
}

#[tokio::test]
async fn a_process_that_dies_in_an_upload_leaves_no_draft_for_long() {
    let mut rig = Rig::new(Delivery::Standard, true).await;
    rig.sandbox.add_fault(Fault { delay_ms: 600_000, ..Fault::new(FaultKind::Slow).operation("putRange") });
    let sizes = [4 * MIB];
    let id = rig.enqueue(&letter(&sizes), &["a@x.test"], MAILBOX).await;
    rig.until_asked("createUploadSession", 1).await;
    rig.kill_relay();
    assert_eq!(rig.sandbox.drafts(MAILBOX).len(), 1, "left behind");
    rig.sandbox.clear_faults();
    rig.start_relay().await;
    assert_eq!(rig.until_settled(id).await.message.state, MessageState::Sent);
    assert_whole(&rig.only_message(), &sizes);
    assert_eq!(rig.sandbox.drafts(MAILBOX), []);
}
