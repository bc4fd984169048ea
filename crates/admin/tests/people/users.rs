//! Users: who may change them, and what must remain.

use admin::people::*;
use admin::{Actor, AdminError, Role};
use secrecy::ExposeSecret as _;
use settings::UserId;
use store::Store as _;

use crate::{HOME, House, PASSWORD, at, client};

#[tokio::test]
async fn the_last_administrator_cannot_be_lost_in_any_way() {
    let house = House::new();
    let cli = Actor::command_line();
    let id = house.add("anna", Role::Administrator).await;
    house.add("bert", Role::Operator).await;
    let refused =
        |result: Result<(), AdminError>| assert!(result.unwrap_err().to_string().contains("last administrator"));
    refused(change_role(house.store(), &cli, &id, Role::Viewer, at(0)).await.map(drop));
    refused(set_disabled(house.store(), &cli, &id, true, at(0)).await.map(drop));
    refused(remove_user(house.store(), &cli, &id, at(0)).await);
    let other = house.add("cleo", Role::Administrator).await;
    set_disabled(house.store(), &cli, &other, true, at(0)).await.unwrap();
    refused(remove_user(house.store(), &cli, &id, at(0)).await);
    set_disabled(house.store(), &cli, &other, false, at(0)).await.unwrap();
    remove_user(house.store(), &cli, &id, at(0)).await.unwrap();
    refused(remove_user(house.store(), &cli, &other, at(0)).await);
}

#[tokio::test]
async fn of_two_administrators_removed_at_once_one_remains() {
    let house = House::new();
    let cli = Actor::command_line();
    let (one, two) = (house.add("anna", Role::Administrator).await, house.add("bert", Role::Administrator).await);
    let (first, second) =
        tokio::join!(remove_user(house.store(), &cli, &one, at(0)), remove_user(house.store(), &cli, &two, at(0)));
    assert!(first.is_ok() != second.is_ok());
    assert_eq!(list_users(house.store(), &cli).unwrap().len(), 1);
}

#[tokio::test]
async fn only_an_administrator_may() {
    let house = House::new();
    let (store, gate) = (house.store(), &house.gate);
    let id = house.add("anna", Role::Administrator).await;
    for role in [Role::Viewer, Role::Operator] {
        let actor = Actor::new("bert", role);
        let new = NewUser { name: "x".into(), role, password: None };
        let token = NewApiToken { name: "x".into(), role, expires_at: None };
        for result in [
            list_users(store, &actor).map(drop),
            user_named(store, &actor, "anna").map(drop),
            add_user(store, gate, &actor, &new, at(0)).await.map(drop),
            change_role(store, &actor, &id, role, at(0)).await.map(drop),
            set_disabled(store, &actor, &id, true, at(0)).await.map(drop),
            reset_password(store, gate, &actor, &id, None, at(0)).await.map(drop),
            remove_totp(store, &actor, &id, at(0)).await,
            remove_user(store, &actor, &id, at(0)).await,
            list_api_tokens(store, &actor, at(0)).map(drop),
            create_api_token(store, &actor, &token, at(0)).await.map(drop),
            revoke_api_token(store, &actor, "x", at(0)).await,
            sign_in_settings(store, &actor).map(drop),
            set_sign_in(store, &actor, None, at(0)).await.map(drop),
        ] {
            assert!(matches!(result, Err(AdminError::Forbidden { .. })), "{result:?}");
        }
    }
    assert_eq!(house.actions().await, ["user_added"]);
}

#[tokio::test]
async fn a_name_belongs_to_one_user_and_a_password_is_a_good_one() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    for (name, password) in
        [("ANNA", PASSWORD), ("", PASSWORD), ("cli", PASSWORD), ("bert", "short"), ("bert", "password1234")]
    {
        let new = NewUser { name: name.into(), role: Role::Viewer, password: Some(password.into()) };
        let refused = add_user(house.store(), &house.gate, &Actor::command_line(), &new, at(0)).await;
        assert!(matches!(refused, Err(AdminError::Refused(_))), "{name} {password}");
    }
    let gone = UserId("gone".into());
    assert!(change_role(house.store(), &Actor::command_line(), &gone, Role::Viewer, at(0)).await.is_err());
}

#[tokio::test]
async fn a_reset_password_works_and_ends_the_sessions() {
    let house = House::new();
    let id = house.add("anna", Role::Viewer).await;
    let token = house.sign_in("anna", at(0)).await;
    let generated = reset_password(house.store(), &house.gate, &Actor::command_line(), &id, None, at(1)).await.unwrap();
    assert!(house.who(&token, at(1)).await.is_none());
    assert!(house.try_sign_in("anna", PASSWORD, None, HOME, at(2)).await.is_err());
    house.try_sign_in("anna", generated.unwrap().expose_secret(), None, HOME, at(3)).await.unwrap();
    let log = serde_json::to_string(&house.store.audit(None, 100).await.unwrap()).unwrap();
    assert!(log.contains("password_reset") && !log.contains("argon2"), "{log}");
}

#[tokio::test]
async fn ones_own_password_needs_the_old_one_and_leaves_one_session() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let elsewhere = house.sign_in("anna", at(0)).await;
    let anna = house.signed_in("anna", at(0)).await;
    let change = |old: &'static str, new: &'static str| {
        let (house, anna) = (&house, anna.clone());
        async move {
            change_own_password(house.store(), &house.gate, &anna, &old.into(), &new.into(), &client(HOME), at(1)).await
        }
    };
    assert!(matches!(change("a guess, a guess", "quiet zebra lamp").await.unwrap(), Err(SignInError::Wrong)));
    assert!(change(PASSWORD, "short").await.is_err());
    assert!(house.who(&elsewhere, at(1)).await.is_some());
    let begun = change(PASSWORD, "quiet zebra lamp").await.unwrap().unwrap();
    assert!(house.who(&elsewhere, at(1)).await.is_none());
    assert!(house.who(&begun.token, at(1)).await.is_some());
    house.try_sign_in("anna", "quiet zebra lamp", None, HOME, at(2)).await.unwrap();
}
