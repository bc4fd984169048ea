//! A client assertion from a file that other software keeps fresh.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra::{Credential, Scope, TokenSource, Who};

use crate::far_side::FarSide;
use crate::{application, client, issue};

fn jwt(subject: &str, exp: i64) -> String {
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{subject}","exp":{exp}}}"#));
    format!("eyJhbGciOiJSUzI1NiJ9.{claims}.c2lnbmF0dXJl")
}

/// Until the year 2100.
const LATER: i64 = 4_102_444_800;

fn source(far: &FarSide, path: &Path) -> TokenSource {
    let credential = Credential::FederatedTokenFile(path.to_owned());
    TokenSource::new(client(), application(&far.origin, credential), &Scope::Graph).unwrap()
}

#[tokio::test]
async fn the_file_is_the_assertion_and_is_read_for_every_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("azure-identity-token");
    let mut far = FarSide::start(|_| issue("T")).await;
    // Before the file is there: nothing is read while the source is made.
    let source = source(&far, &path);
    for subject in ["first", "second"] {
        std::fs::write(&path, jwt(subject, LATER) + "\n").unwrap();
        source.fresh_token().await.unwrap();
        let seen = far.next().await;
        assert_eq!(seen.field("client_assertion"), jwt(subject, LATER));
        assert_eq!(seen.field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!(seen.field("grant_type"), "client_credentials");
        assert_eq!(seen.field("client_secret"), "");
    }
}

#[tokio::test]
async fn a_file_of_no_use_is_explained_and_not_shown_to_entra() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let far = FarSide::start(|_| issue("T")).await;
    for (content, words) in [
        (None, "no such file"),
        (Some(String::new()), "empty"),
        (Some("s3cr3t".to_owned()), "no token"),
        (Some(jwt("s3cr3t", 1_000_000_000)), "expired at 2001-09-09T01:46:40Z"),
    ] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = source(&far, &path).token().await.unwrap_err();
        let explanation = error.explanation();
        assert!(!error.is_transient(), "{error}");
        assert!(explanation.why.contains(words) && explanation.why.contains(path.to_str().unwrap()), "{explanation}");
        assert_eq!(explanation.who, Who::GatewayAdministrator);
        let shown = format!("{error} {error:?} {explanation}");
        assert!(!shown.contains("s3cr3t") && !shown.contains("eyJ"), "{shown}");
    }
    assert_eq!(far.waiting(), 0);
}
