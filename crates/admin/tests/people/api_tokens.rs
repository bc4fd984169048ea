//! Bearer tokens of the administrator's API.

use admin::people::*;
use admin::{Actor, Role};
use secrecy::ExposeSecret as _;
use store::Store as _;

use crate::{House, at};

#[tokio::test]
async fn a_token_stands_for_its_role_until_it_expires_or_is_revoked() {
    let house = House::new();
    let cli = Actor::command_line();
    let new = NewApiToken { name: "monitor".into(), role: Role::Viewer, expires_at: Some(at(100)) };
    let created = create_api_token(house.store(), &cli, &new, at(0)).await.unwrap();
    let who = |now| api_actor(house.store(), &created.token, now).unwrap();
    let actor = who(at(99)).unwrap();
    assert_eq!((actor.name(), actor.role()), ("token:monitor", Role::Viewer));
    assert!(who(at(100)).is_none());
    for wrong in ["", "postern_", "postern_wrong", "monitor"] {
        assert!(api_actor(house.store(), &wrong.into(), at(0)).unwrap().is_none(), "{wrong}");
    }
    let twin = NewApiToken { name: "MONITOR".into(), expires_at: None, ..new.clone() };
    assert!(create_api_token(house.store(), &cli, &twin, at(0)).await.is_err(), "names are unique");
    let dead = NewApiToken { name: "dead".into(), expires_at: Some(at(0)), ..new };
    assert!(create_api_token(house.store(), &cli, &dead, at(0)).await.is_err());
    revoke_api_token(house.store(), &cli, "Monitor", at(1)).await.unwrap();
    assert!(who(at(2)).is_none());
    assert_eq!(house.actions().await, ["api_token_created", "api_token_revoked"]);
    let kept = serde_json::to_string(&house.store.audit(None, 9).await.unwrap()).unwrap();
    assert!(!kept.contains(created.token.expose_secret()));
}
