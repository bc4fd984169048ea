//! Where a connection's tokens come from: the application's own proof of identity, the machine's, or a user's grant.
//!
//! Promise: everything that asks in the name of one application is quiet together when Microsoft asks for it, also across
//! a change of its secret. A machine's identity service is asked directly, whatever proxy the connection has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use entra::{Application, CertificateKey, Cloud, IdentityHost, MailScope, MailService, Quiet, Scope, TokenSource};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use settings::{Connection, ConnectionId, Permission, Service, Settings, Tenant};
use store::{KeyRing, SecretField, Store};

use super::kept_grant::KeptGrant;
use super::{UpstreamError, cloud, network_of, tenant_of};
use crate::{Clock, Network};

/// What a user must let the application do, for all that the connection's settings ask of it.
pub fn mail_scope(connection: &Connection) -> MailScope {
    let service = match connection.service {
        Service::Exchange => MailService::Exchange,
        Service::GraphApi | Service::SmtpServer => MailService::Graph,
    };
    let reads = connection.service == Service::GraphApi && connection.read_bounces;
    MailScope { service, shared: false, drafts: connection.makes_drafts(), reads }
}

/// A source of tokens for the connection with this id, whichever its service, as it would send with them. Asks nothing of
/// the network.
pub fn tokens_of(
    settings: &Settings,
    id: &ConnectionId,
    store: &Arc<dyn Store>,
    network: &Network,
) -> Result<TokenSource, UpstreamError> {
    let connection = settings.connection(id).ok_or(UpstreamError::UnknownConnection)?;
    let tenant = tenant_of(settings, connection)?;
    let network = network_of(connection, network, &store.key_ring())?;
    let clock: Clock = Arc::new(Timestamp::now);
    source(tenant, connection, (store, &clock), &network, &Quiets::default())
}

/// A source of tokens for the connection. `network` is the connection's own. Asks nothing of it.
pub(super) fn source(
    tenant: &Tenant,
    connection: &Connection,
    (store, clock): (&Arc<dyn Store>, &Clock),
    network: &Network,
    quiets: &Quiets,
) -> Result<TokenSource, UpstreamError> {
    let cloud = cloud(&tenant.cloud)?;
    let application = application(tenant, &cloud, &store.key_ring(), connection.permission)?;
    let source = match connection.permission {
        Permission::Delegated => {
            let keeper = KeptGrant::new(Arc::clone(store), connection, Arc::clone(clock));
            TokenSource::delegated(network.client()?, application, Arc::new(keeper))?
        }
        Permission::Application => {
            let scope = scope(connection)?;
            let is_the_machines = matches!(application.credential, entra::Credential::ManagedIdentity(_));
            let network = if is_the_machines { &direct(network) } else { network };
            TokenSource::new(network.client()?, application, &scope)?
        }
    };
    Ok(source.quiet_with(&quiets.of(tenant, &cloud)))
}

/// What the application's own tokens are for.
fn scope(connection: &Connection) -> Result<Scope, UpstreamError> {
    match connection.service {
        Service::GraphApi => Ok(Scope::Graph),
        Service::Exchange => Ok(Scope::Exchange),
        Service::SmtpServer => {
            let scope = connection.smtp.as_ref().and_then(|server| server.oauth_scope.clone());
            scope.map(Scope::Custom).ok_or(UpstreamError::NoScope)
        }
    }
}

fn direct(network: &Network) -> Network {
    Network { proxy: None, no_proxy: Vec::new(), ..network.clone() }
}

/// The tenant's app registration, its secret opened. Without one it can act for users who sign in, and only for them.
pub fn application(
    tenant: &Tenant,
    cloud: &Cloud,
    key_ring: &KeyRing,
    permission: Permission,
) -> Result<Application, UpstreamError> {
    let credential = match (&tenant.credential, permission) {
        (None, Permission::Delegated) => entra::Credential::PublicClient,
        _ => credential(tenant, key_ring)?,
    };
    Ok(Application {
        cloud: cloud.clone(),
        tenant_id: tenant.tenant_id.clone(),
        client_id: tenant.client_id.clone(),
        credential,
    })
}

fn credential(tenant: &Tenant, key_ring: &KeyRing) -> Result<entra::Credential, UpstreamError> {
    let field = |field| SecretField { table: "tenant", id: tenant.id.0.clone(), field };
    match tenant.credential.as_ref() {
        None => Err(UpstreamError::NoCredential(tenant.name.clone())),
        Some(settings::Credential::ClientSecret { secret, .. }) => {
            Ok(entra::Credential::ClientSecret(key_ring.open(&field("client_secret"), secret)?))
        }
        Some(settings::Credential::Certificate(certificate)) => {
            let key = key_ring.open(&field("private_key"), &certificate.private_key)?;
            let key = CertificateKey::from_pem(&certificate.certificate_pem, key.expose_secret())?;
            Ok(entra::Credential::Certificate(key))
        }
        Some(settings::Credential::FederatedTokenFile { path }) => {
            Ok(entra::Credential::FederatedTokenFile(path.clone()))
        }
        Some(settings::Credential::ManagedIdentity) => Ok(entra::Credential::ManagedIdentity(IdentityHost::here())),
    }
}

/// One silence for each application, in whichever tenants, connections and services it is used here.
#[derive(Debug, Default)]
pub(super) struct Quiets(Mutex<HashMap<(String, String, String), Quiet>>);

impl Quiets {
    fn of(&self, tenant: &Tenant, cloud: &Cloud) -> Quiet {
        let plain = |text: &str| text.trim().to_ascii_lowercase();
        let key = (cloud.login.as_str().to_owned(), plain(&tenant.tenant_id), plain(&tenant.client_id));
        // The map is as large as there were applications since the start; a panic elsewhere cannot leave it half made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
    }
}
