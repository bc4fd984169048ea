//! The part of the form that is for the service *SMTP Server*.

use admin::{Refused, SmtpServerView, TenantView};
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
    /// [`PASSWORD`] or [`TOKEN`].
    server_authentication: String,
    /// Id of a tenant.
    token_tenant: String,
    oauth_scope: String,
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
    /// Name of the tenant whose token is used.
    pub(super) tenant: Option<String>,
    pub(super) oauth_scope: Option<String>,
}

/// The only service these fields are for.
const SMTP_SERVER: &[&str] = &["SMTP Server"];
const PASSWORD: &str = "password";
const TOKEN: &str = "token";
const SECURITIES: [(&str, Security, &str); 3] = [
    ("starttls", Security::StartTls, "STARTTLS, mostly port 587"),
    ("implicit", Security::Implicit, "TLS from the first octet, mostly port 465"),
    ("none", Security::None, "None: for servers on this machine or in a network you trust"),
];

impl SmtpServerFields {
    /// `tenant`: the id of the one whose token is used.
    pub(super) fn of(known: Option<&SmtpServerView>, tenant: &str) -> Self {
        let Some(server) = known else { return Self::default() };
        let security = SECURITIES.iter().find(|(_, security, _)| *security == server.security);
        Self {
            host: server.host.clone(),
            port: server.port.to_string(),
            security: security.map_or_else(String::new, |(name, ..)| (*name).to_owned()),
            username: server.username.clone().unwrap_or_default(),
            password: String::new(),
            server_authentication: if server.oauth_scope.is_some() { TOKEN } else { PASSWORD }.to_owned(),
            token_tenant: tenant.to_owned(),
            oauth_scope: server.oauth_scope.clone().unwrap_or_default(),
            has_password: server.has_password,
        }
    }

    /// `tenants` are those there are.
    pub(super) fn read(&self, tenants: &[TenantView]) -> Result<SmtpServerEntry, Refused> {
        let port = optional(&self.port).map(|text| text.parse()).transpose();
        let security = SECURITIES.iter().find(|(name, ..)| *name == self.security);
        let by_token = self.server_authentication == TOKEN;
        let tenant = tenants.iter().find(|tenant| tenant.id == self.token_tenant).map(|tenant| tenant.name.clone());
        if by_token && tenant.is_none() {
            let fix = "Choose the tenant whose application gets the token; add it under Tenants first.";
            return Err(Refused::new("there is no tenant chosen", fix).at("token_tenant"));
        }
        let scope = optional(&self.oauth_scope).filter(|_| by_token);
        if by_token && scope.is_none() {
            let fix = "Write it as https://mail.example.org/.default";
            return Err(Refused::new("there is no scope", fix).at("oauth_scope"));
        }
        let password = (!by_token && !self.password.is_empty()).then(|| SecretString::from(self.password.as_str()));
        Ok(SmtpServerEntry {
            host: optional(&self.host),
            port: port.map_err(|_| Refused::new("this is no port", "Write a number, as 587.").at("port"))?,
            security: security.map(|(_, security, _)| *security),
            username: optional(&self.username),
            password: password.map(admin::SecretValue::from),
            tenant: tenant.filter(|_| by_token),
            oauth_scope: scope,
        })
    }

    pub(super) fn fields(&self, tenants: &[TenantView]) -> Vec<Field> {
        let securities = SECURITIES.iter().map(|(name, _, words)| Choice::new(*name, *words)).collect();
        let authentications = vec![
            Choice::new(PASSWORD, "User name and password, or none"),
            Choice::new(TOKEN, "Token of a tenant (OAuth 2.0, XOAUTH2)"),
        ];
        let tenants = tenants.iter().map(|tenant| Choice::new(&tenant.id, &tenant.name)).collect();
        let by_token = |field: Field| field.shown_when("server_authentication", &[TOKEN]);
        let fields = [
            Field::section("SMTP Server"),
            Field::text("host", "Host", &self.host).required().hint("Name or address, as mail.example.org."),
            Field::select("security", "Security", &self.security, securities),
            Field::number("port", "Port", &self.port).hint("Left empty: the usual one for that security."),
            Field::select("server_authentication", "Authentication", &self.server_authentication, authentications),
            Field::text("username", "User name", &self.username)
                .hint("Left empty: no authentication. With a token: the mailbox, mostly."),
            Field::secret("password", "Password", self.has_password).shown_when("server_authentication", &[PASSWORD]),
            by_token(Field::select("token_tenant", "Tenant of the token", &self.token_tenant, tenants)),
            by_token(Field::text("oauth_scope", "Scope of the token", &self.oauth_scope))
                .hint("What the tenant's application asks for, as https://mail.example.org/.default"),
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
        let entry = typed("465").read(&[]).unwrap();
        assert_eq!((entry.host.as_deref(), entry.port), (Some("mail.example.test"), Some(465)));
        assert_eq!((entry.security, entry.username), (Some(Security::Implicit), None));
        assert!(entry.password.is_none(), "left empty: it stays as it is");
        assert_eq!(typed("many").read(&[]).err().and_then(|refused| refused.field), Some("port"));
    }

    #[test]
    fn a_token_needs_its_tenant_and_takes_no_password_along() {
        let typed = SmtpServerFields {
            host: "mail.example.test".into(),
            server_authentication: TOKEN.into(),
            password: "left over".into(),
            oauth_scope: "https://mail.test/.default".into(),
            ..SmtpServerFields::default()
        };
        assert_eq!(typed.read(&[]).err().and_then(|refused| refused.field), Some("token_tenant"));
        let by_password = SmtpServerFields { server_authentication: PASSWORD.into(), ..typed };
        let entry = by_password.read(&[]).unwrap();
        assert!(entry.password.is_some() && entry.oauth_scope.is_none() && entry.tenant.is_none());
    }
}
