//! How a tenant's application proves to be itself: one way at a time.
//!
//! Invariant: an entry that names no way leaves the one there is; one that names another takes its place.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use settings::{Certificate, Credential, Sealed, TenantId};

use super::super::plan::Draft;
use crate::Refused;
use crate::sealed_secret::{self, seal_unless_known};
use crate::setup_file::TenantEntry;

pub(super) fn read(
    draft: &Draft<'_>,
    entry: &TenantEntry,
    id: &TenantId,
    known: Option<Credential>,
) -> Result<Option<Credential>, Refused> {
    refuse_two_ways(entry)?;
    if let Some(value) = &entry.client_secret {
        let secret = draft.secrets.read(value, &format!("client_secret of tenant '{}'", entry.name));
        let secret = secret.map_err(|refused| refused.at("client_secret"))?;
        let known = match known {
            Some(Credential::ClientSecret { secret, .. }) => Some(secret),
            _ => None,
        };
        let secret = seal_unless_known(draft.keys, &sealed_secret::client_secret(id), &secret, known)?;
        return Ok(Some(Credential::ClientSecret { secret, expires: entry.client_secret_expires }));
    }
    if let Some(value) = &entry.certificate {
        let pem = draft.secrets.read(value, &format!("certificate of tenant '{}'", entry.name));
        let pem = pem.map_err(|refused| refused.at("certificate"))?;
        let known = match known {
            Some(Credential::Certificate(certificate)) => Some(certificate.private_key),
            _ => None,
        };
        return certificate(draft, entry, id, &pem, known).map(Some);
    }
    if let Some(path) = &entry.federated_token_file {
        return federated(draft, entry, path, known.as_ref()).map(Some);
    }
    if entry.managed_identity {
        return machine(draft, entry, known.as_ref()).map(Some);
    }
    Ok(kept(entry, known))
}

fn refuse_two_ways(entry: &TenantEntry) -> Result<(), Refused> {
    let ways = [
        ("client_secret", entry.client_secret.is_some()),
        ("certificate", entry.certificate.is_some()),
        ("federated_token_file", entry.federated_token_file.is_some()),
        ("managed_identity", entry.managed_identity),
    ];
    let mut named = ways.into_iter().filter_map(|(way, is_named)| is_named.then_some(way));
    let (Some(first), Some(second)) = (named.next(), named.next()) else { return Ok(()) };
    let what = format!("tenant '{}' has both {first} and {second}", entry.name);
    Err(Refused::new(what, "Keep one of them: an application proves to be itself in one way.").at(second))
}

/// Nothing is named: as before.
fn kept(entry: &TenantEntry, known: Option<Credential>) -> Option<Credential> {
    match known {
        Some(Credential::ClientSecret { secret, expires }) => {
            Some(Credential::ClientSecret { secret, expires: entry.client_secret_expires.or(expires) })
        }
        other => other,
    }
}

/// A file whose content is shown to Entra as the application's assertion.
///
/// Who asks from elsewhere must not choose which of this machine's files are sent to whom, so a setup file alone can name
/// one; others leave it as it is.
fn federated(
    draft: &Draft<'_>,
    entry: &TenantEntry,
    path: &str,
    known: Option<&Credential>,
) -> Result<Credential, Refused> {
    let path = PathBuf::from(path);
    let refused = |what: &str, fix: &str| {
        Err(Refused::new(format!("federated_token_file of tenant '{}' {what}", entry.name), fix.to_owned())
            .at("federated_token_file"))
    };
    if !path.is_absolute() {
        return refused("is not an absolute path", "Write it whole, from / on: other software keeps that file fresh.");
    }
    let credential = Credential::FederatedTokenFile { path };
    if known == Some(&credential) || draft.secrets.reads_this_machine() {
        return Ok(credential);
    }
    let path = std::env::var("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from);
    if path.is_ok_and(|path| credential == Credential::FederatedTokenFile { path }) {
        return Ok(credential);
    }
    refused(
        "is a file of the gateway's machine, which cannot be chosen from here",
        "Name it in a setup file ('postern apply FILE'), or start the gateway with AZURE_FEDERATED_TOKEN_FILE.",
    )
}

/// The identity of this machine may open more than mail, so who asks from elsewhere must not begin to use it.
fn machine(draft: &Draft<'_>, entry: &TenantEntry, known: Option<&Credential>) -> Result<Credential, Refused> {
    if known == Some(&Credential::ManagedIdentity) || draft.secrets.reads_this_machine() {
        return Ok(Credential::ManagedIdentity);
    }
    let what =
        format!("managed_identity of tenant '{}' is this machine's, which cannot be chosen from here", entry.name);
    Err(Refused::new(what, "Choose it in a setup file ('postern apply FILE').").at("managed_identity"))
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
    let private_key = seal_unless_known(draft.keys, &sealed_secret::private_key(id), &private_key, known)?;
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
