//! The authorization code grant, and the tokens for a person.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::browser::*;
use crate::client::*;
use crate::tokens::claims;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[tokio::test]
async fn a_code_becomes_tokens_that_say_what_microsofts_say() {
    let running = start().await;
    let body = tokens_of_anna(&running).await;
    assert_eq!((text(&body, "token_type"), body["ext_expires_in"] == body["expires_in"]), ("Bearer", true));
    let scope: Vec<&str> = text(&body, "scope").split(' ').collect();
    assert!(scope.contains(&"https://graph.microsoft.com/Mail.Send") && scope.contains(&"openid"), "{scope:?}");
    let claims = claims(text(&body, "access_token"));
    let expected = [
        ("aud", "https://graph.microsoft.com"),
        ("iss", "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"),
        ("tid", TENANT),
        ("appid", CLIENT),
        ("appidacr", "1"),
        ("idtyp", "user"),
        ("upn", "anna@contoso.test"),
        ("unique_name", "anna@contoso.test"),
        ("ver", "1.0"),
    ];
    for (name, value) in expected {
        assert_eq!(claims[name], value, "{name}");
    }
    let mut scopes: Vec<&str> = text(&claims, "scp").split(' ').collect();
    scopes.sort_unstable();
    assert_eq!(scopes, ["Mail.Send", "email", "openid", "profile"], "never offline_access");
    assert!(claims.get("roles").is_none(), "the app's roles are not the user's");
    assert_ne!(claims["oid"], claims["sub"], "the subject is the app's own");
}

#[tokio::test]
async fn an_id_token_is_good_for_any_openid_client() {
    let mut config = sandbox::Config::default();
    config.tenants[0].users[1].groups = vec!["Operators".to_owned()];
    config.tenants[0].users[1].display_name = Some("Anna Andersson".to_owned());
    let running = start_with(config).await;
    let configuration = get(&running, &format!("/{TENANT}/v2.0/.well-known/openid-configuration")).await.json();
    for endpoint in ["authorize", "token", "devicecode", "logout"] {
        let address = format!("http://localhost/{TENANT}/oauth2/v2.0/{endpoint}");
        assert!(configuration.as_object().unwrap().values().any(|value| *value == address), "{endpoint}");
    }
    assert_eq!(configuration["code_challenge_methods_supported"], json!(["plain", "S256"]));
    assert_eq!(configuration["response_types_supported"], json!(["code"]));
    assert!(configuration.get("userinfo_endpoint").is_none(), "what does not exist is not announced");

    let body = tokens_of_anna(&running).await;
    let keys = get(&running, &format!("/{TENANT}/discovery/v2.0/keys")).await.json();
    let jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[CLIENT]);
    validation.set_issuer(&[text(&configuration, "issuer")]);
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let token = jsonwebtoken::decode::<Value>(text(&body, "id_token"), &key, &validation).unwrap().claims;
    let expected = [
        ("nonce", "the-nonce"),
        ("preferred_username", "anna@contoso.test"),
        ("email", "anna@contoso.test"),
        ("name", "Anna Andersson"),
        ("tid", TENANT),
        ("ver", "2.0"),
    ];
    for (name, value) in expected {
        assert_eq!(token[name], value, "{name}");
    }
    assert_eq!(token["groups"], json!(["Operators"]));
    let access = claims(text(&body, "access_token"));
    assert_eq!((&token["oid"], &token["sub"]), (&access["oid"], &access["sub"]));
}

#[tokio::test]
async fn an_id_token_says_no_more_than_was_asked() {
    let running = start().await;
    let code = code_for(&running, &authorize_with(&[("scope", "openid"), ("nonce", "")])).await;
    let body = redeem_with(&running, &code, &[]).await.json();
    let token = claims(text(&body, "id_token"));
    for absent in ["name", "preferred_username", "email", "nonce", "groups"] {
        assert!(token.get(absent).is_none(), "{absent}");
    }
    assert!(body.get("refresh_token").is_none(), "only with offline_access");
    let code = code_for(&running, &authorize_with(&[("scope", "Mail.Send")])).await;
    assert!(redeem_with(&running, &code, &[]).await.json().get("id_token").is_none(), "only with openid");
}

#[tokio::test]
async fn a_code_works_once() {
    let running = start().await;
    let code = code_for(&running, &authorize()).await;
    assert_eq!(redeem_with(&running, &code, &[]).await.status, 200);
    let again = redeem_with(&running, &code, &[]).await;
    assert_eq!((again.status, again.code().as_str()), (400, "54005"));
    assert_eq!(again.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_code_lives_ten_minutes() {
    let running = start().await;
    for (seconds, expected) in [(590, None), (600, Some("70008"))] {
        let code = code_for(&running, &authorize()).await;
        advance(&running, seconds).await;
        let reply = redeem_with(&running, &code, &[]).await;
        assert_eq!((reply.status != 200).then(|| reply.code()).as_deref(), expected, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_code_is_redeemed_by_its_own_client_at_its_own_address() {
    let running = start().await;
    let other_app = [("client_id", DEVICE_CLIENT), ("client_secret", "")];
    let rows: [(Changes<'_>, &str, &str); 7] = [
        (&[("redirect_uri", "http://localhost:8080/oauth/callback")], "500112", "another registered address"),
        (&[("redirect_uri", "http://127.0.0.1:8081/oauth/callback")], "500112", "another port than at the start"),
        (&[("redirect_uri", "")], "900144", "no address"),
        (&[("client_secret", "")], "7000218", "no secret"),
        (&[("client_secret", "wrong")], "7000215", "a wrong secret"),
        (&other_app, "70000", "another app"),
        (&[("code", "1.Anonsense")], "70000", "no code of ours"),
    ];
    for (changes, number, reason) in rows {
        let code = code_for(&running, &authorize()).await;
        assert_eq!(redeem_with(&running, &code, changes).await.code(), number, "{reason}");
    }
}

#[tokio::test]
async fn a_public_client_sends_no_secret() {
    let running = start().await;
    let target = authorize_with(&[("client_id", DEVICE_CLIENT), ("redirect_uri", "http://localhost:5000")]);
    let changes = [("client_id", DEVICE_CLIENT), ("redirect_uri", "http://localhost:5000"), ("client_secret", "")];
    let code = code_for(&running, &target).await;
    let body = redeem_with(&running, &code, &changes).await.json();
    assert_eq!(claims(text(&body, "access_token"))["appidacr"], "0");
    let code = code_for(&running, &target).await;
    let refused = redeem_with(&running, &code, &[changes[0], changes[1], ("client_secret", "any")]).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "700025"));
    let refresh = text(&body, "refresh_token");
    assert_eq!(refresh_with(&running, refresh, &[changes[0], changes[2]]).await.status, 200);
}

#[tokio::test]
async fn a_verifier_must_match_its_challenge() {
    let running = start().await;
    let hashed = URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes()));
    let s256 = [("code_challenge", hashed.as_str()), ("code_challenge_method", "S256")];
    let plain = [("code_challenge", VERIFIER)];
    let rows: [(Changes<'_>, &str, Option<&str>); 7] = [
        (&s256, VERIFIER, None),
        (&plain, VERIFIER, None),
        (&s256, "another-verifier-another-verifier-another-v", Some("501481")),
        (&s256, &hashed, Some("501481")),
        (&s256, "", Some("501481")),
        (&plain, &hashed, Some("501481")),
        (&[], VERIFIER, Some("501481")),
    ];
    for (challenge, verifier, expected) in rows {
        let code = code_for(&running, &authorize_with(challenge)).await;
        let reply = redeem_with(&running, &code, &[("code_verifier", verifier)]).await;
        assert_eq!((reply.status != 200).then(|| reply.code()).as_deref(), expected, "{challenge:?} {verifier}");
    }
}

#[tokio::test]
async fn an_access_token_is_for_one_resource() {
    let running = start().await;
    let scope = "https://graph.microsoft.com/Mail.Send https://outlook.office.com/SMTP.Send offline_access";
    let target = authorize_with(&[("scope", scope)]);
    let code = code_for(&running, &target).await;
    assert_eq!(redeem_with(&running, &code, &[("scope", scope)]).await.code(), "28000");
    let code = code_for(&running, &target).await;
    let body = redeem_with(&running, &code, &[]).await.json();
    assert_eq!(claims(text(&body, "access_token"))["aud"], "https://graph.microsoft.com", "the first one named");
    let code = code_for(&running, &target).await;
    let smtp = redeem_with(&running, &code, &[("scope", "https://outlook.office.com/SMTP.Send")]).await.json();
    let smtp = claims(text(&smtp, "access_token"));
    assert_eq!((text(&smtp, "aud"), text(&smtp, "scp")), ("https://outlook.office.com", "SMTP.Send"));
    let code = code_for(&running, &target).await;
    let unasked = redeem_with(&running, &code, &[("scope", "https://graph.microsoft.com/Mail.Read")]).await;
    assert_eq!(unasked.code(), "65001", "nobody consented to that");
}

#[tokio::test]
async fn the_default_scope_is_what_the_registration_lists() {
    let running = start().await;
    let target = authorize_with(&[("scope", "https://graph.microsoft.com/.default")]);
    let body = redeem_with(&running, &code_for(&running, &target).await, &[]).await.json();
    let scopes = claims(text(&body, "access_token"))["scp"].as_str().unwrap().to_owned();
    for scope in ["Mail.Send", "Mail.Send.Shared", "User.Read", "openid"] {
        assert!(scopes.split(' ').any(|given| given == scope), "{scope} in {scopes}");
    }
    assert!(body.get("refresh_token").is_some());
}
