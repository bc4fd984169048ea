//! What every answer tells the browser, and what pages consist of.

use axum::http::Method;
use settings::Role;

use super::browser::{Answer, get, post};
use super::inputs::request;
use super::marked::inline;
use super::world::{Reached, World};

const POLICY: [&str; 6] = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
];

fn check(answer: &Answer, what: &str, is_secure: bool) {
    let policy = answer.header("content-security-policy");
    assert!(POLICY.iter().all(|part| policy.contains(part)), "{what}: {policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-dns-prefetch-control", "off"),
    ] {
        assert_eq!(answer.header(name), value, "{what}: {name}");
    }
    let lasts = answer.header("strict-transport-security");
    assert_eq!(lasts, if is_secure { "max-age=31536000" } else { "" }, "{what}");
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_trust_nothing_but_us() {
    let world = World::new().await;
    for entry in world.list() {
        if entry.path == "/messages/{id}/html" {
            continue;
        }
        let name = format!("{} {}", entry.method, entry.path);
        let mut anna = world.signed_in(Role::Administrator).await;
        for answer in [anna.send(request(&world, &entry)).await, world.anonymous().send(request(&world, &entry)).await]
        {
            check(&answer, &name, false);
            let is_stream = answer.header("content-type") == "text/event-stream";
            assert_eq!(answer.header("cache-control"), if is_stream { "no-cache" } else { "no-store" }, "{name}");
        }
    }
}

#[tokio::test]
async fn errors_and_files_do_so_too() {
    for reached in [Reached::Plainly, Reached::ByTls] {
        let world = World::empty(reached);
        let mut browser = world.anonymous();
        let is_secure = reached == Reached::ByTls;
        for (asked, status) in [
            (get("/nothing"), 404),
            (get("/assets/nothing.js"), 404),
            (get("/assets/../src/lib.rs"), 404),
            (get("/sign-out"), 405),
            (get("/sign-in").with("host", "evil.test"), 421),
            (post("/sign-in", &[("name", "a"), ("password", "b")]).with("sec-fetch-site", "cross-site"), 403),
            (post("/sign-in", &[]), 400),
        ] {
            let what = format!("{} {}", asked.method, asked.path);
            let answer = browser.send(asked).await;
            assert_eq!(answer.status, status, "{what}");
            check(&answer, &what, is_secure);
            assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        }
        let file = browser.get(crate::assets::url("console.css")).await;
        check(&file, "console.css", is_secure);
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(file.set_cookies().is_empty());
    }
}

#[tokio::test]
async fn no_page_has_a_script_or_style_of_its_own() {
    let world = World::new().await;
    for entry in world.list() {
        if entry.method != Method::GET {
            continue;
        }
        for role in Role::ALL {
            let answer = world.signed_in(role).await.send(request(&world, &entry)).await;
            if answer.header("content-type").starts_with("text/html") && entry.path != "/messages/{id}/html" {
                assert_eq!(inline(&answer.body), Vec::<String>::new(), "{}", entry.path);
            }
        }
    }
}

#[tokio::test]
async fn the_html_of_a_message_can_do_nothing_and_loads_nothing() {
    let world = World::new().await;
    let mail = "Content-Type: text/html\r\n\r\n<link rel=preconnect href=//spy.test><LINK rel=dns-prefetch href=//spy.test>\
        <meta http-equiv=refresh content='0;url=//spy.test'><base href=//spy.test><script>spy()</script><p>text</p>";
    world.hand_in(9, mail, "spy").await;
    let mut anna = world.signed_in(Role::Administrator).await;
    let answer = anna.get(format!("/messages/{}/html", World::message(9))).await;
    let policy = answer.header("content-security-policy");
    for part in ["sandbox;", "default-src 'none'", "img-src data:", "form-action 'none'", "frame-ancestors 'self'"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("allow-") && !policy.contains("script-src"), "{policy}");
    assert_eq!((answer.header("x-content-type-options"), answer.header("x-dns-prefetch-control")), ("nosniff", "off"));
    // No policy of a browser stops these from opening a connection.
    let names: Vec<String> = super::words::pieces(&answer.body)
        .into_iter()
        .filter_map(|piece| match piece {
            super::words::Piece::Start { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    assert!(!names.iter().any(|name| ["link", "meta", "base"].contains(&name.as_str())), "{names:?}");
    assert!(names.contains(&"p".to_owned()));
    let page = anna.get(format!("/messages/{}/content", World::message(9))).await;
    assert!(page.body.contains(" sandbox title="), "the frame gives no rights");
}

#[tokio::test]
async fn an_answer_to_a_link_from_elsewhere_is_not_compressed() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    for (site, encoding) in [("none", "gzip"), ("same-origin", "gzip"), ("same-site", ""), ("cross-site", "")] {
        let asked = get("/messages?q=guess").with("accept-encoding", "gzip").with("sec-fetch-site", site);
        assert_eq!(anna.send(asked).await.header("content-encoding"), encoding, "{site}");
    }
}
