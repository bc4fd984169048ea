//! The difference between two settings in words an administrator reads, and a program may.
//!
//! Invariant: no line holds a secret; of those it says only that they are set or have changed.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use settings::{Account, Connection, Credential, Emails, Mailbox, Route, Settings, Tenant};

/// What happens to one named thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffLine {
    /// `add`, `change` or `remove`.
    pub action: &'static str,
    /// `tenant`, `connection`, `emails`, `route` or `account`.
    pub kind: &'static str,
    pub name: String,
    pub fields: Vec<FieldChange>,
}

/// One field, shown before and after; `None`: there was, or is, no such thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    pub field: &'static str,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl fmt::Display for DiffLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            "add" => '+',
            "remove" => '-',
            _ => '~',
        };
        write!(f, "{sign} {}", self.kind)?;
        if !self.name.is_empty() {
            write!(f, " \"{}\"", self.name)?;
        }
        for change in &self.fields {
            match (&change.before, &change.after) {
                (Some(before), Some(after)) => write!(f, "\n    {}: {before} -> {after}", change.field)?,
                (None, Some(after)) => write!(f, "\n    {}: {after}", change.field)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// One field of one thing: what is compared, and what may be shown of it.
struct Field {
    name: &'static str,
    compared: String,
    shown: String,
}

fn plain(name: &'static str, value: impl Serialize) -> Field {
    let shown = match serde_json::to_value(value).unwrap_or_default() {
        Value::Null => "none".to_owned(),
        Value::String(text) => text,
        value => value.to_string(),
    };
    Field { name, compared: shown.clone(), shown }
}

fn secret(name: &'static str, sealed: Option<&str>) -> Field {
    let shown = if sealed.is_some() { "(set)" } else { "none" };
    Field { name, compared: sealed.unwrap_or_default().to_owned(), shown: shown.to_owned() }
}

/// Every difference, removals last so that the list reads as it is carried out.
pub(crate) fn diff(old: &Settings, new: &Settings) -> Vec<DiffLine> {
    let mut lines = Vec::new();
    let mut removed = Vec::new();
    let mut compare = |kind, before: Vec<Described>, after: Vec<Described>| {
        for thing in &after {
            lines.extend(line(kind, before.iter().find(|known| known.id == thing.id), thing));
        }
        for thing in before.iter().filter(|thing| !after.iter().any(|kept| kept.id == thing.id)) {
            removed.push(DiffLine { action: "remove", kind, name: thing.name.clone(), fields: Vec::new() });
        }
    };
    compare("tenant", described(&old.tenants, tenant), described(&new.tenants, tenant));
    compare(
        "connection",
        described(&old.connections, |c| connection(old, c)),
        described(&new.connections, |c| connection(new, c)),
    );
    compare("emails", vec![emails(old)], vec![emails(new)]);
    compare("route", routes(old), routes(new));
    compare("account", described(&old.accounts, account), described(&new.accounts, account));
    lines.append(&mut removed);
    lines
}

/// One thing with its identity, which stays when it is renamed.
struct Described {
    id: String,
    name: String,
    fields: Vec<Field>,
}

fn described<T>(things: &[T], describe: impl Fn(&T) -> Described) -> Vec<Described> {
    things.iter().map(describe).collect()
}

fn line(kind: &'static str, before: Option<&Described>, after: &Described) -> Option<DiffLine> {
    let Some(before) = before else {
        let shown = |f: &Field| FieldChange { field: f.name, before: None, after: Some(f.shown.clone()) };
        let fields = after.fields.iter().map(shown).collect();
        return Some(DiffLine { action: "add", kind, name: after.name.clone(), fields });
    };
    let renamed = (before.name != after.name).then(|| FieldChange {
        field: "name",
        before: Some(before.name.clone()),
        after: Some(after.name.clone()),
    });
    let changed =
        after.fields.iter().filter_map(|new| field(before.fields.iter().find(|old| old.name == new.name), new));
    let changed: Vec<FieldChange> = renamed.into_iter().chain(changed).collect();
    (!changed.is_empty()).then(|| DiffLine { action: "change", kind, name: after.name.clone(), fields: changed })
}

fn field(old: Option<&Field>, new: &Field) -> Option<FieldChange> {
    if old.is_some_and(|old| old.compared == new.compared) {
        return None;
    }
    let is_masked = old.is_some_and(|old| old.shown == new.shown);
    Some(FieldChange {
        field: new.name,
        before: Some(old.map_or("none".to_owned(), |old| old.shown.clone())),
        after: Some(if is_masked { "(changed)".to_owned() } else { new.shown.clone() }),
    })
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
    if let Some(server) = &connection.smtp {
        fields.extend([
            plain("host", &server.host),
            plain("port", server.port),
            plain("security", server.security),
            plain("username", &server.username),
            secret("password", server.password.as_ref().map(|sealed| sealed.box_base64.as_str())),
        ]);
    }
    Described { id: connection.id.0.clone(), name: connection.name.clone(), fields }
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
        fallback: _,
        hold_all: _,
        redirect_all_to: _,
    } = &settings.emails;
    let connection =
        service_connection.as_ref().and_then(|id| settings.connection(id)).map(|connection| &connection.name);
    let fields = vec![
        plain("enabled", enabled),
        plain("smtp_authentication", smtp_authentication),
        plain("modern_authentication", modern_authentication),
        plain("mailbox", mailbox),
        plain("service_connection", connection),
        plain("connection_type", connection_type),
        plain("from_policy", from_policy),
    ];
    Described { id: String::new(), name: String::new(), fields }
}

fn routes(settings: &Settings) -> Vec<Described> {
    let name = |id: &settings::ConnectionId| settings.connection(id).map(|connection| connection.name.clone());
    let describe = |(index, route): (usize, &Route)| {
        let mailbox = match &route.mailbox {
            Mailbox::Sender => "sender".to_owned(),
            Mailbox::Address(address) => address.to_string(),
        };
        let fields = vec![
            plain("position", index + 1),
            plain("sender", &route.sender),
            plain("service_connection", name(&route.service_connection)),
            plain("mailbox", mailbox),
        ];
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
