//! The part of the form about the way out of one connection.

use admin::{NetworkView, Refused, SecretValue};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::form::{Choice, Field, list, optional};

/// As they are typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NetworkFields {
    /// `gateway`, `none` or [`OWN`].
    proxy: String,
    proxy_url: String,
    proxy_password: String,
    no_proxy: String,
    ca_bundle: String,
    #[serde(skip)]
    has_proxy_password: bool,
}

/// What is asked of `admin`.
pub(super) struct Network {
    pub(super) proxy: Option<String>,
    pub(super) proxy_password: Option<SecretValue>,
    pub(super) no_proxy: Vec<String>,
    pub(super) ca_bundle: Option<SecretValue>,
}

const GATEWAY: &str = "gateway";
const NONE: &str = "none";
const OWN: &str = "own";

impl NetworkFields {
    pub(super) fn of(known: &NetworkView) -> Self {
        let (proxy, proxy_url) = match known.proxy.as_str() {
            GATEWAY | NONE => (known.proxy.as_str(), ""),
            url => (OWN, url),
        };
        Self {
            proxy: proxy.to_owned(),
            proxy_url: proxy_url.to_owned(),
            proxy_password: String::new(),
            no_proxy: known.no_proxy.join("\n"),
            ca_bundle: known.ca_bundle.clone().unwrap_or_default(),
            has_proxy_password: known.has_proxy_password,
        }
    }

    pub(super) fn read(&self) -> Result<Network, Refused> {
        let given = |text: &str| (!text.is_empty()).then(|| SecretValue::from(SecretString::from(text)));
        let ca_bundle = given(self.ca_bundle.trim());
        if self.proxy != OWN {
            let proxy = optional(&self.proxy);
            return Ok(Network { proxy, proxy_password: None, no_proxy: Vec::new(), ca_bundle });
        }
        let Some(url) = optional(&self.proxy_url) else {
            let fix = "Write it as http://proxy.example.org:3128";
            return Err(Refused::new("the proxy has no address", fix).at("proxy_url"));
        };
        Ok(Network {
            proxy: Some(url),
            proxy_password: given(&self.proxy_password),
            no_proxy: list(&self.no_proxy),
            ca_bundle,
        })
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let choices = vec![
            Choice::new(GATEWAY, "As the gateway goes"),
            Choice::new(NONE, "Directly, without a proxy"),
            Choice::new(OWN, "Through a proxy of its own"),
        ];
        let own = |field: Field| field.shown_when("proxy", &[OWN]);
        vec![
            Field::section("Network"),
            Field::select("proxy", "Way out", &self.proxy, choices)
                .hint("For all that the connection does: tokens, Graph, uploads, SMTP."),
            own(Field::text("proxy_url", "Proxy", &self.shown_url()))
                .hint("http://, https:// or socks5h:// with host and port; a user name before the host: http://postern@proxy.example.org:3128"),
            own(Field::secret("proxy_password", "Proxy password", self.has_proxy_password)),
            own(Field::lines("no_proxy", "Reached without the proxy", &self.no_proxy, 2))
                .hint("Host names, addresses or networks, one to a line."),
            Field::lines("ca_bundle", "Certificates to trust", &self.ca_bundle, 3)
                .hint("PEM, besides those that the gateway trusts: of a private authority, or of a proxy that looks into TLS."),
        ]
    }

    /// A password that was typed into the address does not come back with it.
    fn shown_url(&self) -> String {
        let Ok(mut url) = Url::parse(self.proxy_url.trim()) else { return self.proxy_url.clone() };
        if url.password().is_some() && url.set_password(None).is_ok() {
            url.to_string()
        } else {
            self.proxy_url.clone()
        }
    }

    /// The address has a field of its own here.
    pub(super) fn in_words_of_the_form(refused: Refused) -> Refused {
        if refused.field == Some("proxy") { refused.at("proxy_url") } else { refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_asked_for_only_while_it_is_chosen() {
        let typed = |proxy: &str| NetworkFields {
            proxy: proxy.into(),
            proxy_url: "http://proxy.test:3128".into(),
            proxy_password: "hunter2".into(),
            no_proxy: "a.test\nb.test".into(),
            ..NetworkFields::default()
        };
        let own = typed(OWN).read().unwrap();
        assert_eq!((own.proxy.as_deref(), own.no_proxy.len()), (Some("http://proxy.test:3128"), 2));
        assert!(own.proxy_password.is_some());
        let none = typed(NONE).read().unwrap();
        assert_eq!((none.proxy.as_deref(), none.no_proxy.len()), (Some(NONE), 0));
        assert!(none.proxy_password.is_none() && none.ca_bundle.is_none());
        let nothing = NetworkFields { proxy: OWN.into(), ..NetworkFields::default() };
        assert_eq!(nothing.read().err().and_then(|refused| refused.field), Some("proxy_url"));
    }

    #[test]
    fn a_password_never_comes_back_in_the_form() {
        let typed = NetworkFields {
            proxy_url: "http://anna:hunter2@proxy.test:3128/path".into(),
            proxy_password: "hunter2".into(),
            ..NetworkFields::default()
        };
        assert!(typed.fields().iter().all(|field| !field.value.contains("hunter2")));
    }
}
