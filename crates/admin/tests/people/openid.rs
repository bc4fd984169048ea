//! Signing in with an OpenID provider.

use admin::people::*;
use admin::{Actor, AdminError, Role};
use jiff::Timestamp;
use relay::Network;
use secrecy::SecretString;
use serde_json::{Value, json};
use settings::GroupRole;
use store::Store as _;

use crate::provider::{CLIENT_ID, Provider};
use crate::{HOME, House, at, client};

struct Door {
    house: House,
    provider: Provider,
    gate: OpenIdGate,
}

fn entry(provider: &Provider) -> OpenIdProviderEntry {
    let group = |group: &str, role| GroupRole { group: group.to_owned(), role };
    OpenIdProviderEntry {
        name: "Contoso".to_owned(),
        issuer: provider.issuer.clone(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Some("the client secret".into()),
        groups_claim: "groups".to_owned(),
        groups: vec![group("staff", Role::Viewer), group("admins", Role::Administrator)],
    }
}

impl Door {
    async fn new() -> Self {
        let (house, provider) = (House::new(), Provider::start().await);
        set_sign_in(house.store(), &Actor::command_line(), Some(&entry(&provider)), at(0)).await.unwrap();
        let gate = OpenIdGate::new(Network::default(), "http://127.0.0.1:8080/oauth/sign-in".parse().unwrap());
        Self { house, provider, gate }
    }

    async fn begin(&self, claims: Value, now: Timestamp) -> (SecretString, OpenIdAnswer) {
        let redirect = self.gate.begin(self.house.store(), None, now).await.unwrap();
        let (state, _) = self.provider.visit(&redirect.url, claims);
        (redirect.pending, OpenIdAnswer { state: Some(state), code: Some("code-1".into()), ..OpenIdAnswer::default() })
    }

    async fn finish(
        &self,
        pending: &SecretString,
        answer: &OpenIdAnswer,
        now: Timestamp,
    ) -> Result<NewSession, OpenIdError> {
        self.gate.finish(self.house.store(), pending, answer, &client(HOME), now).await
    }

    async fn sign_in(&self, claims: Value) -> Result<NewSession, OpenIdError> {
        let (pending, answer) = self.begin(claims, at(0)).await;
        self.finish(&pending, &answer, at(1)).await
    }

    fn users(&self) -> Vec<UserSummary> {
        list_users(self.house.store(), &Actor::command_line()).unwrap()
    }
}

fn anna(groups: &[&str]) -> Value {
    json!({ "preferred_username": "anna@contoso.test", "groups": groups })
}

#[tokio::test]
async fn a_user_is_made_at_the_first_sign_in_and_refreshed_at_each() {
    let door = Door::new().await;
    let first = door.sign_in(anna(&["staff"])).await.unwrap();
    let signed_in = door.house.who(&first.token, at(1)).await.unwrap();
    assert_eq!((signed_in.actor.name(), signed_in.actor.role()), ("anna@contoso.test", Role::Viewer));
    let second = door.sign_in(anna(&["staff", "admins"])).await.unwrap();
    assert!(door.house.who(&first.token, at(1)).await.is_none(), "another role: other sessions end");
    assert_eq!(door.house.who(&second.token, at(1)).await.unwrap().actor.role(), Role::Administrator);
    let renamed = json!({ "preferred_username": "anna.new@contoso.test", "groups": ["admins"] });
    door.sign_in(renamed).await.unwrap();
    let users = door.users();
    assert_eq!(users.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["anna.new@contoso.test"]);
    let refused = change_role(door.house.store(), &Actor::command_line(), &users[0].id, Role::Viewer, at(2)).await;
    assert!(refused.unwrap_err().to_string().contains("groups"));
    assert!(door.house.try_sign_in("anna.new@contoso.test", "", None, HOME, at(2)).await.is_err(), "no password");
}

#[tokio::test]
async fn the_code_is_exchanged_with_the_verifier_and_the_secret() {
    let door = Door::new().await;
    door.sign_in(anna(&["staff"])).await.unwrap();
    let request = door.provider.requests().remove(0);
    assert_eq!(request["redirect_uri"], "http://127.0.0.1:8080/oauth/sign-in");
    assert_eq!((request["code"].as_str(), request["client_secret"].as_str()), ("code-1", "the client secret"));
    assert!(request["code_verifier"].len() >= 43);
}

#[tokio::test]
async fn who_has_no_group_is_refused_and_told_why() {
    let door = Door::new().await;
    let signed_in = door.sign_in(anna(&["admins"])).await.unwrap();
    for (claims, words) in [
        (anna(&["others"]), "none of the groups"),
        (json!({ "preferred_username": "anna@contoso.test" }), "no claim 'groups'"),
        (json!({ "preferred_username": "a", "_claim_names": { "groups": "src1" } }), "so many groups"),
    ] {
        let error = door.sign_in(claims).await.unwrap_err();
        assert!(matches!(error, OpenIdError::Refused { .. }) && error.to_string().contains(words), "{error}");
    }
    assert!(door.house.who(&signed_in.token, at(1)).await.is_none(), "who lost the group is out at once");
}

#[tokio::test]
async fn a_token_counts_only_if_everything_in_it_holds() {
    let door = Door::new().await;
    for (what, claim, value) in [
        ("another issuer", "iss", json!("http://127.0.0.1:1")),
        ("another audience", "aud", json!("somebody-else")),
        ("another sign-in", "nonce", json!("wrong")),
        ("expired", "exp", json!(at(0).as_second())),
        ("signed with the shared secret", "test_hs256", json!("yes")),
    ] {
        let mut claims = anna(&["admins"]);
        claims[claim] = value;
        let error = door.sign_in(claims).await.unwrap_err();
        assert!(matches!(error, OpenIdError::Provider { .. }), "{what}: {error:?}");
    }
    assert!(door.users().is_empty());
}

#[tokio::test]
async fn only_the_browser_that_went_comes_back_once_and_in_time() {
    let door = Door::new().await;
    let (pending, answer) = door.begin(anna(&["staff"]), at(0)).await;
    let (other, _) = door.begin(anna(&["staff"]), at(0)).await;
    let is_not_begun = |result: Result<NewSession, OpenIdError>| {
        assert!(matches!(result, Err(OpenIdError::NotBegun)), "{result:?}");
    };
    is_not_begun(door.finish(&other, &answer, at(1)).await);
    is_not_begun(door.finish(&"1.made-up".into(), &answer, at(1)).await);
    is_not_begun(door.finish(&pending, &answer, at(600)).await);
    is_not_begun(door.finish(&pending, &OpenIdAnswer { state: None, ..answer.clone() }, at(1)).await);
    assert!(door.provider.requests().is_empty(), "nothing was asked of the provider");
    let (pending, answer) = door.begin(anna(&["staff"]), at(0)).await;
    door.finish(&pending, &answer, at(599)).await.unwrap();
    is_not_begun(door.finish(&pending, &answer, at(599)).await);
}

#[tokio::test]
async fn what_the_provider_refuses_is_passed_on() {
    let door = Door::new().await;
    let (pending, answer) = door.begin(anna(&["staff"]), at(0)).await;
    let no = OpenIdAnswer { error: Some("access_denied".into()), error_description: Some("no".into()), ..answer };
    let error = door.finish(&pending, &no, at(1)).await.unwrap_err();
    assert!(matches!(&error, OpenIdError::RefusedByProvider { code, .. } if code == "access_denied"), "{error:?}");
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found() {
    let door = Door::new().await;
    door.sign_in(anna(&["staff"])).await.unwrap();
    door.provider.rotate_key();
    let (pending, answer) = door.begin(anna(&["staff"]), at(60)).await;
    door.finish(&pending, &answer, at(61)).await.unwrap();
}

#[tokio::test]
async fn a_local_user_of_the_same_name_is_not_taken_over() {
    let door = Door::new().await;
    door.house.add("Anna@contoso.test", Role::Administrator).await;
    let error = door.sign_in(anna(&["staff"])).await.unwrap_err();
    assert!(error.to_string().contains("not from this provider"), "{error}");
}

#[tokio::test]
async fn proving_it_again_asks_the_provider_anew_and_takes_nobody_else() {
    let door = Door::new().await;
    let first = door.sign_in(anna(&["staff"])).await.unwrap();
    let signed_in = door.house.who(&first.token, at(1)).await.unwrap();
    for (who, auth_time, works) in [
        ("subject-1", json!(at(0).as_second()), false), // an old sign-in
        ("subject-1", Value::Null, false),              // it does not say when
        ("subject-2", json!(at(1000).as_second()), false),
        ("subject-1", json!(at(1000).as_second()), true),
    ] {
        let redirect = door.gate.begin(door.house.store(), Some(&signed_in), at(1000)).await.unwrap();
        assert!(redirect.url.query().unwrap().contains("prompt=login"));
        let mut claims = anna(&["staff"]);
        claims["sub"] = json!(who);
        claims["preferred_username"] = json!(format!("{who}@contoso.test"));
        if !auth_time.is_null() {
            claims["auth_time"] = auth_time.clone();
        }
        let (state, _) = door.provider.visit(&redirect.url, claims);
        let answer = OpenIdAnswer { state: Some(state), code: Some("c".into()), ..OpenIdAnswer::default() };
        let result = door.finish(&redirect.pending, &answer, at(1001)).await;
        assert_eq!(result.is_ok(), works, "{who} {auth_time}: {result:?}");
    }
    assert!(door.house.who(&first.token, at(1002)).await.is_none(), "the session has another token");
}

#[tokio::test]
async fn without_the_provider_nobody_is_its_user() {
    let door = Door::new().await;
    assert_eq!(openid_name(door.house.store()).as_deref(), Some("Contoso"));
    let begun = door.sign_in(anna(&["staff"])).await.unwrap();
    let session = begun.session.clone();
    set_sign_in(door.house.store(), &Actor::command_line(), None, at(2)).await.unwrap();
    assert!(door.house.who(&begun.token, at(2)).await.is_none());
    door.house.store.put_session(session).await.unwrap();
    assert!(door.house.who(&begun.token, at(2)).await.is_none(), "even if the session were there");
    assert!(matches!(door.gate.begin(door.house.store(), None, at(2)).await, Err(OpenIdError::NotSetUp)));
    assert_eq!(openid_name(door.house.store()), None);
}

#[tokio::test]
async fn the_client_secret_is_kept_sealed_and_stays_with_its_provider() {
    let door = Door::new().await;
    let (store, cli) = (door.house.store(), Actor::command_line());
    let kept = OpenIdProviderEntry { client_secret: None, name: "Renamed".into(), ..entry(&door.provider) };
    assert!(set_sign_in(store, &cli, Some(&kept), at(1)).await.unwrap().unwrap().has_client_secret);
    door.sign_in(anna(&["staff"])).await.expect("with the secret that was kept");
    let base = entry(&door.provider);
    let elsewhere = |issuer: &str| OpenIdProviderEntry { issuer: issuer.parse().unwrap(), ..kept.clone() };
    for wrong in [
        elsewhere("https://evil.test/"),
        elsewhere("http://login.contoso.test/"), // in clear
        OpenIdProviderEntry { groups: vec![], ..base.clone() },
        OpenIdProviderEntry { client_id: " ".into(), ..base },
    ] {
        assert!(
            matches!(set_sign_in(store, &cli, Some(&wrong), at(2)).await, Err(AdminError::Refused(_))),
            "{wrong:?}"
        );
    }
    let settings = serde_json::to_string(&*store.settings().borrow().clone()).unwrap();
    let log = serde_json::to_string(&store.audit(None, 100).await.unwrap()).unwrap();
    assert!(!settings.contains("the client secret") && !log.contains("the client secret"));
}
