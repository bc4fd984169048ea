use mail::EnhancedStatus;
use mail::dsn::{Action, ReadReport, ReportedRecipient};
use store::{RecipientOutcome, RecipientState, SettingsChange, Store as _};

use super::*;
use crate::testing::{World, address, connection, route};

fn place() -> Place {
    (ConnectionId("main".into()), address("noreply@contoso.test"))
}

fn report(message_id: Option<&str>, recipient: &str) -> ReadReport {
    let one = ReportedRecipient {
        addresses: vec![address(recipient)],
        action: Some(Action::Failed),
        status: Some(EnhancedStatus::permanent(1, 10)),
        diagnostic: Some("550 5.1.10 RESOLVER.ADR.RecipientNotFound".into()),
    };
    ReadReport { recipients: vec![one], internet_message_id: message_id.map(str::to_owned), traces: Vec::new() }
}

/// A message sent to bob@x.test and eve@x.test from noreply@contoso.test.
async fn sent() -> (World, mail::MessageId) {
    let world = World::new().await;
    let id = world.queue(|_| {}).await;
    world.end("main", &[RecipientOutcome::Accepted, RecipientOutcome::Accepted]).await;
    (world, id)
}

async fn states(world: &World, id: mail::MessageId) -> Vec<RecipientState> {
    world.store.message(id).await.unwrap().recipients.iter().map(|it| it.state).collect()
}

async fn settle(world: &World, place: &Place, report: &ReadReport) {
    judge::settle(&world.shared, place, report, world.now()).await.unwrap();
}

#[tokio::test]
async fn a_report_marks_the_recipient_it_names() {
    let (world, id) = sent().await;
    settle(&world, &place(), &report(Some("<1@erp.test>"), "EVE@x.test")).await;
    assert_eq!(states(&world, id).await, [RecipientState::Sent, RecipientState::Bounced]);
    let detail = world.store.message(id).await.unwrap();
    let error = detail.message.last_error.unwrap();
    assert_eq!(error.what, "The message to eve@x.test came back.");
    assert!(error.why.ends_with("The report says: 550 5.1.10 RESOLVER.ADR.RecipientNotFound"), "{}", error.why);
    assert_eq!(detail.recipients[1].status, Some(EnhancedStatus::permanent(1, 10)));
    let outcomes = world.store.outcomes(0, 10).await.unwrap();
    settle(&world, &place(), &report(Some("<1@erp.test>"), "eve@x.test")).await;
    assert_eq!(world.store.outcomes(0, 10).await.unwrap(), outcomes, "read twice, it is told once");
}

#[tokio::test]
async fn the_trace_field_finds_a_message_whose_id_was_replaced() {
    let (world, id) = sent().await;
    let replaced = ReadReport { traces: vec![id], ..report(Some("<other@service>"), "eve@x.test") };
    settle(&world, &place(), &replaced).await;
    assert_eq!(states(&world, id).await[1], RecipientState::Bounced);
}

#[tokio::test]
async fn a_forged_report_changes_nothing_it_cannot_know_of() {
    let (world, id) = sent().await;
    let other_mailbox = (ConnectionId("main".into()), address("anna@contoso.test"));
    let other_connection = (ConnectionId("second".into()), address("noreply@contoso.test"));
    let mut delayed = report(Some("<1@erp.test>"), "eve@x.test");
    delayed.recipients[0].action = Some(Action::Delayed);
    for (place, report, why) in [
        (place(), report(Some("<1@erp.test>"), "mallory@x.test"), "nobody sent to that address"),
        (place(), report(Some("<2@erp.test>"), "eve@x.test"), "no such message"),
        (place(), report(None, "eve@x.test"), "no message is named"),
        (other_mailbox, report(Some("<1@erp.test>"), "eve@x.test"), "sent from another mailbox"),
        (other_connection, report(Some("<1@erp.test>"), "eve@x.test"), "sent by another connection"),
        (place(), delayed, "not a failure"),
    ] {
        settle(&world, &place, &report).await;
        assert_eq!(states(&world, id).await, [RecipientState::Sent, RecipientState::Sent], "{why}");
    }
    world.pass(8 * 24 * 3_600);
    settle(&world, &place(), &report(Some("<1@erp.test>"), "eve@x.test")).await;
    assert_eq!(states(&world, id).await[1], RecipientState::Sent, "too long ago");
}

#[tokio::test]
async fn an_inbox_is_looked_into_while_something_can_come_back() {
    let (world, _) = sent().await;
    world.change(vec![SettingsChange::PutConnection(Connection { read_bounces: true, ..connection("main") })]).await;
    let bounces = Bounces::new(world.shared.clone());
    let lane = world.store.lane(world.store.lane_of(&route("main")).await.unwrap()).await.unwrap();
    let limits = &world.shared.config.limits;
    for (hours, expected) in [(0, Some(limits.inbox_look)), (5, Some(limits.inbox_look_seldom)), (80, None)] {
        let now = world.now() + SignedDuration::from_hours(hours);
        assert_eq!(bounces.interval(&lane, now).await.unwrap(), expected, "{hours} h later");
    }
}
