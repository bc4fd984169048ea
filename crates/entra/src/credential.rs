//! How an application proves to be itself: a client secret, the private key of a registered certificate, an assertion that
//! other software keeps fresh in a file, or the identity that Azure gives the machine.
//!
//! Promise: a [`CertificateKey`] holds a certificate and the RSA key that belongs to it: a pair that does not match is
//! refused when it is entered, not by Entra at three in the morning.
//!
//! More kinds may come, hence `non_exhaustive`: each becomes a variant here and an arm in `exchange`; nothing else asks which
//! kind it is.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::IdentityHost;

/// How the application proves to be itself. `Debug` shows the kind alone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credential {
    ClientSecret(SecretString),
    Certificate(CertificateKey),
    /// A file with a client assertion, read again for every token: federated identity.
    FederatedTokenFile(PathBuf),
    /// The machine's own identity. With a client id: the user-assigned one of that id.
    ManagedIdentity(IdentityHost),
    /// None: a public client, which sends only for users who signed in.
    PublicClient,
}

/// Why a certificate and a key cannot be used together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("there is no readable X.509 certificate in PEM form (BEGIN CERTIFICATE)")]
    NoCertificate,
    #[error("there is no readable private key in PEM form (BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY)")]
    NoPrivateKey,
    #[error(
        "the private key is encrypted: store it decrypted, it is sealed here (openssl pkey -in key.pem -out plain.pem)"
    )]
    EncryptedKey,
    #[error("the private key is not RSA: Entra ID takes PS256 assertions, which need an RSA key of 2048 bits or more")]
    NotRsa,
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

/// A certificate with its private key. Cheap to clone.
#[derive(Clone)]
pub struct CertificateKey(Arc<Inner>);

struct Inner {
    key: EncodingKey,
    thumbprint_sha256: String,
    thumbprint_sha256_hex: String,
    not_after: Timestamp,
}

impl CertificateKey {
    /// From PEM texts; both may be the same text, as in a file that holds key and certificate. Of a chain, the
    /// certificate that belongs to the key is taken. The key is PKCS#8 or PKCS#1.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, CertificateError> {
        let key = read_rsa_key(key_pem)?;
        let proof = jsonwebtoken::crypto::sign(PROBE, &key, Algorithm::PS256).map_err(|_| CertificateError::NotRsa)?;
        let mut seen_any = false;
        for der in CertificateDer::pem_slice_iter(cert_pem.as_bytes()) {
            let der = der.map_err(|_| CertificateError::NoCertificate)?;
            let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| CertificateError::NoCertificate)?;
            seen_any = true;
            if verifies(&certificate, &proof) {
                return Self::new(key, &der, &certificate);
            }
        }
        Err(if seen_any { CertificateError::Mismatch } else { CertificateError::NoCertificate })
    }

    fn new(key: EncodingKey, der: &[u8], certificate: &X509Certificate<'_>) -> Result<Self, CertificateError> {
        let digest = Sha256::digest(der);
        let not_after = certificate.validity().not_after.timestamp();
        Ok(Self(Arc::new(Inner {
            key,
            thumbprint_sha256: URL_SAFE_NO_PAD.encode(digest),
            thumbprint_sha256_hex: hexadecimal(&digest),
            not_after: Timestamp::from_second(not_after).map_err(|_| CertificateError::NoCertificate)?,
        })))
    }

    /// SHA-256 of the certificate in hexadecimal, as `openssl x509 -fingerprint -sha256` gives it, without the colons.
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint_sha256_hex
    }

    /// SHA-256 of the certificate in base64url, as the `x5t#S256` header of an assertion wants it.
    pub(crate) fn x5t_s256(&self) -> &str {
        &self.0.thumbprint_sha256
    }

    /// End of the certificate's validity.
    pub fn expires(&self) -> Timestamp {
        self.0.not_after
    }

    pub(crate) fn key(&self) -> &EncodingKey {
        &self.0.key
    }
}

impl fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateKey").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}

/// Signed with the private key and verified with the certificate: the one test of belonging that needs no reading of
/// the insides of a key.
const PROBE: &[u8] = b"does this key belong to this certificate?";

fn read_rsa_key(pem: &str) -> Result<EncodingKey, CertificateError> {
    if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::EncryptedKey);
    }
    if pem.contains("BEGIN EC PRIVATE KEY") {
        return Err(CertificateError::NotRsa);
    }
    let block = ["RSA PRIVATE KEY", "PRIVATE KEY"].iter().find_map(|label| pem_block(pem, label));
    let block = block.ok_or(CertificateError::NoPrivateKey)?.as_bytes();
    PrivateKeyDer::from_pem_slice(block).map_err(|_| CertificateError::NoPrivateKey)?;
    // What is well-formed and yet no RSA key is a key of another algorithm.
    EncodingKey::from_rsa_pem(block).map_err(|_| CertificateError::NotRsa)
}

/// The block with this label, markers included: one file may hold the key among certificates.
fn pem_block<'a>(pem: &'a str, label: &str) -> Option<&'a str> {
    let end_marker = format!("-----END {label}-----");
    let (_, from_begin) = pem.split_at_checked(pem.find(&format!("-----BEGIN {label}-----"))?)?;
    let end = from_begin.find(&end_marker)?.checked_add(end_marker.len())?;
    from_begin.get(..end)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn verifies(certificate: &X509Certificate<'_>, signature: &str) -> bool {
    let public = DecodingKey::from_rsa_der(&certificate.public_key().subject_public_key.data);
    jsonwebtoken::crypto::verify(signature, PROBE, &public, Algorithm::PS256).unwrap_or(false)
}
