//! A server of one's own that takes a tenant's tokens.

use admin::{Actor, AdminError, ConnectionEntry, Role, create_connection};
use jiff::Timestamp;
use serde_json::json;

use crate::gateway::{Gateway, SERVER, TENANT};

const TOKEN: &str = "tenant = 'Contoso'\nusername = 'a@contoso.test'\noauth_scope = 'https://mail.test/.default'\n";

#[tokio::test]
async fn a_server_takes_a_token_in_place_of_a_password() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}{SERVER}username = 'a@contoso.test'\npassword = 'hunter2'")).await;
    let diff = gateway.apply(&format!("{SERVER}{TOKEN}")).await;
    assert!(diff.contains("password: (set) -> none") && diff.contains("oauth_scope: "), "{diff}");
    let server = gateway.settings().connections[0].smtp.clone().unwrap();
    assert_eq!((server.password, server.oauth_scope.as_deref()), (None, Some("https://mail.test/.default")));
    assert_eq!(gateway.apply(&gateway.export()).await, "");
}

#[tokio::test]
async fn half_of_it_is_refused() {
    let gateway = Gateway::new();
    gateway.apply(TENANT).await;
    for (keys, at) in [
        (TOKEN.replace("tenant = 'Contoso'\n", ""), "tenant"),
        (TOKEN.replace("oauth_scope = 'https://mail.test/.default'\n", ""), "oauth_scope"),
        (TOKEN.replace("username = 'a@contoso.test'\n", ""), "username"),
        (format!("{TOKEN}password = 'x'"), "password"),
        (format!("{TOKEN}security = 'none'"), "security"), // a token in clear
        (TOKEN.replace("/.default", " offline_access"), "oauth_scope"),
    ] {
        assert_eq!(gateway.refusal(&format!("{SERVER}{keys}")).await.field, Some(at), "{keys}");
    }
}

/// Or a token for anything the application may use could be fetched with a server of one's own.
#[tokio::test]
async fn who_asks_from_elsewhere_has_tokens_shown_only_to_the_server_they_are_for() {
    let gateway = Gateway::new();
    gateway.apply(TENANT).await;
    let anna = Actor::new("anna", Role::Administrator);
    for (scope, host, is_taken) in [
        ("https://mail.example.test/.default", "smtp.mail.example.test", true),
        ("https://mail.example.test/.default", "mail.example.test", true),
        ("https://vault.azure.test/.default", "evil.test", false),
        ("https://example.test/.default", "evilexample.test", false), // ends alike, and is another domain
        ("api://something/.default", "mail.example.test", false),
    ] {
        let entry: ConnectionEntry = serde_json::from_value(json!({
            "name": format!("{scope} {host}"), "service": "SMTP Server", "tenant": "Contoso", "host": host,
            "username": "a@contoso.test", "oauth_scope": scope,
        }))
        .unwrap();
        match create_connection(gateway.store(), &anna, &entry, None, Timestamp::now()).await {
            Ok(_) => assert!(is_taken, "{scope} {host}"),
            Err(AdminError::Refused(it)) => assert_eq!((is_taken, it.field), (false, Some("oauth_scope")), "{scope}"),
            Err(error) => panic!("{error}"),
        }
    }
}
