//! What a running server cannot be asked without waiting: a session that grew old, and more callers than there is room
//! for. Every call, with every caller, is gone through from outside by `tests/console/test_api.py`.

use std::collections::BTreeSet;
use std::sync::Mutex;

use admin::people::{SessionPolicy, SetupToken, csrf_token, generate_token};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use settings::{Role, User, UserId};
use store::model::ModelStore;
use store::{AuditEntry, Session, SettingsChange, Store as _};
use submission::clock::SystemClock;
use submission::http::HttpLimits;
use submission::intake::Limits;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::*;
use crate::ConsoleConfig;

const HOST: &str = "postern.test:8080";

/// An administrator with a session that began just now, and a clock to move.
struct World {
    router: Router,
    clock: Arc<Mutex<Timestamp>>,
    cookie: String,
    csrf: String,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(places: usize) -> Self {
        let (store, folder) = (Arc::new(ModelStore::default()), tempfile::tempdir().unwrap());
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let clock = Arc::new(Mutex::new(now));
        let config = ConsoleConfig {
            public_url: format!("http://{HOST}").parse().unwrap(),
            tls: false,
            hosts: Vec::new(),
            network: relay::Network::default(),
            data_dir: folder.path().to_owned(),
            min_free_bytes: 0,
            hostname: "postern.test".to_owned(),
            smtp: Vec::new(),
            configuration: Vec::new(),
            sessions: SessionPolicy::default(),
            setup: SetupToken::ensure(folder.path(), &*store).unwrap(),
            stop: CancellationToken::new(),
        };
        let (cookie, csrf) = signed_in(&store, now).await;
        let tells = Arc::clone(&clock);
        let console = Console::with_clock(store.clone(), config, Arc::new(move || *tells.lock().unwrap()));
        let intake = Intake::new(store, Arc::new(SystemClock), "postern.test".to_owned(), Limits::default());
        let messages = submission::http::calls(intake.clone(), HttpLimits::default());
        Self { router: with_places(places, console, intake, messages), clock, cookie, csrf, _folder: folder }
    }

    /// Status and `code` of the answer to an empty object, in the session of the administrator.
    async fn ask(&self, method: &str, path: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path.replace("{id}", "x")).header("host", HOST);
        let request = request.header("cookie", &self.cookie).header("x-csrf-token", &self.csrf);
        let request = request.header("content-type", "application/json").body(Body::from("{}")).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

async fn signed_in(store: &ModelStore, now: Timestamp) -> (String, String) {
    let user = User {
        id: UserId("user-anna".into()),
        name: "anna".into(),
        role: Role::Administrator,
        password_hash: Some("none that fits".into()),
        totp: None,
        openid: None,
        disabled: false,
        created_at: now,
    };
    let audit = AuditEntry { at: now, actor: "cli".into(), action: "user_added".into(), detail: Value::Null };
    let version = store.settings().borrow().version;
    store.change_settings(version, vec![SettingsChange::PutUser(user)], audit).await.unwrap();
    let token = generate_token().unwrap();
    let session = Session {
        digest: store.key_ring().token_digest(&token).unwrap(),
        user: UserId("user-anna".into()),
        created_at: now,
        last_seen_at: now,
        authenticated_at: now,
        peer: None,
        user_agent: None,
    };
    store.put_session(session.clone()).await.unwrap();
    (format!("postern-session={}", token.expose_secret()), csrf_token(store, &session).unwrap())
}

/// Method and path of every call of a router.
fn listed(calls: OpenApiRouter<Api>) -> BTreeSet<(&'static str, String)> {
    let mut listed = BTreeSet::new();
    for (path, item) in calls.into_openapi().paths.paths {
        let methods = [
            (item.get.is_some(), "GET"),
            (item.put.is_some(), "PUT"),
            (item.post.is_some(), "POST"),
            (item.delete.is_some(), "DELETE"),
            (item.patch.is_some(), "PATCH"),
        ];
        listed.extend(methods.into_iter().filter(|(is_there, _)| *is_there).map(|(_, name)| (name, path.clone())));
    }
    listed
}

#[tokio::test]
async fn secrets_are_changed_only_by_who_signed_in_a_short_while_ago() {
    let world = World::new(MAX_CALLS).await;
    for (method, path) in listed(sensitive()) {
        assert_ne!(world.ask(method, &path).await.1, "stale_sign_in", "{method} {path}");
    }
    *world.clock.lock().unwrap() += SignedDuration::from_mins(11);
    for (method, path) in listed(sensitive()) {
        let refused = (StatusCode::FORBIDDEN, "stale_sign_in".to_owned());
        assert_eq!(world.ask(method, &path).await, refused, "{method} {path}");
    }
    for (method, path) in listed(administration()) {
        assert_ne!(world.ask(method, &path).await.1, "stale_sign_in", "{method} {path}");
    }
}

#[tokio::test]
async fn beyond_the_room_there_is_callers_are_told_to_come_back() {
    let world = World::new(0).await;
    for (method, path) in listed(sensitive()).union(&listed(administration())) {
        let busy = (StatusCode::SERVICE_UNAVAILABLE, "busy".to_owned());
        assert_eq!(world.ask(method, path).await, busy, "{method} {path}");
    }
    assert_eq!(world.ask("GET", "/api/v1/messages").await.0, StatusCode::OK, "these have bounds of their own");
}
