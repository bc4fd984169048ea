//! Signing in: what the browser is sent to, what a code is exchanged for, and how a device code is asked after.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra::{Credential, DelegatedSignIn, DevicePoll, MailScope, Who, explain_callback};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::far_side::{FarSide, Reply, answer};
use crate::{application, client, refuse, secret};

fn sign_in(origin: &str, credential: Credential, scope: MailScope) -> DelegatedSignIn {
    DelegatedSignIn::new(client(), application(origin, credential), scope).unwrap()
}

fn redirect_uri() -> Url {
    "https://gateway.example.test:8025/authorize/callback".parse().unwrap()
}

fn grant() -> Reply {
    let claims = URL_SAFE_NO_PAD.encode(r#"{"preferred_username":"reports@contoso.test","tid":"home-tenant"}"#);
    let body = format!(
        r#"{{"token_type":"Bearer","expires_in":3600,"scope":"Mail.Send openid profile","access_token":"opaque-T0",
            "refresh_token":"R0","id_token":"e30.{claims}.c2ln"}}"#
    );
    answer("200 OK", "Content-Type: application/json\r\n", &body)
}

#[test]
fn the_browser_is_sent_off_with_everything_and_no_secret() {
    let sign_in = sign_in("http://127.0.0.1:9", secret(), MailScope { shared: true, ..MailScope::default() });
    let begun = sign_in.begin(&redirect_uri(), Some("reports@contoso.test"));
    assert_eq!(begun.url.path(), "/11111111-2222-3333-4444-555555555555/oauth2/v2.0/authorize");
    let mut query: HashMap<String, String> = begun.url.query_pairs().into_owned().collect();
    let mut take = |name: &str| query.remove(name).unwrap_or_default();
    assert_eq!(take("response_type"), "code");
    assert_eq!(take("client_id"), "66666666-7777-8888-9999-000000000000");
    assert_eq!(take("redirect_uri"), redirect_uri().as_str());
    assert_eq!(
        take("scope"),
        "http://127.0.0.1:9/Mail.Send http://127.0.0.1:9/Mail.Send.Shared offline_access openid profile"
    );
    assert_eq!(take("state"), begun.state.expose_secret());
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(begun.verifier.expose_secret()));
    assert_eq!(take("code_challenge"), challenge);
    assert_eq!(take("code_challenge_method"), "S256");
    assert_eq!(take("prompt"), "select_account");
    assert_eq!(take("login_hint"), "reports@contoso.test");
    assert!(query.is_empty(), "{query:?}");
}

#[test]
fn every_sign_in_has_a_state_and_a_verifier_of_its_own() {
    let sign_in = sign_in("http://127.0.0.1:9", secret(), MailScope::default());
    let (one, two) = (sign_in.begin(&redirect_uri(), None), sign_in.begin(&redirect_uri(), None));
    assert_ne!(one.state.expose_secret(), two.state.expose_secret());
    assert_ne!(one.verifier.expose_secret(), two.verifier.expose_secret());
    // 128 bits, and the 43 characters of RFC 7636 §4.1.
    assert!(one.state.expose_secret().len() >= 22 && one.verifier.expose_secret().len() >= 43);
    let shown = format!("{one:?} {sign_in:?}");
    assert!(!shown.contains(one.verifier.expose_secret()) && !shown.contains(crate::SECRET), "{shown}");
}

#[tokio::test]
async fn a_code_is_exchanged_for_a_grant_with_the_name_of_who_signed_in() {
    let mut far = FarSide::start(|_| grant()).await;
    let sign_in = sign_in(&far.origin, secret(), MailScope::default());
    let (code, verifier) = (SecretString::from("the-code"), SecretString::from("v".repeat(43)));
    let granted = sign_in.redeem(&code, &redirect_uri(), &verifier).await.unwrap();
    let seen = far.next().await;
    assert_eq!(seen.field("grant_type"), "authorization_code");
    assert_eq!(seen.field("code"), "the-code");
    assert_eq!(seen.field("code_verifier"), "v".repeat(43));
    assert_eq!(seen.field("redirect_uri"), redirect_uri().as_str());
    assert_eq!(seen.field("client_secret"), crate::SECRET);
    assert_eq!(granted.refresh_token.expose_secret(), "R0");
    assert_eq!(granted.scopes, ["Mail.Send", "openid", "profile"]);
    assert_eq!(granted.user.as_deref(), Some("reports@contoso.test"));
    assert_eq!(granted.tenant_id.as_deref(), Some("home-tenant"));
    let shown = format!("{granted:?}");
    assert!(!shown.contains("R0") && !shown.contains("opaque-T0"), "{shown}");
}

#[tokio::test]
async fn a_grant_that_would_be_over_within_the_hour_is_none() {
    let far = FarSide::start(|_| crate::issue("T0")).await;
    let code = SecretString::from("c");
    let error = sign_in(&far.origin, secret(), MailScope::default()).redeem(&code, &redirect_uri(), &code).await;
    let explanation = error.unwrap_err().explanation();
    assert!(explanation.fix.contains("offline_access"), "{explanation}");
}

#[tokio::test]
async fn a_device_code_is_asked_after_until_somebody_decides() {
    let count = AtomicUsize::new(0);
    let mut far =
        FarSide::start(move |seen| match (seen.line.contains("/devicecode "), count.fetch_add(1, Ordering::SeqCst)) {
            (true, _) => answer(
                "200 OK",
                "Content-Type: application/json\r\n",
                r#"{"user_code":"ABCD-EFGH","device_code":"d3v1ce","verification_uri":"https://login.test/device",
                "expires_in":900,"interval":5,"message":"Open the page and enter ABCD-EFGH."}"#,
            ),
            (_, 1) => refuse("400 Bad Request", "", "authorization_pending", 70_016),
            (_, 2) => refuse("400 Bad Request", "", "slow_down", 1),
            (_, 3) => refuse("503 Service Unavailable", "", "temporarily_unavailable", 90_033),
            (_, 4) => refuse("400 Bad Request", "", "authorization_declined", 1),
            (_, 5) => refuse("400 Bad Request", "", "expired_token", 70_019),
            (_, 6) => refuse("400 Bad Request", "", "bad_verification_code", 70_018),
            _ => grant(),
        })
        .await;
    let sign_in = sign_in(&far.origin, Credential::PublicClient, MailScope::default());
    let code = sign_in.begin_device().await.unwrap();
    let seen = far.next().await;
    assert_eq!(seen.field("client_id"), "66666666-7777-8888-9999-000000000000");
    assert_eq!(seen.field("scope"), format!("{}/Mail.Send offline_access openid profile", far.origin));
    assert_eq!((code.user_code.as_str(), code.verification_uri.as_str()), ("ABCD-EFGH", "https://login.test/device"));
    assert_eq!((code.expires_in, code.interval), (Duration::from_mins(15), Duration::from_secs(5)));
    assert_eq!(code.message, "Open the page and enter ABCD-EFGH.");
    assert!(!format!("{code:?}").contains("d3v1ce"));

    assert!(matches!(sign_in.poll(&code).await.unwrap(), DevicePoll::Pending));
    let seen = far.next().await;
    assert_eq!(seen.field("grant_type"), "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!(seen.field("device_code"), "d3v1ce");
    assert_eq!(seen.field("client_secret"), "");
    assert!(matches!(sign_in.poll(&code).await.unwrap(), DevicePoll::SlowDown));
    assert!(sign_in.poll(&code).await.unwrap_err().is_transient());
    assert!(matches!(sign_in.poll(&code).await.unwrap(), DevicePoll::Declined));
    assert!(matches!(sign_in.poll(&code).await.unwrap(), DevicePoll::Expired));
    let wrong = sign_in.poll(&code).await.unwrap_err();
    assert!(!wrong.is_transient() && !format!("{wrong:?}").contains("d3v1ce"), "{wrong}");
    let DevicePoll::Granted(granted) = sign_in.poll(&code).await.unwrap() else { panic!("not granted") };
    assert_eq!(granted.refresh_token.expose_secret(), "R0");
}

#[test]
fn a_callback_without_a_code_is_explained() {
    let declined = explain_callback("access_denied", "AADSTS65004: User declined to consent.\r\nTrace ID: x");
    assert!(declined.why.contains("declined") && declined.who == Who::GatewayAdministrator, "{declined}");
    let blocked = explain_callback("access_denied", "AADSTS53003: Access has been blocked.");
    assert!(blocked.why.contains("Conditional Access"), "{blocked}");
    let consent = explain_callback("consent_required", "AADSTS90094: An administrator must consent.");
    assert!(consent.fix.contains("admin consent"), "{consent}");
    // What a browser brings may be anything.
    let odd = explain_callback(&"x\n".repeat(1000), "");
    assert!(odd.why.len() < 400 && !odd.why.contains('\n'), "{odd}");
}
