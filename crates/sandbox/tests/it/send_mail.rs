//! `sendMail` in MIME form: what is taken, what becomes of it, and every refusal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox::{Folder, Running};
use serde_json::json;

use crate::client::*;

#[tokio::test]
async fn a_message_is_kept_as_submitted_and_reaches_everyone_it_names() {
    let running = start().await;
    let token = token(&running).await;
    let mime = "From: \"No reply\" <NoReply@contoso.test>\r\nTo: anna@contoso.test, x@example.test\r\n\
         Cc: X@EXAMPLE.test\r\nbcc: ben@contoso.test,\r\n\ty@example.test\r\nAuto-Submitted: auto-generated\r\n\
         Message-ID: <1@gateway.test>\r\nSubject: Report\r\nX-Kept: yes\r\n\r\nBcc: not a header\r\n\u{e9}\r\n";
    let reply = send(&running, &token, "/v1.0/users/noreply%40contoso.test/sendMail", mime).await;
    assert_eq!((reply.status, reply.body.len()), (202, 0), "{}", reply.text());

    let deliveries = running.deliveries();
    let [delivery] = deliveries.as_slice() else { panic!("{deliveries:?}") };
    let recipients = ["anna@contoso.test", "x@example.test", "ben@contoso.test", "y@example.test"];
    assert_eq!(delivery.recipients, recipients, "each mailbox once, whatever the case");
    assert_eq!(delivery.target, "/v1.0/users/noreply%40contoso.test/sendMail");
    assert_eq!(delivery.request_id, reply.header("request-id").unwrap());
    assert_eq!(delivery.internet_message_id.as_deref(), Some("1@gateway.test"));
    assert!(!format!("{delivery:?}").contains(&token), "tokens are masked");

    let message = running.message(&delivery.id).unwrap();
    assert_eq!(message.raw, mime.as_bytes());
    for mailbox in ["ben@contoso.test", "y@example.test", "Anna@contoso.test"] {
        assert_eq!(running.folder(mailbox, Folder::Inbox).len(), 1, "{mailbox}");
    }
    assert_eq!(running.folder("noreply@contoso.test", Folder::SentItems).len(), 1);
    assert_eq!(running.folder("noreply@contoso.test", Folder::Inbox).len(), 0);

    let delivered = String::from_utf8(running.delivered_copy(&message)).unwrap();
    let expected = "Return-Path: <noreply@contoso.test>\r\n\
         From: \"No reply\" <NoReply@contoso.test>\r\nTo: anna@contoso.test, x@example.test\r\n\
         Cc: X@EXAMPLE.test\r\nMessage-ID: <1@gateway.test>\r\nSubject: Report\r\nX-Kept: yes\r\n\r\n\
         Bcc: not a header\r\n\u{e9}\r\n";
    assert_eq!(delivered, expected, "no Bcc, no Auto-Submitted, the body as it was");
}

#[tokio::test]
async fn every_answer_carries_graphs_headers() {
    let running = start().await;
    let bearer = format!("Bearer {}", token(&running).await);
    for (mailbox, status) in [("noreply", 202), ("ghost", 404)] {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain"), ("client-request-id", "me")];
        let target = format!("/v1.0/users/{mailbox}@contoso.test/sendMail");
        let reply = request(running.addr, "POST", &target, &headers, STANDARD.encode(MAIL).as_bytes()).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("client-request-id"), Some("me"));
        assert_eq!(reply.header("request-id").map(str::len), Some(36));
        for name in ["date", "x-ms-ags-diagnostic", "strict-transport-security"] {
            assert!(reply.header(name).is_some(), "{name}");
        }
        assert_eq!(reply.header("cache-control"), Some("private"));
    }
}

#[tokio::test]
async fn the_request_target_is_recorded_as_it_came() {
    let running = start().await;
    let token = token(&running).await;
    let targets = [
        "/v1.0/users/a%2Bb%2F..%2F..%2Fx%3Fy%23z@d/sendMail",
        "/v1.0/users/a/../../x?y=%7ez/sendMail",
        "/v1.0//users/%2e%2e/sendMail",
        "/v1.0/users/%25252f@contoso.test/sendMail",
    ];
    for target in targets {
        assert!(send(&running, &token, target, MAIL).await.status >= 400, "{target}");
    }
    let seen: Vec<String> = running.requests().into_iter().map(|record| record.target).collect();
    assert_eq!(seen, targets);
}

fn mail_to(field: &str) -> String {
    STANDARD.encode(format!("From: noreply@contoso.test\r\n{field}\r\nSubject: s\r\n\r\nb\r\n"))
}

/// Everything a mailbox, an address or a body can be refused for.
#[tokio::test]
async fn refusals_of_the_mailbox_and_the_content() {
    let running = start().await;
    let token = token(&running).await;
    let user = |name: &str| format!("/v1.0/users/{name}@contoso.test/sendMail");
    let good = STANDARD.encode(MAIL);
    let many: Vec<String> = (0..501).map(|n| format!("r{n}@example.test")).collect();
    let rows: Vec<(&str, String, String)> = vec![
        ("unknown user", user("ghost"), good.clone()),
        ("missing user", user("missing"), good.clone()),
        ("no licence", user("unlicensed"), good.clone()),
        ("soft-deleted", user("soft-deleted"), good.clone()),
        ("on premises", user("on-premises"), good.clone()),
        ("full", user("full"), good.clone()),
        ("outside the access policy", user("out-of-scope"), good.clone()),
        ("blocked", user("blocked"), good.clone()),
        ("quota used up", user("quota-exceeded"), good.clone()),
        ("moving", user("moving"), good.clone()),
        ("me without a user", "/v1.0/me/sendMail".into(), good.clone()),
        ("not base64", SEND.into(), MAIL.into()),
        ("empty", SEND.into(), String::new()),
        ("no header", SEND.into(), STANDARD.encode("\r\nbody")),
        ("no recipient", SEND.into(), mail_to("X-To: a@b.test")),
        ("empty group", SEND.into(), mail_to("To: undisclosed-recipients:;")),
        ("dot before the at", SEND.into(), mail_to("To: good@example.test\r\nBcc: x.@example.test")),
        ("too many recipients", SEND.into(), mail_to(&format!("To: {}", many.join(",\r\n ")))),
        ("another author", SEND.into(), STANDARD.encode("From: ceo@contoso.test\r\nTo: a@b.test\r\n\r\nb")),
        ("wrong version", "/v3.0/users/noreply@contoso.test/sendMail".into(), good.clone()),
        ("unknown collection", "/v1.0/people/noreply@contoso.test/sendMail".into(), good.clone()),
        ("unknown action", "/v1.0/users/noreply@contoso.test/send".into(), good.clone()),
        ("draft without Mail.ReadWrite", "/v1.0/users/noreply@contoso.test/messages".into(), good.clone()),
        ("reading a user", "/v1.0/users/noreply@contoso.test".into(), good.clone()),
    ];
    let mut seen = String::new();
    for (name, target, body) in rows {
        let reply = send_bytes(&running, &token, &target, body.as_bytes()).await;
        seen = format!("{seen}{name}: {} {}\n", reply.status, without_ids(&reply));
    }
    insta::assert_snapshot!(seen);
    assert_eq!(running.stats().deliveries, 0, "nothing refused is kept");
}

#[tokio::test]
async fn refusals_of_the_token() {
    let running = start().await;
    let forge = |overrides| running.forge_token(CLIENT, &overrides).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let mut other_signature = forge(json!({}));
    other_signature.truncate(other_signature.rfind('.').unwrap() + 1);
    other_signature.push_str(&"A".repeat(342));
    let rows = [
        ("empty", String::new()),
        ("opaque", "EwBwA8l6BAAU".to_owned()),
        ("no JWT", "a.b.c".to_owned()),
        ("wrong signature", other_signature),
        ("expired", forge(json!({"exp": now - 1}))),
        ("not yet valid", forge(json!({"nbf": now + 3600}))),
        ("for Exchange", forge(json!({"aud": "https://outlook.office365.com"}))),
        ("without a role", forge(json!({"roles": null}))),
        ("with another role", forge(json!({"roles": ["User.Read.All"]}))),
        ("delegated without Mail.Send", forge(json!({"scp": "User.Read", "upn": "anna@contoso.test"}))),
    ];
    let mut seen = String::new();
    for (name, token) in rows {
        let reply = send(&running, &token, SEND, MAIL).await;
        assert_eq!(reply.header("www-authenticate").is_some(), reply.status == 401, "{name}");
        seen = format!("{seen}{name}: {} {}\n", reply.status, without_ids(&reply));
    }
    insta::assert_snapshot!(seen);
}

#[tokio::test]
async fn no_authorization_header_is_an_empty_token() {
    let running = start().await;
    let reply = request(running.addr, "POST", SEND, &[("Content-Type", "text/plain")], b"").await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "InvalidAuthenticationToken"));
}

#[tokio::test]
async fn a_delegated_token_sends_as_me() {
    let running = start().await;
    let delegated = json!({"scp": "Mail.Send", "upn": "anna@contoso.test", "roles": null, "idtyp": "user"});
    let token = running.forge_token(CLIENT, &delegated).unwrap();
    let mail = "From: anna@contoso.test\r\nTo: x@example.test\r\n\r\nhi";
    assert_eq!(send(&running, &token, "/v1.0/me/sendMail", mail).await.status, 202);
    assert_eq!(running.deliveries()[0].mailbox, "anna@contoso.test");
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_a_fresh_one_is_not() {
    let running = start().await;
    let old = token(&running).await;
    let mut form = good_form();
    form.push(("claims", r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#));
    let challenged = token_with(&running, &form).await;
    assert_eq!(send(&running, &old, SEND, MAIL).await.status, 202, "verified and remembered before");
    assert_eq!(request(running.addr, "POST", "/sandbox/api/tokens/revoke", &[], b"").await.status, 204);
    let plain = send(&running, &old, SEND, MAIL).await;
    assert_eq!(plain.status, 401);
    assert!(!plain.header("www-authenticate").unwrap().contains("claims="), "only who asked for it is challenged");
    let challenge = send(&running, &challenged, SEND, MAIL).await;
    assert!(challenge.header("www-authenticate").unwrap().contains("error=\"insufficient_claims\", claims=\""));
    let fresh = token(&running).await;
    assert_eq!(send(&running, &fresh, SEND, MAIL).await.status, 202);
}

/// A tenant whose grants differ from app to app and from mailbox to mailbox.
async fn start_with_grants() -> Running {
    start_from(
        r#"
        [[tenant]]
        id = "11111111-2222-3333-4444-555555555555"
        name = "Contoso"
        [[tenant.app]]
        client_id = "66666666-7777-8888-9999-000000000000"
        roles = ["Mail.Send"]
        send_as = ["info@contoso.test"]
        [[tenant.app]]
        client_id = "rbac"
        rbac_mailboxes = ["anna@contoso.test"]
        [[tenant.app]]
        client_id = "policy"
        roles = ["Mail.Send"]
        access_policy_mailboxes = ["anna@contoso.test"]
        [[tenant.app]]
        client_id = "drafts"
        roles = ["Mail.ReadWrite"]
        [[tenant.user]]
        upn = "anna@contoso.test"
        id = "aaaaaaaa-0000-4000-8000-000000000001"
        aliases = ["a.example@contoso.test"]
        send_as = ["sales@contoso.test"]
        max_message_bytes = 200
        [[tenant.user]]
        upn = "ben@contoso.test"
        "#,
    )
    .await
}

#[tokio::test]
async fn grants_decide_who_sends_from_where_as_whom() {
    let running = start_with_grants().await;
    let send_as = |app: &'static str, key: &'static str, from: &'static str| {
        let token = running.forge_token(app, &json!({})).unwrap();
        let mime = format!("From: {from}\r\nTo: x@example.test\r\n\r\nhi");
        let target = format!("/v1.0/users/{key}/sendMail");
        let running = &running;
        async move {
            let reply = send(running, &token, &target, &mime).await;
            if reply.status == 202 { "taken".to_owned() } else { reply.code() }
        }
    };
    let (anna, ben, denied) = ("anna@contoso.test", "ben@contoso.test", "ErrorSendAsDenied");
    let rows = [
        (CLIENT, anna, anna, "taken", "its own address"),
        (CLIENT, anna, "ANNA@Contoso.test", "taken", "in any case"),
        (CLIENT, "AAAAAAAA-0000-4000-8000-000000000001", anna, "taken", "the object id is a key"),
        (CLIENT, "a.example@contoso.test", anna, "ErrorInvalidUser", "an alias is no key"),
        (CLIENT, anna, "a.example@contoso.test", "taken", "but may be the author"),
        (CLIENT, anna, "sales@contoso.test", "taken", "granted to the mailbox"),
        (CLIENT, ben, "sales@contoso.test", denied, "and to no other"),
        (CLIENT, ben, "info@contoso.test", "taken", "granted to the app"),
        (CLIENT, anna, ben, denied, "somebody else"),
        (CLIENT, anna, "anna@contoso.test, ben@contoso.test", denied, "one author of two is somebody else"),
        ("rbac", anna, anna, "taken", "no role, but RBAC for this mailbox"),
        ("rbac", ben, ben, "ErrorAccessDenied", "and for no other"),
        ("policy", anna, anna, "taken", "inside the access policy"),
        ("policy", ben, ben, "ErrorAccessDenied", "outside of it, whatever the role"),
        ("drafts", anna, anna, "ErrorAccessDenied", "Mail.ReadWrite does not send"),
    ];
    for (app, key, from, expected, reason) in rows {
        assert_eq!(send_as(app, key, from).await, expected, "{reason}");
    }
    assert_eq!(running.folder("a.example@contoso.test", Folder::Inbox).len(), 0);
}

#[tokio::test]
async fn drafts_are_made_only_by_apps_that_may() {
    let running = start_with_grants().await;
    let drafts = "/v1.0/users/ben@contoso.test/messages";
    for (app, status) in [("drafts", 201), (CLIENT, 403)] {
        let token = running.forge_token(app, &json!({})).unwrap();
        assert_eq!(send(&running, &token, drafts, MAIL).await.status, status, "{app}");
    }
}

#[tokio::test]
async fn both_versions_and_any_case_of_a_path_lead_to_send_mail() {
    let running = start().await;
    let token = token(&running).await;
    let user = "noreply@contoso.test";
    for target in [
        format!("/beta/users/{user}/sendMail"),
        format!("/V1.0/Users/{user}/sendmail"),
        format!("/v1.0/users('{user}')/microsoft.graph.sendMail"),
    ] {
        assert_eq!(send(&running, &token, &target, MAIL).await.status, 202, "{target}");
    }
}

#[tokio::test]
async fn mail_to_an_alias_arrives_in_its_mailbox() {
    let running = start_with_grants().await;
    let token = running.forge_token(CLIENT, &json!({})).unwrap();
    let mime = "To: A.Example@contoso.test, anna@contoso.test\r\n\r\nhi";
    assert_eq!(send(&running, &token, "/v1.0/users/ben@contoso.test/sendMail", mime).await.status, 202);
    assert_eq!(running.folder("anna@contoso.test", Folder::Inbox).len(), 1);
    let message = running.folder("anna@contoso.test", Folder::Inbox).remove(0);
    assert_eq!(message.inboxes, ["anna@contoso.test"], "two addresses of one mailbox bring it one message");
    let delivered = String::from_utf8(running.delivered_copy(&message)).unwrap();
    assert!(delivered.contains("\r\nFrom: ben@contoso.test\r\n"), "the mailbox is the author if none is named");
}

#[tokio::test]
async fn too_much_is_refused_at_each_of_three_limits() {
    let running = start_with_grants().await;
    let token = running.forge_token(CLIENT, &json!({})).unwrap();
    let long = format!("To: x@example.test\r\n\r\n{}", "a".repeat(200));
    let own_limit = send(&running, &token, "/v1.0/users/anna@contoso.test/sendMail", &long).await;
    assert_eq!((own_limit.status, own_limit.code().as_str()), (400, "ErrorMessageSizeExceeded"));

    let head = "To: x@example.test\r\n\r\n";
    let fits = format!("{head}{}", "a".repeat(3 * 1024 * 1024 - head.len()));
    let target = "/v1.0/users/ben@contoso.test/sendMail";
    assert_eq!(send(&running, &token, target, &fits).await.status, 202, "4 MiB of base64 exactly");
    let over = send(&running, &token, target, &format!("{fits}a")).await;
    assert_eq!((over.status, over.code().as_str()), (413, "RequestEntityTooLarge"));
    assert_eq!(running.requests().last().unwrap().body_sha256, None, "it was not kept");
}

#[tokio::test]
async fn too_large_can_be_the_other_answer() {
    let running = start_from("[behaviour]\ntoo_large_is_400 = true\n[limits]\nmax_request_bytes = 10").await;
    let token = token(&running).await;
    let reply = send(&running, &token, SEND, MAIL).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "BadRequest"));
    assert!(reply.text().contains("4MB"));
}

#[tokio::test]
async fn other_media_types_and_methods_are_refused() {
    type Headers = &'static [(&'static str, &'static str)];
    let running = start().await;
    let bearer = format!("Bearer {}", token(&running).await);
    let body = STANDARD.encode(MAIL);
    let rows: [(&str, Headers, u16, &str); 5] = [
        ("POST", &[("Content-Type", "message/rfc822")], 415, "raw MIME"),
        ("POST", &[], 415, "no media type"),
        ("POST", &[("Content-Type", "text/plain"), ("Content-Encoding", "gzip")], 415, "compressed"),
        ("GET", &[("Content-Type", "text/plain")], 405, "GET"),
        ("POST", &[("Content-Type", "Text/Plain; charset=us-ascii")], 202, "a parameter is nothing"),
    ];
    for (method, headers, status, reason) in rows {
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        assert_eq!(request(running.addr, method, SEND, &all, body.as_bytes()).await.status, status, "{reason}");
    }
}

#[tokio::test]
async fn delivered_copies_change_as_the_settings_say() {
    let running = start_from("[behaviour]\ndrop_x_headers = true\nreplace_message_id = true").await;
    let token = token(&running).await;
    let mime =
        "From: noreply@contoso.test\r\nTo: x@example.test\r\nX-Long: a\r\n b\r\nMessage-ID: <1@a>\r\n\r\nX-Body: 1";
    assert_eq!(send(&running, &token, SEND, mime).await.status, 202);
    let message = running.folder("x@example.test", Folder::Inbox).remove(0);
    let id = &message.delivery.id;
    let expected = format!(
        "Return-Path: <noreply@contoso.test>\r\nMessage-ID: <{id}@sandbox.invalid>\r\nFrom: noreply@contoso.test\r\n\
         To: x@example.test\r\n\r\nX-Body: 1"
    );
    assert_eq!(String::from_utf8(running.delivered_copy(&message)).unwrap(), expected);
}
