//! Sessions from the outside: how they begin, what ends them, and what their cookies say.

use jiff::SignedDuration;
use settings::{Role, UserId};
use store::{SettingsChange, Store as _};

use super::browser::{get, post};
use super::world::{PASSWORD, Reached, World};

const CREDENTIALS: [(&str, &str); 2] = [("name", "anna"), ("password", PASSWORD)];

#[tokio::test]
async fn with_tls_the_session_is_for_this_host_over_tls_alone() {
    let world = World::reached(Reached::ByTls).await;
    let mut browser = world.anonymous();
    let answer = browser.post("/sign-in", &CREDENTIALS).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/"));
    let cookies = answer.set_cookies();
    let [cookie] = cookies.as_slice() else { panic!("{cookies:?}") };
    let (name, flags) = cookie.split_once('=').unwrap();
    assert_eq!(name, "__Host-postern-session");
    assert_eq!(flags.split_once("; ").unwrap().1, "Path=/; HttpOnly; SameSite=Lax; Secure");
    // What plain http, or another host of the domain, planted is not looked at.
    let token = browser.cookie(name).unwrap().to_owned();
    let mut other = world.anonymous();
    other.set("postern-session", &token);
    assert_eq!(other.get("/").await.location(), "/sign-in?next=%2F");
}

#[tokio::test]
async fn without_tls_the_session_is_out_of_reach_of_scripts_and_other_sites() {
    let world = World::new().await;
    let answer = world.anonymous().post("/sign-in", &CREDENTIALS).await;
    assert!(answer.set_cookies()[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{:?}", answer.set_cookies());
}

#[tokio::test]
async fn signing_in_begins_a_new_session_whatever_cookie_the_browser_came_with() {
    let world = World::new().await;
    let mut browser = world.anonymous();
    browser.set("postern-session", "planted-by-an-attacker");
    browser.post("/sign-in", &CREDENTIALS).await;
    let first = browser.cookie("postern-session").unwrap().to_owned();
    assert_ne!(first, "planted-by-an-attacker");
    browser.post("/sign-in", &CREDENTIALS).await;
    assert_ne!(browser.cookie("postern-session"), Some(&*first));
    let mut old = world.anonymous();
    old.set("postern-session", &first);
    assert_eq!(old.get("/").await.status, 303, "the session that the browser came with is over");
    assert_eq!(world.store.sessions(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn confirming_gives_the_session_a_new_token_and_ends_the_old_one() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    world.pass(SignedDuration::from_mins(11));
    let mut before = anna.clone();
    let answer = anna.post("/confirm", &[("password", "wrong"), ("next", "/profile")]).await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("The password or the code is wrong."));
    let answer = anna.post("/confirm", &[("password", PASSWORD), ("next", "/integration/tenants/add")]).await;
    assert_eq!(answer.location(), "/integration/tenants/add?done=confirmed");
    assert_ne!(anna.cookie("postern-session"), before.cookie("postern-session"));
    assert_eq!(before.get("/").await.status, 303);
    assert_eq!(anna.learn("/integration/tenants/add").await.status, 200, "fresh again");
    assert_ne!(anna.csrf, before.csrf, "the token of the forms changed with it");
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server_too() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    let mut thief = anna.clone();
    let answer = anna.post("/sign-out", &[]).await;
    assert_eq!(answer.location(), "/sign-in");
    assert!(answer.set_cookies()[0].contains("Max-Age=0"));
    assert_eq!(thief.get("/").await.status, 303);
    assert!(world.store.sessions(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_session_ends_when_idle_for_an_hour_and_after_half_a_day_at_most() {
    let world = World::new().await;
    let (mut idle, mut busy) = (world.signed_in(Role::Viewer).await, world.signed_in(Role::Operator).await);
    for hour in 1..=24 {
        world.pass(SignedDuration::from_mins(30));
        assert_eq!(busy.get("/profile").await.status.as_u16(), if hour < 24 { 200 } else { 303 }, "{hour}");
    }
    assert_eq!(idle.get("/profile").await.status, 303);
}

#[tokio::test]
async fn who_is_disabled_demoted_removed_or_gets_a_new_password_is_out_at_once() {
    for (action, form) in
        [("disable", &[][..]), ("role", &[("role", "viewer")]), ("remove", &[]), ("reset-password", &[])]
    {
        let world = World::new().await;
        let (mut anna, mut otto) = (world.signed_in(Role::Administrator).await, world.signed_in_as("otto").await);
        assert_eq!(otto.get("/administration/users").await.status, 200);
        let answer = anna.post(format!("/administration/users/user-otto/{action}"), form).await;
        assert!(answer.status == 303 || answer.status == 200, "{action}: {}", answer.status);
        assert_eq!(
            otto.get("/administration/users").await.location(),
            "/sign-in?next=%2Fadministration%2Fusers",
            "{action}"
        );
        assert_eq!(otto.post("/profile/end-other-sessions", &[]).await.location(), "/sign-in", "{action}");
    }
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_the_old_password() {
    let world = World::new().await;
    let (mut anna, mut other) = (world.signed_in(Role::Administrator).await, world.signed_in_as("anna").await);
    let wrong = anna.post("/profile/password", &[("old", "not it at all"), ("new", "another quiet zebra")]).await;
    assert_eq!(wrong.status, 401);
    let answer = anna.post("/profile/password", &[("old", PASSWORD), ("new", "another quiet zebra")]).await;
    assert_eq!(answer.location(), "/profile?done=password-changed");
    assert_eq!((anna.get("/").await.status.as_u16(), other.get("/").await.status.as_u16()), (200, 303));
    assert_eq!(world.anonymous().post("/sign-in", &CREDENTIALS).await.status, 401);
}

#[tokio::test]
async fn nobody_ends_or_sees_the_session_of_another_without_being_an_administrator() {
    let world = World::new().await;
    let (mut olga, mut anna) = (world.signed_in(Role::Operator).await, world.signed_in(Role::Administrator).await);
    let (hers, other) = (anna.session_id(&world), olga.session_id(&world));
    assert_eq!(olga.post(format!("/sessions/{hers}/end"), &[]).await.status, 422);
    assert_eq!(anna.get("/").await.status, 200);
    assert!(!olga.get("/profile").await.body.contains(&hers));
    assert_eq!(
        anna.post(format!("/sessions/{other}/end"), &[]).await.location(),
        "/administration/sessions?done=ended"
    );
    assert_eq!(olga.get("/").await.status, 303);
}

#[tokio::test]
async fn nobody_raises_their_own_role_and_the_last_administrator_stays() {
    let world = World::new().await;
    for role in [Role::Viewer, Role::Operator] {
        let mut visitor = world.signed_in(role).await;
        let own = if role == Role::Viewer { "user-vera" } else { "user-olga" };
        let form = [("role", "administrator")];
        assert_eq!(visitor.post(format!("/administration/users/{own}/role"), &form).await.status, 403);
    }
    world.change(vec![SettingsChange::RemoveUser(UserId("user-otto".into()))]).await;
    let mut anna = world.signed_in(Role::Administrator).await;
    for (action, form) in [("role", &[("role", "viewer")][..]), ("disable", &[]), ("remove", &[])] {
        let answer = anna.post(format!("/administration/users/user-anna/{action}"), form).await;
        assert_eq!(answer.status, 422, "{action}");
    }
    assert_eq!(anna.get("/administration/users").await.status, 200);
}

#[tokio::test]
async fn next_never_leads_to_another_host() {
    let world = World::new().await;
    for next in
        ["//evil.test", "https://evil.test/", "/\\evil.test", "\\\\evil.test", "/\t/evil.test", "javascript:alert(1)"]
    {
        let form = [CREDENTIALS.as_slice(), &[("next", next)]].concat();
        assert_eq!(world.anonymous().post("/sign-in", &form).await.location(), "/", "{next}");
        let mut anna = world.signed_in(Role::Administrator).await;
        let form = [("password", PASSWORD), ("next", next)];
        assert_eq!(anna.post("/confirm", &form).await.location(), "/?done=confirmed", "{next}");
        let query = url::form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>();
        for page in ["/sign-in", "/confirm"] {
            let shown = anna.get(format!("{page}?next={query}")).await;
            assert!(shown.body.contains("name=\"next\" value=\"/\""), "{page} {next}");
        }
    }
}

#[tokio::test]
async fn a_sensitive_action_comes_back_to_its_form_never_to_another_host() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    world.pass(SignedDuration::from_mins(11));
    for (referer, next) in [
        ("http://postern.test:8080/integration/accounts/add", "%2Fintegration%2Faccounts%2Fadd"),
        ("http://evil.test//evil.test/", "%2F"),
        ("nonsense", "%2F"),
    ] {
        let csrf = anna.csrf.clone();
        let asked = post("/integration/accounts/add", &[("name", "x"), ("csrf", &csrf)]).with("referer", referer);
        assert_eq!(anna.send(asked).await.location(), format!("/confirm?next={next}"), "{referer}");
    }
    assert_eq!(anna.send(get("/confirm")).await.status, 200);
}
