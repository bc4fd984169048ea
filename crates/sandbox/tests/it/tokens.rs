//! The token endpoint with client secrets, and the documents around it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sandbox::{Fault, FaultKind};
use serde_json::Value;

use crate::client::*;

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

const TENANT_WITH_ODD_APPS: &str = r#"
[[tenant]]
id = "11111111-2222-3333-4444-555555555555"
name = "Contoso"
domains = ["contoso.test"]

[[tenant.app]]
client_id = "66666666-7777-8888-9999-000000000000"
secret = [{ value = "sandbox-secret" }, { value = "old", expires = "2020-01-01T00:00:00Z" }]
roles = ["Mail.Send", "SMTP.SendAsApp"]

[[tenant.app]]
client_id = "00000000-0000-0000-0000-00000000aaaa"
secret = [{ value = "a+b c%d" }]

[[tenant.app]]
client_id = "00000000-0000-0000-0000-00000000dddd"
enabled = false
secret = [{ value = "s" }]
"#;

#[tokio::test]
async fn a_token_says_what_microsofts_say() {
    let running = start().await;
    let reply = ask_token(&running, TENANT, &good_form()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let body = reply.json();
    assert_eq!(body["token_type"], "Bearer");
    let lifetime = body["expires_in"].as_i64().unwrap();
    assert!((3599..5400).contains(&lifetime), "{lifetime}");
    assert_eq!(body["ext_expires_in"], body["expires_in"]);
    assert!(body.get("refresh_token").is_none());

    let claims = claims(body["access_token"].as_str().unwrap());
    let expected = [
        ("aud", "https://graph.microsoft.com"),
        ("iss", "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"),
        ("tid", TENANT),
        ("appid", CLIENT),
        ("appidacr", "1"),
        ("idtyp", "app"),
        ("ver", "1.0"),
    ];
    for (name, value) in expected {
        assert_eq!(claims[name], value, "{name}");
    }
    assert_eq!(claims["roles"], serde_json::json!(["Mail.Send"]));
    assert_eq!(claims["sub"], claims["oid"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), lifetime + 1 + 300);
}

#[tokio::test]
async fn the_published_key_verifies_a_token() {
    let running = start().await;
    let configuration = get(&running, "/contoso.test/v2.0/.well-known/openid-configuration").await.json();
    assert_eq!(configuration["token_endpoint"], format!("http://localhost/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(configuration["issuer"], format!("http://localhost/{TENANT}/v2.0"));
    let keys = get(&running, &format!("/{TENANT}/discovery/v2.0/keys")).await.json();
    let token = token(&running).await;
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(keys["keys"][0]["kid"], header.kid.unwrap());
    let jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["https://graph.microsoft.com"]);
    jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
}

#[tokio::test]
async fn instance_discovery_names_this_host_and_keeps_the_tenant() {
    let running = start().await;
    let asked = "/common/discovery/instance?api-version=1.1&authorization_endpoint=\
         https%3A%2F%2Flocalhost%2Fcontoso.test%2Foauth2%2Fv2.0%2Fauthorize";
    let body = get(&running, asked).await.json();
    assert_eq!(body["metadata"][0]["aliases"][0], "localhost");
    let endpoint = "http://localhost/contoso.test/v2.0/.well-known/openid-configuration";
    assert_eq!(body["tenant_discovery_endpoint"], endpoint);
}

#[tokio::test]
async fn a_tenant_goes_by_id_or_domain_and_query_strings_say_nothing() {
    let running = start().await;
    for tenant in [TENANT, "contoso.test", "CONTOSO.test"] {
        assert_eq!(ask_token(&running, tenant, &good_form()).await.status, 200, "{tenant}");
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(good_form()).finish();
    let target = format!("/{TENANT}/oauth2/v2.0/token?client-request-id=1&grant_type=password");
    let headers = [("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")];
    assert_eq!(request(running.addr, "POST", &target, &headers, body.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn the_secret_may_come_in_a_basic_header_form_encoded() {
    let running = start_from(TENANT_WITH_ODD_APPS).await;
    let body = b"grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
    let rows = [
        ("00000000-0000-0000-0000-00000000aaaa:a%2Bb+c%25d", 200, "encoded as RFC 6749 says"),
        ("00000000-0000-0000-0000-00000000aaaa:a+b c%25d", 401, "a bare plus is a space"),
    ];
    for (credentials, status, reason) in rows {
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        let headers = [("Authorization", basic.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        let target = format!("/{TENANT}/oauth2/v2.0/token");
        assert_eq!(request(running.addr, "POST", &target, &headers, body).await.status, status, "{reason}");
    }
}

#[tokio::test]
async fn roles_belong_to_the_resource_and_are_absent_if_there_are_none() {
    let running = start_from(TENANT_WITH_ODD_APPS).await;
    let rows = [
        (CLIENT, "sandbox-secret", "https://graph.microsoft.com/.default", Some("Mail.Send")),
        (CLIENT, "sandbox-secret", "https://outlook.office365.com/.default", Some("SMTP.SendAsApp")),
        ("00000000-0000-0000-0000-00000000aaaa", "a+b c%d", "https://graph.microsoft.com/.default", None),
    ];
    for (client, secret, scope, role) in rows {
        let form =
            [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret), ("scope", scope)];
        let claims = claims(&token_with(&running, &form).await);
        let expected = role.map(|role| serde_json::json!([role]));
        assert_eq!(claims.get("roles"), expected.as_ref(), "{scope}");
    }
}

#[tokio::test]
async fn the_sandboxs_own_address_is_a_graph_resource() {
    let running = start().await;
    let scope = format!("http://127.0.0.1:{}/.default", running.addr.port());
    let mut form = good_form();
    form[3].1 = &scope;
    let token = token_with(&running, &form).await;
    assert_eq!(claims(&token)["aud"], format!("http://127.0.0.1:{}", running.addr.port()));
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);

    let elsewhere = format!("http://graph.example.test:{}/.default", running.addr.port());
    form[3].1 = &elsewhere;
    assert_eq!(ask_token(&running, TENANT, &form).await.code(), "500011", "the port alone is not enough");
}

#[tokio::test]
async fn a_client_that_understands_challenges_gets_a_long_token() {
    let running = start().await;
    let mut form = good_form();
    form.push(("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#));
    let reply = ask_token(&running, TENANT, &form).await.json();
    assert!((20 * 3600 - 1..28 * 3600).contains(&reply["expires_in"].as_i64().unwrap()));
    assert_eq!(claims(reply["access_token"].as_str().unwrap())["xms_cc"], serde_json::json!(["cp1"]));
}

#[tokio::test]
async fn lifetimes_follow_the_settings() {
    let running = start_from("[token]\nmin_lifetime_seconds = 90\nmax_lifetime_seconds = 90").await;
    assert_eq!(ask_token(&running, TENANT, &good_form()).await.json()["expires_in"], 89);
}

/// A good form with one parameter changed, or left out if the value is empty.
fn form_with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut form: Vec<(&str, &str)> = good_form().into_iter().filter(|(key, _)| *key != name).collect();
    form.push((name, value));
    form
}

#[tokio::test]
async fn refusals_are_worded_as_entra_words_them() {
    let running = start_from(TENANT_WITH_ODD_APPS).await;
    let guid = "99999999-9999-9999-9999-999999999999";
    let rows = [
        ("wrong secret", TENANT, form_with("client_secret", "nope")),
        ("expired secret", TENANT, form_with("client_secret", "old")),
        ("no credential", TENANT, form_with("client_secret", "")),
        ("unknown app", TENANT, form_with("client_id", guid)),
        ("disabled app", TENANT, form_with("client_id", "00000000-0000-0000-0000-00000000dddd")),
        ("no client_id", TENANT, form_with("client_id", "")),
        ("unknown tenant", "fabrikam.test", good_form()),
        ("common", "common", good_form()),
        ("organizations", "organizations", good_form()),
        ("no grant type", TENANT, form_with("grant_type", "")),
        ("unknown grant type", TENANT, form_with("grant_type", "magic")),
        ("no scope", TENANT, form_with("scope", "")),
        ("scope of a permission", TENANT, form_with("scope", "https://graph.microsoft.com/Mail.Send")),
        ("two scopes", TENANT, form_with("scope", "https://graph.microsoft.com/.default offline_access")),
        ("unknown resource", TENANT, form_with("scope", "https://example.test/.default")),
        ("an address that is not ours", TENANT, form_with("scope", "http://127.0.0.1:1/.default")),
        ("assertion of no kind", TENANT, form_with("client_assertion", "a.b.c")),
    ];
    let mut seen = String::new();
    for (name, tenant, form) in rows {
        let reply = ask_token(&running, tenant, &form).await;
        seen = format!("{seen}{name}: {} {}\n", reply.status, without_ids(&reply));
    }
    insta::assert_snapshot!(seen);
    assert_eq!(running.stats().token_errors, 17);
}

#[tokio::test]
async fn a_refusal_carries_the_ids_support_asks_for() {
    let running = start().await;
    let target = format!("/{TENANT}/oauth2/v2.0/token");
    let headers = [("client-request-id", "c0ffee"), ("Content-Type", "application/json")];
    let reply = request(running.addr, "POST", &target, &headers, b"{}").await;
    let body = reply.json();
    assert_eq!(body["error_codes"], serde_json::json!([900_144]), "JSON is no form");
    assert_eq!(body["correlation_id"], "c0ffee");
    assert_eq!(reply.header("x-ms-request-id"), body["trace_id"].as_str());
    assert_eq!(body["error_uri"], "http://localhost/error?code=900144");
    let text = body["error_description"].as_str().unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(lines[0].starts_with("AADSTS900144: ") && lines[1].starts_with("Trace ID: "), "{text}");
    assert_eq!(lines[2], "Correlation ID: c0ffee");
    assert!(lines[3].starts_with("Timestamp: ") && lines[3].ends_with('Z'));
    assert_eq!(request(running.addr, "GET", &target, &[], b"").await.json()["error_codes"][0], 900_561);
}

#[tokio::test]
async fn ordered_token_errors_strike_once_each() {
    let running = start().await;
    let mut fault = Fault::new(FaultKind::TokenError);
    fault.aadsts = Some(7_000_222);
    running.add_fault(fault);
    running.add_fault(Fault::new(FaultKind::TokenThrottle).retry_after(2.5));
    let first = ask_token(&running, TENANT, &good_form()).await;
    assert_eq!((first.status, first.code().as_str()), (401, "7000222"));
    let second = ask_token(&running, TENANT, &good_form()).await;
    assert_eq!((second.status, second.header("retry-after")), (429, Some("2.5")));
    assert_eq!(ask_token(&running, TENANT, &good_form()).await.status, 200);
}
