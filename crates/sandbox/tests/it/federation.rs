//! Tokens of identity providers outside in place of a secret: whose are taken, and what the others are told.

use sandbox::{Running, WorkloadToken};

use crate::client::*;

const AUDIENCE: &str = "api://AzureADTokenExchange";
const SUBJECT: &str = "system:serviceaccount:mail:postern";
const SETTINGS: &str = r#"
[[tenant]]
id = "11111111-2222-3333-4444-555555555555"
name = "Contoso"
[[tenant.app]]
client_id = "66666666-7777-8888-9999-000000000000"
roles = ["Mail.Send"]
federated = [
    { issuer = "kubernetes", subject = "system:serviceaccount:mail:postern" },
    { issuer = "kubernetes", subject = "system:serviceaccount:mail:other", audience = "another" },
]
[[tenant.app]]
client_id = "00000000-0000-0000-0000-00000000aaaa"
secret = [{ value = "s" }]
"#;

async fn present(running: &Running, client_id: &str, assertion: &str) -> Reply {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    ask_token(running, TENANT, &form).await
}

fn order(subject: &str, audience: &str, lifetime_seconds: i64) -> WorkloadToken {
    WorkloadToken { subject: subject.to_owned(), audience: audience.to_owned(), lifetime_seconds }
}

#[tokio::test]
async fn a_token_that_matches_the_registration_is_as_good_as_a_secret() {
    let running = start_from(SETTINGS).await;
    let token = running.workload_token("kubernetes", &order(SUBJECT, AUDIENCE, 600)).unwrap();
    let reply = present(&running, CLIENT, &token).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let claims = crate::tokens::claims(reply.json()["access_token"].as_str().unwrap());
    assert_eq!((claims["appidacr"].as_str(), claims["roles"][0].as_str()), (Some("2"), Some("Mail.Send")));
}

#[tokio::test]
async fn what_does_not_match_is_named_as_entra_names_it() {
    let running = start_from(SETTINGS).await;
    let table = [
        // (issuer, subject, audience, lifetime, app, number)
        ("kubernetes", SUBJECT, AUDIENCE, 600, "00000000-0000-0000-0000-00000000aaaa", "70021"), // takes none at all
        ("github", SUBJECT, AUDIENCE, 600, CLIENT, "700211"),
        ("kubernetes", "system:serviceaccount:mail:Postern", AUDIENCE, 600, CLIENT, "700213"), // case counts
        ("kubernetes", SUBJECT, "api://another", 600, CLIENT, "700212"),
        // The audience of another registration, whose subject is another.
        ("kubernetes", SUBJECT, "another", 600, CLIENT, "700212"),
        ("kubernetes", SUBJECT, AUDIENCE, -3600, CLIENT, "700024"), // over
    ];
    for (issuer, subject, audience, lifetime, app, number) in table {
        let token = running.workload_token(issuer, &order(subject, audience, lifetime)).unwrap();
        let reply = present(&running, app, &token).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, number), "{}", reply.text());
        assert!(reply.json()["error_description"].as_str().unwrap().contains(number));
    }
}

#[tokio::test]
async fn what_the_issuer_did_not_sign_is_refused() {
    let running = start_from(SETTINGS).await;
    let token = running.workload_token("kubernetes", &order(SUBJECT, AUDIENCE, 600)).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    // A key of the tenant's own signed this one, with the right claims: it is none of the issuer's.
    let claims = serde_json::json!({ "iss": format!("{}/issuer/kubernetes", running.base_url), "sub": SUBJECT, "aud": AUDIENCE });
    let forged = running.forge_token(CLIENT, &claims).unwrap();
    for token in [format!("{signed}.AAAA"), forged] {
        assert_eq!(present(&running, CLIENT, &token).await.code(), "700027");
    }
    assert_eq!(present(&running, CLIENT, "nonsense").await.code(), "50027");
}

#[tokio::test]
async fn an_issuer_shows_its_keys_as_openid_connect_wants_it() {
    let running = start_from(SETTINGS).await;
    let document = get(&running, "/issuer/kubernetes/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], "http://localhost/issuer/kubernetes");
    assert_eq!(document["jwks_uri"], "http://localhost/issuer/kubernetes/keys");
    let keys = get(&running, "/issuer/kubernetes/keys").await.json();
    let tenants = get(&running, &format!("/{TENANT}/discovery/v2.0/keys")).await.json();
    assert_ne!(keys["keys"][0]["kid"], tenants["keys"][0]["kid"], "a key of its own");
}

#[tokio::test]
async fn tokens_are_ordered_over_http() {
    let running = start_from(SETTINGS).await;
    let headers = [("Content-Type", "application/json")];
    let body = format!(r#"{{"subject": "{SUBJECT}"}}"#);
    let reply = request(running.addr, "POST", "/sandbox/api/issuers/kubernetes/token", &headers, body.as_bytes()).await;
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(present(&running, CLIENT, &token).await.status, 200);
}
