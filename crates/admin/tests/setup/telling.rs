//! Webhooks, notices and alarms.

use admin::{
    Actor, AdminError, Role, WebhookEntry, create_webhook, list_webhooks, remove_webhook, rotate_webhook_secret,
    update_webhook,
};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;
use settings::{News, Notices};
use store::Store as _;

use crate::gateway::{GRAPH, Gateway, TENANT};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HOOK: &str = "[[webhook]]\nname='Chat'\nurl='https://hooks.test/x'\n";

#[tokio::test]
async fn a_webhook_keeps_its_secret_sealed_until_another_is_given() {
    let gateway = Gateway::new();
    let diff = gateway.apply(&format!("{HOOK}secret = '{SECRET}'\nevents = ['message.failed']")).await;
    let webhook = gateway.settings().webhooks[0].clone();
    assert_eq!(gateway.opened("webhook", &webhook.id.0, "secret", &webhook.secret), SECRET);
    assert!(webhook.wants(News::Failed) && !webhook.wants(News::Sent));
    let exported = gateway.export();
    assert!(!format!("{diff}{exported}").contains(SECRET));
    assert!(exported.contains("# secret = { env = \"CHAT_SECRET\" }"), "{exported}");
    assert_eq!(gateway.apply(&exported).await, "");
    gateway.apply("prune = true").await;
    assert_eq!(gateway.settings().webhooks, []);
}

#[tokio::test]
async fn a_secret_is_made_where_none_is_given_and_stays() {
    let gateway = Gateway::new();
    gateway.apply(HOOK).await;
    let made = gateway.settings().webhooks[0].secret.clone();
    assert_eq!(gateway.apply(HOOK).await, "");
    assert_eq!(gateway.settings().webhooks[0].secret, made);
}

#[tokio::test]
async fn what_cannot_be_told_is_refused() {
    let gateway = Gateway::new();
    for (text, at) in [
        (HOOK.replace("https://", "http://"), "url"), // in clear
        (format!("{HOOK}secret = 'hunter2'"), "secret"),
        (format!("{HOOK}events = ['message.opened']"), "events"),
        ("[notices.alarms]\nto = ['nobody']".to_owned(), "to"),
        ("[notices.alarms]\nconnection = 'Nope'".to_owned(), "connection"),
        ("[notices.alarms]\nqueue_age_minutes = 0".to_owned(), "queue_age_minutes"),
    ] {
        assert_eq!(gateway.refusal(&text).await.field, Some(at), "{text}");
    }
}

#[tokio::test]
async fn notices_are_kept_whole_and_a_missing_key_is_its_default() {
    let gateway = Gateway::new();
    assert_eq!(gateway.apply("[notices]\n[notices.alarms]\n").await, "", "the defaults are what there is");
    let alarms = "[notices]\nfailures = false\ndelay_after_minutes = 0\n[notices.alarms]\nto = ['ops@contoso.test']\n\
                  connection = 'Graph'\nmailbox = 'a@contoso.test'\n";
    gateway.apply(&format!("{TENANT}{GRAPH}{alarms}")).await;
    let notices = gateway.settings().notices;
    assert_eq!((notices.failures, notices.delay_after_minutes, notices.alarms.queue_age_minutes), (false, None, 60));
    assert_eq!(notices.alarms.connection, Some(gateway.settings().connections[0].id.clone()));
    assert_eq!(gateway.apply(&gateway.export()).await, "");
    let refused = gateway.refusal(&format!("prune = true\n{alarms}")).await;
    assert!(refused.what.contains("Graph"), "alarms need their connection: {}", refused.what);
    gateway.apply("prune = true").await;
    assert_eq!(gateway.settings().notices, Notices::default());
}

#[tokio::test]
async fn one_webhook_at_a_time_its_secret_is_shown_once_and_can_be_rotated() {
    let gateway = Gateway::new();
    let (store, anna, now) = (gateway.store(), Actor::new("anna", Role::Administrator), Timestamp::now());
    let entry: WebhookEntry = serde_json::from_value(json!({ "name": "Chat", "url": "https://hooks.test/x" })).unwrap();
    let created = create_webhook(store, &anna, &entry, None, now).await.unwrap();
    let first = created.secret.unwrap();
    let id = created.saved.id;
    assert!(matches!(create_webhook(store, &anna, &entry, None, now).await, Err(AdminError::Refused(_))), "one name");
    let kept = || {
        let webhook = gateway.settings().webhooks[0].clone();
        gateway.opened("webhook", &id, "secret", &webhook.secret)
    };
    assert_eq!(kept(), first.expose_secret());
    let disabled = WebhookEntry { disabled: true, ..entry };
    update_webhook(store, &anna, &id, &disabled, None, now).await.unwrap();
    assert_eq!((kept(), list_webhooks(store, &anna).unwrap()[0].disabled), (first.expose_secret().to_owned(), true));
    let second = rotate_webhook_secret(store, &anna, &id, None, now).await.unwrap().secret.unwrap();
    assert_eq!(kept(), second.expose_secret());
    assert_ne!(first.expose_secret(), second.expose_secret());
    let audit = serde_json::to_string(&store.audit(None, 10).await.unwrap()).unwrap();
    assert!(audit.contains("webhook_secret_rotated") && !audit.contains("whsec_"), "{audit}");
    remove_webhook(store, &anna, &id, None, now).await.unwrap();
    assert_eq!(gateway.settings().webhooks, []);
    let olga = Actor::new("olga", Role::Operator);
    assert!(matches!(create_webhook(store, &olga, &disabled, None, now).await, Err(AdminError::Forbidden { .. })));
}
