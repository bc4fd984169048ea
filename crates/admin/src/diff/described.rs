//! What each kind of setting is compared by, and what may be shown of it.
//!
//! Invariant: no field shows a secret. A setting that is at its default may be left out.

use serde::Serialize;
use serde_json::Value;
use settings::{
    Account, Connection, ConnectionNetwork, Credential, Emails, ExternalLimit, Mailbox, Notices, ProxyChoice, Route,
    Settings, Tenant, Webhook,
};

use crate::apply::references::names;

/// Shown where there is nothing.
pub(super) const NONE: &str = "none";

/// One thing with its identity, which stays when it is renamed.
pub(super) struct Described {
    pub id: String,
    pub name: String,
    pub fields: Vec<Field>,
}

/// One field of one thing: what is compared, and what may be shown of it.
pub(super) struct Field {
    pub name: &'static str,
    pub compared: String,
    pub shown: String,
}

fn plain(name: &'static str, value: impl Serialize) -> Field {
    let shown = match serde_json::to_value(value).unwrap_or_default() {
        Value::Null => NONE.to_owned(),
        Value::String(text) => text,
        value => value.to_string(),
    };
    Field { name, compared: shown.clone(), shown }
}

fn secret(name: &'static str, sealed: Option<&str>) -> Field {
    let shown = if sealed.is_some() { "(set)" } else { NONE };
    Field { name, compared: sealed.unwrap_or_default().to_owned(), shown: shown.to_owned() }
}

/// An empty list is left out.
fn list<T: Serialize>(name: &'static str, values: &[T]) -> Option<Field> {
    (!values.is_empty()).then(|| plain(name, values))
}

/// Every kind with all there is of it, always in the same order.
pub(super) fn all(settings: &Settings) -> [(&'static str, Vec<Described>); 7] {
    [
        ("tenant", settings.tenants.iter().map(tenant).collect()),
        ("connection", settings.connections.iter().map(|it| connection(settings, it)).collect()),
        ("emails", vec![emails(settings)]),
        ("route", routes(settings)),
        ("account", settings.accounts.iter().map(account).collect()),
        ("webhook", settings.webhooks.iter().map(webhook).collect()),
        ("notices", vec![notices(settings)]),
    ]
}

fn tenant(tenant: &Tenant) -> Described {
    let mut fields = vec![
        plain("cloud", &tenant.cloud),
        plain("tenant_id", &tenant.tenant_id),
        plain("client_id", &tenant.client_id),
    ];
    match &tenant.credential {
        None => fields.push(plain("credential", "none")),
        Some(Credential::ClientSecret { secret: sealed, expires }) => {
            fields.push(plain("credential", "client secret"));
            fields.push(secret("client_secret", Some(&sealed.box_base64)));
            fields.push(plain("client_secret_expires", expires));
        }
        Some(Credential::Certificate(certificate)) => {
            fields.push(plain("credential", "certificate"));
            fields.push(secret("certificate", Some(&certificate.certificate_pem)));
            fields.push(secret("private_key", Some(&certificate.private_key.box_base64)));
        }
        Some(Credential::FederatedTokenFile { path }) => {
            fields.push(plain("credential", "federated token file"));
            fields.push(plain("federated_token_file", path));
        }
        Some(Credential::ManagedIdentity) => fields.push(plain("credential", "managed identity")),
    }
    let ExternalLimit { paid_licences, recipients_per_day, internal_domains } = &tenant.external;
    fields.extend(paid_licences.map(|licences| plain("paid_licences", licences)));
    fields.extend(recipients_per_day.map(|recipients| plain("external_recipients_per_day", recipients)));
    fields.extend(list("internal_domains", internal_domains));
    let pending = tenant.pending_certificate.as_ref().map(|pending| pending.certificate_pem.as_str());
    fields.push(secret("pending_certificate", pending));
    Described { id: tenant.id.0.clone(), name: tenant.name.clone(), fields }
}

fn connection(settings: &Settings, connection: &Connection) -> Described {
    let tenant = connection.tenant.as_ref().and_then(|id| settings.tenant(id)).map(|tenant| &tenant.name);
    let mut fields = vec![
        plain("service", connection.service),
        plain("tenant", tenant),
        plain("permission", connection.permission),
        plain("large_messages", connection.large_messages),
        plain("delivery", connection.delivery),
        plain("on_uncertain", connection.on_uncertain),
        plain("in_flight", connection.in_flight),
    ];
    fields.extend(connection.mime_max_bytes.map(|bytes| plain("mime_max_bytes", bytes)));
    fields.extend(connection.large_max_bytes.map(|bytes| plain("large_max_bytes", bytes)));
    fields.extend(connection.read_bounces.then(|| plain("read_bounces", true)));
    fields.extend(connection.pace.messages_per_minute.map(|messages| plain("messages_per_minute", messages)));
    fields.extend(connection.pace.recipients_per_day.map(|recipients| plain("recipients_per_day", recipients)));
    fields.extend(network(&connection.network.clone().unwrap_or_default()));
    if let Some(server) = &connection.smtp {
        fields.extend([
            plain("host", &server.host),
            plain("port", server.port),
            plain("security", server.security),
            plain("username", &server.username),
            secret("password", server.password.as_ref().map(|sealed| sealed.box_base64.as_str())),
        ]);
        fields.extend(server.oauth_scope.as_ref().map(|scope| plain("oauth_scope", scope)));
    }
    Described { id: connection.id.0.clone(), name: connection.name.clone(), fields }
}

fn network(network: &ConnectionNetwork) -> Vec<Field> {
    let mut fields = match &network.proxy {
        ProxyChoice::Gateway => vec![plain("proxy", "gateway")],
        ProxyChoice::Direct => vec![plain("proxy", "none")],
        ProxyChoice::Server(server) => {
            let password = server.password.as_ref().map(|sealed| sealed.box_base64.as_str());
            let fields = [plain("proxy", &server.url), secret("proxy_password", password)];
            fields.into_iter().chain(list("no_proxy", &server.no_proxy)).collect()
        }
    };
    // No secret, and too long to be shown.
    fields.extend(network.ca_bundle_pem.as_deref().map(|pem| secret("ca_bundle", Some(pem))));
    fields
}

fn emails(settings: &Settings) -> Described {
    let Emails {
        enabled,
        smtp_authentication,
        modern_authentication,
        mailbox,
        service_connection,
        connection_type,
        from_policy,
        fallback,
        hold_all,
        redirect_all_to,
    } = &settings.emails;
    let connection =
        service_connection.as_ref().and_then(|id| settings.connection(id)).map(|connection| &connection.name);
    let mut fields = vec![
        plain("enabled", enabled),
        plain("smtp_authentication", smtp_authentication),
        plain("modern_authentication", modern_authentication),
        plain("mailbox", mailbox),
        plain("service_connection", connection),
        plain("connection_type", connection_type),
        plain("from_policy", from_policy),
        plain("hold_all", hold_all),
        plain("redirect_all_to", redirect_all_to),
    ];
    fields.extend(list("fallback", &names(settings, fallback)));
    Described { id: String::new(), name: String::new(), fields }
}

fn routes(settings: &Settings) -> Vec<Described> {
    let name = |id: &settings::ConnectionId| settings.connection(id).map(|connection| connection.name.clone());
    let describe = |(index, route): (usize, &Route)| {
        let mailbox = match &route.mailbox {
            Mailbox::Sender => "sender".to_owned(),
            Mailbox::Address(address) => address.to_string(),
        };
        let mut fields = vec![
            plain("position", index + 1),
            plain("sender", &route.sender),
            plain("service_connection", name(&route.service_connection)),
            plain("mailbox", mailbox),
        ];
        fields.extend(list("fallback", &names(settings, &route.fallback)));
        Described { id: route.id.0.clone(), name: route.name.clone(), fields }
    };
    settings.routes.iter().enumerate().map(describe).collect()
}

fn account(account: &Account) -> Described {
    let fields = vec![
        secret("password", account.password_hash.as_deref()),
        secret("token", account.token_digest.as_deref()),
        plain("allowed_senders", &account.allowed_senders),
        plain("networks", &account.networks),
        plain("messages_per_minute", account.messages_per_minute),
    ];
    Described { id: account.id.0.clone(), name: account.name.clone(), fields }
}

fn webhook(webhook: &Webhook) -> Described {
    let mut fields = vec![plain("url", &webhook.url), secret("secret", Some(&webhook.secret.box_base64))];
    fields.extend(list("events", &webhook.events));
    fields.extend(webhook.disabled.then(|| plain("disabled", true)));
    Described { id: webhook.id.0.clone(), name: webhook.name.clone(), fields }
}

fn notices(settings: &Settings) -> Described {
    let Notices { failures, delay_after_minutes, alarms } = &settings.notices;
    let connection = alarms.connection.as_ref().and_then(|id| settings.connection(id));
    let fields = vec![
        plain("failures", failures),
        plain("delay_after_minutes", delay_after_minutes.unwrap_or(0)),
        plain("alarms.to", &alarms.to),
        plain("alarms.connection", connection.map(|connection| &connection.name)),
        plain("alarms.mailbox", &alarms.mailbox),
        plain("alarms.queue_age_minutes", alarms.queue_age_minutes),
        plain("alarms.expiry_days", alarms.expiry_days),
    ];
    Described { id: String::new(), name: String::new(), fields }
}
