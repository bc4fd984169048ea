use mail::{DsnNotify, DsnReturn, EnhancedStatus, ReversePath};
use settings::Notices;
use store::{Filter, MessageRecord, Operation, PageRequest, RecipientOutcome, SettingsChange, Store as _, Via};

use super::*;
use crate::delays::note_delayed;
use crate::testing::{World, address};

const REFUSED: RecipientOutcome = RecipientOutcome::Refused(EnhancedStatus::permanent(1, 1));
const ACCEPTED: RecipientOutcome = RecipientOutcome::Accepted;

async fn letters(world: &World) -> Vec<MessageRecord> {
    let page = world.store.messages(&Filter::default(), PageRequest { before: None, limit: 100 }).await.unwrap();
    page.messages.into_iter().filter(|message| message.via == Via::Gateway).collect()
}

async fn text(world: &World, letter: &MessageRecord) -> String {
    let body = world.store.read_body(letter.id).await.unwrap().into_bytes(1 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn opened(world: &World) -> Reports {
    Reports::open(world.shared.clone()).await.unwrap()
}

#[tokio::test]
async fn the_sender_of_a_failed_message_is_told_once() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    let id = world.queue(|_| {}).await;
    world.end("main", &[ACCEPTED, REFUSED]).await;
    reports.catch_up().await.unwrap();
    reports.catch_up().await.unwrap();
    let letters = letters(&world).await;
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(letter.envelope.reverse_path, ReversePath::Null);
    assert_eq!(letter.envelope.recipients[0].address, address("erp@contoso.test"));
    assert_eq!(letter.metadata.as_ref().unwrap()["about"], id.to_string());
    assert_eq!(letter.routed_to.as_ref().unwrap().mailbox, address("noreply@contoso.test"));
    let text = text(&world, letter).await;
    assert!(text.contains("Final-Recipient: rfc822; eve@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"), "{text}");
    assert!(text.contains("Diagnostic-Code: X-Postern; Graph refused it.\r\n"), "{text}");
    assert!(!text.contains("bob@x.test"), "it was delivered to bob: {text}");
    assert!(
        text.contains("Received: by gate.contoso.test\r\nMessage-ID: <1@erp.test>\r\nSubject: Order 7\r\n\r\n--"),
        "{text}"
    );
    assert!(!text.contains("Hello") && !text.contains("Bcc"), "the header comes back, without Bcc: {text}");
}

/// Each step is stopped after: the outcome read, the report queued (position not saved), all done.
#[tokio::test]
async fn a_crash_at_any_step_neither_loses_nor_repeats_a_report() {
    let world = World::new().await;
    drop(opened(&world).await);
    world.queue(|_| {}).await;
    world.end("main", &[REFUSED, REFUSED]).await;
    // Killed before anything was read: a new process reads on where the old one was.
    opened(&world).await.catch_up().await.unwrap();
    assert_eq!(letters(&world).await.len(), 1);
    // Killed between the report and the position.
    position::save(&*world.store, READER, 0).await.unwrap();
    opened(&world).await.catch_up().await.unwrap();
    assert_eq!(letters(&world).await.len(), 1);
}

#[tokio::test]
async fn nobody_is_told_who_must_not_be() {
    let never = DsnNotify { success: false, failure: false, delay: false };
    for case in ["null reverse-path", "NOTIFY=NEVER", "to itself", "switched off"] {
        let world = World::new().await;
        let mut reports = opened(&world).await;
        if case == "switched off" {
            let notices = Notices { failures: false, ..Notices::default() };
            world.change(vec![SettingsChange::PutNotices(notices)]).await;
        }
        world
            .queue(|message| match case {
                "null reverse-path" => message.envelope.reverse_path = ReversePath::Null,
                "NOTIFY=NEVER" => message.envelope.recipients.iter_mut().for_each(|it| it.notify = Some(never)),
                "to itself" => message.envelope.reverse_path = address("bob@x.test").into(),
                _ => {}
            })
            .await;
        let second = if case == "to itself" { ACCEPTED } else { REFUSED };
        world.end("main", &[REFUSED, second]).await;
        reports.catch_up().await.unwrap();
        assert_eq!(letters(&world).await.len(), 0, "{case}");
    }
}

#[tokio::test]
async fn who_is_a_recipient_too_still_hears_of_the_others() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    world.queue(|message| message.envelope.reverse_path = address("bob@x.test").into()).await;
    world.end("main", &[REFUSED, REFUSED]).await;
    reports.catch_up().await.unwrap();
    let letters = letters(&world).await;
    assert_eq!(letters.len(), 1);
    assert!(text(&world, &letters[0]).await.contains("Final-Recipient: rfc822; eve@x.test"));
}

#[tokio::test]
async fn a_report_that_fails_is_not_reported() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    world.queue(|_| {}).await;
    world.end("main", &[REFUSED, REFUSED]).await;
    reports.catch_up().await.unwrap();
    world.end("main", &[REFUSED]).await;
    reports.catch_up().await.unwrap();
    assert_eq!(letters(&world).await.len(), 1);
}

#[tokio::test]
async fn the_sender_of_a_message_that_waits_is_told_once() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    world.queue(|message| message.envelope.envelope_id = Some("QQ 3".into())).await;
    for (seconds, told) in [(3_600, 0), (4 * 3_600, 1), (24 * 3_600, 1)] {
        world.pass(seconds);
        note_delayed(&*world.store, world.now()).await.unwrap();
        reports.catch_up().await.unwrap();
        assert_eq!(letters(&world).await.len(), told, "{seconds} s later");
    }
    let letters = letters(&world).await;
    let text = text(&world, &letters[0]).await;
    assert!(text.contains("Original-Envelope-Id: QQ 3\r\n"), "{text}");
    assert!(text.contains("Action: delayed\r\nStatus: 4.4.0\r\n"), "{text}");
    assert!(text.contains("Will-Retry-Until: Sat, 03 Jan 2026 00:00:00 +0000\r\n"), "{text}");
}

#[tokio::test]
async fn what_was_handed_in_for_later_is_not_late() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    let tomorrow = world.now() + jiff::SignedDuration::from_hours(24);
    world.queue(|message| message.send_at = Some(tomorrow)).await;
    world.pass(5 * 3_600);
    note_delayed(&*world.store, world.now()).await.unwrap();
    reports.catch_up().await.unwrap();
    assert_eq!(letters(&world).await.len(), 0);
}

#[tokio::test]
async fn who_asks_for_success_hears_that_it_was_handed_on() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    let asked = DsnNotify { success: true, failure: true, delay: false };
    world.queue(|message| message.envelope.recipients[0].notify = Some(asked)).await;
    world.end("main", &[ACCEPTED, ACCEPTED]).await;
    reports.catch_up().await.unwrap();
    let letters = letters(&world).await;
    assert_eq!(letters.len(), 1);
    let text = text(&world, &letters[0]).await;
    assert!(text.contains("Final-Recipient: rfc822; bob@x.test\r\nAction: relayed\r\nStatus: 2.0.0\r\n"), "{text}");
    assert!(!text.contains("eve@x.test"), "who did not ask is not in it: {text}");
}

#[tokio::test]
async fn after_a_retry_only_those_who_had_not_been_sent_to_are_news() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    let asked = DsnNotify { success: true, failure: false, delay: false };
    let id =
        world.queue(|message| message.envelope.recipients.iter_mut().for_each(|each| each.notify = Some(asked))).await;
    world.end("main", &[ACCEPTED, REFUSED]).await;
    reports.catch_up().await.unwrap();
    world.pass(60);
    world.store.operate(id, Operation::Retry, "anna", None, world.now()).await.unwrap();
    // The report, which has waited longer, and then the message.
    world.end("main", &[ACCEPTED]).await;
    assert_eq!(world.end("main", &[ACCEPTED]).await.message.id, id);
    reports.catch_up().await.unwrap();
    let mut relayed = Vec::new();
    for letter in letters(&world).await {
        let text = text(&world, &letter).await;
        relayed.push(["bob@x.test", "eve@x.test"].map(|who| text.contains(&format!("Final-Recipient: rfc822; {who}"))));
    }
    relayed.sort_unstable();
    assert_eq!(relayed, [[false, true], [true, false]], "each once");
}

#[tokio::test]
async fn the_whole_message_comes_back_when_asked_for() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    world.queue(|message| message.envelope.dsn_return = Some(DsnReturn::Full)).await;
    world.end("main", &[REFUSED, REFUSED]).await;
    reports.catch_up().await.unwrap();
    let letters = letters(&world).await;
    let text = text(&world, &letters[0]).await;
    assert!(text.contains("Content-Type: message/rfc822\r\n") && text.contains("\r\n\r\nHello\r\n"), "{text}");
}

#[tokio::test]
async fn a_testing_environment_holds_reports_too() {
    let world = World::new().await;
    let mut reports = opened(&world).await;
    world.queue(|_| {}).await;
    world.end("main", &[REFUSED, REFUSED]).await;
    let emails = settings::Emails { hold_all: true, ..world.store.settings().borrow().emails.clone() };
    world.change(vec![SettingsChange::PutEmails(emails)]).await;
    reports.catch_up().await.unwrap();
    assert_eq!(letters(&world).await[0].state, store::MessageState::Held);
}
