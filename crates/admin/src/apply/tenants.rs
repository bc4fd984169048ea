//! Tenants and their credentials.

use secrecy::{ExposeSecret, SecretString};
use settings::{Certificate, Cloud, Credential, Sealed, Tenant, TenantId};
use store::SecretField;

use super::plan::{Draft, new_id};
use crate::setup_file::TenantEntry;
use crate::{Refused, sealed_secret};

/// Adds the tenant, or replaces `known`; a credential that the entry does not name stays as it is.
pub(crate) fn put(draft: &mut Draft<'_>, known: Option<&TenantId>, entry: &TenantEntry) -> Result<TenantId, Refused> {
    refuse_what_is_not_there_yet(entry)?;
    check_cloud(entry)?;
    for (field, value) in [("tenant_id", &entry.tenant_id), ("client_id", &entry.client_id)] {
        let sound = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        if !sound {
            return Err(Refused::new(
                format!("{field} of tenant '{}' is not an id", entry.name),
                "Copy it from the app registration's overview page: digits, letters and '-'.",
            )
            .at(field));
        }
    }
    let position = draft.settings.tenants.iter().position(|tenant| Some(&tenant.id) == known);
    let known = position.and_then(|index| draft.settings.tenants.get(index)).cloned();
    let id = match &known {
        Some(known) => known.id.clone(),
        None => TenantId(new_id(&entry.name)?),
    };
    let pending_certificate = known.as_ref().and_then(|known| known.pending_certificate.clone());
    let external = known.as_ref().map(|known| known.external.clone()).unwrap_or_default();
    let credential = credential(draft, entry, &id, known.and_then(|known| known.credential))?;
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

fn refuse_what_is_not_there_yet(entry: &TenantEntry) -> Result<(), Refused> {
    let key = match entry {
        TenantEntry { federated_token_file: Some(_), .. } => "federated_token_file",
        TenantEntry { managed_identity: true, .. } => "managed_identity",
        _ => return Ok(()),
    };
    Err(Refused::new(
        format!("tenant '{}': {key} is not supported by this version", entry.name),
        "Use client_secret or certificate.",
    )
    .at(key))
}

/// Plain http carries tokens in clear: on this machine that is a sandbox, elsewhere a mistake.
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

fn credential(
    draft: &Draft<'_>,
    entry: &TenantEntry,
    id: &TenantId,
    known: Option<Credential>,
) -> Result<Option<Credential>, Refused> {
    match (&entry.client_secret, &entry.certificate) {
        (Some(_), Some(_)) => Err(Refused::new(
            format!("tenant '{}' has both client_secret and certificate", entry.name),
            "Keep one of them.",
        )
        .at("certificate")),
        (Some(value), None) => {
            let secret = draft.secrets.read(value, &format!("client_secret of tenant '{}'", entry.name));
            let secret = secret.map_err(|refused| refused.at("client_secret"))?;
            let known = match known {
                Some(Credential::ClientSecret { secret, .. }) => Some(secret),
                _ => None,
            };
            let secret = seal_unless_known(draft, &sealed_secret::client_secret(id), &secret, known)?;
            Ok(Some(Credential::ClientSecret { secret, expires: entry.client_secret_expires }))
        }
        (None, Some(value)) => {
            let pem = draft.secrets.read(value, &format!("certificate of tenant '{}'", entry.name));
            let pem = pem.map_err(|refused| refused.at("certificate"))?;
            let known = match known {
                Some(Credential::Certificate(certificate)) => Some(certificate.private_key),
                _ => None,
            };
            certificate(draft, entry, id, &pem, known).map(Some)
        }
        (None, None) => Ok(match known {
            Some(Credential::ClientSecret { secret, expires }) => {
                Some(Credential::ClientSecret { secret, expires: entry.client_secret_expires.or(expires) })
            }
            other => other,
        }),
    }
}

fn certificate(
    draft: &Draft<'_>,
    entry: &TenantEntry,
    id: &TenantId,
    pem: &SecretString,
    known: Option<Sealed>,
) -> Result<Credential, Refused> {
    let text = pem.expose_secret();
    entra::CertificateKey::from_pem(text, text).map_err(|error| {
        Refused::new(
            format!("certificate of tenant '{}': {error}", entry.name),
            "The file holds the private key (PKCS#8, PEM) and the certificate that is registered with the app (PEM).",
        )
        .at("certificate")
    })?;
    let certificate_pem = blocks(text, |label| label == "CERTIFICATE");
    let private_key = SecretString::from(blocks(text, |label| label.ends_with("PRIVATE KEY")));
    let private_key = seal_unless_known(draft, &sealed_secret::private_key(id), &private_key, known)?;
    Ok(Credential::Certificate(Certificate { certificate_pem, private_key }))
}

/// The PEM blocks of that kind, without what stands between them.
fn blocks(pem: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in pem.lines().map(str::trim_end) {
        if let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) {
            inside = wanted(label);
        }
        if inside {
            text.push_str(line);
            text.push('\n');
        }
        if line.starts_with("-----END ") {
            inside = false;
        }
    }
    text
}

/// Sealing the same secret twice gives two ciphertexts; the one there is stays, so that nothing changes by itself.
fn seal_unless_known(
    draft: &Draft<'_>,
    field: &SecretField,
    secret: &SecretString,
    known: Option<Sealed>,
) -> Result<Sealed, Refused> {
    if let Some(known) = known
        && draft.keys.open(field, &known).is_ok_and(|text| text.expose_secret() == secret.expose_secret())
    {
        return Ok(known);
    }
    draft.keys.seal(field, secret).map_err(|error| {
        Refused::new(format!("the secret cannot be sealed: {error}"), "Look at master.key in the data folder.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pem_file_is_taken_apart_by_kind() {
        let pem = "Bag Attributes\n-----BEGIN PRIVATE KEY-----\r\nAA\r\n-----END PRIVATE KEY-----\nnoise\n\
                   -----BEGIN CERTIFICATE-----\nBB\n-----END CERTIFICATE-----\n";
        assert_eq!(
            blocks(pem, |label| label.ends_with("PRIVATE KEY")),
            "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n"
        );
        assert_eq!(
            blocks(pem, |label| label == "CERTIFICATE"),
            "-----BEGIN CERTIFICATE-----\nBB\n-----END CERTIFICATE-----\n"
        );
    }
}
