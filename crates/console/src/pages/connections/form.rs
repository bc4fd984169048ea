//! The form of a Service Connection, with the tenant that may be created in it.

use admin::{ConnectionEntry, ConnectionSummary, Refused, TenantView};
use serde::Deserialize;
use settings::{Delivery, OnUncertain, Permission, Service};

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
    #[serde(default)]
    permission: String,
    #[serde(default)]
    large_messages: String,
    #[serde(default)]
    on_uncertain: String,
    #[serde(default)]
    in_flight: String,
    #[serde(default)]
    mime_max_bytes: String,
    #[serde(default)]
    delivery: String,
    pub(super) version: Option<u64>,
    pub(super) then: Option<String>,
    #[serde(flatten)]
    pub(super) fields: TenantFields,
    #[serde(flatten)]
    server: SmtpServerFields,
}

/// Services with a tenant at Microsoft.
const OF_MICROSOFT: &[&str] = &["Microsoft Entra ID Graph API", "Microsoft Entra ID Exchange"];
const GRAPH: &[&str] = &["Microsoft Entra ID Graph API"];

impl ConnectionForm {
    pub(super) fn empty(tenants: &[TenantView], version: u64) -> Self {
        Self {
            name: String::new(),
            service: Service::GraphApi.name().to_owned(),
            tenant: tenants.first().map_or_else(|| NEW_TENANT.to_owned(), |tenant| tenant.id.clone()),
            tenant_name: String::new(),
            permission: "application".to_owned(),
            large_messages: String::new(),
            on_uncertain: "retry".to_owned(),
            in_flight: String::new(),
            mime_max_bytes: String::new(),
            delivery: "standard".to_owned(),
            version: Some(version),
            then: None,
            fields: TenantFields::empty(),
            server: SmtpServerFields::default(),
        }
    }

    pub(super) fn of(known: &ConnectionSummary, tenants: &[TenantView], version: u64) -> Self {
        let tenant = tenants.iter().find(|tenant| Some(&tenant.name) == known.tenant.as_ref());
        let delivery = match known.delivery {
            Delivery::Standard => "standard",
            Delivery::Tracked => "tracked",
        };
        let on_uncertain = match known.on_uncertain {
            OnUncertain::Retry => "retry",
            OnUncertain::Hold => "hold",
        };
        Self {
            name: known.name.clone(),
            service: known.service.name().to_owned(),
            tenant: tenant.map(|tenant| tenant.id.clone()).unwrap_or_default(),
            permission: super::permission(known.permission).to_owned(),
            large_messages: if known.large_messages { "on" } else { "" }.to_owned(),
            on_uncertain: on_uncertain.to_owned(),
            in_flight: known.in_flight.to_string(),
            mime_max_bytes: known.mime_max_bytes.map(|bytes| bytes.to_string()).unwrap_or_default(),
            delivery: delivery.to_owned(),
            server: SmtpServerFields::of(known.smtp_server.as_ref()),
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
        let in_flight = optional(&self.in_flight).map(|text| text.parse()).transpose();
        let mime_max_bytes = optional(&self.mime_max_bytes).map(|text| text.parse()).transpose();
        let server = if service == Service::SmtpServer { self.server.read()? } else { SmtpServerEntry::default() };
        Ok(ConnectionEntry {
            name: optional(&self.name),
            service,
            tenant: tenant.map(|tenant| tenant.name.clone()),
            permission: if self.permission == "delegated" { Permission::Delegated } else { Permission::Application },
            large_messages: self.large_messages == "on",
            delivery: if self.delivery == "tracked" { Delivery::Tracked } else { Delivery::Standard },
            on_uncertain: if self.on_uncertain == "hold" { OnUncertain::Hold } else { OnUncertain::Retry },
            in_flight: in_flight
                .map_err(|_| Refused::new("this is no number", "Write a whole number, as 3.").at("in_flight"))?,
            mime_max_bytes: mime_max_bytes.map_err(|_| {
                Refused::new("this is no number", "Write a number of bytes, as 2300000.").at("mime_max_bytes")
            })?,
            host: server.host,
            port: server.port,
            security: server.security,
            username: server.username,
            password: server.password,
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
        fields.extend(self.server.fields());
        fields.extend(self.behaviour_fields());
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

    fn behaviour_fields(&self) -> [Field; 7] {
        let permissions = vec![
            Choice::new("application", "Application: Postern signs in as the app, without a person"),
            Choice::new("delegated", "Delegated: a person signs in once, mail leaves on their behalf"),
        ];
        let uncertain = vec![
            Choice::new("retry", "Send it again: it may arrive twice"),
            Choice::new("hold", "Hold it until somebody decides: it may not arrive"),
        ];
        let delivery = vec![
            Choice::new("standard", "Standard: in one request"),
            Choice::new("tracked", "Tracked: by way of a draft that tells whether it left; needs Mail.ReadWrite"),
        ];
        [
            Field::section("How it sends"),
            Field::select("permission", "Permission type", &self.permission, permissions)
                .shown_when("service", OF_MICROSOFT),
            Field::check("large_messages", "Large messages", self.large_messages == "on")
                .shown_when("service", GRAPH)
                .hint("May ask for Mail.ReadWrite, to send what does not fit into one request (about 3 MB)."),
            Field::number("mime_max_bytes", "Largest message in one request, in bytes", &self.mime_max_bytes)
                .shown_when("service", GRAPH)
                .hint("Left empty: 3145728, as much as Graph takes."),
            Field::select("delivery", "Delivery", &self.delivery, delivery).shown_when("service", GRAPH),
            Field::select("on_uncertain", "When it is uncertain whether a message left", &self.on_uncertain, uncertain),
            Field::number("in_flight", "Requests at once per mailbox", &self.in_flight).hint(
                "Left empty: 3. Microsoft Graph serves 4, of which one is left for others; Exchange Online takes 3.",
            ),
        ]
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
        let wrong = ConnectionForm { in_flight: "many".into(), ..ConnectionForm::empty(&[], 1) };
        assert_eq!(wrong.entry(&[]).unwrap_err().field, Some("in_flight"));
    }
}
