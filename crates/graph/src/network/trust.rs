//! Whom TLS trusts: the system's authorities and those of the CA bundle, for HTTP and for everything else.

use std::error::Error;
use std::io;
use std::sync::Arc;

use entra::{Obstacle, Who};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::{Network, NetworkError};

impl Network {
    /// TLS 1.2 and 1.3, for what is not HTTP. Reads the system's certificates.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, NetworkError> {
        let extra = match &self.ca_bundle_pem {
            Some(pem) => read_bundle(pem)?,
            None => Vec::new(),
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| NetworkError::Client(error.to_string()))?;
        let config = match Verifier::new_with_extra_roots(extra.clone(), provider) {
            Ok(verifier) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
            }
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
}

fn read_bundle(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or(NetworkError::CaBundle)
}

/// What an error that ended a TLS handshake with `host` means; `None` if it has another cause.
pub fn tls_obstacle(host: &str, error: &(dyn Error + 'static)) -> Option<Obstacle> {
    let tls = tls_error(error)?;
    Some(match tls {
        rustls::Error::InvalidCertificate(problem) => explain_certificate(host, problem),
        other => Obstacle::new(
            format!("no TLS with {host}: {other}"),
            "Look what answers at this address: a filter that blocks TLS, a service that speaks none, or one that knows no \
             version above TLS 1.1.",
            Who::NetworkAdministrator,
        ),
    })
}

fn explain_certificate(host: &str, problem: &CertificateError) -> Obstacle {
    let (why, fix) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "it has expired",
            "Have the certificate renewed, or look at this machine's clock ('postern doctor' compares it).",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("it is not valid yet", "Look at this machine's clock ('postern doctor' compares it).")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "it was issued for another name",
            "Use the name that stands in the certificate, or look what answers at this address.",
        ),
        _ => (
            "nobody trusted here has issued it",
            "If a proxy looks into TLS, or the server has a private authority: put that authority's certificate (PEM) into the \
             file that ca_bundle in [proxy] of postern.toml names, or into the Service Connection's CA bundle. Otherwise find \
             out who answers in this host's place.",
        ),
    };
    Obstacle::new(
        format!("the certificate of {host} is not trusted: {why} ({problem})"),
        fix,
        Who::NetworkAdministrator,
    )
}

/// The TLS library's own error, however deep it lies. An `io::Error` hides what it carries from its `source`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_certificate_has_its_own_cure() {
        for (problem, why, fix) in [
            (CertificateError::UnknownIssuer, "nobody trusted here", "ca_bundle"),
            (CertificateError::Expired, "expired", "clock"),
            (CertificateError::NotValidYet, "not valid yet", "clock"),
            (CertificateError::NotValidForName, "another name", "name"),
        ] {
            let carried = io::Error::other(io::Error::other(rustls::Error::InvalidCertificate(problem.clone())));
            let obstacle = tls_obstacle("graph.test", &carried).unwrap();
            assert!(obstacle.why.contains(why) && obstacle.why.contains("graph.test"), "{problem:?}: {obstacle}");
            assert!(obstacle.fix.contains(fix), "{problem:?}: {obstacle:?}");
        }
        assert_eq!(tls_obstacle("graph.test", &io::Error::other("Connection refused")), None);
    }
}
