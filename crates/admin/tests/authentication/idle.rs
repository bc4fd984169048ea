//! A connection that sends nothing for a hundred days: refreshed once a week it lives, left alone it dies after ninety.

use std::sync::Arc;
use std::time::Duration;

use admin::{Overview, overview, send_test_message};
use jiff::SignedDuration;
use mail::MessageId;
use relay::{Connections, Network, Relay, RelayConfig};
use store::{MessageState, NodeId};

use crate::desk::{CONFIDENTIAL, Desk};

const DAY: Duration = Duration::from_hours(24);
/// The deadline only ends a test that has failed already.
const DEADLINE: Duration = Duration::from_mins(1);

/// The relay at the desk's time; it refreshes a grant that was not used for `grant_idle`.
async fn relay_at(desk: &Desk, grant_idle: Duration) -> relay::Running {
    let mut config = RelayConfig::new(NodeId("node".into()));
    config.clock = desk.clock();
    config.limits.grant_idle = grant_idle;
    config.limits.housekeeping = Duration::from_millis(1);
    let upstreams = Connections::new(Arc::clone(&desk.store), Network::default()).with_clock(desk.clock());
    Relay::start(Arc::clone(&desk.store), Arc::new(upstreams), config).await.unwrap()
}

async fn queue(desk: &Desk) -> MessageId {
    let to = "x@example.test".parse().unwrap();
    send_test_message(&*desk.store, &desk.actor(), &to, "gateway.test", desk.now()).await.unwrap()
}

/// Waits for news until `is_so` says that it is.
async fn until(desk: &Desk, what: &str, is_so: impl AsyncFn() -> bool) {
    let mut news = desk.store.subscribe();
    let so = async {
        while !is_so().await {
            let _news_or_lag = news.recv().await;
        }
    };
    tokio::time::timeout(DEADLINE, so).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn until_sent(desk: &Desk, id: MessageId) {
    let is_sent = async || desk.store.message(id).await.unwrap().message.state == MessageState::Sent;
    until(desk, "the message is sent", is_sent).await;
}

async fn seen(desk: &Desk) -> Overview {
    overview(&*desk.store, &desk.actor(), None, desk.now()).await.unwrap()
}

/// Until the relay has refreshed what is a week old. A rotation is nobody's news, so the store is asked again and again.
async fn until_refreshed(desk: &Desk) {
    let week = SignedDuration::from_hours(7 * 24);
    let refreshed = async {
        while desk.grant().await.unwrap().refreshed_at.duration_until(desk.now()) >= week {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, refreshed).await.expect("the grant is refreshed once a week");
}

#[tokio::test]
async fn a_connection_that_nobody_uses_for_a_hundred_days_still_sends() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let signed_in = desk.sign_in("anna").await;
    let relay = relay_at(&desk, relay::Limits::default().grant_idle).await;
    for _ in 0..100 {
        desk.wait(DAY);
        until_refreshed(&desk).await;
    }
    assert_eq!(desk.asked("refresh_token"), [0; 14], "once a week, not once a day");
    until_sent(&desk, queue(&desk).await).await;
    let grant = desk.grant().await.unwrap();
    assert_eq!((grant.signed_in_at, grant.dead), (signed_in.signed_in_at, None));
    assert!(desk.asked("refresh_token").iter().all(|aadsts| *aadsts == 0));
    relay.shutdown().await;
}

#[tokio::test]
async fn left_alone_for_ninety_days_it_dies_keeps_its_mail_and_delivers_it_after_a_new_sign_in() {
    let desk = Desk::new(CONFIDENTIAL).await;
    desk.sign_in("anna").await;
    let relay = relay_at(&desk, Duration::MAX).await;
    for _ in 0..91 {
        desk.wait(DAY);
    }
    assert_eq!(desk.asked("refresh_token").len(), 0);
    let id = queue(&desk).await;
    let rests = async || seen(&desk).await.lanes.iter().any(|lane| lane.needs_administrator);
    until(&desk, "the lane rests", rests).await;
    let dead = desk.grant().await.unwrap().dead.unwrap();
    assert_eq!(dead.code.as_deref(), Some("AADSTS700082"), "{dead:?}");
    let problem = seen(&desk).await.connections[0].problem.clone().unwrap();
    assert_eq!(problem, dead.what);
    assert!(admin::connection_standing(&*desk.store, &desk.actor(), "C").await.unwrap().needs_sign_in);
    let is_queued = async || desk.store.message(id).await.unwrap().message.state == MessageState::Queued;
    until(&desk, "the message waits", is_queued).await;

    desk.sign_in("anna").await;
    until_sent(&desk, id).await;
    assert_eq!(seen(&desk).await.connections[0].problem, None);
    assert_eq!(desk.tenant.deliveries().len(), 1, "once");
    relay.shutdown().await;
}
