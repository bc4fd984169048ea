//! What an app proves itself with can be replaced while the sandbox runs.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::client::*;

async fn status_with(running: &sandbox::Running, secret: &str) -> u16 {
    let form: Vec<_> =
        good_form().into_iter().map(|(n, v)| (n, if n == "client_secret" { secret } else { v })).collect();
    ask_token(running, TENANT, &form).await.status
}

#[tokio::test]
async fn secrets_are_good_together_and_gone_at_once() {
    let running = start().await;
    assert!(running.change_secrets(CLIENT, &["sandbox-secret", "next"]));
    assert_eq!((status_with(&running, "sandbox-secret").await, status_with(&running, "next").await), (200, 200));
    let headers = [("Content-Type", "application/json")];
    let target = format!("/sandbox/api/apps/{CLIENT}/secrets");
    let reply = request(running.addr, "PUT", &target, &headers, br#"[{"value": "next"}]"#).await;
    assert_eq!(reply.status, 204);
    assert_eq!((status_with(&running, "sandbox-secret").await, status_with(&running, "next").await), (401, 200));
    assert!(!running.change_secrets("nobody", &[]));
}

#[tokio::test]
async fn certificates_are_replaced_by_what_can_be_read_alone() {
    let running = start().await;
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let pem = CertificateParams::new(vec!["gateway.test".to_owned()]).unwrap().self_signed(&pair).unwrap().pem();
    let headers = [("Content-Type", "application/json")];
    let target = format!("/sandbox/api/apps/{CLIENT}/certificates");
    let put = async |body: String| request(running.addr, "PUT", &target, &headers, body.as_bytes()).await.status;
    assert_eq!(put(serde_json::json!([{ "pem": pem }, { "pem": pem }]).to_string()).await, 204);
    assert_eq!(put(serde_json::json!([{ "pem": "nonsense" }]).to_string()).await, 400);
    assert!(running.change_certificates(CLIENT, &[&pem]));
}
