//! The form of a Service Connection, with the tenant that may be created in it.

use admin::{ConnectionEntry, ConnectionSummary, Refused, TenantView};
use serde::Deserialize;
use settings::Service;

use super::behaviour::{BehaviourFields, OF_MICROSOFT};
use super::network::NetworkFields;
use super::smtp_server::{SmtpServerEntry, SmtpServerFields};
use crate::form::{Choice, Field, FormView, optional};
use crate::pages::tenants::form::TenantFields;

/// No tenant's id: those have no plus sign.
pub(super) const NEW_TENANT: &str = "+new";
/// Where to go once it is saved.
pub(super) const THEN_AUTHENTICATE: &str = "authenticate";

#[derive(Debug, Deserialize)]
pub(in crate::pages) struct ConnectionForm {
    #[serde(default)]
    name: String,
    service: String,
    /// Id of a tenant, or [`NEW_TENANT`].
    #[serde(default)]
    pub(super) tenant: String,
    #[serde(default)]
    pub(super) tenant_name: String,
    pub(super) version: Option<u64>,
    pub(super) then: Option<String>,
    #[serde(flatten)]
    pub(super) fields: TenantFields,
    #[serde(flatten)]
    server: SmtpServerFields,
    #[serde(flatten)]
    behaviour: BehaviourFields,
    #[serde(flatten)]
    network: NetworkFields,
}

impl ConnectionForm {
    pub(super) fn empty(tenants: &[TenantView], version: u64) -> Self {
        Self {
            name: String::new(),
            service: Service::GraphApi.name().to_owned(),
            tenant: tenants.first().map_or_else(|| NEW_TENANT.to_owned(), |tenant| tenant.id.clone()),
            tenant_name: String::new(),
            version: Some(version),
            then: None,
            fields: TenantFields::empty(),
            server: SmtpServerFields::default(),
            behaviour: BehaviourFields::empty(),
            network: NetworkFields::default(),
        }
    }

    pub(super) fn of(known: &ConnectionSummary, tenants: &[TenantView], version: u64) -> Self {
        let tenant = tenants.iter().find(|tenant| Some(&tenant.name) == known.tenant.as_ref());
        let tenant = tenant.map(|tenant| tenant.id.clone()).unwrap_or_default();
        Self {
            name: known.name.clone(),
            service: known.service.name().to_owned(),
            server: SmtpServerFields::of(known.smtp_server.as_ref(), &tenant),
            tenant,
            behaviour: BehaviourFields::of(known),
            network: NetworkFields::of(&known.network),
            ..Self::empty(tenants, version)
        }
    }

    pub(super) fn wants_new_tenant(&self) -> bool {
        self.tenant == NEW_TENANT && self.needs_tenant()
    }

    fn service(&self) -> Option<Service> {
        Service::ALL.into_iter().find(|service| service.name() == self.service)
    }

    /// A service that is not known is refused for that, and not for the tenant it does not have.
    fn needs_tenant(&self) -> bool {
        self.service().is_none_or(Service::needs_tenant)
    }

    /// What is asked of `admin`; `tenants` are those there are.
    pub(super) fn entry(&self, tenants: &[TenantView]) -> Result<ConnectionEntry, Refused> {
        let unknown = || Refused::new("there is no such service", "Choose one of the list.").at("service");
        let service = self.service().ok_or_else(unknown)?;
        let tenant = tenants.iter().find(|tenant| tenant.id == self.tenant && service.needs_tenant());
        let server =
            if service == Service::SmtpServer { self.server.read(tenants)? } else { SmtpServerEntry::default() };
        let (behaviour, network) = (self.behaviour.read(service == Service::GraphApi)?, self.network.read()?);
        Ok(ConnectionEntry {
            name: optional(&self.name),
            service,
            tenant: tenant.map(|tenant| tenant.name.clone()).or(server.tenant),
            permission: behaviour.permission,
            large_messages: behaviour.large_messages,
            delivery: behaviour.delivery,
            on_uncertain: behaviour.on_uncertain,
            in_flight: behaviour.in_flight,
            mime_max_bytes: behaviour.mime_max_bytes,
            large_max_bytes: behaviour.large_max_bytes,
            read_bounces: behaviour.read_bounces,
            messages_per_minute: behaviour.messages_per_minute,
            recipients_per_day: behaviour.recipients_per_day,
            proxy: network.proxy,
            proxy_password: network.proxy_password,
            no_proxy: network.no_proxy,
            ca_bundle: network.ca_bundle,
            host: server.host,
            port: server.port,
            security: server.security,
            username: server.username,
            password: server.password,
            oauth_scope: server.oauth_scope,
        })
    }

    pub(super) fn view(&self, action: String, tenants: &[TenantView]) -> FormView {
        let name =
            Field::text("name", "Name", &self.name).hint("Generated from service and tenant until you change it.");
        let mut fields = vec![
            name,
            Field::select("service", "Service", &self.service, service_choices()).required(),
            Field::select("tenant", "Tenant", &self.tenant, tenant_choices(tenants))
                .shown_when("service", OF_MICROSOFT),
        ];
        fields.extend(self.new_tenant_fields());
        fields.extend(self.server.fields(tenants));
        fields.extend(self.behaviour.fields());
        fields.extend(self.network.fields());
        let view = FormView::new(action, "/integration/connections", fields).at_version(self.version);
        FormView { then: Some((THEN_AUTHENTICATE, "Setup Authentication")), ..view }
    }

    fn new_tenant_fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::section("New tenant"),
            Field::text("tenant_name", "Tenant name", &self.tenant_name)
                .required()
                .hint("The organisation, as people call it."),
        ];
        fields.extend(self.fields.fields(None));
        let shown = |field: Field| field.shown_when("tenant", &[NEW_TENANT]).shown_when("service", OF_MICROSOFT);
        fields.into_iter().map(shown).collect()
    }
}

fn service_choices() -> Vec<Choice> {
    let choice = |service: admin::ServiceView| {
        let later = if service.is_available { "" } else { " (not in this version)" };
        Choice {
            value: service.name.to_owned(),
            text: format!("{}{later}", service.name),
            disabled: !service.is_available,
        }
    };
    admin::list_services().into_iter().map(choice).collect()
}

fn tenant_choices(tenants: &[TenantView]) -> Vec<Choice> {
    let known = tenants.iter().map(|tenant| Choice::new(&tenant.id, &tenant.name));
    known.chain([Choice::new(NEW_TENANT, "New tenant…")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_left_empty_is_left_to_admin_and_a_wrong_number_is_refused_at_its_field() {
        let form = ConnectionForm::empty(&[], 1);
        assert!(form.wants_new_tenant(), "without a tenant one is created in place");
        let entry = form.entry(&[]).unwrap();
        assert_eq!((entry.name, entry.in_flight, entry.service), (None, None, Service::GraphApi));
        let typed: BehaviourFields = serde_json::from_value(serde_json::json!({ "in_flight": "many" })).unwrap();
        let wrong = ConnectionForm { behaviour: typed, ..ConnectionForm::empty(&[], 1) };
        assert_eq!(wrong.entry(&[]).unwrap_err().field, Some("in_flight"));
    }
}
