//! Tenants and their credentials.

mod credential;
mod external;

use settings::{Cloud, Credential, Tenant, TenantId};

use super::plan::{Draft, new_id};
use crate::Refused;
use crate::setup_file::TenantEntry;

/// Adds the tenant, or replaces `known`; a credential that the entry does not name stays as it is.
pub(crate) fn put(draft: &mut Draft<'_>, known: Option<&TenantId>, entry: &TenantEntry) -> Result<TenantId, Refused> {
    check_cloud(entry)?;
    let position = draft.settings.tenants.iter().position(|tenant| Some(&tenant.id) == known);
    let known = position.and_then(|index| draft.settings.tenants.get(index)).cloned();
    let id = match &known {
        Some(known) => known.id.clone(),
        None => TenantId(new_id(&entry.name)?),
    };
    let pending_certificate = known.as_ref().and_then(|known| known.pending_certificate.clone());
    let external = external::read(entry)?;
    let credential = credential::read(draft, entry, &id, kept_for(draft, entry, known.as_ref())?)?;
    check_ids(entry, credential.as_ref())?;
    let tenant = Tenant {
        id: id.clone(),
        name: entry.name.clone(),
        cloud: entry.cloud.clone(),
        tenant_id: entry.tenant_id.clone(),
        client_id: entry.client_id.clone(),
        credential,
        pending_certificate,
        external,
    };
    match position.and_then(|index| draft.settings.tenants.get_mut(index)) {
        Some(place) => *place = tenant,
        None => draft.settings.tenants.push(tenant),
    }
    Ok(id)
}

/// What is known of the credential, if it may be used for what the entry says: it was entered for one login host, and must
/// not be shown to another by somebody who does not know it.
fn kept_for(draft: &Draft<'_>, entry: &TenantEntry, known: Option<&Tenant>) -> Result<Option<Credential>, Refused> {
    let Some(known) = known else { return Ok(None) };
    if known.cloud == entry.cloud || draft.secrets.reads_this_machine() || known.credential.is_none() {
        return Ok(known.credential.clone());
    }
    if entry.client_secret.is_some() || entry.certificate.is_some() {
        return Ok(None);
    }
    let what =
        format!("the cloud of tenant '{}' is another one, and its credential was entered for the former", entry.name);
    Err(Refused::new(what, "Enter the client secret or the certificate again, too.").at("cloud"))
}

/// Both stand in addresses and requests, where nothing may be taken for something else.
fn check_ids(entry: &TenantEntry, credential: Option<&Credential>) -> Result<(), Refused> {
    for (field, value) in [("tenant_id", &entry.tenant_id), ("client_id", &entry.client_id)] {
        // The identity that the system assigned to this machine needs no name.
        let may_be_empty = field == "client_id" && credential == Some(&Credential::ManagedIdentity);
        let is_id = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        if !is_id || (value.is_empty() && !may_be_empty) {
            return Err(Refused::new(
                format!("{field} of tenant '{}' is not an id", entry.name),
                "Copy it from the app registration's overview page: digits, letters and '-'.",
            )
            .at(field));
        }
    }
    Ok(())
}

fn check_cloud(entry: &TenantEntry) -> Result<(), Refused> {
    let Cloud::Custom(custom) = &entry.cloud else { return Ok(()) };
    entra::Cloud::custom(&custom.login, &custom.graph, custom.smtp.as_deref()).map_err(|error| {
        Refused::new(
            format!("cloud of tenant '{}': {error}", entry.name),
            "Use https; plain http is for loopback addresses such as http://127.0.0.1:9000.",
        )
        .at("cloud")
    })?;
    Ok(())
}
