//! Users, API tokens and sign-in as settings; sessions and grants beside them; the audit log as a whole.

use secrecy::ExposeSecret;
use settings::{ApiToken, ApiTokenId, ConnectionId, OpenIdProvider, Role, Sealed, SignIn, User, UserId};
use store::{AuditEntry, Change, Grant, SecretField, Session, SettingsChange as C, Store};

use super::stores;
use crate::fixture::*;

fn user(id: &str, name: &str) -> User {
    User {
        id: UserId(id.into()),
        name: name.into(),
        role: Role::Operator,
        password_hash: Some("$argon2id$".into()),
        totp: None,
        openid: None,
        disabled: false,
        created_at: at(1),
    }
}

fn session(digest: &str, user: &str, created: i64, seen: i64) -> Session {
    Session {
        digest: digest.into(),
        user: UserId(user.into()),
        created_at: at(created),
        last_seen_at: at(seen),
        authenticated_at: at(created),
        peer: Some("2001:db8::1".parse().unwrap()),
        user_agent: Some("a browser's \"name\"".into()),
    }
}

fn entry(action: &str) -> AuditEntry {
    AuditEntry { at: at(1), actor: "eve".into(), action: action.into(), detail: serde_json::json!({}) }
}

async fn digests(store: &dyn Store, user: Option<&str>) -> Vec<String> {
    let user = user.map(|user| UserId(user.into()));
    store.sessions(user.as_ref()).await.unwrap().into_iter().map(|session| session.digest).collect()
}

#[tokio::test]
async fn users_tokens_and_sign_in_are_settings() {
    for store in &stores() {
        let token = ApiToken {
            id: ApiTokenId("k1".into()),
            name: "scripts".into(),
            role: Role::Viewer,
            digest: "00ff".into(),
            created_at: at(1),
            expires_at: Some(at(9)),
        };
        let sign_in = SignIn {
            openid: Some(OpenIdProvider {
                name: "Contoso".into(),
                issuer: "https://login.contoso.test/".parse().unwrap(),
                client_id: "postern".into(),
                client_secret: None,
                groups_claim: "groups".into(),
                groups: vec![],
            }),
        };
        let changes = vec![
            C::PutUser(user("u2", "zoe")),
            C::PutUser(user("u1", "anna")),
            C::PutApiToken(token.clone()),
            C::PutSignIn(sign_in.clone()),
        ];
        store.change_settings(0, changes, entry("first")).await.unwrap();
        let now = store.settings().borrow().clone();
        assert_eq!(now.users, [user("u1", "anna"), user("u2", "zoe")], "in order of id");
        assert_eq!((&now.api_tokens, &now.sign_in), (&vec![token.clone()], &sign_in));

        let changes = vec![
            C::PutUser(User { disabled: true, ..user("u1", "anna") }),
            C::RemoveUser(UserId("u2".into())),
            C::RemoveApiToken(token.id),
            C::PutSignIn(SignIn::default()),
        ];
        store.change_settings(1, changes, entry("second")).await.unwrap();
        let now = store.settings().borrow().clone();
        assert_eq!(now.users, [User { disabled: true, ..user("u1", "anna") }]);
        assert_eq!((now.api_tokens.len(), &now.sign_in), (0, &SignIn::default()));
    }
}

#[tokio::test]
async fn a_session_is_what_was_put_last() {
    for store in &stores() {
        assert_eq!(store.session("aa").await.unwrap(), None);
        let plain = Session { peer: None, user_agent: None, ..session("aa", "anna", 1, 1) };
        store.put_session(plain.clone()).await.unwrap();
        assert_eq!(store.session("aa").await.unwrap(), Some(plain));
        let seen_again = session("aa", "anna", 1, 60);
        store.put_session(seen_again.clone()).await.unwrap();
        assert_eq!(store.session("aa").await.unwrap(), Some(seen_again));
        assert_eq!(digests(store, None).await, ["aa"]);
    }
}

#[tokio::test]
async fn a_session_that_is_seen_lives_on_and_one_that_ended_does_not_come_back() {
    for store in &stores() {
        store.put_session(session("aa", "anna", 1, 1)).await.unwrap();
        store.touch_session("aa", at(60)).await.unwrap();
        assert_eq!(store.session("aa").await.unwrap(), Some(session("aa", "anna", 1, 60)));
        store.remove_sessions(vec!["aa".into()]).await.unwrap();
        store.touch_session("aa", at(120)).await.unwrap();
        assert_eq!(store.session("aa").await.unwrap(), None);
    }
}

#[tokio::test]
async fn sessions_come_last_seen_first_and_end_by_name() {
    for store in &stores() {
        for (digest, user, seen) in [("aa", "anna", 10), ("dd", "bob", 30), ("cc", "anna", 20), ("bb", "anna", 20)] {
            store.put_session(session(digest, user, 1, seen)).await.unwrap();
        }
        assert_eq!(digests(store, None).await, ["dd", "bb", "cc", "aa"], "of one moment by digest");
        assert_eq!(digests(store, Some("anna")).await, ["bb", "cc", "aa"]);
        assert_eq!(digests(store, Some("nobody")).await, [""; 0]);
        store.remove_sessions(vec!["aa".into(), "dd".into(), "gone already".into()]).await.unwrap();
        assert_eq!(digests(store, None).await, ["bb", "cc"]);
    }
}

#[tokio::test]
async fn idle_and_old_sessions_end_and_others_stay() {
    for store in &stores() {
        for (digest, created, seen) in [
            ("idle", 100, 199),
            ("old", 49, 300),
            ("both", 1, 2),
            ("just", 50, 200), // at the very moments
            ("young", 250, 260),
        ] {
            store.put_session(session(digest, "anna", created, seen)).await.unwrap();
        }
        assert_eq!(store.purge_sessions(at(200), at(50)).await.unwrap(), 3);
        assert_eq!(digests(store, None).await, ["young", "just"]);
        assert_eq!(store.purge_sessions(at(200), at(50)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_grant_is_replaced_as_a_whole_and_is_news() {
    let (connection, other) = (ConnectionId("c1".into()), ConnectionId("c2".into()));
    for store in &stores() {
        let sealed = |secret: &str| {
            let field = SecretField::new("grant", "c1", "refresh_token");
            (store.key_ring().seal(&field, &secret.into()).unwrap(), field)
        };
        let mut news = store.subscribe();
        let (first, _) = sealed("first");
        let grant = Grant {
            refresh_token: first,
            user: "anna@contoso.test".into(),
            scopes: vec!["Mail.Send".into(), "offline_access".into()],
            signed_in_at: at(1),
            refreshed_at: at(1),
            dead: None,
        };
        assert_eq!(store.grant(&connection).await.unwrap(), None);
        store.put_grant(&connection, Some(grant.clone())).await.unwrap();
        assert_eq!(store.grant(&connection).await.unwrap(), Some(grant.clone()));
        assert_eq!(news.recv().await.unwrap(), Change::Grant(connection.clone()));

        let (second, field) = sealed("second");
        let rotated = Grant { refresh_token: second, refreshed_at: at(9), dead: Some(because("revoked")), ..grant };
        store.put_grant(&connection, Some(rotated.clone())).await.unwrap();
        let known = store.grant(&connection).await.unwrap().unwrap();
        assert_eq!(known, rotated);
        assert_eq!(store.key_ring().open(&field, &known.refresh_token).unwrap().expose_secret(), "second");
        assert_eq!(store.grant(&other).await.unwrap(), None, "of that connection alone");

        store.put_grant(&connection, None).await.unwrap();
        assert_eq!(store.grant(&connection).await.unwrap(), None);
        for _ in 0..2 {
            assert_eq!(news.recv().await.unwrap(), Change::Grant(connection.clone()));
        }
        assert_eq!(store.settings().borrow().version, 0, "a refresh token that rotates is no change of the settings");
    }
}

#[tokio::test]
async fn the_audit_log_comes_in_pages_newest_first() {
    for store in &stores() {
        store.record_audit(entry("sign_in")).await.unwrap();
        store.change_settings(0, vec![C::PutUser(user("u1", "anna"))], entry("put_user")).await.unwrap();
        store.record_audit(entry("sign_out")).await.unwrap();
        let (mut before, mut seen) = (None, Vec::new());
        for expected in [2, 1, 0] {
            let page = store.audit(before, 2).await.unwrap();
            assert_eq!(page.len(), expected);
            before = page.last().map(|record| record.number);
            seen.extend(page.into_iter().map(|record| record.entry.action));
        }
        assert_eq!(seen, ["sign_out", "put_user", "sign_in"]);
    }
}

#[tokio::test]
async fn a_rotation_takes_the_place_of_the_token_it_used_and_of_no_other_and_only_life_and_death_are_news() {
    let connection = ConnectionId("c1".into());
    let token = |text: &str| Sealed { key_id: 1, box_base64: text.into() };
    let grant = |text: &str, dead: Option<&str>| Grant {
        refresh_token: token(text),
        user: "anna@contoso.test".into(),
        scopes: vec!["Mail.Send".into()],
        signed_in_at: at(1),
        refreshed_at: at(2),
        dead: dead.map(because),
    };
    for store in &stores() {
        assert!(!store.put_grant_if(&connection, &token("one"), grant("two", None)).await.unwrap(), "there is none");
        assert_eq!(store.grant(&connection).await.unwrap(), None);
        store.put_grant(&connection, Some(grant("one", None))).await.unwrap();
        let mut news = store.subscribe();

        assert!(!store.put_grant_if(&connection, &token("other"), grant("two", None)).await.unwrap());
        assert_eq!(store.grant(&connection).await.unwrap(), Some(grant("one", None)), "another sign-in stays");
        assert!(store.put_grant_if(&connection, &token("one"), grant("two", None)).await.unwrap());
        assert_eq!(store.grant(&connection).await.unwrap(), Some(grant("two", None)));
        assert!(!store.put_grant_if(&connection, &token("one"), grant("three", None)).await.unwrap(), "used up");
        assert!(news.try_recv().is_err(), "a rotation is nobody's news");

        for (dead, is_news) in [(Some("revoked"), true), (Some("expired"), false), (None, true), (None, false)] {
            assert!(store.put_grant_if(&connection, &token("two"), grant("two", dead)).await.unwrap());
            assert_eq!(store.grant(&connection).await.unwrap(), Some(grant("two", dead)));
            let heard = news.try_recv().ok();
            assert_eq!(heard, is_news.then(|| Change::Grant(connection.clone())), "{dead:?}");
        }
    }
}
