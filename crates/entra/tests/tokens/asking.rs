//! How often Entra is asked, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::far_side::{FarSide, Reply, answer_bytes};
use crate::{issue, issued_json, refuse, source};

/// Moves the clock at once; time runs on by itself afterwards.
async fn later(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

/// Answers the first request with token `T0`, the second with `T1`, and so on.
async fn numbered() -> FarSide {
    let count = AtomicUsize::new(0);
    FarSide::start(move |_| issue(&format!("T{}", count.fetch_add(1, Ordering::SeqCst)))).await
}

#[tokio::test]
async fn the_request_is_the_client_credentials_grant_with_the_secret_in_the_body() {
    let mut far = numbered().await;
    let source = source(&far.origin);
    assert_eq!(source.token().await.unwrap().expose(), "T0");
    let seen = far.next().await;
    assert_eq!(seen.line, "POST /11111111-2222-3333-4444-555555555555/oauth2/v2.0/token HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.field("grant_type"), "client_credentials");
    assert_eq!(seen.field("client_id"), "66666666-7777-8888-9999-000000000000");
    assert_eq!(seen.field("client_secret"), crate::SECRET);
    assert_eq!(seen.field("scope"), format!("{}/.default", far.origin));
}

#[tokio::test]
async fn a_hundred_callers_at_once_cause_one_request() {
    let mut far = numbered().await;
    let source = source(&far.origin);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { source.token().await.unwrap().expose().to_owned() })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "T0");
    }
    far.next().await;
    assert_eq!(far.waiting(), 0);
    // Nor does anybody who comes later.
    assert_eq!(source.token().await.unwrap().expose(), "T0");
    assert_eq!(far.waiting(), 0);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_end_the_request_of_the_others() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let mut far = FarSide::start(move |_| {
        let gate = Arc::clone(&gate);
        Reply::Later(Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            answer_bytes("200 OK", "Content-Type: application/json\r\n", &issued_json("T0"))
        }))
    })
    .await;
    let source = source(&far.origin);
    let first = tokio::spawn({
        let source = source.clone();
        async move { source.token().await.map(drop) }
    });
    far.next().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    opened.add_permits(1);
    assert_eq!(source.token().await.unwrap().expose(), "T0");
    assert_eq!(far.waiting(), 0, "the first caller's request was good for the second");
}

#[tokio::test]
async fn a_token_is_refreshed_in_the_background_ahead_of_its_end() {
    let mut far = numbered().await;
    let source = source(&far.origin);
    assert_eq!(source.token().await.unwrap().expose(), "T0");
    far.next().await;
    // A second before the time to refresh: nothing happens.
    later(Duration::from_secs(2999)).await;
    assert_eq!(source.token().await.unwrap().expose(), "T0");
    assert_eq!(far.waiting(), 0);
    later(Duration::from_secs(2)).await;
    // Nobody waits: the old one is handed out while the new one is asked for.
    assert_eq!(source.token().await.unwrap().expose(), "T0");
    far.next().await;
    // Joins the refresh under way, if it has not ended yet.
    while source.token().await.unwrap().expose() != "T1" {
        tokio::task::yield_now().await;
    }
    assert_eq!(far.waiting(), 0);
}

#[tokio::test]
async fn a_failing_refresh_keeps_the_old_token_until_it_dies() {
    let count = AtomicUsize::new(0);
    let mut far = FarSide::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => issue("T0"),
        _ => refuse("503 Service Unavailable", "", "temporarily_unavailable", 90_033),
    })
    .await;
    let source = source(&far.origin);
    source.token().await.unwrap();
    far.next().await;
    later(Duration::from_secs(3001)).await;
    assert_eq!(source.token().await.unwrap().expose(), "T0");
    // Joins the refresh that this has started, and sees it fail.
    source.fresh_token().await.unwrap_err();
    far.next().await;
    // Still good, and the back-off keeps further callers from asking again at once.
    for _ in 0..1000 {
        assert_eq!(source.token().await.unwrap().expose(), "T0");
        tokio::task::yield_now().await;
    }
    assert_eq!(far.waiting(), 0, "asked again within the back-off");
    // 3541 s: in the last minute of its life it is no longer handed out.
    later(Duration::from_mins(9)).await;
    let error = source.token().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_refused_secret_is_not_tried_again_before_its_back_off_ends() {
    let mut far = FarSide::start(|_| refuse("401 Unauthorized", "", "invalid_client", 7_000_215)).await;
    let source = source(&far.origin);
    let first = source.token().await.unwrap_err();
    far.next().await;
    assert!(!first.is_transient());
    for _ in 0..50 {
        let again = source.token().await.unwrap_err();
        assert_eq!(again.aadsts(), Some(7_000_215));
        assert!(again.retry_after().unwrap() <= Duration::from_secs(15));
    }
    assert_eq!(far.waiting(), 0);
    later(Duration::from_secs(16)).await;
    source.token().await.unwrap_err();
    far.next().await;
    // The second failure in a row doubles the wait.
    later(Duration::from_secs(16)).await;
    source.token().await.unwrap_err();
    assert_eq!(far.waiting(), 0);
    later(Duration::from_secs(15)).await;
    source.token().await.unwrap_err();
    far.next().await;
}

#[tokio::test]
async fn retry_after_of_a_throttled_endpoint_is_waited_out() {
    let count = AtomicUsize::new(0);
    let mut far = FarSide::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => refuse("429 Too Many Requests", "retry-after: 40\r\n", "temporarily_unavailable", 90_055),
        _ => issue("T1"),
    })
    .await;
    let source = source(&far.origin);
    let error = source.token().await.unwrap_err();
    far.next().await;
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(40)));
    later(Duration::from_secs(38)).await;
    source.token().await.unwrap_err();
    assert_eq!(far.waiting(), 0);
    later(Duration::from_secs(3)).await;
    assert_eq!(source.token().await.unwrap().expose(), "T1");
}

#[tokio::test]
async fn of_many_callers_whose_token_was_refused_one_causes_a_request() {
    let mut far = numbered().await;
    let source = source(&far.origin);
    let refused = source.token().await.unwrap();
    source.invalidate(&refused);
    assert_eq!(source.token().await.unwrap().expose(), "T1");
    // The others held the same refused token; the new one is not theirs to forget.
    source.invalidate(&refused);
    source.invalidate(&refused);
    assert_eq!(source.token().await.unwrap().expose(), "T1");
    far.next().await;
    far.next().await;
    assert_eq!(far.waiting(), 0);
}

#[tokio::test]
async fn an_administrators_test_asks_whatever_is_remembered() {
    let count = AtomicUsize::new(0);
    let far = FarSide::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 | 3 => refuse("401 Unauthorized", "", "invalid_client", 7_000_215),
        n => issue(&format!("T{n}")),
    })
    .await;
    let source = source(&far.origin);
    source.token().await.unwrap_err();
    assert_eq!(source.fresh_token().await.unwrap().expose(), "T1");
    // A success ends the back-off for everybody.
    assert_eq!(source.token().await.unwrap().expose(), "T1");
    let token = source.fresh_token().await.unwrap();
    assert_eq!(token.expose(), "T2");
    // The next failure is the first in a row again.
    source.invalidate(&token);
    assert_eq!(source.token().await.unwrap_err().retry_after(), Some(Duration::from_secs(15)));
}
