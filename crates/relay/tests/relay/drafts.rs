//! Ways through a draft: messages too large for one request, and tracked delivery.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mail::{Address, Envelope, MessageId};
use mail_parser::{MessageParser, MimeHeaders as _};
use relay::{Backoff, Connections, Limits, Network, Relay, RelayConfig, Running};
use sandbox::{Config, Fault, FaultKind, Sandbox};
use settings::{ConnectionId, Delivery, OnUncertain, RoutedTo};
use store::sqlite::SqliteStore;
use store::{
    AuditEntry, MessageDetail, MessageState, NewMessage, NodeId, Priority, RecipientState, SettingsChange, Store, Via,
};
use tokio::runtime::Runtime;

use crate::rig::tenant::{MAILBOX, set_up};

struct Rig {
    sandbox: sandbox::Running,
    store: Arc<dyn Store>,
    /// Dropped with its runtime, it dies between two instructions, as a killed process does.
    relay: Option<(Running, Runtime)>,
    _folder: tempfile::TempDir,
}

/// The sandbox's tenant with an app that may read and write mail, and limits that do not matter.
fn tenant(roles: &[&str]) -> Config {
    let mut config = Config::default();
    config.tenants[0].apps[0].roles = roles.iter().map(|role| (*role).to_owned()).collect();
    config.limits.requests_per_window = 1_000_000;
    config.limits.upload_bytes_per_window = u64::MAX / 2;
    config
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.relay.is_some() {
            self.kill_relay();
        }
    }
}

impl Rig {
    async fn new(delivery: Delivery, large_messages: bool) -> Self {
        Self::with(tenant(&["Mail.Send", "Mail.ReadWrite"]), delivery, large_messages, OnUncertain::Retry).await
    }

    async fn with(config: Config, delivery: Delivery, large_messages: bool, on_uncertain: OnUncertain) -> Self {
        let sandbox = Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        set_up(&store, &sandbox.base_url, "sandbox-secret").await;
        let settings = Arc::clone(&store.settings().borrow());
        let mut connection = settings.connections[0].clone();
        (connection.delivery, connection.large_messages, connection.on_uncertain) =
            (delivery, large_messages, on_uncertain);
        let audit = AuditEntry {
            at: Timestamp::now(),
            actor: "test".into(),
            action: "set up".into(),
            detail: serde_json::Value::Null,
        };
        let change = vec![SettingsChange::PutConnection(connection)];
        store.change_settings(settings.version, change, audit).await.unwrap();
        let mut rig = Self { sandbox, store, relay: None, _folder: folder };
        rig.start_relay().await;
        rig
    }

    /// The same node's next life.
    async fn start_relay(&mut self) {
        let connections = Connections::new(Arc::clone(&self.store), Network::default());
        let mut config = RelayConfig::new(NodeId("node".into()));
        let quick = Backoff { first: Duration::from_millis(2), cap: Duration::from_millis(10) };
        config.limits = Limits { message_backoff: quick, lane_backoff: quick, ..Limits::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let store = Arc::clone(&self.store);
        let started = runtime.spawn(async move { Relay::start(store, Arc::new(connections), config).await.unwrap() });
        self.relay = Some((started.await.unwrap(), runtime));
    }

    fn kill_relay(&mut self) {
        let (running, runtime) = self.relay.take().unwrap();
        runtime.shutdown_background();
        // Its end, which would wait for attempts under way, never runs.
        std::mem::forget(running);
    }

    async fn enqueue(&self, raw: &[u8], recipients: &[&str], mailbox: &str) -> MessageId {
        let now = Timestamp::now();
        let id = MessageId::new(u64::try_from(now.as_millisecond()).unwrap(), rand_bits());
        let mut body = self.store.stage_body().await.unwrap();
        for chunk in raw.chunks(1024 * 1024) {
            body.write(chunk).await.unwrap();
        }
        let sender: Address = mailbox.parse().unwrap();
        let mut envelope = Envelope::new(sender.clone());
        recipients.iter().for_each(|recipient| envelope.add(recipient.parse::<Address>().unwrap()));
        let message = NewMessage {
            id,
            envelope,
            body: body.finish().await.unwrap(),
            added_header: format!("Received: by test\r\nMessage-ID: <{id}@test>\r\n"),
            header_from: Some(sender.clone()),
            subject: None,
            internet_message_id: Some(format!("{id}@test")),
            routed_to: Some(RoutedTo { connection: ConnectionId("c".into()), mailbox: sender }),
            priority: Priority::Normal,
            send_at: None,
            received_at: now,
            expires_at: now + SignedDuration::from_hours(48),
            account: None,
            via: Via::Smtp,
            peer: None,
            idempotency: None,
            metadata: None,
        };
        self.store.enqueue(message).await.unwrap();
        id
    }

    async fn until_settled(&self, id: MessageId) -> MessageDetail {
        let mut news = self.store.subscribe();
        let settled = async {
            loop {
                let detail = self.store.message(id).await.unwrap();
                if detail.message.state.is_settled() {
                    return detail;
                }
                let _news_or_lag = news.recv().await;
            }
        };
        let detail = tokio::time::timeout(Duration::from_mins(3), settled).await.ok();
        detail.unwrap_or_else(|| panic!("{id} is not settled"))
    }

    /// Waits until the sandbox was asked for `what` as often.
    async fn until_asked(&self, what: &str, times: usize) {
        let asked = async {
            while self.sandbox.requests().iter().filter(|it| it.target.contains(what)).count() < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), asked).await.unwrap();
    }

    /// How often each message was delivered, by its Message-ID.
    fn copies(&self) -> HashMap<String, usize> {
        let mut copies = HashMap::new();
        for delivery in self.sandbox.deliveries() {
            let id = delivery.internet_message_id.clone().unwrap_or_default();
            *copies.entry(id.trim_matches(['<', '>']).to_owned()).or_default() += 1;
        }
        copies
    }

    fn only_message(&self) -> Vec<u8> {
        let deliveries = self.sandbox.deliveries();
        assert_eq!(deliveries.len(), 1);
        self.sandbox.message(&deliveries[0].id).unwrap().raw.to_vec()
    }
}

fn rand_bits() -> u128 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    u128::from(SERIAL.fetch_add(1, Ordering::Relaxed))
}

/// Bytes that are no text and do not repeat soon.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let byte = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(byte).collect()
}

fn base64_lines(content: &[u8]) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(content);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

/// A letter with files of these sizes.
fn letter(sizes: &[usize]) -> Vec<u8> {
    let mut text = "From: Me <noreply@contoso.test>\r\nTo: Anna <a@x.test>\r\nSubject: =?utf-8?q?gro=C3=9F?=\r\nReply-To: r@x.test\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_m\"\r\n\r\n--=_m\r\n\
        Content-Type: multipart/alternative; boundary=\"=_a\"\r\n\r\n--=_a\r\n\r\nplain\r\n--=_a\r\n\
        Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p class=3D\"x\">gr=C3=BCn</p>\r\n\
        --=_a--\r\n"
        .to_owned();
    for (number, size) in sizes.iter().enumerate() {
        write!(
            text,
            "--=_m\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=utf-8''gr%C3%BCn-{number}.bin\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            base64_lines(&noise(*size))
        )
        .unwrap();
    }
    text.push_str("--=_m--\r\n");
    text.into_bytes()
}

const MIB: usize = 1024 * 1024;
const SMALL: &[u8] = b"From: noreply@contoso.test\r\nTo: a@x.test\r\nSubject: hello\r\n\r\nhello\r\n";

/// The received message has these files, whole, and the text.
fn assert_whole(raw: &[u8], sizes: &[usize]) {
    let mail = MessageParser::default().parse(raw).unwrap();
    assert_eq!(mail.subject(), Some("groß"));
    assert_eq!(mail.body_html(0).unwrap().trim(), "<p class=\"x\">grün</p>");
    assert_eq!(mail.attachment_count(), sizes.len());
    for (number, size) in sizes.iter().enumerate() {
        let file = mail.attachment(u32::try_from(number).unwrap()).unwrap();
        assert!(file.contents() == noise(*size), "file {number} of {size} bytes differs");
        assert_eq!(file.attachment_name(), Some(format!("grün-{number}.bin").as_str()));
    }
}

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
    assert!(detail.message.may_be_duplicated, "it was in doubt for a while");
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
