//! Our side of TLS: certificates from PEM files, read again when asked to.
//!
//! Invariant: a file that cannot be used never replaces a certificate that can.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::terminal::Failure;

/// A certificate that new connections get, until it is reloaded.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    shared: Arc<Shared>,
}

struct Shared {
    chain_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    pub(crate) fn load(chain_file: &Path, key_file: &Path) -> Result<Self, Failure> {
        let current = RwLock::new(read(chain_file, key_file)?);
        let (chain_file, key_file) = (chain_file.to_owned(), key_file.to_owned());
        Ok(Self { shared: Arc::new(Shared { chain_file, key_file, current }) })
    }

    /// Reads the files again, for certificates that are renewed while the server runs.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        let new = read(&self.shared.chain_file, &self.shared.key_file)?;
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// What a listener needs.
    pub(crate) fn server_config(&self) -> Result<Arc<ServerConfig>, Failure> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&self.shared.chain_file, &error))?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Shared>::clone(&self.shared);
        Ok(Arc::new(builder.with_no_client_auth().with_cert_resolver(resolver)))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("chain_file", &self.chain_file).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Shared {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn read(chain_file: &Path, key_file: &Path) -> Result<Arc<CertifiedKey>, Failure> {
    let chain = CertificateDer::pem_file_iter(chain_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(chain_file, &error))?;
    if chain.is_empty() {
        return Err(unusable(chain_file, &"it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| unusable(key_file, &error))?;
    let pair = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| unusable(key_file, &error))?;
    Ok(Arc::new(pair))
}

fn unusable(file: &Path, error: &dyn fmt::Display) -> Failure {
    Failure::new(
        format!("{} cannot be used for TLS: {error}", file.display()),
        "Name PEM files of a certificate chain and the private key that belongs to it.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(folder: &Path, name: &str) -> Vec<u8> {
        let pair = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        std::fs::write(folder.join("chain.pem"), pair.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
        pair.cert.der().to_vec()
    }

    fn current(certificate: &Certificate) -> Vec<u8> {
        certificate.shared.current.read().unwrap().cert[0].to_vec()
    }

    #[test]
    fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let first = write_pair(folder.path(), "one.test");
        let certificate = Certificate::load(&folder.path().join("chain.pem"), &folder.path().join("key.pem")).unwrap();
        assert_eq!(current(&certificate), first);
        let second = write_pair(folder.path(), "two.test");
        certificate.reload().unwrap();
        assert_eq!(current(&certificate), second);
        std::fs::write(folder.path().join("chain.pem"), "half written").unwrap();
        assert!(certificate.reload().is_err());
        assert_eq!(current(&certificate), second, "the good one stays");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write_pair(folder.path(), "one.test");
        let chain = std::fs::read(folder.path().join("chain.pem")).unwrap();
        write_pair(folder.path(), "two.test");
        std::fs::write(folder.path().join("chain.pem"), chain).unwrap();
        assert!(Certificate::load(&folder.path().join("chain.pem"), &folder.path().join("key.pem")).is_err());
    }
}
