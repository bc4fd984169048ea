//! Signing in on another device, with a code.

use std::time::Duration;

use admin::{DevicePolled, DeviceSignIn, SignInRequest};
use jiff::SignedDuration;
use store::Explanation;

use crate::browser::Browser;
use crate::desk::{CONFIDENTIAL, Desk, PUBLIC};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const INTERVAL: Duration = Duration::from_secs(5);

async fn begun(desk: &Desk) -> DeviceSignIn {
    desk.begin_device(&desk.request()).await.unwrap()
}

/// Asks when the interval is over.
async fn polled(desk: &Desk, begun: &DeviceSignIn) -> DevicePolled {
    desk.wait(INTERVAL);
    desk.poll(begun).await.unwrap()
}

async fn enter(begun: &DeviceSignIn, answer: &str) {
    Browser::new().enter_code(&begun.verification_uri, &begun.user_code, "anna", answer).await;
}

fn refusal(polled: DevicePolled) -> Explanation {
    match polled {
        DevicePolled::Refused(explanation) => explanation,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_typed_elsewhere_signs_the_connection_in() {
    let desk = Desk::new(PUBLIC).await;
    let begun = begun(&desk).await;
    assert!(begun.message.contains(&begun.user_code) && begun.interval_seconds == 5, "{begun:?}");
    assert_eq!(polled(&desk, &begun).await, DevicePolled::Pending);
    assert_eq!(desk.grant().await, None);
    enter(&begun, "accept").await;
    let DevicePolled::Granted(grant) = polled(&desk, &begun).await else { panic!("not granted") };
    assert_eq!(grant.user, "anna@contoso.test");
    assert_eq!(desk.grant().await, Some(grant));
    assert_eq!(desk.audited().await[0], "connection_signed_in");
    desk.wait(INTERVAL);
    assert!(desk.poll(&begun).await.is_err(), "once");
}

#[tokio::test]
async fn entra_is_asked_once_an_interval_however_often_a_page_asks() {
    let desk = Desk::new(PUBLIC).await;
    let begun = begun(&desk).await;
    for _ in 0..10 {
        assert_eq!(desk.poll(&begun).await.unwrap(), DevicePolled::Pending);
    }
    assert_eq!(desk.asked(DEVICE_GRANT).len(), 0, "not before the first interval is over");
    assert_eq!(polled(&desk, &begun).await, DevicePolled::Pending);
    assert_eq!(desk.poll(&begun).await.unwrap(), DevicePolled::Pending);
    assert_eq!(desk.asked(DEVICE_GRANT), [70016]);
}

#[tokio::test]
async fn who_is_told_to_slow_down_waits_five_seconds_longer() {
    let desk = Desk::new(PUBLIC).await;
    let begun = begun(&desk).await;
    // The clock here runs ahead of Entra's, which therefore finds us hasty.
    desk.wait_here(SignedDuration::from_secs(5));
    desk.poll(&begun).await.unwrap();
    desk.wait_here(SignedDuration::from_secs(5));
    assert_eq!(desk.poll(&begun).await.unwrap(), DevicePolled::Pending);
    let errors: Vec<_> = desk.tenant.token_requests().into_iter().filter_map(|it| it.error).collect();
    assert_eq!(errors, ["authorization_pending", "slow_down"]);
    desk.wait_here(SignedDuration::from_secs(9));
    assert_eq!(desk.poll(&begun).await.unwrap(), DevicePolled::Pending);
    assert_eq!(desk.asked(DEVICE_GRANT).len(), 2, "five seconds and five more are not over");
    enter(&begun, "accept").await;
    desk.wait(Duration::from_secs(1));
    assert!(matches!(desk.poll(&begun).await.unwrap(), DevicePolled::Granted(_)));
}

#[tokio::test]
async fn who_declines_ends_it_and_nothing_is_granted() {
    let desk = Desk::new(PUBLIC).await;
    let begun = begun(&desk).await;
    enter(&begun, "cancel").await;
    let explanation = refusal(polled(&desk, &begun).await);
    assert!(explanation.what.contains("declined"), "{explanation:?}");
    assert_eq!(desk.grant().await, None);
    assert!(desk.poll(&begun).await.is_err(), "it is over");
}

#[tokio::test]
async fn a_code_that_nobody_typed_in_time_is_over() {
    let desk = Desk::new(PUBLIC).await;
    let begun = begun(&desk).await;
    desk.tenant.advance_clock(Duration::from_mins(15));
    desk.wait_here(SignedDuration::from_secs(5));
    let explanation = refusal(desk.poll(&begun).await.unwrap());
    assert!(explanation.what.contains("in time") && explanation.fix.contains("again"), "{explanation:?}");
    assert_eq!(desk.asked(DEVICE_GRANT), [70020]);
}

#[tokio::test]
async fn a_sign_in_on_a_device_is_forgotten_after_ten_minutes() {
    let desk = Desk::new(PUBLIC).await;
    let begun = begun(&desk).await;
    enter(&begun, "accept").await;
    desk.wait(Duration::from_mins(10));
    assert!(desk.poll(&begun).await.is_err());
    assert_eq!((desk.grant().await, desk.asked(DEVICE_GRANT).len()), (None, 0));
}

#[tokio::test]
async fn an_application_that_is_no_public_client_is_told_what_to_switch_on() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let explanation = desk.begin_device(&desk.request()).await.unwrap_err();
    assert_eq!(explanation.code.as_deref(), Some("AADSTS7000218"), "{explanation:?}");
    assert!(explanation.fix.contains("Allow public client flows"), "{explanation:?}");
}

#[tokio::test]
async fn a_shared_mailbox_asks_for_one_permission_more() {
    let desk = Desk::new(PUBLIC).await;
    let request = SignInRequest { shared_mailboxes: true, ..desk.request() };
    let begun = desk.begin_device(&request).await.unwrap();
    enter(&begun, "accept").await;
    let DevicePolled::Granted(grant) = polled(&desk, &begun).await else { panic!("not granted") };
    assert!(grant.scopes.iter().any(|scope| scope.ends_with("/Mail.Send.Shared")), "{:?}", grant.scopes);
}
