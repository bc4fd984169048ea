//! What an app registration proves itself with: secrets and certificates, any number of each at once, replaced while the
//! sandbox runs, as an administrator rotates them.

use jsonwebtoken::DecodingKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::{Certificate, Secret};
use crate::digest;

/// All of an app's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) certificates: Vec<RegisteredCertificate>,
}

/// A certificate an app may sign its assertions with.
#[derive(Debug, Clone)]
pub(crate) struct RegisteredCertificate {
    pub(crate) sha1: Vec<u8>,
    pub(crate) sha256: [u8; 32],
    pub(crate) key: DecodingKey,
    /// Seconds since 1970.
    pub(crate) not_after: i64,
}

/// Reads them all, or says why one cannot be used.
pub(crate) fn read_certificates(sources: &[Certificate]) -> Result<Vec<RegisteredCertificate>, String> {
    sources.iter().map(RegisteredCertificate::read).collect()
}

impl RegisteredCertificate {
    fn read(source: &Certificate) -> Result<Self, String> {
        let pem = match source {
            Certificate::Pem(text) => text.clone(),
            Certificate::File(path) => {
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        let der = first_certificate(&pem)?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
        Ok(Self {
            sha1: digest::sha1(&der),
            sha256: digest::sha256(&der),
            // For an RSA key the bit string of the public key info is the PKCS#1 key.
            key: DecodingKey::from_rsa_der(parsed.public_key().subject_public_key.data.as_ref()),
            not_after: parsed.validity().not_after.timestamp(),
        })
    }
}

/// The first certificate of a PEM text, which may hold the private key as well.
fn first_certificate(pem: &str) -> Result<Vec<u8>, String> {
    use rustls_pki_types::pem::PemObject as _;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?;
    Ok(der.as_ref().to_vec())
}
