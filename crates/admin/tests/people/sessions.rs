//! Sessions: how long they live, how they end, what is kept of them.

use admin::people::*;
use admin::{Actor, AdminError, Role};
use secrecy::ExposeSecret as _;
use store::Store as _;

use crate::{HOME, House, PASSWORD, at, client};

const MINUTE: i64 = 60;

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let token = house.sign_in("anna", at(0)).await;
    assert!(house.who(&token, at(59 * MINUTE)).await.is_some());
    assert!(house.who(&token, at(118 * MINUTE)).await.is_some(), "being seen keeps it alive");
    assert!(house.who(&token, at(178 * MINUTE)).await.is_none(), "an hour after it was seen last");
    let token = house.sign_in("anna", at(0)).await;
    for half_hour in 1..24 {
        assert!(house.who(&token, at(half_hour * 30 * MINUTE)).await.is_some(), "{half_hour}");
    }
    assert!(house.who(&token, at(12 * 60 * MINUTE)).await.is_none(), "twelve hours, whatever is done");
    assert!(purge_sessions(house.store(), &house.policy, at(24 * 60 * MINUTE)).await.unwrap() >= 2);
    assert!(house.store.sessions(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn being_seen_is_written_once_a_minute() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let token = house.sign_in("anna", at(0)).await;
    for (seen, written) in [(59, 0), (60, 60), (119, 60), (120, 120)] {
        house.who(&token, at(seen)).await.unwrap();
        assert_eq!(house.store.sessions(None).await.unwrap()[0].last_seen_at, at(written), "{seen}");
    }
}

#[tokio::test]
async fn only_a_digest_of_the_token_is_kept() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let token = house.sign_in("anna", at(0)).await;
    assert_eq!(token.expose_secret().len(), 43, "256 bits");
    let kept = serde_json::to_string(&house.store.sessions(None).await.unwrap()).unwrap();
    assert!(!kept.contains(token.expose_secret()));
    let digest = house.store.sessions(None).await.unwrap()[0].digest.clone();
    assert!(house.who(&digest.into(), at(0)).await.is_none(), "what is kept opens nothing");
}

#[tokio::test]
async fn proving_it_again_makes_a_fresh_session_with_another_token() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let token = house.sign_in("anna", at(0)).await;
    assert!(house.who(&token, at(10 * MINUTE - 1)).await.unwrap().is_fresh(at(10 * MINUTE - 1)));
    let stale = house.who(&token, at(10 * MINUTE)).await.unwrap();
    assert!(matches!(stale.must_be_fresh(at(10 * MINUTE)), Err(AdminError::StaleSignIn)));
    let now = at(11 * MINUTE);
    let again = |password: &'static str| {
        let (house, stale) = (&house, stale.clone());
        async move { reauthenticate(house.store(), &house.gate, &stale, &password.into(), None, &client(HOME), now).await }
    };
    assert!(matches!(again("a guess, a guess").await, Err(SignInError::Wrong)));
    assert!(house.who(&token, now).await.is_some(), "a wrong password ends nothing");
    let fresh = again(PASSWORD).await.unwrap();
    assert!(house.who(&fresh.token, now).await.unwrap().is_fresh(now));
    assert!(house.who(&token, now).await.is_none());
}

#[tokio::test]
async fn one_ends_ones_own_sessions_and_an_administrator_anybodys() {
    let house = House::new();
    house.add("admin1", Role::Administrator).await;
    house.add("anna", Role::Viewer).await;
    let boss = house.signed_in("admin1", at(0)).await;
    let anna = house.signed_in("anna", at(0)).await;
    let elsewhere = house.sign_in("anna", at(1)).await;
    let all = list_sessions(house.store(), &house.policy, &boss.actor, Some(&boss), at(1)).await.unwrap();
    assert_eq!(all.iter().filter(|it| it.is_current).map(|it| it.user.as_str()).collect::<Vec<_>>(), ["admin1"]);
    let bosses = all.iter().find(|it| it.user == "admin1").unwrap().id.clone();
    assert!(end_session(house.store(), &anna, &bosses, at(2)).await.is_err(), "not somebody else's");
    let refused = list_sessions(house.store(), &house.policy, &anna.actor, None, at(1)).await;
    assert!(matches!(refused, Err(AdminError::Forbidden { .. })));
    assert_eq!(own_sessions(house.store(), &house.policy, &anna, at(1)).await.unwrap().len(), 2);
    assert_eq!(end_other_sessions(house.store(), &anna, at(2)).await.unwrap(), 1);
    assert!(house.who(&elsewhere, at(2)).await.is_none());
    let own = own_sessions(house.store(), &house.policy, &anna, at(2)).await.unwrap();
    end_session(house.store(), &boss, &own[0].id, at(2)).await.unwrap();
    assert!(own_sessions(house.store(), &house.policy, &anna, at(2)).await.unwrap().is_empty());
    sign_out(house.store(), &boss, at(3)).await.unwrap();
    assert!(house.store.sessions(None).await.unwrap().is_empty());
    let tail = house.actions().await.split_off(5);
    assert_eq!(tail, ["other_sessions_ended", "session_ended", "signed_out"]);
}

#[tokio::test]
async fn a_form_belongs_to_one_session() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let (one, two) = (house.signed_in("anna", at(0)).await.session, house.signed_in("anna", at(0)).await.session);
    let token = csrf_token(house.store(), &one).unwrap();
    assert!(csrf_matches(house.store(), &one, &token));
    for (session, given) in [(&two, token.as_str()), (&one, ""), (&one, &one.digest), (&one, &token[1..])] {
        assert!(!csrf_matches(house.store(), session, given), "{given}");
    }
}

#[tokio::test]
async fn a_changed_user_is_signed_out_and_a_disabled_one_is_nobody() {
    let house = House::new();
    let cli = Actor::command_line();
    let id = house.add("anna", Role::Viewer).await;
    let token = house.sign_in("anna", at(0)).await;
    change_role(house.store(), &cli, &id, Role::Operator, at(1)).await.unwrap();
    assert!(house.who(&token, at(1)).await.is_none(), "another role");
    let token = house.sign_in("anna", at(2)).await;
    assert_eq!(house.who(&token, at(2)).await.unwrap().actor.role(), Role::Operator);
    let session = house.store.sessions(None).await.unwrap().remove(0);
    set_disabled(house.store(), &cli, &id, true, at(3)).await.unwrap();
    house.store.put_session(session).await.unwrap();
    assert!(house.who(&token, at(3)).await.is_none(), "even if the session were there");
}
