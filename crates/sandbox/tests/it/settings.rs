//! The settings file.

use sandbox::{Config, ConfigError, Sandbox, StartError};

const EXAMPLE: &str = include_str!("../../examples/sandbox.toml");

async fn start_error(config: Config) -> ConfigError {
    match Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await {
        Err(StartError::Config(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_example_starts_and_shows_the_defaults() {
    let config = Config::from_toml(EXAMPLE).unwrap();
    let default = Config::default();
    assert_eq!(format!("{:?}", config.limits), format!("{:?}", default.limits));
    assert_eq!(format!("{:?}", config.behaviour), format!("{:?}", default.behaviour));
    assert_eq!(format!("{:?}", config.storage), format!("{:?}", default.storage));
    assert_eq!(format!("{:?}", config.listener), format!("{:?}", default.listener));
    assert_eq!(config.token.min_lifetime_seconds, default.token.min_lifetime_seconds);
    Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await.unwrap();
}

#[test]
fn an_empty_file_is_the_ready_tenant() {
    let config = Config::from_toml("").unwrap();
    assert_eq!(config.tenants[0].domains, ["contoso.test"]);
    assert!(config.tenants[0].users.iter().any(|user| user.upn == "scanner@contoso.test"));
}

#[test]
fn an_unknown_key_is_an_error_on_every_level() {
    let tenant = "[[tenant]]\nid = \"1\"\nname = \"a\"\n";
    let rows = [
        "port = 1".to_owned(),
        "[limits]\nconcurrency = 4".to_owned(),
        format!("{tenant}domain = \"a\""),
        format!("{tenant}[[tenant.user]]\nupn = \"a@b\"\nlicence = true"),
    ];
    for text in rows {
        assert!(matches!(Config::from_toml(&text), Err(ConfigError::Syntax(_))), "{text}");
    }
}

#[test]
fn a_secret_does_not_show_in_the_settings_debug_text() {
    let text = format!("{:?}", Config::default());
    assert!(!text.contains("sandbox-secret") && !text.contains("anna-password"));
}

#[tokio::test]
async fn settings_that_contradict_themselves_do_not_start() {
    let mut config = Config::default();
    config.tenants.push(config.tenants[0].clone());
    assert!(matches!(start_error(config).await, ConfigError::DuplicateTenant(_)));

    let mut config = Config::default();
    let again = config.tenants[0].users[0].clone();
    config.tenants[0].users.push(again);
    assert!(matches!(start_error(config).await, ConfigError::Duplicate(_)));

    let mut config = Config::default();
    config.tenants[0].users[0].upn = "noreply".to_owned();
    assert!(matches!(start_error(config).await, ConfigError::NotAnAddress(_)));

    let mut config = Config::default();
    config.token.min_lifetime_seconds = 0;
    assert!(matches!(start_error(config).await, ConfigError::TokenLifetime));

    let mut config = Config::default();
    config.tenants[0].apps[0].certificates.push(sandbox::config::Certificate::Pem("no".to_owned()));
    assert!(matches!(start_error(config).await, ConfigError::Certificate { .. }));

    let mut config = Config::default();
    config.tenants[0].apps[0].delegated_scopes.push("Mail.Sent".to_owned());
    assert!(matches!(start_error(config).await, ConfigError::Scope { .. }));

    for uri in ["/oauth/callback", "http://127.0.0.1/oauth/callback#top"] {
        let mut config = Config::default();
        config.tenants[0].apps[0].redirect_uris.push(uri.to_owned());
        assert!(matches!(start_error(config).await, ConfigError::RedirectUri { .. }), "{uri}");
    }

    let mut config = Config::default();
    config.listener.https_listen = Some(([127, 0, 0, 1], 0).into());
    let refused = Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await;
    assert!(matches!(refused, Err(StartError::NoCertificate)));
}
