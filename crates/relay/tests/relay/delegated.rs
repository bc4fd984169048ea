//! Delegated connections: mail waits without a living grant, and leaves once somebody signs in.

use jiff::{SignedDuration, Timestamp};
use relay::{Network, Upstream};
use secrecy::{ExposeSecret as _, SecretString};
use settings::{ConnectionId, Permission};
use store::{AuditEntry, Change, Explanation, Grant, LaneId, LanePause, MessageState, SecretField, SettingsChange};

use crate::rig::microsoft;
use crate::rig::tenant::{Gateway, MAILBOX, set_up};

const MESSAGE: &[u8] = b"From: noreply@contoso.test\r\nTo: a@x.test\r\nSubject: hello\r\n\r\nhello\r\n";

/// A gateway whose one connection sends as a user.
async fn delegated() -> Gateway {
    let gateway = Gateway::new().await;
    set_up(&gateway.store, &microsoft::start().await, "secret").await;
    let settings = gateway.store.settings().borrow().clone();
    let mut connection = settings.connections[0].clone();
    connection.permission = Permission::Delegated;
    let audit = AuditEntry {
        at: Timestamp::now(),
        actor: "test".into(),
        action: "test".into(),
        detail: serde_json::Value::Null,
    };
    let changes = vec![SettingsChange::PutConnection(connection)];
    gateway.store.change_settings(settings.version, changes, audit).await.unwrap();
    gateway
}

fn field() -> SecretField {
    SecretField::new("grant", "c", "refresh_token")
}

/// As Setup Authentication does it.
async fn sign_in(gateway: &Gateway, refresh_token: &str) {
    let now = Timestamp::now();
    let refresh_token = gateway.store.key_ring().seal(&field(), &SecretString::from(refresh_token)).unwrap();
    let (user, scopes) = (MAILBOX.to_owned(), vec!["Mail.Send".to_owned()]);
    let grant = Grant { refresh_token, user, scopes, signed_in_at: now, refreshed_at: now, dead: None };
    gateway.store.put_grant(&ConnectionId("c".into()), Some(grant)).await.unwrap();
}

async fn grant(gateway: &Gateway) -> Grant {
    gateway.store.grant(&ConnectionId("c".into())).await.unwrap().unwrap()
}

/// Waits until the message's lane rests for an administrator.
async fn until_paused(gateway: &Gateway) {
    let mut news = gateway.store.subscribe();
    let paused = async {
        loop {
            let lanes = gateway.store.lanes_with_work().await.unwrap();
            if lanes.iter().any(|lane| lane.pause.as_ref().is_some_and(|pause| pause.needs_administrator)) {
                return;
            }
            let _news_or_lag: Result<Change, _> = news.recv().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), paused).await.unwrap();
}

#[tokio::test]
async fn mail_leaves_as_a_user_and_the_rotated_refresh_token_is_kept_sealed() {
    let gateway = delegated().await;
    sign_in(&gateway, "first").await;
    let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    gateway.until_state(id, MessageState::Sent).await;
    let kept = grant(&gateway).await;
    assert_eq!(gateway.store.key_ring().open(&field(), &kept.refresh_token).unwrap().expose_secret(), "rotated");
    assert!(kept.dead.is_none() && kept.refreshed_at > kept.signed_in_at);
}

#[tokio::test]
async fn mail_waits_while_a_grant_is_dead_and_leaves_when_somebody_signs_in_again() {
    let gateway = delegated().await;
    sign_in(&gateway, microsoft::REVOKED).await;
    let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    until_paused(&gateway).await;
    let dead = grant(&gateway).await.dead.unwrap();
    assert_eq!(dead.code.as_deref(), Some("AADSTS50173"));
    assert!(dead.fix.contains("Setup Authentication"), "{dead:?}");
    // The lane rests before the attempt's end is recorded.
    gateway.until_state(id, MessageState::Queued).await;
    sign_in(&gateway, "again").await;
    gateway.until_state(id, MessageState::Sent).await;
    assert!(grant(&gateway).await.dead.is_none());
}

#[tokio::test]
async fn mail_accepted_before_anybody_signed_in_leaves_after_the_first_sign_in() {
    let gateway = delegated().await;
    let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
    until_paused(&gateway).await;
    sign_in(&gateway, "first").await;
    gateway.until_state(id, MessageState::Sent).await;
}

/// Of the lane whose mailbox that is.
async fn pause_of(gateway: &Gateway, mailbox: &str) -> (LaneId, Option<LanePause>) {
    let lanes = gateway.store.lanes(100).await.unwrap();
    let lane = lanes.into_iter().find(|lane| lane.key.mailbox.as_str() == mailbox).unwrap();
    (lane.id, lane.pause)
}

#[tokio::test]
async fn a_rotation_leaves_a_lane_alone_that_rests_for_another_reason_and_a_sign_in_does_not() {
    const OTHER: &str = "gone@contoso.test";
    let gateway = delegated().await;
    sign_in(&gateway, "first").await;
    let send = async || {
        let id = gateway.enqueue(MESSAGE, &["a@x.test"], MAILBOX).await;
        gateway.until_state(id, MessageState::Sent).await;
    };
    send().await;
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    gateway.enqueue_for(MESSAGE, &["a@x.test"], OTHER, Some(tomorrow)).await;
    let (lane, _) = pause_of(&gateway, OTHER).await;
    let explanation = Explanation { what: "There is no such mailbox.".into(), ..Explanation::default() };
    let pause = LanePause { until: tomorrow, explanation, needs_administrator: true };
    gateway.store.pause_lane(lane, Some(pause.clone())).await.unwrap();

    // As the test of a connection does it.
    let settings = gateway.store.settings().borrow().clone();
    let again = Upstream::graph(&settings, &ConnectionId("c".into()), &gateway.store, &Network::default()).unwrap();
    let before = grant(&gateway).await;
    again.tokens.fresh_token().await.unwrap();
    assert_ne!(grant(&gateway).await.refresh_token, before.refresh_token, "it was rotated");
    // News are taken in one after the other: what the rotation might have announced was, before this one leaves.
    send().await;
    assert_eq!(pause_of(&gateway, OTHER).await.1, Some(pause));

    let mut news = gateway.store.subscribe();
    sign_in(&gateway, "second").await;
    while pause_of(&gateway, OTHER).await.1.is_some() {
        let _news_or_lag: Result<Change, _> = news.recv().await;
    }
}
