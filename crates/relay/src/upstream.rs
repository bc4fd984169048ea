//! From settings to something one can send through: secrets opened, cloud resolved, token source shared.

mod kept_grant;
mod network;
mod smtp;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use entra::{Application, CertificateError, CertificateKey, Cloud, RootError, Scope, TokenSource};
use graph::{GraphMail, NetworkError};
use jiff::Timestamp;
use settings::{Connection, ConnectionId, FromPolicy, Permission, Service, Settings, Tenant};
use store::{Explanation, KeyRing, KeyRingError, SecretField, Store};

use crate::transport::GraphTransport;
use crate::{Clock, Network, Transport, Upstreams};
use kept_grant::KeptGrant;

pub use network::network_of;
pub use smtp::test_smtp;

/// Why a connection cannot be used as it is set up. An administrator must act.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the Service Connection does not exist any more")]
    UnknownConnection,
    #[error("the service '{}' is not available in this version", .0.name())]
    UnsupportedService(Service),
    #[error("the Service Connection has no Tenant")]
    NoTenant,
    #[error("the Service Connection has no host")]
    NoServer,
    #[error("delegated permission for '{}' is not available in this version", Service::Exchange.name())]
    DelegatedExchange,
    #[error("the Tenant '{0}' has neither a Client Secret nor a certificate")]
    NoCredential(String),
    #[error("a secret cannot be opened")]
    Secret(#[from] KeyRingError),
    #[error("the certificate cannot be used")]
    Certificate(#[from] CertificateError),
    #[error("the cloud's addresses cannot be used")]
    Cloud(#[from] RootError),
    #[error("the network settings cannot be used")]
    Network(#[from] NetworkError),
    #[error("no token can be asked for")]
    Entra(#[from] entra::EntraError),
}

impl UpstreamError {
    pub fn explanation(&self) -> Explanation {
        let why = std::error::Error::source(self).map(ToString::to_string).unwrap_or_default();
        let fix = match self {
            Self::UnknownConnection => "Choose a Service Connection in the Emails settings or the route.",
            Self::UnsupportedService(_) => "Choose a connection of the service 'Microsoft Entra ID Graph API'.",
            Self::NoTenant => "Choose a Tenant in the Service Connection.",
            Self::NoServer => "Enter the host of the SMTP server in the Service Connection.",
            Self::DelegatedExchange => "Choose application permission, or the service 'Microsoft Entra ID Graph API'.",
            Self::NoCredential(_) => "Enter the Client Secret (its Value, not its ID) or a certificate in the Tenant.",
            Self::Secret(_) => "Put back the master.key that belongs to this data folder, or enter the secret again.",
            Self::Certificate(_) => "Enter a certificate with the private key that belongs to it.",
            Self::Cloud(_) => "Correct the cloud of the Tenant.",
            Self::Network(_) => "Correct the network of the Service Connection, or [proxy] in postern.toml.",
            Self::Entra(_) => "Correct the Tenant's Tenant ID and Client ID.",
        };
        Explanation {
            what: format!("Nothing can be sent: {self}."),
            why,
            fix: fix.to_owned(),
            who: "Postern administrator".to_owned(),
            code: None,
        }
    }
}

/// One Graph connection, ready to be used or tested.
#[derive(Debug, Clone)]
pub struct Upstream {
    pub connection: Connection,
    pub tenant: Tenant,
    pub cloud: Cloud,
    pub tokens: TokenSource,
    pub mail: GraphMail,
}

impl Upstream {
    /// Builds the connection from the settings. Asks nothing of the network.
    pub fn graph(
        settings: &Settings,
        id: &ConnectionId,
        store: &Arc<dyn Store>,
        network: &Network,
    ) -> Result<Self, UpstreamError> {
        let clock: Clock = Arc::new(Timestamp::now);
        Self::graph_with_tokens(settings, id, (store, &clock), network, |_| None)
    }

    /// The same, with the token source of another connection that has the same tenant, if `shared` knows one.
    fn graph_with_tokens(
        settings: &Settings,
        id: &ConnectionId,
        (store, clock): (&Arc<dyn Store>, &Clock),
        network: &Network,
        shared: impl FnOnce(&Tenant) -> Option<TokenSource>,
    ) -> Result<Self, UpstreamError> {
        let connection = settings.connection(id).ok_or(UpstreamError::UnknownConnection)?.clone();
        if connection.service != Service::GraphApi {
            return Err(UpstreamError::UnsupportedService(connection.service));
        }
        let tenant = connection.tenant.as_ref().and_then(|id| settings.tenant(id)).ok_or(UpstreamError::NoTenant)?;
        let cloud = cloud(&tenant.cloud)?;
        let network = network_of(&connection, network, &store.key_ring())?;
        let http = network.client()?;
        let application = || application(tenant, &cloud, &store.key_ring(), connection.permission);
        let tokens = match (connection.permission, shared(tenant)) {
            (Permission::Delegated, _) => {
                let keeper = KeptGrant::new(Arc::clone(store), id.clone(), Arc::clone(clock));
                TokenSource::delegated(http.clone(), application()?, Arc::new(keeper))?
            }
            (Permission::Application, Some(tokens)) => tokens,
            (Permission::Application, None) => TokenSource::new(http.clone(), application()?, &Scope::Graph)?,
        };
        let mail = GraphMail::new(http, cloud.graph.clone(), tokens.clone())
            .with_new_connections_from(move || network.client().ok());
        Ok(Self { connection, tenant: tenant.clone(), cloud, tokens, mail })
    }
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

/// The addresses of the tenant's cloud.
pub fn cloud(choice: &settings::Cloud) -> Result<Cloud, RootError> {
    Ok(match choice {
        settings::Cloud::Global => Cloud::GLOBAL,
        settings::Cloud::UsGov => Cloud::US_GOV,
        settings::Cloud::UsGovDod => Cloud::US_GOV_DOD,
        settings::Cloud::China => Cloud::CHINA,
        settings::Cloud::Custom(custom) => Cloud::custom(&custom.login, &custom.graph, custom.smtp.as_deref())?,
    })
}

fn credential(tenant: &Tenant, key_ring: &KeyRing) -> Result<entra::Credential, UpstreamError> {
    let field = |field| SecretField { table: "tenant", id: tenant.id.0.clone(), field };
    match tenant.credential.as_ref() {
        None | Some(settings::Credential::FederatedTokenFile { .. } | settings::Credential::ManagedIdentity) => {
            Err(UpstreamError::NoCredential(tenant.name.clone()))
        }
        Some(settings::Credential::ClientSecret { secret, .. }) => {
            Ok(entra::Credential::ClientSecret(key_ring.open(&field("client_secret"), secret)?))
        }
        Some(settings::Credential::Certificate(certificate)) => {
            use secrecy::ExposeSecret as _;
            let key = key_ring.open(&field("private_key"), &certificate.private_key)?;
            let key = CertificateKey::from_pem(&certificate.certificate_pem, key.expose_secret())?;
            Ok(entra::Credential::Certificate(key))
        }
    }
}

/// The transports of all connections, built when first used and again when their settings change, so that a rotated
/// secret takes effect at once and an unchanged one keeps its tokens and sockets.
pub struct Connections {
    store: Arc<dyn Store>,
    network: Network,
    clock: Clock,
    /// Our name in EHLO.
    hostname: Option<String>,
    built: Mutex<HashMap<ConnectionId, Built>>,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("built", &self.built).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Built {
    connection: Connection,
    /// Where the service needs one.
    tenant: Option<Tenant>,
    tokens: Option<TokenSource>,
    transport: Arc<dyn Transport>,
}

impl Connections {
    pub fn new(store: Arc<dyn Store>, network: Network) -> Self {
        Self { store, network, clock: Arc::new(Timestamp::now), hostname: None, built: Mutex::default() }
    }

    /// The same under a name, for EHLO; without one it is the address of our end.
    #[must_use]
    pub fn with_hostname(self, name: String) -> Self {
        Self { hostname: Some(name), ..self }
    }

    /// The same with another clock, which says when a refresh token was exchanged.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.store.settings().borrow())
    }

    fn built(&self) -> MutexGuard<'_, HashMap<ConnectionId, Built>> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn built_graph(
        &self,
        settings: &Settings,
        id: &ConnectionId,
        shared: impl FnOnce(&Tenant) -> Option<TokenSource>,
    ) -> Result<Built, UpstreamError> {
        let upstream = Upstream::graph_with_tokens(settings, id, (&self.store, &self.clock), &self.network, shared)?;
        Ok(Built {
            transport: Arc::new(GraphTransport::new(upstream.mail, upstream.connection.clone())),
            connection: upstream.connection,
            tenant: Some(upstream.tenant),
            tokens: Some(upstream.tokens),
        })
    }

    /// The token sources of the delegated connections in use.
    fn delegated(&self) -> Vec<(ConnectionId, TokenSource)> {
        let all = self.built();
        let delegated = all.values().filter(|built| built.connection.permission == Permission::Delegated);
        delegated.filter_map(|built| Some((built.connection.id.clone(), built.tokens.clone()?))).collect()
    }
}

#[async_trait]
impl Upstreams for Connections {
    fn transport(&self, id: &ConnectionId) -> Result<Arc<dyn Transport>, UpstreamError> {
        let settings = self.settings();
        let mut all = self.built();
        if let Some(built) = all.get(id).filter(|built| built.is_current(&settings)) {
            return Ok(Arc::clone(&built.transport));
        }
        all.remove(id);
        let connection = settings.connection(id).ok_or(UpstreamError::UnknownConnection)?;
        let service = connection.service;
        let shared = |tenant: &Tenant| all.values().find(|b| b.is_shared_by(tenant, connection))?.tokens.clone();
        let built = match service {
            Service::GraphApi => self.built_graph(&settings, id, shared)?,
            Service::Exchange => self.built_exchange(&settings, connection, shared)?,
            Service::SmtpServer => self.built_server(connection)?,
        };
        let transport = Arc::clone(&built.transport);
        all.insert(id.clone(), built);
        Ok(transport)
    }

    fn header_from_policy(&self) -> FromPolicy {
        self.settings().emails.from_policy
    }

    async fn notice_sign_ins(&self) -> Vec<ConnectionId> {
        let mut noticed = Vec::new();
        for (connection, tokens) in self.delegated() {
            if tokens.notice_sign_in().await {
                tracing::info!(event = "sign_in_noticed", %connection);
                noticed.push(connection);
            }
        }
        noticed
    }

    async fn keep_alive(&self, idle: Duration, now: Timestamp) {
        for connection in self.settings().connections.iter().filter(|it| it.permission == Permission::Delegated) {
            if let Err(error) = self.transport(&connection.id) {
                tracing::warn!(event = "grant_not_kept_alive", connection = %connection.id, %error);
            }
        }
        for (connection, tokens) in self.delegated() {
            match tokens.keep_alive(idle, now).await {
                Ok(true) => tracing::info!(event = "grant_kept_alive", %connection),
                Ok(false) => {}
                Err(error) => tracing::warn!(event = "grant_not_kept_alive", %connection, %error),
            }
        }
    }
}

impl Built {
    fn is_current(&self, settings: &Settings) -> bool {
        settings.connection(&self.connection.id) == Some(&self.connection)
            && self.tenant.as_ref().is_none_or(|tenant| settings.tenant(&tenant.id) == Some(tenant))
    }

    /// The application's own tokens for a service are good for every connection of its tenant; a user's are that user's
    /// alone. They are asked for by the way of the connection that has them, so one that goes another way asks for its own.
    fn is_shared_by(&self, tenant: &Tenant, by: &Connection) -> bool {
        let is_applications = self.connection.permission == Permission::Application;
        let goes_the_same_way = self.connection.network == by.network;
        is_applications
            && goes_the_same_way
            && self.connection.service == by.service
            && self.tenant.as_ref() == Some(tenant)
    }
}

/// The words of the layers below in the words of the queue.
pub(crate) fn explain(explanation: &entra::Explanation) -> Explanation {
    Explanation {
        what: explanation.what.to_string(),
        why: explanation.why.to_string(),
        fix: explanation.fix.to_string(),
        who: explanation.who.to_string(),
        code: None,
    }
}
