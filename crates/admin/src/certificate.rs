//! Certificates: what may be shown of one, and making one here.
//!
//! Promise: making a certificate changes nothing about how mail leaves. The new key waits, sealed, beside the credential
//! in use until an administrator says that its public part is registered with the app ([`use_certificate`]).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use settings::{Certificate, Credential, Tenant};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use store::Store;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::change::{gone, save};
use crate::tenants::with_id;
use crate::{Actor, AdminError, Refused, Role, Saved, sealed_secret};

/// How long a certificate made here is good: Microsoft advises short lives, people forget shorter ones.
const YEARS: i16 = 2;

/// The public side of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateView {
    pub subject: String,
    /// Hexadecimal, as the app registration shows it.
    pub thumbprint_sha1: String,
    /// Hexadecimal.
    pub thumbprint_sha256: String,
    /// Base64url of the SHA-256 thumbprint, as the assertions carry it (`x5t#S256`).
    pub thumbprint_base64url: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl CertificateView {
    /// `None`: it cannot be read.
    pub(crate) fn of(certificate: &Certificate) -> Option<Self> {
        let der = CertificateDer::pem_slice_iter(certificate.certificate_pem.as_bytes()).next()?.ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let time = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
        Some(Self {
            subject: parsed.subject().to_string(),
            thumbprint_sha1: hexadecimal(&Sha1::digest(&der)),
            thumbprint_sha256: hexadecimal(&Sha256::digest(&der)),
            thumbprint_base64url: URL_SAFE_NO_PAD.encode(Sha256::digest(&der)),
            not_before: time(parsed.validity().not_before)?,
            not_after: time(parsed.validity().not_after)?,
        })
    }
}

/// Length of the RSA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum KeyBits {
    #[default]
    #[serde(rename = "2048")]
    Rsa2048,
    #[serde(rename = "3072")]
    Rsa3072,
}

/// Makes a key pair with a self-signed certificate and keeps it as the tenant's pending certificate, in place of an
/// earlier one. The credential in use stays in use. The public part is what [`certificate_file`] gives.
pub async fn make_certificate(
    store: &dyn Store,
    actor: &Actor,
    tenant: &str,
    bits: KeyBits,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    actor.must_be(Role::Administrator)?;
    let name = with_id(&store.settings().borrow(), tenant)?.name.clone();
    // An RSA key takes up to a second of computing.
    let made = tokio::task::spawn_blocking(move || generate(&name, bits, now)).await;
    let (certificate_pem, key) = made.map_err(|error| cannot_make(&error)).and_then(|made| made)?;
    save(store, actor, "certificate_made", expected_version, now, |draft| {
        let id = with_id(&draft.settings, tenant)?.id.clone();
        let sealed = draft.keys.seal(&sealed_secret::pending_private_key(&id), &key);
        let private_key = sealed.map_err(|error| unsealable(&error))?;
        let pending = Certificate { certificate_pem: certificate_pem.clone(), private_key };
        tenant_mut(&mut draft.settings.tenants, tenant)?.pending_certificate = Some(pending);
        Ok(tenant.to_owned())
    })
    .await
}

/// Makes the pending certificate the tenant's credential, in place of the client secret or certificate in use. To be
/// asked for once the public part is registered with the app: from then on every token is asked for with it.
pub async fn use_certificate(
    store: &dyn Store,
    actor: &Actor,
    tenant: &str,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "certificate_used", expected_version, now, |draft| {
        let known = tenant_mut(&mut draft.settings.tenants, tenant)?;
        let pending = known.pending_certificate.take().ok_or_else(|| nothing_pending(&known.name))?;
        let key = draft.keys.open(&sealed_secret::pending_private_key(&known.id), &pending.private_key);
        let sealed = key.and_then(|key| draft.keys.seal(&sealed_secret::private_key(&known.id), &key));
        let private_key = sealed.map_err(|error| unsealable(&error))?;
        known.credential = Some(Credential::Certificate(Certificate { private_key, ..pending }));
        Ok(tenant.to_owned())
    })
    .await
}

/// Forgets the pending certificate with its key.
pub async fn discard_certificate(
    store: &dyn Store,
    actor: &Actor,
    tenant: &str,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "certificate_discarded", expected_version, now, |draft| {
        let known = tenant_mut(&mut draft.settings.tenants, tenant)?;
        known.pending_certificate.take().ok_or_else(|| nothing_pending(&known.name))?;
        Ok(tenant.to_owned())
    })
    .await
}

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateFile {
    /// Safe in a header and on any file system; ends in `.cer`.
    pub name: String,
    /// PEM, the public part alone.
    pub pem: String,
}

/// What to register with the app: the pending certificate, or the one in use if none is pending.
pub fn certificate_file(store: &dyn Store, actor: &Actor, tenant: &str) -> Result<CertificateFile, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    let tenant = with_id(&settings, tenant)?;
    let in_use = match &tenant.credential {
        Some(Credential::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    let certificate = tenant.pending_certificate.as_ref().or(in_use).ok_or_else(|| nothing_pending(&tenant.name))?;
    let words = tenant.name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = ["postern"].into_iter().chain(words).collect::<Vec<_>>().join("-");
    Ok(CertificateFile { name: format!("{name}.cer"), pem: certificate.certificate_pem.clone() })
}

/// The certificate and the private key (PKCS#8), both PEM.
fn generate(tenant: &str, bits: KeyBits, now: Timestamp) -> Result<(String, SecretString), Refused> {
    let size = match bits {
        KeyBits::Rsa2048 => RsaKeySize::_2048,
        KeyBits::Rsa3072 => RsaKeySize::_3072,
    };
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).map_err(|error| cannot_make(&error))?;
    let mut params = CertificateParams::new(Vec::new()).map_err(|error| cannot_make(&error))?;
    let mut subject = DistinguishedName::new();
    // X.520 bounds a common name to 64 characters.
    subject.push(DnType::CommonName, format!("Postern {tenant}").chars().take(64).collect::<String>());
    params.distinguished_name = subject;
    // A clock that runs fast must not make a certificate that is not good yet.
    let today = now.to_zoned_datetime(TimeZone::UTC).date();
    let (begin, end) = (today.saturating_sub(1.days()), today.saturating_add(YEARS.years()));
    let day =
        |date: Date| rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs());
    params.not_before = day(begin);
    params.not_after = day(end);
    let certificate = params.self_signed(&key).map_err(|error| cannot_make(&error))?;
    Ok((certificate.pem(), SecretString::from(key.serialize_pem())))
}

fn tenant_mut<'a>(tenants: &'a mut [Tenant], id: &str) -> Result<&'a mut Tenant, Refused> {
    tenants.iter_mut().find(|tenant| tenant.id.0 == id).ok_or_else(|| gone("tenant", id))
}

fn nothing_pending(tenant: &str) -> Refused {
    Refused::new(format!("tenant '{tenant}' has no such certificate"), "Make one first.").at("certificate")
}

fn unsealable(error: &store::KeyRingError) -> Refused {
    Refused::new(format!("the private key cannot be sealed: {error}"), "Look at master.key in the data folder.")
}

fn cannot_make(error: &dyn std::fmt::Display) -> Refused {
    Refused::new(format!("no certificate can be made: {error}"), "Look at the log of the server, then try again.")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}
