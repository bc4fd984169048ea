//! What is made of answers that are no token, and what never gets into words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra::{Application, EntraError, Scope, TokenSource, Who};
use tokio::net::TcpListener;

use crate::far_side::{FarSide, Reply, answer, answer_bytes};
use crate::{SECRET, application, client, refuse, secret, source};

async fn error_after(script: impl Fn() -> Reply + Send + Sync + 'static) -> EntraError {
    let far = FarSide::start(move |_| script()).await;
    source(&far.origin).token().await.unwrap_err()
}

#[tokio::test]
async fn the_oauth_error_decides_and_the_number_only_words_it() {
    let table = [
        // (status, error, number, transient, whose hands)
        ("401 Unauthorized", "invalid_client", 7_000_222, false, Who::EntraAdministrator),
        ("400 Bad Request", "unauthorized_client", 700_016, false, Who::GatewayAdministrator),
        ("400 Bad Request", "invalid_grant", 65_001, false, Who::EntraAdministrator),
        // A number of passing trouble with a permanent error: the error decides.
        ("400 Bad Request", "invalid_request", 90_033, false, Who::Nobody),
        // A number of permanent trouble with a passing error: the error decides.
        ("400 Bad Request", "temporarily_unavailable", 7_000_222, true, Who::EntraAdministrator),
        ("500 Internal Server Error", "server_error", 90_006, true, Who::Nobody),
        // The status alone says it passes.
        ("503 Service Unavailable", "brand_new", 1, true, Who::Nobody),
        ("429 Too Many Requests", "invalid_request", 90_055, true, Who::Nobody),
    ];
    for (status, name, number, transient, who) in table {
        let error = error_after(move || refuse(status, "", name, number)).await;
        assert_eq!(error.is_transient(), transient, "{error}");
        assert_eq!(error.aadsts(), Some(number));
        assert_eq!(error.oauth_error(), Some(name));
        assert_eq!(error.trace_id(), Some("trace-1"));
        assert_eq!(error.correlation_id(), Some("correlation-1"));
        let explanation = error.explanation();
        assert_eq!(explanation.who, who, "{explanation}");
        assert!(explanation.why.contains("trace-1"), "{explanation}");
    }
}

/// Entra calls a client that asks too often by the name of an ended grant. It is none.
#[tokio::test]
async fn a_client_loop_passes_by_itself_whatever_oauth_error_it_comes_as() {
    let error = error_after(|| refuse("400 Bad Request", "", "invalid_grant", 50_196)).await;
    assert!(error.is_transient() && error.is_throttled() && !error.needs_sign_in(), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    assert_eq!(error.explanation().who, Who::Nobody);
}

#[tokio::test]
async fn what_is_no_answer_of_entra_is_explained_and_passes() {
    const HTML: &str = "Content-Type: text/html\r\n";
    const JSON: &str = "Content-Type: application/json\r\n";
    let table: [(fn() -> Reply, bool); 10] = [
        // A captive portal.
        (|| answer("200 OK", HTML, "<html>Sign in to the hotel</html>"), true),
        // A gateway's own page.
        (|| answer("503 Service Unavailable", HTML, "<html>503</html>"), true),
        (|| answer("502 Bad Gateway", "", ""), true),
        // A redirect to somebody else's sign-in page must not take the secret along.
        (|| answer("302 Found", "Location: http://127.0.0.1:1/\r\n", ""), true),
        // A proxy that forbids the host.
        (|| answer("403 Forbidden", HTML, "<html>Blocked</html>"), false),
        // Half a token.
        (|| answer("200 OK", JSON, r#"{"access_token":"eyJhbGciOiJ"#), true),
        // An error that names no error.
        (|| answer("400 Bad Request", JSON, "{}"), false),
        // A refusal before the request was read.
        (|| Reply::Early(answer_bytes("413 Content Too Large", HTML, "<html>413</html>")), false),
        (|| Reply::Close, true),
        (|| Reply::ResetAfter(10), true),
    ];
    for (number, (script, transient)) in table.into_iter().enumerate() {
        let error = error_after(script).await;
        assert_eq!(error.is_transient(), transient, "{number}: {error}");
        assert_eq!(error.explanation().who, Who::NetworkAdministrator, "{number}: {error}");
        assert!(!format!("{error} {error:?} {}", error.explanation()).contains("eyJ"), "{number}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_read_in_part() {
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let far = FarSide::start(move |_| Reply::Endless("200 OK", Arc::clone(&counter))).await;
    let error = source(&far.origin).token().await.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().contains("far too long"), "{error}");
    // What fits the buffers of both sockets, and not what thirty seconds would bring.
    assert!(written.load(Ordering::SeqCst) < 32 * 1024 * 1024, "{written:?}");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_the_networks_matter() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = source(&origin).token().await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.status(), None);
    assert!(error.to_string().contains("127.0.0.1 is unreachable"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up_at_the_deadline() {
    let mut far = FarSide::start(|_| Reply::Silence).await;
    let source = source(&far.origin);
    let asking = tokio::spawn(async move { source.token().await.unwrap_err() });
    far.next().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    let error = asking.await.unwrap();
    assert!(error.is_transient());
    assert!(error.to_string().contains("within 30 s"), "{error}");
}

#[test]
fn a_tenant_that_cannot_be_meant_is_refused_before_any_request() {
    let table = [
        ("11111111-2222-3333-4444-555555555555", true),
        ("contoso.onmicrosoft.com", true),
        // For interactive sign-in.
        ("common", false),
        ("Organizations", false),
        ("consumers", false),
        // Would leave its path segment.
        ("", false),
        ("..", false),
        ("../common", false),
        ("a/b", false),
        ("a?b", false),
        ("a%2fb", false),
        ("a b", false),
    ];
    for (tenant, usable) in table {
        let tenant_id = tenant.to_owned();
        let application = Application { tenant_id, ..application("http://127.0.0.1:1", secret()) };
        let source = TokenSource::new(client(), application, &Scope::Graph);
        assert_eq!(source.is_ok(), usable, "{tenant}");
        if let Err(error) = source {
            assert!(!error.is_transient());
            assert_eq!(error.explanation().who, Who::GatewayAdministrator);
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_debug_output_errors_or_explanations() {
    let far = FarSide::start(|seen| {
        // The worst far side: it tells us our own secret and a token, in every field it has.
        let echo = seen.field("client_secret");
        assert_eq!(echo, SECRET);
        answer("200 OK", "Content-Type: application/json\r\n", &format!(r#"{{"access_token":["{echo}"]}}"#))
    })
    .await;
    let source = source(&far.origin);
    let error = source.token().await.unwrap_err();
    let application = application(&far.origin, secret());
    let shown = format!("{error} {error:?} {} {source:?} {application:?}", error.explanation());
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let far = FarSide::start(|_| crate::issue("eyJ-the-token")).await;
    let source = crate::source(&far.origin);
    let token = source.token().await.unwrap();
    let shown = format!("{token:?} {source:?}");
    assert!(!shown.contains("eyJ") && !shown.contains("s3cr3t"), "{shown}");
}
