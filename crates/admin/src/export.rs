//! The settings as a setup file, secrets left out.
//!
//! Promise: applied to the store it came from, the text changes nothing; applied elsewhere, it asks for nothing but the
//! secrets, whose places it shows as comments.

use std::fmt::Write as _;

use serde::Serialize;
use settings::{
    Account, Cloud, Connection, Credential, Emails, Mailbox, Notices, ProxyChoice, Route, Settings, Tenant, Webhook,
};
use store::Store;

use crate::apply::references::names;
use crate::setup_file::TENANT_SERVICE;
use crate::{Actor, AdminError, Role};

pub fn export(store: &dyn Store, actor: &Actor) -> Result<String, AdminError> {
    actor.must_be(Role::Administrator)?;
    Ok(text_of(&store.settings().borrow()))
}

const HEAD: &str = "\
# Settings of Postern, for `postern apply`. Secrets are left out: a comment shows where each goes.
# Any secret is { env = \"NAME\" }, { file = \"PATH\" } or a string; one that is left out stays as it is.
";

fn text_of(settings: &Settings) -> String {
    let mut text = HEAD.to_owned();
    settings.tenants.iter().for_each(|it| tenant(&mut text, it));
    settings.connections.iter().for_each(|it| connection(&mut text, settings, it));
    if settings.emails != Emails::default() {
        emails(&mut text, settings);
    }
    settings.routes.iter().for_each(|it| route(&mut text, settings, it));
    settings.accounts.iter().for_each(|it| account(&mut text, it));
    settings.webhooks.iter().for_each(|it| webhook(&mut text, it));
    if settings.notices != Notices::default() {
        notices(&mut text, settings);
    }
    text
}

/// One `key = value` line in TOML's own notation.
fn put(text: &mut String, key: &str, value: impl Serialize) {
    if let Ok(value) = toml::Value::try_from(value) {
        let _ = writeln!(text, "{key} = {value}");
    }
}

fn put_some<T: Serialize>(text: &mut String, key: &str, value: Option<T>) {
    if let Some(value) = value {
        put(text, key, value);
    }
}

/// An empty list is what is meant by leaving it out.
fn put_list<T: Serialize>(text: &mut String, key: &str, values: &[T]) {
    put_some(text, key, Some(values).filter(|values| !values.is_empty()));
}

fn left_out(text: &mut String, key: &str, owner: &str, way: &str) {
    let variable: String =
        owner.to_uppercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let place = if way == "file" {
        format!("{}.pem", variable.to_lowercase())
    } else {
        format!("{variable}_{}", key.to_uppercase())
    };
    let _ = writeln!(text, "# {key} = {{ {way} = \"{place}\" }}");
}

fn tenant(text: &mut String, tenant: &Tenant) {
    text.push_str("\n[[tenant]]\n");
    put(text, "name", &tenant.name);
    put(text, "service", TENANT_SERVICE);
    match &tenant.cloud {
        Cloud::Custom(custom) => put(text, "cloud", custom),
        named => put(text, "cloud", named),
    }
    put(text, "tenant_id", &tenant.tenant_id);
    put_some(text, "client_id", Some(&tenant.client_id).filter(|id| !id.is_empty()));
    match &tenant.credential {
        Some(Credential::ClientSecret { expires, .. }) => {
            left_out(text, "client_secret", &tenant.name, "env");
            put_some(text, "client_secret_expires", expires.as_ref());
        }
        Some(Credential::Certificate(_)) => left_out(text, "certificate", &tenant.name, "file"),
        Some(Credential::FederatedTokenFile { path }) => put(text, "federated_token_file", path),
        Some(Credential::ManagedIdentity) => put(text, "managed_identity", true),
        None => {}
    }
    put_some(text, "paid_licences", tenant.external.paid_licences);
    put_some(text, "external_recipients_per_day", tenant.external.recipients_per_day);
    put_list(text, "internal_domains", &tenant.external.internal_domains);
}

fn connection(text: &mut String, settings: &Settings, connection: &Connection) {
    text.push_str("\n[[connection]]\n");
    put(text, "name", &connection.name);
    put(text, "service", connection.service);
    put_some(text, "tenant", connection.tenant.as_ref().and_then(|id| settings.tenant(id)).map(|tenant| &tenant.name));
    put(text, "permission", connection.permission);
    put(text, "large_messages", connection.large_messages);
    put(text, "delivery", connection.delivery);
    put(text, "on_uncertain", connection.on_uncertain);
    put(text, "in_flight", connection.in_flight);
    put_some(text, "mime_max_bytes", connection.mime_max_bytes);
    put_some(text, "large_max_bytes", connection.large_max_bytes);
    put_some(text, "read_bounces", connection.read_bounces.then_some(true));
    put_some(text, "messages_per_minute", connection.pace.messages_per_minute);
    put_some(text, "recipients_per_day", connection.pace.recipients_per_day);
    network(text, connection);
    if let Some(server) = &connection.smtp {
        put(text, "host", &server.host);
        put(text, "port", server.port);
        put(text, "security", server.security);
        put_some(text, "username", server.username.as_ref());
        if server.password.is_some() {
            left_out(text, "password", &connection.name, "env");
        }
        put_some(text, "oauth_scope", server.oauth_scope.as_ref());
    }
}

fn network(text: &mut String, connection: &Connection) {
    let Some(network) = &connection.network else { return };
    match &network.proxy {
        ProxyChoice::Gateway => {}
        ProxyChoice::Direct => put(text, "proxy", "none"),
        ProxyChoice::Server(server) => {
            put(text, "proxy", &server.url);
            if server.password.is_some() {
                left_out(text, "proxy_password", &connection.name, "env");
            }
            put_list(text, "no_proxy", &server.no_proxy);
        }
    }
    put_some(text, "ca_bundle", network.ca_bundle_pem.as_ref());
}

fn emails(text: &mut String, settings: &Settings) {
    let emails = &settings.emails;
    text.push_str("\n[emails]\n");
    put(text, "enabled", emails.enabled);
    put(text, "smtp_authentication", emails.smtp_authentication);
    put(text, "modern_authentication", emails.modern_authentication);
    put_some(text, "mailbox", emails.mailbox.as_ref());
    let connection = emails.service_connection.as_ref().and_then(|id| settings.connection(id));
    put_some(text, "service_connection", connection.map(|connection| &connection.name));
    put(text, "connection_type", emails.connection_type);
    put(text, "from_policy", emails.from_policy);
    put_list(text, "fallback", &names(settings, &emails.fallback));
    put_some(text, "hold_all", emails.hold_all.then_some(true));
    put_some(text, "redirect_all_to", emails.redirect_all_to.as_ref());
}

fn route(text: &mut String, settings: &Settings, route: &Route) {
    text.push_str("\n[[route]]\n");
    put(text, "name", &route.name);
    put(text, "sender", &route.sender);
    put_some(
        text,
        "service_connection",
        settings.connection(&route.service_connection).map(|connection| &connection.name),
    );
    match &route.mailbox {
        Mailbox::Sender => put(text, "mailbox", "sender"),
        Mailbox::Address(address) => put(text, "mailbox", address),
    }
    put_list(text, "fallback", &names(settings, &route.fallback));
}

fn account(text: &mut String, account: &Account) {
    text.push_str("\n[[account]]\n");
    put(text, "name", &account.name);
    if account.password_hash.is_some() {
        left_out(text, "password", &account.name, "env");
    }
    if account.token_digest.is_some() {
        left_out(text, "token", &account.name, "env");
    }
    put(text, "allowed_senders", &account.allowed_senders);
    put(text, "networks", &account.networks);
    put_some(text, "messages_per_minute", account.messages_per_minute);
}

fn webhook(text: &mut String, webhook: &Webhook) {
    text.push_str("\n[[webhook]]\n");
    put(text, "name", &webhook.name);
    put(text, "url", &webhook.url);
    left_out(text, "secret", &webhook.name, "env");
    put_list(text, "events", &webhook.events);
    put_some(text, "disabled", webhook.disabled.then_some(true));
}

fn notices(text: &mut String, settings: &Settings) {
    let Notices { failures, delay_after_minutes, alarms } = &settings.notices;
    text.push_str("\n[notices]\n");
    put(text, "failures", failures);
    put(text, "delay_after_minutes", delay_after_minutes.unwrap_or(0));
    text.push_str("\n[notices.alarms]\n");
    put(text, "to", &alarms.to);
    let connection = alarms.connection.as_ref().and_then(|id| settings.connection(id));
    put_some(text, "connection", connection.map(|connection| &connection.name));
    put_some(text, "mailbox", alarms.mailbox.as_ref());
    put(text, "queue_age_minutes", alarms.queue_age_minutes);
    put(text, "expiry_days", alarms.expiry_days);
}
