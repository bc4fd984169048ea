//! The part of the form that is for the service *SMTP Server*.

use admin::{Refused, SmtpServerView};
use secrecy::SecretString;
use serde::Deserialize;
use settings::Security;

use crate::form::{Choice, Field, optional};

/// Fields of a server of one's own, as they are typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SmtpServerFields {
    host: String,
    port: String,
    security: String,
    username: String,
    password: String,
    #[serde(skip)]
    has_password: bool,
}

/// What is asked of `admin`.
#[derive(Default)]
pub(super) struct SmtpServerEntry {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) security: Option<Security>,
    pub(super) username: Option<String>,
    pub(super) password: Option<admin::SecretValue>,
}

/// The only service these fields are for.
const SMTP_SERVER: &[&str] = &["SMTP Server"];
const SECURITIES: [(&str, Security, &str); 3] = [
    ("starttls", Security::StartTls, "STARTTLS, mostly port 587"),
    ("implicit", Security::Implicit, "TLS from the first octet, mostly port 465"),
    ("none", Security::None, "None: for servers on this machine or in a network you trust"),
];

impl SmtpServerFields {
    pub(super) fn of(known: Option<&SmtpServerView>) -> Self {
        let Some(server) = known else { return Self::default() };
        let security = SECURITIES.iter().find(|(_, security, _)| *security == server.security);
        Self {
            host: server.host.clone(),
            port: server.port.to_string(),
            security: security.map_or_else(String::new, |(name, ..)| (*name).to_owned()),
            username: server.username.clone().unwrap_or_default(),
            password: String::new(),
            has_password: server.has_password,
        }
    }

    pub(super) fn read(&self) -> Result<SmtpServerEntry, Refused> {
        let port = optional(&self.port).map(|text| text.parse()).transpose();
        let security = SECURITIES.iter().find(|(name, ..)| *name == self.security);
        let password = (!self.password.is_empty()).then(|| SecretString::from(self.password.as_str()));
        Ok(SmtpServerEntry {
            host: optional(&self.host),
            port: port.map_err(|_| Refused::new("this is no port", "Write a number, as 587.").at("port"))?,
            security: security.map(|(_, security, _)| *security),
            username: optional(&self.username),
            password: password.map(admin::SecretValue::from),
        })
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let securities = SECURITIES.iter().map(|(name, _, words)| Choice::new(*name, *words)).collect();
        let fields = [
            Field::section("SMTP Server"),
            Field::text("host", "Host", &self.host).required().hint("Name or address, as mail.example.org."),
            Field::select("security", "Security", &self.security, securities),
            Field::number("port", "Port", &self.port).hint("Left empty: the usual one for that security."),
            Field::text("username", "User name", &self.username).hint("Left empty: no authentication."),
            Field::secret("password", "Password", self.has_password),
        ];
        fields.into_iter().map(|field| field.shown_when("service", SMTP_SERVER)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_what_is_asked_and_a_wrong_port_is_refused_at_its_field() {
        let typed = |port: &str| SmtpServerFields {
            host: " mail.example.test ".into(),
            port: port.into(),
            security: "implicit".into(),
            ..SmtpServerFields::default()
        };
        let entry = typed("465").read().unwrap();
        assert_eq!((entry.host.as_deref(), entry.port), (Some("mail.example.test"), Some(465)));
        assert_eq!((entry.security, entry.username), (Some(Security::Implicit), None));
        assert!(entry.password.is_none(), "left empty: it stays as it is");
        assert_eq!(typed("many").read().err().and_then(|refused| refused.field), Some("port"));
    }
}
