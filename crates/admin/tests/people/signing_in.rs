//! Passwords: who is let in, who must wait, and what the audit log says.

use admin::Role;
use admin::people::*;
use settings::User;
use store::{AuditEntry, SettingsChange, Store as _};

use crate::{HOME, House, PASSWORD, at, client, minutes};

#[tokio::test]
async fn only_name_and_password_together_let_in() {
    let house = House::new();
    house.add("Anna", Role::Viewer).await;
    let disabled = house.add("dora", Role::Viewer).await;
    set_disabled(house.store(), &admin::Actor::command_line(), &disabled, true, at(0)).await.unwrap();
    for (name, password, lets_in) in [
        ("anna", PASSWORD, true), // letter case of the name does not matter
        (" Anna ", PASSWORD, true),
        ("Anna", "zebra lamp quieT", false),
        ("nobody", PASSWORD, false),
        ("dora", PASSWORD, false), // disabled: the same answer as for a wrong password
        ("", "", false),
    ] {
        let result = house.try_sign_in(name, password, None, HOME, at(0)).await;
        assert_eq!(result.is_ok(), lets_in, "{name} {password}");
        assert!(lets_in || matches!(result, Err(SignInError::Wrong)), "{result:?}");
    }
}

#[tokio::test]
async fn a_stranger_who_guesses_waits_longer_and_longer_and_the_user_does_not() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    house.sign_in("anna", at(0)).await;
    let mut checked = 0;
    for second in 0..100 {
        match house.try_sign_in("anna", "a guess, a guess", None, "198.51.100.1", at(second)).await {
            Err(SignInError::Wrong) => checked += 1,
            Err(SignInError::Throttled { retry_after }) => assert!(retry_after <= minutes(1)),
            other => panic!("{other:?}"),
        }
    }
    assert!((6..14).contains(&checked), "{checked}");
    house.try_sign_in("anna", PASSWORD, None, HOME, at(100)).await.expect("from where she signed in before");
    house.try_sign_in("anna", PASSWORD, None, "203.0.113.9", at(100)).await.expect("from where nobody failed");
}

#[tokio::test]
async fn where_somebody_signed_in_from_is_known_after_a_restart() {
    let mut house = House::new();
    house.add("anna", Role::Viewer).await;
    house.sign_in("anna", at(0)).await;
    house.gate = SignInGate::default();
    for second in 0..60 {
        let _ = house.try_sign_in("anna", "a guess, a guess", None, "192.0.2.8", at(second)).await;
    }
    let neighbour = house.try_sign_in("anna", PASSWORD, None, "192.0.2.8", at(60)).await;
    assert!(matches!(neighbour, Err(SignInError::Throttled { .. })), "{neighbour:?}");
    house.try_sign_in("anna", PASSWORD, None, HOME, at(60)).await.expect("the session is in the store");
}

#[tokio::test]
async fn many_guesses_at_once_do_not_all_see_a_clean_slate() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let guess = || house.try_sign_in("anna", "a guess, a guess", None, "198.51.100.1", at(0));
    let mut guesses = Vec::new();
    for _ in 0..30 {
        guesses.push(Box::pin(guess()));
    }
    let mut checked = 0;
    let all: Vec<_> = futures_of(guesses).await;
    for result in all {
        checked += u32::from(matches!(result, Err(SignInError::Wrong)));
    }
    assert_eq!(checked, 5, "as many as are free, though none had failed when the last began");
}

async fn futures_of<F: Future>(mut futures: Vec<std::pin::Pin<Box<F>>>) -> Vec<F::Output> {
    let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *result = Some(output);
            }
        }
        if results.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

#[tokio::test]
async fn failures_are_in_the_audit_log_but_do_not_flood_it_and_name_no_stranger() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    for n in 0..200 {
        let peer = format!("198.{}.{}.1", n / 100, n % 100);
        let _ = house.try_sign_in("my secret by mistake", PASSWORD, None, &peer, at(0)).await;
    }
    let _ = house.try_sign_in("anna", "a guess, a guess", None, "203.0.113.1", at(120)).await;
    let records = house.store.audit(None, 1000).await.unwrap();
    let failures: Vec<_> = records.iter().filter(|it| it.entry.action == "sign_in_failed").collect();
    assert_eq!(failures.len(), 21);
    assert_eq!(
        (failures[0].entry.actor.as_str(), failures[0].entry.detail["omitted_before"].as_u64()),
        ("anna", Some(180))
    );
    assert!(!serde_json::to_string(&records).unwrap().contains("my secret"));
}

#[tokio::test]
async fn a_weak_hash_is_replaced_when_its_password_is_at_hand() {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version, password_hash::phc::PasswordHash};
    let house = House::new();
    let id = house.add("anna", Role::Viewer).await;
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
    let hash: PasswordHash = cheap.hash_password(PASSWORD.as_bytes()).unwrap();
    let settings = house.store.settings().borrow().clone();
    let user = User { password_hash: Some(hash.to_string()), ..settings.user(&id).unwrap().clone() };
    let audit = AuditEntry { at: at(0), actor: "t".into(), action: "t".into(), detail: serde_json::Value::Null };
    house.store.change_settings(settings.version, vec![SettingsChange::PutUser(user)], audit).await.unwrap();
    let _ = house.try_sign_in("anna", "a guess, a guess", None, HOME, at(0)).await;
    let kept = || house.store.settings().borrow().user(&id).unwrap().password_hash.clone().unwrap();
    assert_eq!(kept(), hash.to_string(), "a wrong password replaces nothing");
    let token = house.sign_in("anna", at(0)).await;
    assert!(kept().contains("m=19456"), "{}", kept());
    assert!(house.who(&token, at(1)).await.is_some(), "and nobody notices");
    house.sign_in("anna", at(2)).await;
}

#[tokio::test]
async fn the_session_the_browser_came_with_ends_at_sign_in() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let old = house.sign_in("anna", at(0)).await;
    let credentials = Credentials { name: "anna".into(), password: PASSWORD.into(), code: None };
    let client = Client { old_token: Some(old.clone()), ..client(HOME) };
    let new = sign_in(house.store(), &house.gate, &credentials, &client, at(1)).await.unwrap();
    assert!(house.who(&old, at(1)).await.is_none());
    assert!(house.who(&new.token, at(1)).await.is_some());
    assert_eq!(house.actions().await, ["user_added", "signed_in", "signed_in"]);
}
