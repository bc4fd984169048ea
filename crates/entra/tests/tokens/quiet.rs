//! Throttling at the token endpoint: one request, then silence, of everything that asks for the application.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra::{Quiet, Scope, TokenSource};

use crate::far_side::{FarSide, Reply};
use crate::{application, client, issue, refuse, secret};

async fn later(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

async fn throttled_once(refusal: fn() -> Reply) -> FarSide {
    let count = AtomicUsize::new(0);
    FarSide::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => refusal(),
        n => issue(&format!("T{n}")),
    })
    .await
}

fn source(far: &FarSide, scope: &Scope, quiet: &Quiet) -> TokenSource {
    TokenSource::new(client(), application(&far.origin, secret()), scope).unwrap().quiet_with(quiet)
}

#[tokio::test]
async fn a_throttled_application_asks_once_for_all_its_connections_and_then_waits() {
    const JSON: &str = "Retry-After: 40\r\n";
    let refusals: [fn() -> Reply; 3] = [
        || refuse("429 Too Many Requests", JSON, "temporarily_unavailable", 90_055),
        || refuse("503 Service Unavailable", JSON, "temporarily_unavailable", 90_055),
        || refuse("400 Bad Request", JSON, "invalid_grant", 50_196),
    ];
    for refusal in refusals {
        let mut far = throttled_once(refusal).await;
        let quiet = Quiet::default();
        let (graph, exchange) = (source(&far, &Scope::Graph, &quiet), source(&far, &Scope::Exchange, &quiet));
        let error = graph.token().await.unwrap_err();
        far.next().await;
        assert!(error.is_throttled() && error.is_transient(), "{error}");
        // Neither the other service, nor a source made anew with another secret, nor an administrator's test asks.
        let again = source(&far, &Scope::Graph, &quiet);
        for refused in [graph.token(), exchange.token(), again.token()] {
            let error = refused.await.unwrap_err();
            assert!(error.is_transient());
            assert!(error.retry_after().unwrap() > Duration::from_secs(38), "{error}");
        }
        assert!(exchange.fresh_token().await.is_err());
        assert_eq!(far.waiting(), 0);
        later(Duration::from_secs(38)).await;
        exchange.token().await.unwrap_err();
        assert_eq!(far.waiting(), 0, "asked before the time");
        later(Duration::from_secs(3)).await;
        exchange.token().await.unwrap();
        graph.token().await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_lives_is_handed_out_while_the_endpoint_is_quiet() {
    let count = AtomicUsize::new(0);
    let mut far = FarSide::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => issue("T0"),
        _ => refuse("429 Too Many Requests", "Retry-After: 60\r\n", "temporarily_unavailable", 90_055),
    })
    .await;
    let quiet = Quiet::default();
    let (graph, exchange) = (source(&far, &Scope::Graph, &quiet), source(&far, &Scope::Exchange, &quiet));
    graph.token().await.unwrap();
    far.next().await;
    exchange.token().await.unwrap_err();
    far.next().await;
    // Old enough to be refreshed in the background; that would be one more request.
    later(Duration::from_secs(30)).await;
    assert_eq!(graph.token().await.unwrap().expose(), "T0");
    assert_eq!(far.waiting(), 0);
}

#[tokio::test]
async fn a_refused_secret_silences_nobody_else() {
    let mut far = throttled_once(|| refuse("401 Unauthorized", "", "invalid_client", 7_000_215)).await;
    let quiet = Quiet::default();
    source(&far, &Scope::Graph, &quiet).token().await.unwrap_err();
    far.next().await;
    // The new secret is tried at once.
    source(&far, &Scope::Graph, &quiet).token().await.unwrap();
    far.next().await;
}
