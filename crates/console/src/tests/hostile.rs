//! Text of strangers and of careless people in every field there is: on every page, it stays text.

use axum::http::Method;
use mail::EnhancedStatus;
use serde_json::json;
use settings::{ApiToken, ApiTokenId, GroupRole, OpenIdProvider, OpenIdSubject, Role, SignIn, User, UserId};
use store::{
    AuditEntry, Explanation, Grant, LanePause, RecipientOutcome, SecretField, Session, SettingsChange, Store as _,
};

use super::browser::get;
use super::inputs::request;
use super::marked::{MARKER, broken_out, inline};
use super::words::words;
use super::world::{World, secret, user};

fn marked(text: &str) -> String {
    format!("{text} {MARKER}")
}

fn explained() -> Explanation {
    let text = || MARKER.to_owned();
    Explanation { what: text(), why: text(), fix: text(), who: text(), code: Some(text()) }
}

/// Marks every name that there is in the settings.
async fn mark_settings(world: &World) {
    let settings = world.store.settings().borrow().clone();
    let mut changes = Vec::new();
    for mut tenant in settings.tenants.clone() {
        (tenant.name, tenant.client_id, tenant.tenant_id) = (marked(&tenant.name), MARKER.into(), MARKER.into());
        changes.push(SettingsChange::PutTenant(tenant));
    }
    for mut connection in settings.connections.clone() {
        connection.name = marked(&connection.name);
        changes.push(SettingsChange::PutConnection(connection));
    }
    let mut routes = settings.routes.clone();
    routes.iter_mut().for_each(|route| route.name = marked(&route.name));
    changes.push(SettingsChange::SetRoutes(routes));
    for mut account in settings.accounts.clone() {
        account.name = marked(&account.name);
        changes.push(SettingsChange::PutAccount(account));
    }
    changes.extend(mark_people(world));
    world.change(changes).await;
}

fn mark_people(world: &World) -> Vec<SettingsChange> {
    let now = world.now();
    let people = ["vera", "olga", "anna", "otto"].into_iter().zip([
        Role::Viewer,
        Role::Operator,
        Role::Administrator,
        Role::Administrator,
    ]);
    let named = people.map(|(name, role)| User { name: marked(name), ..user(name, role, now) });
    let subject = OpenIdSubject { issuer: MARKER.into(), subject: MARKER.into() };
    let foreign = User { openid: Some(subject), password_hash: None, ..user("foreign", Role::Viewer, now) };
    let token = ApiToken {
        id: ApiTokenId("token-1".into()),
        name: MARKER.into(),
        role: Role::Viewer,
        digest: "0f1e".into(),
        created_at: now,
        expires_at: None,
    };
    let provider = OpenIdProvider {
        name: MARKER.into(),
        issuer: "https://127.0.0.1:9/%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E".parse().unwrap(),
        client_id: MARKER.into(),
        client_secret: None,
        groups_claim: MARKER.into(),
        groups: vec![GroupRole { group: MARKER.into(), role: Role::Viewer }],
    };
    let rest = [
        SettingsChange::PutUser(foreign),
        SettingsChange::PutApiToken(token),
        SettingsChange::PutSignIn(SignIn { openid: Some(provider) }),
    ];
    named.map(SettingsChange::PutUser).chain(rest).collect()
}

/// Mail whose every part is marked, and answers of upstreams that are.
async fn mark_messages(world: &World) {
    let mail = format!(
        "From: \"{MARKER}\" <erp@contoso.test>\r\nSubject: {MARKER}\r\nX-Own: {MARKER}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{MARKER}\r\n\
         --b\r\nContent-Type: text/html\r\n\r\n{MARKER}\r\n\
         --b\r\nContent-Type: image/png; name=\"a.png\"\r\nContent-Disposition: attachment; filename*=utf-8''%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E\r\n\r\nx\r\n--b--\r\n"
    );
    for number in [10, 11, 12] {
        world.hand_in(number, &mail, MARKER).await;
    }
    let refused = RecipientOutcome::Refused(EnhancedStatus::permanent(1, 1));
    for outcome in [refused, RecipientOutcome::Deferred, refused, RecipientOutcome::Uncertain] {
        world.attempt(outcome, Some(explained())).await;
    }
    let lane = world.store.lanes(1).await.unwrap()[0].id;
    let until = world.now() + jiff::SignedDuration::from_hours(1);
    let pause = LanePause { until, explanation: explained(), needs_administrator: true };
    world.store.pause_lane(lane, Some(pause)).await.unwrap();
}

async fn mark_the_rest(world: &World) {
    let session = Session {
        digest: "0".repeat(64),
        user: UserId("user-otto".into()),
        created_at: world.now(),
        last_seen_at: world.now(),
        authenticated_at: world.now(),
        peer: None,
        user_agent: Some(MARKER.into()),
    };
    world.store.put_session(session).await.unwrap();
    let connections = world.store.settings().borrow().connections.clone();
    for connection in connections {
        let field = SecretField::new("grant", &connection.id.0, "refresh_token");
        let sealed = world.store.key_ring().seal(&field, &secret("r"));
        let grant = Grant {
            refresh_token: sealed.unwrap(),
            user: MARKER.into(),
            scopes: vec![MARKER.into()],
            signed_in_at: world.now(),
            refreshed_at: world.now(),
            dead: Some(explained()),
        };
        world.store.put_grant(&connection.id, Some(grant)).await.unwrap();
    }
    let detail = json!({ "user": MARKER, MARKER: MARKER, "nested": { "name": [MARKER] } });
    let entry = AuditEntry { at: world.now(), actor: MARKER.into(), action: MARKER.into(), detail };
    world.store.record_audit(entry).await.unwrap();
}

async fn hostile_world() -> World {
    let world = World::new().await;
    mark_messages(&world).await;
    mark_settings(&world).await;
    mark_the_rest(&world).await;
    world
}

#[tokio::test]
async fn text_of_strangers_is_markup_on_no_page() {
    let world = hostile_world().await;
    let mut marked_pages = 0;
    for entry in world.list() {
        let mut anna = world.signed_in(Role::Administrator).await;
        let csrf = anna.csrf.clone();
        // Of actions, the refusals: what was typed comes back, and names of what it was about.
        let mut asked = request(&world, &entry);
        if entry.method == Method::POST {
            asked.form.iter_mut().for_each(|(_, value)| *value = MARKER.to_owned());
        }
        let name = format!("{} {}", entry.method, entry.path);
        let answer = anna.send(asked.field("csrf", &csrf)).await;
        if entry.path == "/messages/{id}/html" || !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        assert_eq!(broken_out(&answer.body), Vec::<String>::new(), "{name}");
        assert_eq!(inline(&answer.body), Vec::<String>::new(), "{name}");
        marked_pages += usize::from(words(&answer.body).contains(MARKER));
    }
    assert!(marked_pages > 30, "the marker is on {marked_pages} pages: else this shows nothing");
}

#[tokio::test]
async fn a_message_of_strangers_is_text_on_its_pages() {
    let world = hostile_world().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    for number in [2, 3, 10, 11, 12] {
        for part in ["", "/content"] {
            let path = format!("/messages/{}{part}", World::message(number));
            for asked in [get(&path), get(&path).with("hx-request", "true")] {
                let answer = anna.send(asked).await;
                assert_eq!((answer.status.as_u16(), broken_out(&answer.body)), (200, Vec::new()), "{path}");
            }
        }
    }
    let content = anna.get(format!("/messages/{}/content", World::message(10))).await;
    assert!(words(&content.body).matches(MARKER).count() >= 3, "{}", words(&content.body));
}

#[tokio::test]
async fn what_is_typed_into_an_address_is_text_on_the_page() {
    let world = hostile_world().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    let typed: String = url::form_urlencoded::byte_serialize(MARKER.as_bytes()).collect();
    for path in [
        format!("/messages?q={typed}&from={typed}&to={typed}&since={typed}&until={typed}&show={typed}&rows={typed}"),
        format!("/messages?before={typed}&trail={typed}"),
        format!("/administration/audit?who={typed}&what={typed}"),
        format!("/doctor?connection={typed}&send_to={typed}"),
        format!("/sign-in?next=/{typed}"),
        format!("/confirm?next=/{typed}"),
        format!("/profile?done={typed}"),
        format!("/setup?token={typed}"),
        format!("/oauth/callback?state={typed}&error={typed}&error_description={typed}"),
        format!("/oauth/callback?state=consent.{typed}&error={typed}&error_description={typed}"),
        format!("/sign-in/openid/callback?state={typed}&error={typed}&error_description={typed}"),
        format!("/administration/users/{typed}"),
        format!("/integration/tenants/{typed}"),
        format!("/integration/connections/{typed}/scope?mailboxes={typed}"),
        format!("/welcome?test={typed}"),
        format!("/{typed}"),
    ] {
        let answer = anna.get(path.clone()).await;
        assert_eq!(broken_out(&answer.body), Vec::<String>::new(), "{path}");
    }
    let answer = world.anonymous().send(get("/").with("host", "\"><img src=x onerror=alert(1)>")).await;
    assert_eq!((answer.status.as_u16(), broken_out(&answer.body)), (421, Vec::new()));
    let mut planted = world.anonymous();
    planted.set("postern-theme", "\"><img src=x onerror=alert(1)>");
    assert_eq!(broken_out(&planted.get("/sign-in").await.body), Vec::<String>::new());
}
