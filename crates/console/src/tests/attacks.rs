//! What an attacker tries that no list of addresses names.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use settings::Role;
use tower::ServiceExt as _;

use super::browser::{get, post};
use super::world::{HOST, PASSWORD, Reached, World};

#[tokio::test]
async fn nobody_is_signed_in_as_the_attacker_by_a_page_of_the_attacker() {
    let world = World::new().await;
    let form = [("name", "vera"), ("password", PASSWORD)];
    for (header, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.test"), ("origin", "null")] {
        let mut victim = world.signed_in(Role::Administrator).await;
        let before = victim.cookie("postern-session").map(str::to_owned);
        let answer = victim.send(post("/sign-in", &form).with(header, value)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{value}");
        assert_eq!(victim.cookie("postern-session").map(str::to_owned), before, "{value}");
    }
}

#[tokio::test]
async fn a_page_of_plain_http_in_our_name_is_not_ours_when_we_are_reached_by_tls() {
    let world = World::reached(Reached::ByTls).await;
    let form = [("name", "vera"), ("password", PASSWORD)];
    for (origin, status) in
        [("https://postern.test", 303), ("http://postern.test", 403), ("http://postern.test:8080", 403)]
    {
        let answer = world.anonymous().send(post("/sign-in", &form).with("origin", origin)).await;
        assert_eq!(answer.status, status, "{origin}");
    }
}

#[tokio::test]
async fn an_address_in_other_words_is_not_another_address() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    let message = World::message(3);
    for (path, status) in [
        (format!("/messages/{message}/"), 404),
        (format!("//messages/{message}"), 404),
        (format!("/messages/{message}%2Fraw"), 404), // one segment, which is no id
        ("/messages/..%2Fadministration%2Fusers".to_owned(), 404),
        ("/messages/export.csv".to_owned(), 200), // not the message "export.csv"
        ("/messages/bulk".to_owned(), 405),       // not the message "bulk"
        ("/MESSAGES".to_owned(), 404),
        ("/assets/..%2f..%2fCargo.toml".to_owned(), 404),
        ("/assets/%2e%2e/src/lib.rs".to_owned(), 404),
    ] {
        let got = anna.get(path.clone()).await.status.as_u16();
        // What is no message's id may also be answered as one that does not exist.
        assert_eq!(got, status, "{path}");
    }
    // An action's name that is a page's does not reach the page's code past its role.
    let mut olga = world.signed_in(Role::Operator).await;
    for act in ["raw", "html", "content", "Hold", "hold%00", "quarantine"] {
        let answer = olga.post(format!("/messages/{message}/{act}"), &[]).await;
        assert!(matches!(answer.status.as_u16(), 400 | 405), "{act}: {}", answer.status);
    }
    assert_eq!(olga.post(format!("/messages/{message}/delete"), &[]).await.status, 403, "the role of the act itself");
}

#[tokio::test]
async fn what_a_request_says_about_itself_decides_nothing() {
    let world = World::new().await;
    let mut vera = world.signed_in(Role::Viewer).await;
    for (header, value) in [
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("x-original-url", "/administration/users"),
        ("x-rewrite-url", "/administration/users"),
        ("x-http-method-override", "POST"),
        ("forwarded", "host=evil.test"),
    ] {
        let answer = vera.send(get("/profile").with(header, value)).await;
        assert_eq!(answer.status, 200, "{header}");
        assert!(!answer.body.contains("evil.test") && !answer.body.contains("olga"), "{header}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    // Names of the redirect come from the configuration, never from a request.
    let mut anna = world.signed_in(Role::Administrator).await;
    let page = anna.send(get("/settings/sign-in").with("x-forwarded-host", "evil.test")).await;
    assert!(page.body.contains("http://postern.test:8080/sign-in/openid/callback"));
}

#[tokio::test]
async fn nothing_that_a_visitor_sends_becomes_a_header() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    let evil = "x%0d%0aSet-Cookie:%20evil=1";
    for path in [
        format!("/messages/{evil}/raw"),
        format!("/integration/tenants/{evil}/certificate.cer"),
        format!("/sign-in?next=/{evil}"),
        format!("/confirm?next=/{evil}"),
        format!("/administration/users/{evil}"),
        format!("/oauth/callback?state={evil}&code=1"),
    ] {
        let answer = anna.get(path.clone()).await;
        assert!(
            answer.headers.get("set-cookie").is_none_or(|cookie| !cookie.to_str().unwrap().contains("evil")),
            "{path}"
        );
        assert!(!answer.location().contains("evil"), "{path}");
    }
    let form = [("name", "anna"), ("password", PASSWORD), ("next", "/x\r\nSet-Cookie: evil=1")];
    assert_eq!(world.anonymous().post("/sign-in", &form).await.location(), "/");
}

#[tokio::test]
async fn a_form_that_is_too_long_is_refused_with_and_without_a_session() {
    let world = World::new().await;
    let long = "x".repeat(1024 * 1024);
    let answer = world.anonymous().post("/sign-in", &[("name", &long), ("password", "y")]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut anna = world.signed_in(Role::Administrator).await;
    assert_eq!(anna.post("/integration/accounts/add", &[("name", &long)]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_form_that_trickles_in_is_given_up() {
    let world = World::new().await;
    let body = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, Infallible>>());
    let kind = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = Request::post("/sign-in").header(header::HOST, HOST).header(kind.0, kind.1).body(body).unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn the_first_start_is_over_once_there_is_an_administrator() {
    let world = World::new().await;
    assert_eq!(world.anonymous().get("/setup?token=anything").await.location(), "/");
    let before = world.everything().await;
    let form = [("token", "anything"), ("name", "eve"), ("password", "a long enough one")];
    assert_eq!(world.anonymous().post("/setup", &form).await.status, 422);
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn other_peoples_mail_and_secrets_are_not_on_the_pages_of_lower_roles() {
    let world = World::new().await;
    let message = World::message(3);
    for role in [Role::Viewer, Role::Operator] {
        let mut visitor = world.signed_in(role).await;
        for part in ["content", "html", "raw"] {
            assert_eq!(visitor.get(format!("/messages/{message}/{part}")).await.status, 403, "{part}");
        }
        let page = visitor.get(format!("/messages/{message}")).await;
        assert!(page.body.contains("Invoice 7") && !page.body.contains("Please pay"));
    }
}

#[tokio::test]
async fn no_page_shows_a_stored_secret() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    for entry in world.list() {
        let answer = anna.send(super::inputs::request(&world, &entry)).await;
        for secret in ["stored client secret", "stored account token", "argon2id", "$v=19$"] {
            assert!(!answer.body.contains(secret), "{} {}: {secret}", entry.method, entry.path);
        }
    }
}
