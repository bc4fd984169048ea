//! The file that has every key.

use crate::gateway::Gateway;

/// With secrets as text, for the test names no environment.
fn full(gateway: &Gateway) -> String {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap().self_signed(&key).unwrap();
    gateway.write("app.pem", &format!("{}{}", key.serialize_pem(), certificate.pem()));
    gateway.write("proxy-ca.pem", &certificate.pem());
    let hook = "\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"";
    let text = include_str!("../full.toml").replace("{ env = \"CHAT_SECRET\" }", hook);
    let mut parts = text.split("{ env = \"");
    let head = parts.next().unwrap().to_owned();
    parts.fold(head, |text, part| {
        let (name, rest) = part.split_once("\" }").unwrap();
        format!("{text}\"secret of {name}\"{rest}")
    })
}

#[tokio::test]
async fn every_key_is_kept_and_an_export_asks_for_the_secrets_alone() {
    let gateway = Gateway::new();
    let full = full(&gateway);
    gateway.apply(&full).await;
    assert_eq!(gateway.apply(&full).await, "", "again, it changes nothing");
    let exported = gateway.export();
    assert!(!exported.contains("secret of") && !exported.contains("whsec_") && !exported.contains("PRIVATE"));
    assert_eq!(gateway.apply(&format!("prune = true\n{exported}")).await, "", "{exported}");
}
