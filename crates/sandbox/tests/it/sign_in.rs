//! The pages people sign in and consent at.

use crate::browser::*;
use crate::client::*;

#[tokio::test]
async fn a_person_signs_in_consents_and_is_sent_back_with_a_code() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&authorize()).await;
    assert_eq!(page.status, 200);
    for shown in ["Mail gateway", "anna@contoso.test", "anna-password"] {
        assert!(page.text().contains(shown), "a sandbox's secrets are there to be copied: {shown}");
    }
    let consent = browser.sign_in(&page, "Anna@contoso.test", "anna-password").await;
    let question = consent.text();
    let asked = ["https://graph.microsoft.com/Mail.Send", "offline_access", "openid", "profile", "email"];
    assert!(asked.iter().all(|scope| question.contains(scope)), "{question}");
    let back = browser.submit(&consent, &[("answer", "accept")]).await;
    assert!(back.header("location").unwrap().starts_with(&format!("{CALLBACK}?")));
    let told = redirected(&back);
    assert_eq!(told["state"], "the state &=?");
    assert!(told["code"].len() > 40 && told.contains_key("session_state"));
}

#[tokio::test]
async fn the_pages_let_a_browser_follow_the_way_back_and_nothing_else() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&authorize()).await;
    let consent = browser.sign_in(&page, "anna@contoso.test", "anna-password").await;
    for page in [page, consent] {
        let policy = page.header("content-security-policy").unwrap();
        // Browsers hold a form's redirects against the policy of the page the form is on.
        assert!(policy.contains("form-action 'self' http://127.0.0.1:8080;"), "{policy}");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
        assert!(!page.text().contains("<script"));
    }
    let cookie = browser.sign_in(&browser_page(&running).await, "anna@contoso.test", "anna-password").await;
    assert!(cookie.header("set-cookie").unwrap().contains("HttpOnly; SameSite=Lax"));
}

async fn browser_page(running: &sandbox::Running) -> Reply {
    Browser::new(running).get(&authorize()).await
}

#[tokio::test]
async fn consent_is_remembered_for_this_user_and_what_was_asked() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    browser.accept_as_anna(&authorize()).await;
    assert_eq!(browser.get(&authorize()).await.status, 302, "signed in and consented: nothing left to ask");
    browser.forget();
    let page = browser.get(&authorize()).await;
    assert_eq!(browser.sign_in(&page, "anna@contoso.test", "anna-password").await.status, 302, "only the password");

    let more = authorize_with(&[("scope", "Mail.Send Mail.Send.Shared")]);
    let question = browser.get(&more).await;
    assert!(question.text().contains("Mail.Send.Shared") && question.status == 200);
    assert!(!question.text().contains("<code>Mail.Send</code>"), "what was accepted is not asked again");

    browser.forget();
    let page = browser.get(&authorize()).await;
    let page = browser.sign_in(&page, "ben@contoso.test", "ben-password").await;
    assert!(page.text().contains("Permissions requested"), "ben was not asked yet");
    let again = browser.get(&authorize_with(&[("prompt", "consent")])).await;
    assert!(again.text().contains("Permissions requested"));
}

#[tokio::test]
async fn who_declines_is_sent_back_with_access_denied() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&authorize()).await;
    let page = browser.sign_in(&page, "anna@contoso.test", "anna-password").await;
    let told = redirected(&browser.submit(&page, &[("answer", "cancel")]).await);
    assert_eq!(told["error"], "access_denied");
    assert!(told["error_description"].starts_with("AADSTS65004: "), "{}", told["error_description"]);
    assert_eq!(told["state"], "the state &=?");
    assert_eq!(browser.get(&authorize()).await.status, 200, "nothing was granted");
}

#[tokio::test]
async fn a_sign_in_is_refused_for_its_own_reason() {
    let running = start().await;
    let rows = [
        ("anna@contoso.test", "wrong", "50126"),
        ("ghost@contoso.test", "x", "50034"),
        ("missing@contoso.test", "missing-password", "50034"),
        ("disabled@contoso.test", "disabled-password", "50057"),
        ("disabled@contoso.test", "wrong", "50126"),
        ("conditional-access@contoso.test", "conditional-access-password", "53003"),
        ("mfa-required@contoso.test", "mfa-required-password", "50076"),
    ];
    for (user, password, number) in rows {
        let mut browser = Browser::new(&running);
        let page = browser.get(&authorize()).await;
        let refused = browser.sign_in(&page, user, password).await;
        assert_eq!((refused.status, shown_number(&refused).as_str()), (400, number), "{user}");
        assert!(refused.header("set-cookie").is_none(), "{user} has no session");
    }
}

#[tokio::test]
async fn a_user_without_a_password_cannot_sign_in() {
    let running = start_from(
        "[[tenant]]\nid = \"11111111-2222-3333-4444-555555555555\"\nname = \"C\"\n[[tenant.app]]\n\
         client_id = \"66666666-7777-8888-9999-000000000000\"\n\
         redirect_uris = [\"http://127.0.0.1:8080/oauth/callback\"]\n[[tenant.user]]\nupn = \"anna@contoso.test\"",
    )
    .await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&authorize()).await;
    let refused = browser.submit(&page, &[("username", "anna@contoso.test"), ("password", "")]).await;
    assert_eq!(shown_number(&refused), "50126");
}

#[tokio::test]
async fn an_address_that_is_not_the_apps_own_is_never_gone_to() {
    let running = start().await;
    let refused = [
        "http://127.0.0.1:8080/oauth/callback2",
        "http://127.0.0.1:8080/oauth",
        "http://127.0.0.1:8080/oauth/callback?x=1",
        "https://127.0.0.1:8080/oauth/callback",
        "http://127.0.0.2:8080/oauth/callback",
        "http://a@127.0.0.1:8080/oauth/callback",
        "http://127.0.0.1.evil.test/oauth/callback",
        "/oauth/callback",
    ];
    for uri in refused {
        let page = get(&running, &authorize_with(&[("redirect_uri", uri)])).await;
        assert_eq!((page.status, shown_number(&page).as_str()), (400, "50011"), "{uri}");
        assert!(page.header("location").is_none());
    }
    for uri in
        ["http://127.0.0.1:8080/oauth/callback", "http://127.0.0.1:9/oauth/callback", "http://localhost/oauth/callback"]
    {
        assert_eq!(get(&running, &authorize_with(&[("redirect_uri", uri)])).await.status, 200, "{uri}: any port");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_app_is_a_page() {
    let running = start().await;
    let rows = [
        (authorize_with(&[("client_id", "")]), "900144"),
        (authorize_with(&[("redirect_uri", "")]), "900144"),
        (authorize_with(&[("client_id", "99999999-9999-9999-9999-999999999999")]), "700016"),
        (authorize().replace(TENANT, "fabrikam.test"), "90002"),
        (authorize().replace(TENANT, "common"), "50194"),
    ];
    for (target, number) in rows {
        let page = get(&running, &target).await;
        assert_eq!((page.status, shown_number(&page).as_str()), (400, number), "{target}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_told_to_the_client() {
    let running = start().await;
    let rows = [
        (("response_type", "token"), "unsupported_response_type", "700051"),
        (("response_type", ""), "invalid_request", "900144"),
        (("response_mode", "form_post"), "invalid_request", "70007"),
        (("scope", ""), "invalid_request", "900144"),
        (("scope", "Mail.Sent"), "invalid_client", "650053"),
        (("scope", "SMTP.Send"), "invalid_client", "650053"),
        (("scope", "https://example.test/Mail.Send"), "invalid_resource", "500011"),
        (("code_challenge", "short"), "invalid_request", "501491"),
        (("prompt", "magic"), "invalid_request", "90023"),
        (("prompt", "none"), "login_required", "50058"),
    ];
    for (change, error, number) in rows {
        let told = redirected(&get(&running, &authorize_with(&[change])).await);
        assert_eq!(told["error"], error, "{change:?}");
        assert!(told["error_description"].starts_with(&format!("AADSTS{number}: ")), "{change:?}: {told:?}");
        assert_eq!(told["state"], "the state &=?");
    }
    let unknown =
        [("code_challenge", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), ("code_challenge_method", "S512")];
    assert_eq!(redirected(&get(&running, &authorize_with(&unknown)).await)["error"], "invalid_request");
}

#[tokio::test]
async fn without_questions_means_without_questions() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    let silent = authorize_with(&[("prompt", "none")]);
    let page = browser.get(&authorize()).await;
    browser.sign_in(&page, "anna@contoso.test", "anna-password").await;
    assert_eq!(redirected(&browser.get(&silent).await)["error"], "consent_required");
    browser.accept_as_anna(&authorize_with(&[("prompt", "login")])).await;
    assert!(redirected(&browser.get(&silent).await).contains_key("code"));
    assert!(browser.get(&authorize_with(&[("prompt", "login")])).await.text().contains("name=\"password\""));
    let other = authorize_with(&[("login_hint", "ben@contoso.test")]);
    assert!(browser.get(&other).await.text().contains("value=\"ben@contoso.test\""), "somebody else is expected");
}

#[tokio::test]
async fn what_an_administrator_must_grant_nobody_else_can() {
    let running = start().await;
    let target = authorize_with(&[("scope", "Mail.Send Directory.Read.All")]);
    let mut browser = Browser::new(&running);
    let page = browser.get(&target).await;
    let refused = browser.sign_in(&page, "anna@contoso.test", "anna-password").await;
    assert_eq!((refused.status, shown_number(&refused).as_str()), (400, "90094"));

    let mut admin = Browser::new(&running);
    let page = admin.get(&target).await;
    let page = admin.sign_in(&page, "admin@contoso.test", "admin-password").await;
    assert!(page.text().contains("Consent on behalf of your organization"));
    admin.submit(&page, &[("answer", "accept"), ("everyone", "yes")]).await;
    assert_eq!(
        browser
            .accept_as_anna(&authorize_with(&[("scope", "Mail.Send Directory.Read.All"), ("prompt", "login")]))
            .await
            .status,
        302
    );
}

#[tokio::test]
async fn where_users_may_not_consent_they_need_an_administrator() {
    let mut config = sandbox::Config::default();
    config.tenants[0].user_consent = false;
    let running = start_with(config).await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&authorize()).await;
    let refused = browser.sign_in(&page, "anna@contoso.test", "anna-password").await;
    assert_eq!(shown_number(&refused), "90094");
    assert!(refused.text().contains("Need admin approval"));
}

#[tokio::test]
async fn only_who_was_asked_can_answer_and_only_once() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&authorize()).await;
    let question = browser.sign_in(&page, "anna@contoso.test", "anna-password").await;
    let elsewhere = question.text().replace("Mail.Send+offline_access", "Mail.Send.Shared+offline_access");
    let forged = Reply { body: elsewhere.into_bytes(), ..browser_page(&running).await };
    let mut stranger = Browser::new(&running);
    let refused = stranger.submit(&forged, &[("answer", "accept")]).await;
    assert!(refused.text().contains("name=\"password\""), "the ticket is for another question");

    let question = browser.get(&authorize()).await;
    assert_eq!(browser.submit(&question, &[("answer", "accept")]).await.status, 302);
    let again = stranger.submit(&question, &[("answer", "accept")]).await;
    assert!(again.text().contains("name=\"password\""), "a ticket answers once");
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    browser.accept_as_anna(&authorize()).await;
    let kept = browser.get(&authorize()).await;
    assert_eq!(kept.status, 302);
    let known = encoded(&[("post_logout_redirect_uri", CALLBACK)]);
    let out = browser.get(&format!("/{TENANT}/oauth2/v2.0/logout?{known}")).await;
    assert_eq!((out.status, out.header("location").map(|to| to.trim_end_matches('?'))), (302, Some(CALLBACK)));
    assert!(browser.get(&authorize()).await.text().contains("name=\"password\""));
    let unknown = encoded(&[("post_logout_redirect_uri", "https://evil.test/")]);
    assert_eq!(browser.get(&format!("/{TENANT}/oauth2/v2.0/logout?{unknown}")).await.status, 200, "gone to nowhere");
}

#[tokio::test]
async fn what_people_type_is_shown_as_text() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&authorize_with(&[("login_hint", "\"><script>alert(1)</script>")])).await;
    assert!(!page.text().contains("<script"));
    let refused = browser.sign_in(&page, "<script>alert(2)</script>@contoso.test", "x").await;
    assert!(!refused.text().contains("<script") && shown_number(&refused) == "50034");
    let page = get(&running, &authorize_with(&[("redirect_uri", "http://x/<script>")])).await;
    assert!(!page.text().contains("<script"));
}

#[tokio::test]
async fn a_session_lasts_a_day() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    browser.accept_as_anna(&authorize()).await;
    advance(&running, 23 * 3600).await;
    assert_eq!(browser.get(&authorize()).await.status, 302);
    advance(&running, 3600).await;
    assert!(browser.get(&authorize()).await.text().contains("name=\"password\""));
}

#[tokio::test]
async fn only_an_administrator_speaks_for_everyone() {
    let running = start().await;
    let mut anna = Browser::new(&running);
    let page = anna.get(&authorize()).await;
    let page = anna.sign_in(&page, "anna@contoso.test", "anna-password").await;
    assert!(!page.text().contains("Consent on behalf"));
    assert_eq!(anna.submit(&page, &[("answer", "accept"), ("everyone", "yes")]).await.status, 302);
    let mut ben = Browser::new(&running);
    let page = ben.get(&authorize()).await;
    let page = ben.sign_in(&page, "ben@contoso.test", "ben-password").await;
    assert!(page.text().contains("Permissions requested"), "anna spoke for herself");
}
