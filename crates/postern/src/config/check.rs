//! What a configuration can get wrong beyond the shape of its values.

use std::path::Path;

use relay::NetworkError;

use super::{AuthMode, Config, Smtp, TlsMode};

/// One thing that would keep the server from starting, or from being safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub what: String,
    pub fix: String,
}

impl Problem {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

impl Config {
    /// The problems in the doctor's words.
    pub(crate) fn refusals(&self) -> Vec<admin::Refused> {
        self.problems().into_iter().map(|problem| admin::Refused::new(problem.what, problem.fix)).collect()
    }

    /// Everything that can be said without touching the network or the store. Empty: sound.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.store.url != "sqlite" {
            problems.push(Problem::new(
                "store.url names a database this version does not support",
                "Set store.url = \"sqlite\", or leave it out.",
            ));
        }
        if let Some(name) = self.hostname.as_ref().filter(|name| !super::is_host_name(name)) {
            problems.push(Problem::new(
                format!("hostname '{name}' is not a host name"),
                "Write a name such as mail.example.org, or leave it out to use the machine's.",
            ));
        }
        problems.extend(tls_pair("http", self.http.tls_cert.as_deref(), self.http.tls_key.as_deref(), false));
        for listener in &self.smtp {
            problems.extend(listener_problems(listener));
        }
        if let Some(bundle) = self.proxy.ca_bundle.as_ref().filter(|path| !path.is_file()) {
            problems.push(Problem::new(
                format!("proxy.ca_bundle: the file {} does not exist", bundle.display()),
                "Name a PEM file with certificates, or leave the key out.",
            ));
        }
        problems.extend(self.proxy_problem());
        problems
    }

    /// What would keep the way out from being used. A bundle that cannot be read is told on its own.
    fn proxy_problem(&self) -> Option<Problem> {
        let network = relay::Network {
            proxy: self.proxy.url.clone(),
            no_proxy: self.proxy.no_proxy.clone(),
            ca_bundle_pem: self.proxy.ca_bundle.as_ref().and_then(|file| std::fs::read(file).ok()),
            ..relay::Network::default()
        };
        let error = network.check().err()?;
        Some(match error {
            NetworkError::Proxy => Problem::new(
                format!("proxy.url: {error}"),
                "Write http://host:port, https://host:port or socks5h://host:port, with user:password@ before the host if it \
                 wants them.",
            ),
            NetworkError::NoProxy(_) => Problem::new(
                format!("proxy.no_proxy: {error}"),
                "Write a host name (what is below it is meant, too), an address or a network such as 10.0.0.0/8; no port.",
            ),
            NetworkError::CaBundle => Problem::new(
                format!("proxy.ca_bundle: {error}"),
                "Name a PEM file with certificates: lines from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
            ),
            NetworkError::Client(_) => {
                Problem::new(format!("[proxy]: {error}"), "Correct it, or leave the section out.")
            }
        })
    }
}

fn listener_problems(listener: &Smtp) -> Vec<Problem> {
    let name = format!("smtp listener {}", listener.listen);
    let mut problems =
        tls_pair(&name, listener.tls_cert.as_deref(), listener.tls_key.as_deref(), listener.tls != TlsMode::None);
    if listener.auth != AuthMode::Required && listener.allow.is_empty() {
        problems.push(Problem::new(
            format!("{name}: auth is not required and no network is allowed, so nobody could send"),
            "List the clients' networks in 'allow', or set auth = \"required\".",
        ));
    }
    if listener.auth != AuthMode::Required
        && let Some(all) = listener.allow.iter().find(|network| network.prefix_len() == 0)
    {
        problems.push(Problem::new(
            format!("{name} would be an open relay: '{all}' lets everybody send without signing in"),
            "List only your own networks in 'allow', or set auth = \"required\".",
        ));
    }
    problems
}

fn tls_pair(name: &str, cert: Option<&Path>, key: Option<&Path>, needed: bool) -> Vec<Problem> {
    let missing = match (cert, key) {
        (None, None) if needed => Some("tls is on, but tls_cert and tls_key are not given"),
        (Some(_), None) => Some("tls_cert is given without tls_key"),
        (None, Some(_)) => Some("tls_key is given without tls_cert"),
        _ => None,
    };
    let mut problems: Vec<Problem> = missing
        .map(|what| Problem::new(format!("{name}: {what}"), "Name the PEM files of certificate chain and private key."))
        .into_iter()
        .collect();
    for file in [cert, key].into_iter().flatten().filter(|file| !file.is_file()) {
        problems.push(Problem::new(
            format!("{name}: the file {} does not exist", file.display()),
            "Name a PEM file that this user can read.",
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Config::default().problems(), []);
    }

    #[test]
    fn every_trap_is_named() {
        let smtp = |text: &str| format!("[[smtp]]\nlisten = '127.0.0.1:2525'\n{text}");
        for (text, expected) in [
            ("[store]\nurl = 'postgres://h/db'".to_owned(), "store.url"),
            ("hostname = 'two words'".to_owned(), "hostname"),
            ("[http]\ntls_cert = '/etc/hostname'".to_owned(), "without tls_key"),
            ("[http]\ntls_cert = '/nowhere'\ntls_key = '/nowhere'".to_owned(), "/nowhere does not exist"),
            (smtp("tls = 'implicit'"), "tls_cert and tls_key are not given"),
            (smtp("auth = 'off'\nallow = []"), "nobody could send"),
            (smtp("auth = 'off'\nallow = ['0.0.0.0/0']"), "open relay"),
            (smtp("auth = 'optional'\nallow = ['10.0.0.0/8', '::/0']"), "open relay"),
            ("[proxy]\nca_bundle = '/nowhere'".to_owned(), "ca_bundle"),
            ("[proxy]\nca_bundle = '/etc/hostname'".to_owned(), "certificates in PEM"),
            ("[proxy]\nurl = 'socks4://h:1'".to_owned(), "socks5h://"),
            ("[proxy]\nno_proxy = ['mail.test:25']".to_owned(), "'mail.test:25' in no_proxy"),
        ] {
            let config: Config = toml::from_str(&text).unwrap();
            let problems = config.problems();
            assert!(problems.iter().any(|problem| problem.what.contains(expected)), "{text}: {problems:?}");
        }
    }
}
