//! Client assertions, signed the ways real libraries sign them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use sandbox::Running;
use sandbox::config::{Certificate, Config};
use serde_json::{Value, json};

use crate::client::*;
use crate::tokens::claims;

/// A key pair and its certificate.
struct Identity {
    key: EncodingKey,
    pem: String,
    sha256: String,
    sha1: String,
}

fn identity(not_after: i32) -> Identity {
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut params = CertificateParams::new(vec!["gateway.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(not_after, 1, 1);
    let certificate = params.self_signed(&pair).unwrap();
    let thumbprint =
        |algorithm| URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(algorithm, certificate.der()).as_ref());
    Identity {
        key: EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap(),
        sha256: thumbprint(&aws_lc_rs::digest::SHA256),
        sha1: thumbprint(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY),
        pem: certificate.pem(),
    }
}

async fn start_trusting(identity: &Identity) -> Running {
    let mut config = Config::default();
    config.tenants[0].apps[0].certificates.push(Certificate::Pem(identity.pem.clone()));
    start_with(config).await
}

fn now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

fn good_claims() -> Value {
    json!({
        "aud": format!("http://localhost/{TENANT}/oauth2/v2.0/token"),
        "iss": CLIENT, "sub": CLIENT, "jti": "1", "nbf": now(), "iat": now(), "exp": now() + 600.0,
    })
}

fn header(algorithm: Algorithm, identity: &Identity) -> Header {
    let mut header = Header::new(algorithm);
    header.x5t_s256 = Some(identity.sha256.clone());
    header
}

async fn present(running: &Running, assertion: &str) -> Reply {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    ask_token(running, TENANT, &form).await
}

#[tokio::test]
async fn both_algorithms_both_thumbprints_and_fractional_times_are_taken() {
    let identity = identity(2100);
    let running = start_trusting(&identity).await;
    let by_sha256 = |algorithm| header(algorithm, &identity);
    let mut by_sha1 = Header::new(Algorithm::RS256);
    by_sha1.x5t = Some(identity.sha1.clone());
    let mut by_domain = good_claims();
    by_domain["aud"] = json!("http://localhost/contoso.test/oauth2/v2.0/token");
    let mut without_start = good_claims();
    without_start.as_object_mut().unwrap().remove("nbf");
    let rows = [
        (by_sha256(Algorithm::PS256), good_claims(), "as documented"),
        (by_sha256(Algorithm::RS256), good_claims(), "RS256"),
        (by_sha1, good_claims(), "RS256 with SHA-1, as azure-identity"),
        (by_sha256(Algorithm::PS256), by_domain, "the audience by domain"),
        (by_sha256(Algorithm::PS256), without_start, "without nbf, as MSAL for Python"),
    ];
    for (header, good, reason) in rows {
        let assertion = jsonwebtoken::encode(&header, &good, &identity.key).unwrap();
        let reply = present(&running, &assertion).await;
        assert_eq!(reply.status, 200, "{reason}: {}", reply.text());
        assert_eq!(claims(reply.json()["access_token"].as_str().unwrap())["appidacr"], "2");
    }
}

#[tokio::test]
async fn an_assertion_that_proves_nothing_is_refused() {
    let (known, stranger) = (identity(2100), identity(2100));
    let running = start_trusting(&known).await;
    let good = header(Algorithm::PS256, &known);
    let claims_with = |name: &str, value: Value| {
        let mut claims = good_claims();
        claims[name] = value;
        claims
    };
    let sign = |header: &Header, claims: &Value, key: &EncodingKey| jsonwebtoken::encode(header, claims, key).unwrap();
    let rows = [
        ("700027", sign(&good, &good_claims(), &stranger.key), "another key under a known thumbprint"),
        ("700027", sign(&header(Algorithm::PS256, &stranger), &good_claims(), &stranger.key), "not registered"),
        ("700027", sign(&Header::new(Algorithm::PS256), &good_claims(), &known.key), "no thumbprint"),
        ("700024", sign(&good, &claims_with("exp", json!(now() - 900.0)), &known.key), "over"),
        ("700024", sign(&good, &claims_with("nbf", json!(now() + 900.0)), &known.key), "not yet"),
        ("700024", sign(&good, &claims_with("exp", Value::Null), &known.key), "without an end"),
        ("700023", sign(&good, &claims_with("aud", json!("https://elsewhere.test/token")), &known.key), "not for us"),
        ("50048", sign(&good, &claims_with("sub", json!("someone")), &known.key), "issuer and subject differ"),
        ("5002738", sign(&header(Algorithm::RS512, &known), &good_claims(), &known.key), "an algorithm not taken"),
        ("50027", "not a token".to_owned(), "no JWT"),
    ];
    for (code, assertion, reason) in rows {
        let reply = present(&running, &assertion).await;
        assert_eq!(reply.code(), code, "{reason}: {}", reply.text());
        let expected = if reply.json()["error"] == "invalid_client" { 401 } else { 400 };
        assert_eq!(reply.status, expected, "{reason}");
    }
}

#[tokio::test]
async fn an_assertion_of_another_app_is_refused() {
    let identity = identity(2100);
    let running = start_trusting(&identity).await;
    let mut claims = good_claims();
    claims["iss"] = json!("someone");
    claims["sub"] = json!("someone");
    let assertion = jsonwebtoken::encode(&header(Algorithm::PS256, &identity), &claims, &identity.key).unwrap();
    assert_eq!(present(&running, &assertion).await.code(), "700021");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let identity = identity(2020);
    let running = start_trusting(&identity).await;
    let assertion = jsonwebtoken::encode(&header(Algorithm::PS256, &identity), &good_claims(), &identity.key).unwrap();
    let reply = present(&running, &assertion).await;
    assert_eq!(reply.code(), "700027");
    assert!(reply.text().contains("expired"));
}
