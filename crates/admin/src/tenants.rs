//! Tenants: what there is, and changing it.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use settings::{Cloud, Credential, Settings, Tenant, TenantId};
use store::Store;

use crate::apply::{references, tenants};
use crate::certificate::CertificateView;
use crate::change::{check_name, gone, refuse_if_used, save};
use crate::setup_file::TENANT_SERVICE;
use crate::{Actor, AdminError, Role, Saved, TenantEntry};

/// A tenant as it may be shown; no secret is in it.
#[derive(Debug, Clone, Serialize)]
pub struct TenantView {
    pub id: String,
    pub name: String,
    pub service: &'static str,
    pub cloud: Cloud,
    pub tenant_id: String,
    pub client_id: String,
    /// How the application proves to be itself, in words; `None`: not at all yet.
    pub credential: Option<&'static str>,
    pub has_client_secret: bool,
    pub client_secret_expires: Option<Date>,
    /// The certificate in use.
    pub certificate: Option<CertificateView>,
    pub federated_token_file: Option<String>,
    pub managed_identity: bool,
    pub paid_licences: Option<u32>,
    pub external_recipients_per_day: Option<u32>,
    pub internal_domains: Vec<String>,
    /// What all mailboxes of the tenant may send to the outside in 24 hours, from the two figures above.
    pub external_budget: Option<u32>,
    /// Made here and waiting to be registered with the app: see [`crate::use_certificate`].
    pub pending_certificate: Option<CertificateView>,
    /// The connections that have this tenant, in words.
    pub used_by: Vec<String>,
}

pub fn list_tenants(store: &dyn Store, actor: &Actor) -> Result<Vec<TenantView>, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    Ok(settings.tenants.iter().map(|tenant| view(&settings, tenant)).collect())
}

pub fn find_tenant(store: &dyn Store, actor: &Actor, id: &str) -> Result<TenantView, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    Ok(view(&settings, with_id(&settings, id)?))
}

pub async fn create_tenant(
    store: &dyn Store,
    actor: &Actor,
    entry: &TenantEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "tenant_created", expected_version, now, |draft| {
        check_name("tenant", &entry.name, draft.settings.tenants.iter().map(|it| it.name.as_str()))?;
        Ok(tenants::put(draft, None, entry)?.0)
    })
    .await
}

/// Replaces all but the identity; a secret that the entry leaves out stays. With another cloud, Tenant ID or Client ID,
/// what users granted its connections is forgotten.
pub async fn update_tenant(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    entry: &TenantEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "tenant_changed", expected_version, now, |draft| {
        let known = with_id(&draft.settings, id)?.id.clone();
        let others = draft.settings.tenants.iter().filter(|it| it.id != known);
        check_name("tenant", &entry.name, others.map(|it| it.name.as_str()))?;
        Ok(tenants::put(draft, Some(&known), entry)?.0)
    })
    .await
}

/// Refused while a connection has this tenant.
pub async fn remove_tenant(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "tenant_removed", expected_version, now, |draft| {
        let tenant = with_id(&draft.settings, id)?;
        refuse_if_used("tenant", &tenant.name, &references::users_of_tenant(&draft.settings, &tenant.id))?;
        draft.settings.tenants.retain(|it| it.id.0 != id);
        Ok(id.to_owned())
    })
    .await
}

pub(crate) fn with_id<'a>(settings: &'a Settings, id: &str) -> Result<&'a Tenant, crate::Refused> {
    settings.tenant(&TenantId(id.to_owned())).ok_or_else(|| gone("tenant", id))
}

/// In words.
pub(crate) fn credential_kind(credential: &Credential) -> &'static str {
    match credential {
        Credential::ClientSecret { .. } => "client secret",
        Credential::Certificate(_) => "certificate",
        Credential::FederatedTokenFile { .. } => "federated token file",
        Credential::ManagedIdentity => "managed identity",
    }
}

fn view(settings: &Settings, tenant: &Tenant) -> TenantView {
    let credential = tenant.credential.as_ref();
    let (mut client_secret_expires, mut certificate, mut federated_token_file) = (None, None, None);
    match credential {
        Some(Credential::ClientSecret { expires, .. }) => client_secret_expires = *expires,
        Some(Credential::Certificate(it)) => certificate = CertificateView::of(it),
        Some(Credential::FederatedTokenFile { path }) => federated_token_file = Some(path.display().to_string()),
        Some(Credential::ManagedIdentity) | None => {}
    }
    TenantView {
        id: tenant.id.0.clone(),
        name: tenant.name.clone(),
        service: TENANT_SERVICE,
        cloud: tenant.cloud.clone(),
        tenant_id: tenant.tenant_id.clone(),
        client_id: tenant.client_id.clone(),
        credential: credential.map(credential_kind),
        has_client_secret: matches!(credential, Some(Credential::ClientSecret { .. })),
        client_secret_expires,
        certificate,
        federated_token_file,
        managed_identity: credential == Some(&Credential::ManagedIdentity),
        paid_licences: tenant.external.paid_licences,
        external_recipients_per_day: tenant.external.recipients_per_day,
        internal_domains: tenant.external.internal_domains.clone(),
        external_budget: tenant.external.budget(),
        pending_certificate: tenant.pending_certificate.as_ref().and_then(CertificateView::of),
        used_by: references::users_of_tenant(settings, &tenant.id),
    }
}
