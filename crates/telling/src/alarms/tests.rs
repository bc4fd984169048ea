use mail::ReversePath;
use settings::{Alarms as AlarmSettings, Cloud, ConnectionId, Credential, Notices, Sealed, Tenant, TenantId};
use store::{
    Explanation, Filter, LanePause, MessageRecord, MessageState, PageRequest, SettingsChange, Store as _, Via,
};

use super::*;
use crate::testing::{World, address, connection, route};

/// A world whose administrators want mail, with a second connection.
async fn world() -> World {
    let world = World::new().await;
    let alarms = AlarmSettings { to: vec![address("admin@contoso.test")], ..AlarmSettings::default() };
    let notices = Notices { alarms, ..Notices::default() };
    world.change(vec![SettingsChange::PutConnection(connection("second")), SettingsChange::PutNotices(notices)]).await;
    world
}

async fn look(world: &World) {
    Alarms::new(world.shared.clone()).look().await.unwrap();
}

/// The connection needs an administrator, or works again.
async fn breaks(world: &World, is_broken: bool) {
    let lane = world.store.lane_of(&route("main")).await.unwrap();
    let explanation = Explanation {
        what: "Microsoft Graph did not accept the message.".into(),
        fix: "Grant Mail.Send.".into(),
        who: "Entra administrator".into(),
        code: Some("ErrorAccessDenied".into()),
        ..Explanation::default()
    };
    let pause = LanePause { until: world.now(), explanation, needs_administrator: true };
    world.store.pause_lane(lane, is_broken.then_some(pause)).await.unwrap();
}

async fn letters(world: &World) -> Vec<MessageRecord> {
    let page = world.store.messages(&Filter::default(), PageRequest { before: None, limit: 100 }).await.unwrap();
    let mut letters: Vec<_> = page.messages.into_iter().filter(|message| message.via == Via::Gateway).collect();
    letters.reverse();
    letters
}

async fn subjects(world: &World) -> Vec<String> {
    letters(world).await.into_iter().filter_map(|letter| letter.subject).collect()
}

async fn told(world: &World) -> Vec<(News, String)> {
    let all = news::after(&*world.store, 0).await.unwrap();
    all.into_iter().map(|it| (it.news, it.data["alarm"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn a_broken_connection_is_told_once_by_another_one_and_once_when_it_works() {
    let world = world().await;
    breaks(&world, true).await;
    for _ in 0..3 {
        look(&world).await;
        world.pass(60);
    }
    let told_once = letters(&world).await;
    let [letter] = told_once.as_slice() else { panic!("{told_once:?}") };
    assert_eq!(letter.routed_to.as_ref().unwrap().connection, ConnectionId("second".into()));
    assert_eq!((&letter.envelope.reverse_path, letter.priority), (&ReversePath::Null, Priority::High));
    let body = world.store.read_body(letter.id).await.unwrap().into_bytes(1 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("What to do: Grant Mail.Send.") && text.contains("(ErrorAccessDenied)"), "{text}");
    assert!(text.contains("To: <admin@contoso.test>\r\nSubject: [Postern alarm] A connection does not work: main\r\n"));
    breaks(&world, false).await;
    for seconds in [0, 60, 61] {
        world.pass(seconds);
        look(&world).await;
    }
    let is_over = "[Postern over] A connection does not work: main";
    assert_eq!(subjects(&world).await, ["[Postern alarm] A connection does not work: main", is_over]);
    let kind = || "connection".to_owned();
    assert_eq!(told(&world).await, [(News::AlarmRaised, kind()), (News::AlarmCleared, kind())]);
}

#[tokio::test]
async fn what_flaps_is_one_alarm() {
    let world = world().await;
    for _ in 0..10 {
        for is_broken in [true, false] {
            breaks(&world, is_broken).await;
            look(&world).await;
            world.pass(60);
        }
    }
    assert_eq!(letters(&world).await.len(), 1);
}

/// Each step is stopped after: kept, told to webhooks, mailed.
#[tokio::test]
async fn a_crash_neither_loses_nor_repeats_an_alarm() {
    let world = world().await;
    breaks(&world, true).await;
    look(&world).await;
    for undo in ["told", "mailed"] {
        // As a process left it that was killed before it noted this step.
        let (key, mut raised) = world.store.kept_under("alarm/").await.unwrap().remove(0);
        raised[undo] = false.into();
        world.store.keep(&key, Some(raised)).await.unwrap();
        look(&world).await;
        assert_eq!((letters(&world).await.len(), told(&world).await.len()), (1, 1), "{undo}");
    }
}

#[tokio::test]
async fn without_a_connection_that_works_the_letter_waits_for_one() {
    let world = world().await;
    breaks(&world, true).await;
    let second = settings::RoutedTo { connection: ConnectionId("second".into()), mailbox: address("a@contoso.test") };
    let lane = world.store.lane_of(&second).await.unwrap();
    let pause = LanePause { until: world.now(), explanation: Explanation::default(), needs_administrator: true };
    world.store.pause_lane(lane, Some(pause)).await.unwrap();
    look(&world).await;
    assert_eq!(letters(&world).await.len(), 0);
    world.store.pause_lane(lane, None).await.unwrap();
    look(&world).await;
    assert_eq!(letters(&world).await.len(), 1, "about the one that is still broken, by the other");
}

#[tokio::test]
async fn mail_that_is_due_and_waits_is_an_alarm_and_mail_for_later_is_none() {
    let world = world().await;
    let tomorrow = world.now() + jiff::SignedDuration::from_hours(24);
    world.queue(|message| message.send_at = Some(tomorrow)).await;
    world.pass(2 * 3_600);
    look(&world).await;
    assert_eq!(told(&world).await, []);
    world.queue(|_| {}).await;
    world.pass(61 * 60);
    look(&world).await;
    assert_eq!(told(&world).await, [(News::AlarmRaised, "queue_age".to_owned())]);
}

#[tokio::test]
async fn a_secret_that_ends_is_an_alarm_and_another_when_it_has_ended() {
    let world = world().await;
    let sealed = Sealed { key_id: 1, box_base64: String::new() };
    let tenant = Tenant {
        id: TenantId("contoso".into()),
        name: "Contoso".into(),
        cloud: Cloud::Global,
        tenant_id: "t".into(),
        client_id: "c".into(),
        credential: Some(Credential::ClientSecret { secret: sealed, expires: Some("2026-02-01".parse().unwrap()) }),
        pending_certificate: None,
        external: settings::ExternalLimit::default(),
    };
    world.change(vec![SettingsChange::PutTenant(tenant)]).await;
    let about_credentials = async || -> Vec<(News, String)> {
        told(&world).await.into_iter().filter(|(_, kind)| kind.starts_with("credential")).collect()
    };
    for (days, expected) in [(16, 0), (2, 1), (5, 1), (10, 2)] {
        world.pass(days * 24 * 3_600);
        look(&world).await;
        assert_eq!(about_credentials().await.len(), expected, "after {days} days more");
    }
    let raised = |kind: &str| (News::AlarmRaised, kind.to_owned());
    assert_eq!(about_credentials().await, [raised("credential_expires"), raised("credential_expired")]);
    assert_eq!(letters(&world).await[0].state, MessageState::Queued);
}

#[tokio::test]
async fn a_full_disk_and_a_webhook_that_loses_news_are_alarms() {
    let mut world = world().await;
    world.shared.config.has_room = std::sync::Arc::new(|| false);
    let sealed = Sealed { key_id: 1, box_base64: String::new() };
    let webhook = settings::Webhook {
        id: settings::WebhookId("w".into()),
        name: "hook".into(),
        url: "https://x.test/".parse().unwrap(),
        secret: sealed,
        events: Vec::new(),
        disabled: false,
    };
    world.change(vec![SettingsChange::PutWebhook(webhook)]).await;
    let progress = serde_json::json!({"dropped": 3, "trouble": "it answered 500"});
    world.store.keep("webhook/w", Some(progress)).await.unwrap();
    look(&world).await;
    let mut kinds: Vec<String> = told(&world).await.into_iter().map(|(_, kind)| kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["disk_room", "webhook"]);
}

#[tokio::test]
async fn nobody_is_mailed_when_nobody_is_named() {
    let world = World::new().await;
    breaks(&world, true).await;
    look(&world).await;
    assert_eq!((letters(&world).await.len(), told(&world).await.len()), (0, 1));
}

#[tokio::test]
async fn an_ended_sign_in_and_an_inbox_that_cannot_be_read_are_alarms() {
    let world = world().await;
    let main =
        settings::Connection { permission: settings::Permission::Delegated, read_bounces: true, ..connection("main") };
    let id = main.id.clone();
    world.change(vec![SettingsChange::PutConnection(main)]).await;
    let ended = Explanation { what: "The password was changed.".into(), ..Explanation::default() };
    let grant = store::Grant {
        refresh_token: Sealed { key_id: 1, box_base64: String::new() },
        user: "anna@contoso.test".into(),
        scopes: Vec::new(),
        signed_in_at: world.now(),
        refreshed_at: world.now(),
        dead: Some(ended),
    };
    world.store.put_grant(&id, Some(grant)).await.unwrap();
    let trouble = serde_json::json!({"trouble": {"what": "Mail.Read is missing."}});
    world.store.keep("bounces/main/noreply@contoso.test", Some(trouble)).await.unwrap();
    look(&world).await;
    let mut kinds: Vec<String> = told(&world).await.into_iter().map(|(_, kind)| kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["inbox", "sign_in"]);
    let letters = letters(&world).await;
    assert!(
        letters.iter().all(|it| it.routed_to.as_ref().unwrap().connection.0 == "second"),
        "not by the one that ended"
    );
}
