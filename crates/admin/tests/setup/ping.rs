//! A webhook called by hand, at a receiver that looks at what comes.

use std::sync::{Arc, Mutex};

use admin::{Actor, AdminError, Role, WebhookTest, test_webhook};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::Timestamp;

use crate::gateway::Gateway;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The signature that was right, or not; and what was said.
type Seen = Arc<Mutex<Vec<(bool, String)>>>;

async fn take(State((seen, status)): State<(Seen, StatusCode)>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    let second = header("webhook-timestamp").parse().unwrap();
    let right = telling::sign(&SECRET.into(), &header("webhook-id"), second, body.as_bytes());
    seen.lock().unwrap().push((right.as_deref() == Some(header("webhook-signature").as_str()), body));
    status
}

/// Where it listens.
async fn receiver(seen: Seen, status: StatusCode) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(take)).with_state((seen, status));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn tested(url: &str) -> WebhookTest {
    let gateway = Gateway::new();
    // A webhook that is disabled can be tried before it is switched on.
    gateway.apply(&format!("[[webhook]]\nname='Chat'\nurl='{url}'\nsecret='{SECRET}'\ndisabled = true")).await;
    let id = gateway.settings().webhooks.remove(0).id.0;
    let olga = Actor::new("olga", Role::Operator);
    let (network, now) = (relay::Network::default(), Timestamp::now());
    let refused = test_webhook(gateway.store(), &olga, &id, &network, now).await;
    assert!(matches!(refused, Err(AdminError::Forbidden { .. })));
    test_webhook(gateway.store(), &Actor::command_line(), &id, &network, now).await.unwrap()
}

#[tokio::test]
async fn a_ping_is_signed_with_the_webhooks_secret() {
    let seen = Seen::default();
    let test = tested(&receiver(seen.clone(), StatusCode::NO_CONTENT).await).await;
    assert_eq!((test.ok, test.status, test.explanation), (true, Some(204), None));
    let calls = seen.lock().unwrap().clone();
    assert_eq!(calls.len(), 1);
    assert!(calls.iter().all(|(is_right, body)| *is_right && body.contains("\"type\":\"ping\"")), "{calls:?}");
}

#[tokio::test]
async fn a_receiver_that_refuses_or_is_not_there_is_explained() {
    let test = tested(&receiver(Seen::default(), StatusCode::UNAUTHORIZED).await).await;
    assert_eq!((test.ok, test.status), (false, Some(401)));
    assert!(test.explanation.unwrap().fix.contains("secret"));
    // Nothing listens on the discard port of this machine.
    let test = tested("http://127.0.0.1:9/hook").await;
    assert_eq!((test.ok, test.status), (false, None));
    assert!(test.explanation.unwrap().fix.contains("127.0.0.1"));
}
