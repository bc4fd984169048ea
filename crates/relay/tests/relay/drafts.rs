//! Messages too large for one request: taken apart, uploaded, put together, and nothing left behind.

use jiff::Timestamp;
use sandbox::{Fault, FaultKind};
use settings::{Delivery, OnUncertain};
use store::{MessageState, Operation};

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

#[tokio::test]
async fn a_draft_that_only_waits_to_be_sent_is_not_uploaded_again_not_even_by_a_new_process() {
    for is_killed in [false, true] {
        let mut rig = Rig::new(Delivery::Standard, true).await;
        // Long enough to kill the process in.
        let wait = if is_killed { 3.0 } else { 0.01 };
        rig.sandbox.add_fault(Fault::new(FaultKind::Throttle).operation("send").retry_after(wait));
        let sizes = [MIB, 4 * MIB];
        let id = rig.enqueue(&letter(&sizes), &["a@x.test"], MAILBOX).await;
        if is_killed {
            let mut news = rig.store.subscribe();
            while rig.store.message(id).await.unwrap().attempts.first().is_none_or(|it| it.ended_at.is_none()) {
                let _news_or_lag = news.recv().await;
            }
            rig.kill_relay();
            rig.start_relay().await;
        }
        let detail = rig.until_settled(id).await;
        assert_eq!((detail.message.state, detail.attempts.len()), (MessageState::Sent, 2));
        assert_whole(&rig.only_message(), &sizes);
        let asked = |what: &str| rig.sandbox.requests().iter().filter(|it| it.target.contains(what)).count();
        assert_eq!((asked("createUploadSession"), asked("/send")), (1, 2), "killed: {is_killed}");
        assert_eq!(rig.sandbox.drafts(MAILBOX), []);
        assert!(!detail.message.may_be_duplicated);
        assert_eq!(rig.store.kept_under("relay/draft/").await.unwrap(), [], "nothing is left to remember");
    }
}

#[tokio::test]
async fn a_kept_draft_that_somebody_deleted_is_made_anew() {
    let rig = Rig::new(Delivery::Standard, true).await;
    rig.sandbox.add_fault(Fault::new(FaultKind::Throttle).operation("send").retry_after(0.01));
    rig.sandbox.add_fault(Fault {
        status: Some(404),
        code: Some("ErrorItemNotFound".into()),
        ..Fault::new(FaultKind::Error).operation("getMessage")
    });
    let id = rig.enqueue(&letter(&[4 * MIB]), &["a@x.test"], MAILBOX).await;
    assert_eq!(rig.until_settled(id).await.message.state, MessageState::Sent);
    assert_whole(&rig.only_message(), &[4 * MIB]);
    assert_eq!(rig.sandbox.drafts(MAILBOX), []);
}

#[tokio::test]
async fn the_draft_of_a_message_that_is_not_attempted_again_is_removed() {
    for end in ["cancelled", "deleted"] {
        let rig = Rig::new(Delivery::Standard, true).await;
        rig.sandbox.add_fault(Fault::new(FaultKind::Throttle).operation("send").retry_after(2.0));
        let id = rig.enqueue(&letter(&[4 * MIB]), &["a@x.test"], MAILBOX).await;
        let mut news = rig.store.subscribe();
        while rig.store.message(id).await.unwrap().attempts.first().is_none_or(|it| it.ended_at.is_none()) {
            let _news_or_lag = news.recv().await;
        }
        assert_eq!(rig.sandbox.drafts(MAILBOX).len(), 1);
        if end == "cancelled" {
            rig.store.operate(id, Operation::Cancel, "test", None, Timestamp::now()).await.unwrap();
        } else {
            rig.store.delete(id).await.unwrap();
        }
        rig.until_no_drafts(MAILBOX).await;
        assert_eq!(rig.sandbox.deliveries().len(), 0, "{end}");
    }
}

#[tokio::test]
async fn the_draft_of_a_process_that_died_is_removed_when_its_message_is_cancelled() {
    let config = tenant(&["Mail.Send", "Mail.ReadWrite"]);
    let mut rig = Rig::with(config, Delivery::Standard, true, OnUncertain::Hold).await;
    rig.sandbox.add_fault(Fault { delay_ms: 600_000, ..Fault::new(FaultKind::Slow).operation("putRange") });
    let id = rig.enqueue(&letter(&[4 * MIB]), &["a@x.test"], MAILBOX).await;
    rig.until_asked("createUploadSession", 1).await;
    rig.kill_relay();
    rig.sandbox.clear_faults();
    rig.start_relay().await;
    let mut news = rig.store.subscribe();
    while rig.store.message(id).await.unwrap().message.state != MessageState::Uncertain {
        let _news_or_lag = news.recv().await;
    }
    rig.store.operate(id, Operation::Cancel, "test", None, Timestamp::now()).await.unwrap();
    rig.until_no_drafts(MAILBOX).await;
}

#[tokio::test]
async fn a_file_just_below_3_mib_goes_in_one_request_while_it_fits_and_is_refused_with_words_after_that() {
    for (size, fits) in [(3 * MIB - 2048, true), (3 * MIB - 300, true), (3 * MIB - 1, false), (3 * MIB, true)] {
        let rig = Rig::new(Delivery::Standard, true).await;
        let id = rig.enqueue(&letter(&[size]), &["a@x.test"], MAILBOX).await;
        let detail = rig.until_settled(id).await;
        if fits {
            assert_eq!(detail.message.state, MessageState::Sent, "{size}: {:?}", detail.message.last_error);
            assert_whole(&rig.only_message(), &[size]);
        } else {
            assert_eq!(detail.recipients[0].status.unwrap().to_string(), "5.3.4", "{size}");
            assert!(detail.message.last_error.unwrap().fix.contains("some kilobytes larger or smaller"));
        }
        assert_eq!(rig.sandbox.drafts(MAILBOX), [], "{size}");
    }
}

#[tokio::test]
async fn a_mailbox_that_may_send_150_mb_sends_more_than_35() {
    let mut config = tenant(&["Mail.Send", "Mail.ReadWrite"]);
    config.limits.max_message_bytes = 150 * 1024 * 1024;
    let rig = Rig::with(config, Delivery::Standard, true, OnUncertain::Retry).await;
    change_connection(&rig.store, |connection| connection.large_max_bytes = Some(150 * 1024 * 1024)).await;
    let sizes = [30 * MIB, MIB];
    let raw = letter(&sizes);
    assert!(raw.len() > 40 * MIB);
    let id = rig.enqueue(&raw, &["a@x.test"], MAILBOX).await;
    let detail = rig.until_settled(id).await;
    assert_eq!(detail.message.state, MessageState::Sent, "{:?}", detail.message.last_error);
    assert_whole(&rig.only_message(), &sizes);
}

#[tokio::test]
async fn json_leaves_out_the_date_and_the_fields_it_has_nothing_for() {
    let rig = Rig::new(Delivery::Standard, true).await;
    change_connection(&rig.store, |connection| connection.mime_max_bytes = Some(1)).await;
    let fields = "Date: Mon, 1 Jan 2001 00:00:00 +0000\r\nList-Id: <news.x.test>\r\nAuto-Submitted: auto-generated\r\n\
        DKIM-Signature: v=1; a=rsa-sha256; d=x.test\r\nX-Own: kept\r\n";
    let raw = [fields.as_bytes(), SMALL].concat();
    let id = rig.enqueue(&raw, &["a@x.test"], MAILBOX).await;
    assert_eq!(rig.until_settled(id).await.message.state, MessageState::Sent);
    assert_eq!(rig.sandbox.deliveries()[0].form, "json");
    let sent = String::from_utf8(rig.only_message()).unwrap().to_lowercase();
    assert!(sent.contains("x-own: kept"), "{sent}");
    for gone in ["1 jan 2001", "list-id", "auto-submitted", "dkim-signature", "received: by test"] {
        assert!(!sent.contains(gone), "{gone} in {sent}");
    }
}
