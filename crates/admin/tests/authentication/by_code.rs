//! Signing in in a browser: authorization code with PKCE.

use std::collections::HashMap;
use std::time::Duration;

use admin::{Callback, SignInEnd, SignInRequest, test_connection};
use relay::Network;
use sandbox::{Config, Fault, FaultKind};
use store::Explanation;

use crate::browser::Browser;
use crate::desk::{CONFIDENTIAL, Desk, PUBLIC, SESSION, callback, callback_uri};

/// What the browser is sent back with when anna accepts.
async fn accepted(desk: &Desk) -> HashMap<String, String> {
    let url = desk.begin(&desk.request()).await;
    Browser::new().accept(&url, "anna").await.sent_back_to(&callback_uri())
}

async fn refused(desk: &Desk, callback: &Callback) -> Explanation {
    match desk.finish(callback, SESSION).await.unwrap() {
        SignInEnd::Refused(explanation) => explanation,
        SignInEnd::Granted(grant) => panic!("{grant:?}"),
    }
}

/// What a browser brings back from a page of Microsoft's that says no.
async fn brought(desk: &Desk, error: &str, description: &str) -> Explanation {
    let url = desk.begin(&desk.request()).await;
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let (error, description) = (Some(error.to_owned()), Some(description.to_owned()));
    refused(desk, &Callback { state, code: None, error, error_description: description }).await
}

#[tokio::test]
async fn a_user_signs_in_and_the_connection_sends_as_them() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let url = desk.begin(&desk.request()).await;
    let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!((asked["code_challenge_method"].as_str(), asked["code_challenge"].len()), ("S256", 43));
    assert_eq!(asked["redirect_uri"], callback_uri().as_str());
    let graph = desk.tenant.base_url.as_str();
    assert_eq!(asked["scope"], format!("{graph}/Mail.Send offline_access openid profile"));

    let told = Browser::new().accept(&url, "anna").await.sent_back_to(&callback_uri());
    let SignInEnd::Granted(grant) = desk.finish(&callback(&told), SESSION).await.unwrap() else { panic!("refused") };
    assert_eq!((grant.user.as_str(), &grant.dead), ("anna@contoso.test", &None));
    assert_eq!(desk.grant().await, Some(grant));
    assert_eq!(desk.audited().await[0], "connection_signed_in");

    let test = test_connection(&desk.store, &desk.actor(), "C", &Network::default()).await.unwrap();
    assert!(test.ok && test.token.unwrap().grants_mail_send, "{:?}", test.explanation);
    assert_eq!(desk.asked("refresh_token"), [0]);
}

#[tokio::test]
async fn a_refresh_token_lies_sealed_and_is_in_no_answer_and_in_no_audit_entry() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let shown = format!("{:?}", desk.sign_in("anna").await);
    let token = desk.refresh_token().await;
    assert!(token.len() > 40 && !shown.contains(&token));
    let audit = format!("{:?}", desk.store.audit(None, 100).await.unwrap());
    assert!(audit.contains("anna@contoso.test") && !audit.contains(&token), "{audit}");
    for file in std::fs::read_dir(desk.data_dir()).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = if file.is_file() { std::fs::read(&file).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{}", file.display());
    }
}

#[tokio::test]
async fn an_application_without_a_secret_signs_users_in_too() {
    let mut config = Config::default();
    config.tenants[0].apps[1].redirect_uris = vec![callback_uri().into()];
    let desk = Desk::with(config, PUBLIC).await;
    assert_eq!(desk.sign_in("anna").await.user, "anna@contoso.test");
}

#[tokio::test]
async fn a_code_is_worth_nothing_without_the_verifier_of_its_own_sign_in() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let stolen = accepted(&desk).await["code"].clone();
    let mine = accepted(&desk).await["state"].clone();
    let swapped = HashMap::from([("state".to_owned(), mine), ("code".to_owned(), stolen)]);
    let explanation = refused(&desk, &callback(&swapped)).await;
    assert_eq!(explanation.code.as_deref(), Some("AADSTS501481"), "{explanation:?}");
    assert_eq!(desk.grant().await, None);
}

#[tokio::test]
async fn a_state_that_was_never_given_out_ends_nothing() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let told = accepted(&desk).await;
    let mut guessed = told.clone();
    guessed.insert("state".to_owned(), "guessed".to_owned());
    let error = desk.finish(&callback(&guessed), SESSION).await.unwrap_err();
    assert!(error.to_string().contains("not known"), "{error}");
    assert_eq!(
        (desk.grant().await, desk.asked("authorization_code").len()),
        (None, 0),
        "the code was not shown to Entra"
    );
    assert!(
        matches!(desk.finish(&callback(&told), SESSION).await, Ok(SignInEnd::Granted(_))),
        "the true one still works"
    );
}

#[tokio::test]
async fn a_sign_in_ends_in_the_session_that_began_it_and_nowhere_else() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let told = accepted(&desk).await;
    assert!(desk.finish(&callback(&told), "another session").await.is_err());
    assert!(desk.finish(&callback(&told), SESSION).await.is_err(), "and whoever tried has used it up");
    assert_eq!((desk.grant().await, desk.asked("authorization_code").len()), (None, 0));
}

#[tokio::test]
async fn a_state_works_once() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let told = accepted(&desk).await;
    assert!(matches!(desk.finish(&callback(&told), SESSION).await, Ok(SignInEnd::Granted(_))));
    assert!(desk.finish(&callback(&told), SESSION).await.is_err());
    assert_eq!(desk.asked("authorization_code"), [0], "Entra was asked once");
    assert!(desk.grant().await.is_some(), "what was granted stays");
}

#[tokio::test]
async fn a_sign_in_of_ten_minutes_is_over() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let told = accepted(&desk).await;
    desk.wait(Duration::from_mins(10));
    assert!(desk.finish(&callback(&told), SESSION).await.is_err());
    assert_eq!(desk.asked("authorization_code").len(), 0);
}

#[tokio::test]
async fn only_an_administrator_signs_in() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let told = accepted(&desk).await;
    let operator = admin::Actor::new("otto", admin::Role::Operator);
    let (store, network) = (&*desk.store, Network::default());
    let (request, redirect_uri) = (desk.request(), callback_uri());
    let begun = admin::begin_sign_in(store, &desk.flows, &operator, &request, &redirect_uri, &network, desk.now());
    assert!(matches!(begun.await, Err(admin::AdminError::Forbidden { .. })));
    let callback = callback(&told);
    let ended = admin::finish_sign_in(store, &desk.flows, &operator, &callback, SESSION, &network, desk.now()).await;
    assert!(matches!(ended, Err(admin::AdminError::Forbidden { .. })));
}

#[tokio::test]
async fn who_presses_cancel_is_told_to_accept_and_what_was_granted_before_stays() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let before = desk.sign_in("ben").await;
    let url = desk.begin(&desk.request()).await;
    let mut browser = Browser::new();
    let page = browser.get(&url).await;
    let page = browser.sign_in(&page, "anna").await;
    let told = browser.submit(&page, &[("answer", "cancel")]).await.sent_back_to(&callback_uri());
    assert_eq!(told["error"], "access_denied");
    let explanation = refused(&desk, &callback(&told)).await;
    assert!(explanation.why.contains("declined") && explanation.why.contains("AADSTS65004"), "{explanation:?}");
    assert!(explanation.fix.contains("accept"), "{explanation:?}");
    assert_eq!(desk.grant().await, Some(before));
}

#[tokio::test]
async fn conditional_access_is_named_whether_the_page_or_the_token_endpoint_says_it() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let url = desk.begin(&desk.request()).await;
    let mut browser = Browser::new();
    let page = browser.get(&url).await;
    let turned_away = browser.sign_in(&page, "conditional-access").await;
    assert_eq!((turned_away.status, turned_away.number().as_str()), (400, "53003"));

    let description = "AADSTS53003: Access has been blocked by Conditional Access policies.";
    let explanation = brought(&desk, "access_denied", description).await;
    assert!(explanation.why.contains("Conditional Access") && explanation.why.contains("53003"), "{explanation:?}");
    assert!(explanation.who.contains("Entra"), "{explanation:?}");

    desk.tenant.add_fault(Fault { aadsts: Some(53003), ..Fault::new(FaultKind::TokenError) });
    let told = accepted(&desk).await;
    let explanation = refused(&desk, &callback(&told)).await;
    assert_eq!(explanation.code.as_deref(), Some("AADSTS53003"), "{explanation:?}");
    assert!(explanation.why.contains("Conditional Access"), "{explanation:?}");
    assert_eq!(desk.grant().await, None);
}

#[tokio::test]
async fn where_users_may_not_consent_an_administrator_is_asked_for() {
    let mut config = Config::default();
    config.tenants[0].user_consent = false;
    let desk = Desk::with(config, CONFIDENTIAL).await;
    let mut browser = Browser::new();
    let page = browser.get(&desk.begin(&desk.request()).await).await;
    assert_eq!(browser.sign_in(&page, "anna").await.number(), "90094");
    let description = "AADSTS90094: The grant requires administrator permission.";
    let explanation = brought(&desk, "consent_required", description).await;
    assert!(explanation.fix.contains("admin consent") && explanation.why.contains("90094"), "{explanation:?}");
}

#[tokio::test]
async fn a_shared_mailbox_asks_for_one_permission_more() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let request = SignInRequest { shared_mailboxes: true, login_hint: Some("anna@contoso.test"), ..desk.request() };
    let url = desk.begin(&request).await;
    let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert!(asked["scope"].contains("/Mail.Send.Shared ") && asked["login_hint"] == "anna@contoso.test", "{asked:?}");
    let told = Browser::new().accept(&url, "anna").await.sent_back_to(&callback_uri());
    let SignInEnd::Granted(grant) = desk.finish(&callback(&told), SESSION).await.unwrap() else { panic!("refused") };
    assert!(grant.scopes.iter().any(|scope| scope.ends_with("/Mail.Send.Shared")), "{:?}", grant.scopes);

    // A refresh asks for what was granted, no less.
    assert!(test_connection(&desk.store, &desk.actor(), "C", &Network::default()).await.unwrap().ok);
    let last = desk.tenant.token_requests().pop().unwrap();
    assert_eq!(last.grant_type.as_deref(), Some("refresh_token"));
    assert!(last.scope.as_ref().unwrap().contains("/Mail.Send.Shared"), "{last:?}");
}
