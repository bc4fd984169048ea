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
    pub has_client_secret: bool,
    pub client_secret_expires: Option<Date>,
    /// The certificate in use.
    pub certificate: Option<CertificateView>,
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

fn view(settings: &Settings, tenant: &Tenant) -> TenantView {
    let (has_client_secret, client_secret_expires, certificate) = match &tenant.credential {
        Some(Credential::ClientSecret { expires, .. }) => (true, *expires, None),
        Some(Credential::Certificate(certificate)) => (false, None, CertificateView::of(certificate)),
        Some(Credential::FederatedTokenFile { .. } | Credential::ManagedIdentity) | None => (false, None, None),
    };
    TenantView {
        id: tenant.id.0.clone(),
        name: tenant.name.clone(),
        service: TENANT_SERVICE,
        cloud: tenant.cloud.clone(),
        tenant_id: tenant.tenant_id.clone(),
        client_id: tenant.client_id.clone(),
        has_client_secret,
        client_secret_expires,
        certificate,
        pending_certificate: tenant.pending_certificate.as_ref().and_then(CertificateView::of),
        used_by: references::users_of_tenant(settings, &tenant.id),
    }
}
