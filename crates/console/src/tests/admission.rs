//! Who is let in where: for every address in the console's own list, so that a new one cannot be forgotten.

use axum::http::{Method, StatusCode};
use jiff::SignedDuration;
use settings::Role;

use super::browser::Asked;
use super::inputs::request;
use super::world::World;
use crate::guard::{Entry, Needs};

fn role(entry: &Entry) -> Option<Role> {
    match entry.needs {
        Needs::Nothing => None,
        Needs::Role(role) | Needs::FreshSignIn(role) => Some(role),
    }
}

fn is_action(entry: &Entry) -> bool {
    entry.method == Method::POST
}

/// Those of one kind, each named when it fails.
fn entries(world: &World, wanted: impl Fn(&Entry) -> bool) -> Vec<(String, Entry)> {
    let all: Vec<_> = world.list().into_iter().filter(|entry| wanted(entry)).collect();
    assert!(!all.is_empty());
    all.into_iter().map(|entry| (format!("{} {}", entry.method, entry.path), entry)).collect()
}

#[test]
fn the_addresses_for_everybody_are_these_and_no_others() {
    let world = World::empty(super::world::Reached::Plainly);
    let open: Vec<String> = entries(&world, |entry| entry.needs == Needs::Nothing).into_iter().map(|it| it.0).collect();
    let expected = [
        "GET /setup",
        "POST /setup",
        "GET /sign-in",
        "POST /sign-in",
        "GET /sign-in/openid",
        "GET /sign-in/openid/callback",
    ];
    assert_eq!(open, expected);
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in_and_changes_nothing() {
    let world = World::new().await;
    let before = world.everything().await;
    for (name, entry) in entries(&world, |entry| role(entry).is_some()) {
        let asked = || request(&world, &entry);
        let path = asked().path;
        let answer = world.anonymous().send(asked()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}");
        let expected = match entry.method {
            Method::GET => {
                format!("/sign-in?next={}", url::form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>())
            }
            _ => "/sign-in".to_owned(),
        };
        assert_eq!(answer.location(), expected, "{name}");
        let part = world.anonymous().send(asked().with("hx-request", "true")).await;
        assert_eq!((part.status, part.body.as_str()), (StatusCode::UNAUTHORIZED, ""), "{name}");
        assert_eq!(part.header("hx-redirect"), expected, "{name}");
        // A cookie that no session has is as good as none.
        let mut stranger = world.anonymous();
        stranger.set("postern-session", "made-up");
        assert_eq!(stranger.send(asked()).await.status, StatusCode::SEE_OTHER, "{name}");
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn a_role_too_low_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let (mut vera, mut olga) = (world.signed_in(Role::Viewer).await, world.signed_in(Role::Operator).await);
    let before = world.everything().await;
    for (name, entry) in entries(&world, |entry| role(entry).is_some_and(|role| role > Role::Viewer)) {
        let lower = if role(&entry) == Some(Role::Operator) { &mut vera } else { &mut olga };
        let csrf = lower.csrf.clone();
        let answer = lower.send(request(&world, &entry).field("csrf", &csrf)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        assert!(answer.body.contains("This needs the role"), "{name}");
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn an_action_without_the_token_of_its_session_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let (mut anna, other) = (world.signed_in(Role::Administrator).await, world.signed_in_as("otto").await);
    let before = world.everything().await;
    for (name, entry) in entries(&world, |entry| is_action(entry) && role(entry).is_some()) {
        let asked = || request(&world, &entry).with("sec-fetch-site", "same-origin");
        let attempts: [Asked; 5] = [
            asked(),
            asked().field("csrf", ""),
            asked().field("csrf", &other.csrf),
            asked().with("x-csrf-token", &other.csrf),
            // The header is what counts: a right field beside a wrong header does not help.
            asked().with("x-csrf-token", "wrong").field("csrf", &anna.csrf),
        ];
        for (number, attempt) in attempts.into_iter().enumerate() {
            let answer = anna.send(attempt).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}, attempt {number}");
            assert!(answer.body.contains("does not come from a page of this session"), "{name}, attempt {number}");
        }
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn an_action_from_another_site_is_refused_even_with_the_token() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    let before = world.everything().await;
    for (name, entry) in entries(&world, is_action) {
        for (header, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"), // another host of the domain, or another port's scheme
            ("sec-fetch-site", "nonsense"),
            ("origin", "https://evil.test"),
            ("origin", "http://postern.test:8081"), // another program on the same machine
            ("origin", "http://postern.test"),
            ("origin", "null"), // a sandboxed frame
        ] {
            let csrf = anna.csrf.clone();
            let asked = request(&world, &entry).field("csrf", &csrf).with(header, value);
            let answer = anna.send(asked).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name} with {header}: {value}");
            assert!(answer.body.contains("a page of another site"), "{name} with {header}: {value}");
        }
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn a_request_for_another_host_is_misdirected_whatever_it_is() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    let before = world.everything().await;
    for (name, entry) in entries(&world, |_| true) {
        for host in ["evil.test", "postern.test", "postern.test:8081", "postern.test:8080.evil.test", "127.0.0.1:8080"]
        {
            let csrf = anna.csrf.clone();
            let answer = anna.send(request(&world, &entry).field("csrf", &csrf).with("host", host)).await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{name} for {host}");
        }
    }
    assert_eq!(anna.send(super::browser::get("/assets/console.css").with("host", "evil.test")).await.status, 421);
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn what_is_sensitive_asks_again_who_is_there_ten_minutes_after_sign_in() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    world.pass(SignedDuration::from_mins(10));
    let before = world.everything().await;
    for (name, entry) in entries(&world, |entry| matches!(entry.needs, Needs::FreshSignIn(_))) {
        let csrf = anna.csrf.clone();
        let from = "http://postern.test:8080/integration/tenants/add?x=1";
        let answer = anna.send(request(&world, &entry).field("csrf", &csrf).with("referer", from)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}");
        let back = answer.location().strip_prefix("/confirm?next=").unwrap_or_else(|| panic!("{name}"));
        if is_action(&entry) {
            assert_eq!(back, "%2Fintegration%2Ftenants%2Fadd", "{name}: back to the page with the form");
        }
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn what_reads_or_changes_secrets_or_people_is_sensitive() {
    let world = World::new().await;
    let sensitive = |entry: &Entry| matches!(entry.needs, Needs::FreshSignIn(_));
    for (name, entry) in entries(&world, |entry| is_action(entry) && role(entry).is_some()) {
        let path = entry.path;
        let is_of_people = path.starts_with("/administration/") || path.starts_with("/settings/sign-in");
        let is_of_secrets = ["/tenants/", "/accounts/"].iter().any(|part| path.contains(part))
            || path.starts_with("/profile/second-factor")
            || (path.starts_with("/integration/connections/") && (path.ends_with("/edit") || path.ends_with("/add")));
        assert!(sensitive(&entry) || !(is_of_people || is_of_secrets), "{name}");
    }
}
