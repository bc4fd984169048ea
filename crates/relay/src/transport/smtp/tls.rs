//! Whom the TLS of SMTP trusts: the same authorities as everything else that leaves.

use std::sync::Arc;

use graph::NetworkError;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::Network;

/// TLS 1.2 and 1.3, the system's authorities and those of the CA bundle.
pub(super) fn client_config(network: &Network) -> Result<Arc<ClientConfig>, NetworkError> {
    let extra = match &network.ca_bundle_pem {
        Some(pem) => read_bundle(pem)?,
        None => Vec::new(),
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| NetworkError::Client(error.to_string()))?;
    let config = match Verifier::new_with_extra_roots(extra.clone(), provider) {
        Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth(),
        Err(error) => {
            // A machine without any certificate of its own (a bare container) still has the bundle.
            tracing::warn!(event = "no_system_certificates", %error);
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(extra);
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(Arc::new(config))
}

fn read_bundle(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or(NetworkError::CaBundle)
}
