//! Signing in with a certificate.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entra::{CertificateError, CertificateKey, Credential, Scope, TokenSource};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};
use sha2::{Digest as _, Sha256};

use crate::far_side::FarSide;
use crate::{application, client, issue};

struct Pair {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

fn pair(key: KeyPair) -> Pair {
    let mut params = CertificateParams::new(vec!["gateway.contoso.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 5, 6);
    let certificate = params.self_signed(&key).unwrap();
    Pair { key, certificate }
}

// RSA keys take a second to make; two are enough for every test here.
static ONE: LazyLock<Pair> =
    LazyLock::new(|| pair(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()));
static OTHER: LazyLock<Pair> =
    LazyLock::new(|| pair(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()));

#[tokio::test]
async fn the_assertion_is_what_microsoft_documents_and_verifies_with_the_public_key() {
    let mut far = FarSide::start(|_| issue("T")).await;
    let credential = CertificateKey::from_pem(&ONE.certificate.pem(), &ONE.key.serialize_pem()).unwrap();
    let application = application(&far.origin, Credential::Certificate(credential));
    let source = TokenSource::new(client(), application, &Scope::Exchange).unwrap();
    source.token().await.unwrap();
    source.fresh_token().await.unwrap();
    let seen = far.next().await;
    assert_eq!(seen.field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!(seen.field("client_id"), "66666666-7777-8888-9999-000000000000");
    assert_eq!(seen.field("client_secret"), "");
    assert_eq!(seen.field("scope"), "https://outlook.office365.com/.default");
    let endpoint = format!("{}/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token", far.origin);
    let (header, claims) = verified(&seen.field("client_assertion"), &endpoint);
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    assert_eq!(header.x5t_s256, Some(URL_SAFE_NO_PAD.encode(Sha256::digest(ONE.certificate.der()))));
    assert_eq!(claims["iss"], "66666666-7777-8888-9999-000000000000");
    assert_eq!(claims["sub"], claims["iss"]);
    let (from, until) = (claims["nbf"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(until - from, 600);
    assert_eq!(claims["iat"], claims["nbf"]);
    let (_, second) = verified(&far.next().await.field("client_assertion"), &endpoint);
    assert_ne!(claims["jti"], second["jti"], "an assertion is used once");
}

fn verified(assertion: &str, audience: &str) -> (jsonwebtoken::Header, serde_json::Value) {
    let mut validation = Validation::new(Algorithm::PS256);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
    validation.validate_nbf = true;
    let public = DecodingKey::from_rsa_der(ONE.key.der_bytes());
    let decoded = jsonwebtoken::decode(assertion, &public, &validation).unwrap();
    (decoded.header, decoded.claims)
}

/// The PKCS#1 form of an RSA key: what PKCS#8 wraps in 26 bytes, for a key of 2048 bits.
fn pkcs1_pem(pair: &Pair) -> String {
    let inner = &pair.key.serialize_der()[26..];
    format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", STANDARD.encode(inner))
}

#[test]
fn a_key_is_taken_in_every_form_it_is_commonly_kept_in() {
    let (certificate, key) = (ONE.certificate.pem(), ONE.key.serialize_pem());
    let both = format!("Bag Attributes\n{certificate}{key}");
    let chain = format!("{}{certificate}", OTHER.certificate.pem());
    let table = [
        (&certificate, key.clone()),
        (&certificate, pkcs1_pem(&ONE)),
        // As a file on Windows.
        (&certificate, key.replace('\n', "\r\n")),
        // One file with both, as `certificate = { file = "app.pem" }` names it.
        (&both, both.clone()),
        // Of a chain, the one that belongs to the key.
        (&chain, key.clone()),
    ];
    for (number, (certificate, key)) in table.into_iter().enumerate() {
        let read = CertificateKey::from_pem(certificate, &key).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(read.expires().to_string(), "2031-05-06T00:00:00Z", "{number}");
        let digits = read.thumbprint().as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
        let bytes: Vec<u8> = digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
        assert_eq!(bytes, Sha256::digest(ONE.certificate.der()).to_vec(), "{number}");
    }
}

#[test]
fn what_cannot_sign_in_is_refused_when_it_is_entered() {
    let (certificate, key) = (ONE.certificate.pem(), ONE.key.serialize_pem());
    let elliptic = pair(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
    let table = [
        (certificate.clone(), OTHER.key.serialize_pem(), CertificateError::Mismatch),
        (elliptic.certificate.pem(), elliptic.key.serialize_pem(), CertificateError::NotRsa),
        (certificate.clone(), "-----BEGIN EC PRIVATE KEY-----\n".to_owned(), CertificateError::NotRsa),
        (certificate.clone(), key.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE"), CertificateError::EncryptedKey),
        (certificate.clone(), String::new(), CertificateError::NoPrivateKey),
        (certificate.clone(), certificate.clone(), CertificateError::NoPrivateKey),
        (certificate.clone(), key.replace("MII", "!!!"), CertificateError::NoPrivateKey),
        (String::new(), key.clone(), CertificateError::NoCertificate),
        (key.clone(), key.clone(), CertificateError::NoCertificate),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            key.clone(),
            CertificateError::NoCertificate,
        ),
    ];
    for (number, (certificate, key, expected)) in table.into_iter().enumerate() {
        assert_eq!(CertificateKey::from_pem(&certificate, &key).err(), Some(expected), "{number}");
    }
}

#[test]
fn the_private_key_is_not_in_debug_output() {
    let credential = CertificateKey::from_pem(&ONE.certificate.pem(), &ONE.key.serialize_pem()).unwrap();
    let shown = format!("{credential:?} {:?}", Credential::Certificate(credential.clone()));
    let digits = STANDARD.encode(&ONE.key.serialize_der()[100..130]);
    assert!(!shown.contains(&digits) && !shown.contains("key:"), "{shown}");
}
