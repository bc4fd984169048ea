//! What a tenant is described by: on its own page, and within the form of a connection that needs a new one.

use admin::{Refused, SecretValue, TenantEntry, TenantService, TenantView};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use settings::{Cloud, CustomCloud};
use url::Url;

use super::limits::LimitFields;
use crate::form::{Choice, Field, optional};

/// All but the name, which has another field name where a connection has one, too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct TenantFields {
    tenant_id: String,
    client_id: String,
    /// `secret`, `made`, `own`, `file`, `machine`, `keep` or `none`.
    credential: String,
    client_secret: Option<SecretString>,
    client_secret_expires: String,
    certificate: Option<SecretString>,
    federated_token_file: String,
    cloud: String,
    cloud_login: String,
    cloud_graph: String,
    cloud_smtp: String,
    #[serde(flatten)]
    limits: LimitFields,
}

const SECRET: &str = "secret";
const MADE: &str = "made";
const OWN: &str = "own";
const FILE: &str = "file";
const MACHINE: &str = "machine";
const KEEP: &str = "keep";
const NONE: &str = "none";
const CUSTOM: &str = "custom";

impl TenantFields {
    /// For a tenant that is not there yet.
    pub(in crate::pages) fn empty() -> Self {
        Self { credential: SECRET.to_owned(), cloud: "global".to_owned(), ..Self::default() }
    }

    pub(super) fn of(tenant: &TenantView) -> Self {
        let (cloud, custom) = match &tenant.cloud {
            Cloud::Global => ("global", None),
            Cloud::UsGov => ("us-gov", None),
            Cloud::UsGovDod => ("us-gov-dod", None),
            Cloud::China => ("china", None),
            Cloud::Custom(custom) => (CUSTOM, Some(custom)),
        };
        Self {
            tenant_id: tenant.tenant_id.clone(),
            client_id: tenant.client_id.clone(),
            credential: if tenant.credential.is_some() { KEEP } else { NONE }.to_owned(),
            client_secret_expires: tenant.client_secret_expires.map(|date| date.to_string()).unwrap_or_default(),
            cloud: cloud.to_owned(),
            cloud_login: custom.map(|custom| custom.login.to_string()).unwrap_or_default(),
            cloud_graph: custom.map(|custom| custom.graph.to_string()).unwrap_or_default(),
            cloud_smtp: custom.and_then(|custom| custom.smtp.clone()).unwrap_or_default(),
            limits: LimitFields::of(tenant),
            ..Self::default()
        }
    }

    /// A key pair is to be made once the tenant is stored.
    pub(in crate::pages) fn wants_certificate(&self) -> bool {
        self.credential == MADE
    }

    /// `known`: the tenant that is changed, which may keep its credential.
    pub(in crate::pages) fn fields(&self, known: Option<&TenantView>) -> Vec<Field> {
        let mut fields = vec![
            service_field("tenant_service", "Service", "Microsoft Entra ID"),
            service_field("tenant_authentication", "Authentication Type", "OAuth"),
            Field::text("client_id", "Client ID", &self.client_id)
                .required()
                .hint(
                    "Application (client) ID on the Overview page of the app registration. Left empty only for the \
                     identity that Azure assigned to this machine.",
                ),
            Field::text("tenant_id", "Tenant ID", &self.tenant_id)
                .required()
                .hint("Directory (tenant) ID on the same page."),
            Field::select("credential", "Credential", &self.credential, credential_choices(known)),
            Field::secret("client_secret", "Client Secret", known.is_some_and(|known| known.has_client_secret))
                .shown_when("credential", &[SECRET])
                .hint("The Value of the secret, not its Secret ID."),
            Field::date("client_secret_expires", "Client Secret expires", &self.client_secret_expires)
                .shown_when("credential", expiry_applies(known))
                .hint("As the app registration says. Postern warns from 60 days before."),
            Field::lines("certificate", "Certificate and private key", "", 6)
                .shown_when("credential", &[OWN])
                .hint("Both as PEM, the private key as PKCS#8. It is sealed and never shown again."),
            Field::text("federated_token_file", "Token file", &self.federated_token_file)
                .shown_when("credential", &[FILE])
                .hint(
                    "The one that AZURE_FEDERATED_TOKEN_FILE names where this gateway runs. Another is named in a setup \
                     file: whoever uses the console does not choose which files of the machine are sent.",
                ),
        ];
        fields.extend(self.cloud_fields());
        fields
    }

    /// What belongs to the tenant's own page alone.
    pub(super) fn limit_fields(&self) -> Vec<Field> {
        self.limits.fields()
    }

    fn cloud_fields(&self) -> [Field; 4] {
        [
            Field::select("cloud", "Cloud", &self.cloud, cloud_choices()),
            Field::text("cloud_login", "Sign-in endpoint", &self.cloud_login)
                .shown_when("cloud", &[CUSTOM])
                .hint("As https://login.microsoftonline.com; plain http for loopback addresses only."),
            Field::text("cloud_graph", "Graph endpoint", &self.cloud_graph)
                .shown_when("cloud", &[CUSTOM])
                .hint("As https://graph.microsoft.com"),
            Field::text("cloud_smtp", "SMTP endpoint", &self.cloud_smtp)
                .shown_when("cloud", &[CUSTOM])
                .hint("host:port; may be left empty."),
        ]
    }

    pub(in crate::pages) fn entry(&self, name: &str) -> Result<TenantEntry, Refused> {
        let given = |secret: &Option<SecretString>| {
            let text = secret.as_ref().map(|secret| secret.expose_secret().trim()).unwrap_or_default();
            (!text.is_empty()).then(|| SecretValue::from(SecretString::from(text)))
        };
        let expires = optional(&self.client_secret_expires)
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| Refused::new("the date is not one", "Write it as 2027-11-01.").at("client_secret_expires"))?;
        let client_secret = given(&self.client_secret).filter(|_| self.credential == SECRET);
        let certificate = given(&self.certificate).filter(|_| self.credential == OWN);
        if self.credential == SECRET && client_secret.is_none() {
            let fix = "Enter the Value of the secret, or choose another credential.";
            return Err(Refused::new("there is no Client Secret yet", fix).at("client_secret"));
        }
        let file = optional(&self.federated_token_file).filter(|_| self.credential == FILE);
        if self.credential == FILE && file.is_none() {
            let fix = "Enter its path, as /var/run/secrets/azure/tokens/azure-identity-token";
            return Err(Refused::new("there is no token file yet", fix).at("federated_token_file"));
        }
        if self.credential == OWN && certificate.is_none() {
            let fix = "Paste the PEM file, or let Postern make a certificate.";
            return Err(Refused::new("there is no certificate yet", fix).at("certificate"));
        }
        Ok(TenantEntry {
            name: name.trim().to_owned(),
            service: Some(TenantService::EntraId),
            cloud: self.cloud()?,
            tenant_id: self.tenant_id.trim().to_owned(),
            client_id: self.client_id.trim().to_owned(),
            client_secret,
            client_secret_expires: expires.filter(|_| matches!(self.credential.as_str(), SECRET | KEEP)),
            certificate,
            federated_token_file: file,
            managed_identity: self.credential == MACHINE,
            paid_licences: self.limits.paid_licences()?,
            external_recipients_per_day: self.limits.external_recipients_per_day()?,
            internal_domains: self.limits.internal_domains(),
        })
    }

    fn cloud(&self) -> Result<Cloud, Refused> {
        let endpoint = |text: &str, field| {
            let fix = "Write it with its scheme, as https://login.microsoftonline.com";
            Url::parse(text.trim()).map_err(|_| Refused::new("the endpoint is not an address", fix).at(field))
        };
        Ok(match self.cloud.as_str() {
            "global" | "" => Cloud::Global,
            "us-gov" => Cloud::UsGov,
            "us-gov-dod" => Cloud::UsGovDod,
            "china" => Cloud::China,
            CUSTOM => Cloud::Custom(CustomCloud {
                login: endpoint(&self.cloud_login, "cloud_login")?,
                graph: endpoint(&self.cloud_graph, "cloud_graph")?,
                smtp: optional(&self.cloud_smtp),
            }),
            _ => return Err(Refused::new("there is no such cloud", "Choose one of the list.").at("cloud")),
        })
    }
}

/// There is one service that tenants belong to, with one authentication type: the form says so.
fn service_field(name: &'static str, label: &'static str, only: &str) -> Field {
    Field::select(name, label, only, vec![Choice::new(only, only)])
}

fn credential_choices(known: Option<&TenantView>) -> Vec<Choice> {
    let keep = known.and_then(|known| match known {
        TenantView { has_client_secret: true, .. } => Some("Keep the stored Client Secret"),
        TenantView { certificate: Some(_), .. } => Some("Keep the certificate in use"),
        TenantView { federated_token_file: Some(_), .. } => Some("Keep the token file"),
        TenantView { managed_identity: true, .. } => Some("Keep the managed identity"),
        _ => None,
    });
    let mut choices: Vec<Choice> = keep.map(|text| Choice::new(KEEP, text)).into_iter().collect();
    choices.push(Choice::new(SECRET, "Client Secret"));
    if known.is_none() {
        choices.push(Choice::new(MADE, "Certificate, made by Postern"));
    }
    choices.push(Choice::new(OWN, "Certificate of my own"));
    choices.push(Choice::new(FILE, "Token file of a workload identity, or of a key vault"));
    choices.push(Choice::new(MACHINE, "Managed identity of this machine"));
    if keep.is_none() {
        choices.push(Choice::new(NONE, "None: a public client, people sign in"));
    }
    choices
}

/// A kept secret may get another date; a certificate knows its own.
fn expiry_applies(known: Option<&TenantView>) -> &'static [&'static str] {
    if known.is_some_and(|known| known.has_client_secret) { &[SECRET, KEEP] } else { &[SECRET] }
}

fn cloud_choices() -> Vec<Choice> {
    [
        ("global", "Microsoft 365, worldwide"),
        ("us-gov", "US Government (GCC High)"),
        ("us-gov-dod", "US Government (DoD)"),
        ("china", "China (21Vianet)"),
        (CUSTOM, "Endpoints of my own (sandbox, private link)"),
    ]
    .into_iter()
    .map(|(value, text)| Choice::new(value, text))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> TenantFields {
        let (secret, pem) = (Some("s3cret".into()), Some("-----BEGIN".into()));
        TenantFields { client_secret: secret, certificate: pem, ..TenantFields::empty() }
    }

    #[test]
    fn only_the_credential_that_was_chosen_is_handed_on() {
        for (credential, secret, certificate) in [
            (SECRET, true, false),
            (OWN, false, true),
            (MADE, false, false), // the key pair is made by Postern
            (KEEP, false, false), // what is stored stays
            (NONE, false, false), // a public client has none
        ] {
            let entry = TenantFields { credential: credential.to_owned(), ..typed() }.entry("Contoso").unwrap();
            assert_eq!(
                (entry.client_secret.is_some(), entry.certificate.is_some()),
                (secret, certificate),
                "{credential}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_at_its_field() {
        let wrong_date = TenantFields { client_secret_expires: "next year".into(), ..typed() };
        let no_endpoint = TenantFields { cloud: CUSTOM.into(), cloud_login: "localhost".into(), ..typed() };
        let no_secret = TenantFields { client_secret: None, ..typed() };
        let no_pem = TenantFields { credential: OWN.into(), certificate: Some(" ".into()), ..typed() };
        let no_file = TenantFields { credential: FILE.into(), ..typed() };
        for (fields, at) in [
            (no_file, "federated_token_file"),
            (wrong_date, "client_secret_expires"),
            (no_endpoint, "cloud_login"),
            (no_secret, "client_secret"),
            (no_pem, "certificate"),
        ] {
            assert_eq!(fields.entry("Contoso").unwrap_err().field, Some(at));
        }
    }

    #[test]
    fn an_identity_of_the_machine_is_a_choice_without_a_secret() {
        let file = TenantFields { credential: FILE.into(), federated_token_file: " /t ".into(), ..typed() };
        let entry = file.entry("Contoso").unwrap();
        assert_eq!((entry.federated_token_file.as_deref(), entry.client_secret.is_none()), (Some("/t"), true));
        let machine = TenantFields { credential: MACHINE.into(), federated_token_file: "/t".into(), ..typed() };
        let entry = machine.entry("Contoso").unwrap();
        assert_eq!((entry.federated_token_file, entry.managed_identity), (None, true));
    }

    #[test]
    fn a_secret_never_comes_back_in_the_form() {
        for field in typed().fields(None) {
            assert!(!field.value.contains("s3cret") && !field.value.contains("BEGIN"), "{}", field.name);
        }
    }
}
