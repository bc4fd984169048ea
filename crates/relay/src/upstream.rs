//! From settings to something one can send through: secrets opened, cloud resolved, token source shared.

mod kept_grant;
mod network;
mod smtp;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use entra::{CertificateError, Cloud, RootError, TokenSource};
use graph::{GraphMail, NetworkError};
use jiff::Timestamp;
use settings::{Connection, ConnectionId, FromPolicy, Permission, Service, Settings, Tenant};
use store::{Explanation, KeyRingError, Store};

use crate::transport::GraphTransport;
use crate::{Clock, Network, Transport, Upstreams};
use tokens::Quiets;

pub use network::network_of;
pub use smtp::{send_test_smtp, test_smtp};
pub use tokens::{application, mail_scope, tokens_of};

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
    #[error("the Service Connection has a Tenant, and no scope to ask it for")]
    NoScope,
    #[error("the Tenant '{0}' has no credential: a Client Secret, a certificate, a token file or a managed identity")]
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
            Self::NoScope => {
                "Enter the scope that the SMTP server's tokens are asked for, such as https://HOST/.default."
            }
            Self::NoCredential(_) => "Enter the Client Secret (its Value, not its ID) or a certificate in the Tenant.",
            Self::Secret(_) => "Put back the master.key that belongs to this data folder, or enter the secret again.",
            Self::Certificate(_) => "Enter a certificate with the private key that belongs to it.",
            Self::Cloud(_) => "Correct the cloud of the Tenant.",
            Self::Network(_) => "Correct the network of the Service Connection, or [proxy] in postern.toml.",
            Self::Entra(error) => return explain(&error.explanation()),
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
        Self::graph_with_tokens(settings, id, store, network, |tenant, connection, network| {
            tokens::source(tenant, connection, (store, &clock), network, &Quiets::default())
        })
    }

    /// The same, with the tokens that `tokens` makes or knows, for the tenant, the connection and its network.
    fn graph_with_tokens(
        settings: &Settings,
        id: &ConnectionId,
        store: &Arc<dyn Store>,
        network: &Network,
        tokens: impl FnOnce(&Tenant, &Connection, &Network) -> Result<TokenSource, UpstreamError>,
    ) -> Result<Self, UpstreamError> {
        let connection = settings.connection(id).ok_or(UpstreamError::UnknownConnection)?.clone();
        if connection.service != Service::GraphApi {
            return Err(UpstreamError::UnsupportedService(connection.service));
        }
        let tenant = tenant_of(settings, &connection)?;
        let cloud = cloud(&tenant.cloud)?;
        let network = network_of(&connection, network, &store.key_ring())?;
        let tokens = tokens(tenant, &connection, &network)?;
        let mail = GraphMail::new(network.client()?, cloud.graph.clone(), tokens.clone())
            .with_new_connections_from(move || network.client().ok());
        Ok(Self { connection, tenant: tenant.clone(), cloud, tokens, mail })
    }
}

fn tenant_of<'a>(settings: &'a Settings, connection: &Connection) -> Result<&'a Tenant, UpstreamError> {
    connection.tenant.as_ref().and_then(|id| settings.tenant(id)).ok_or(UpstreamError::NoTenant)
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

/// The transports of all connections, built when first used and again when their settings change, so that a rotated
/// secret takes effect at once and an unchanged one keeps its tokens and sockets.
pub struct Connections {
    store: Arc<dyn Store>,
    network: Network,
    clock: Clock,
    /// Our name in EHLO.
    hostname: Option<String>,
    quiets: Quiets,
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
        let clock: Clock = Arc::new(Timestamp::now);
        Self { store, network, clock, hostname: None, quiets: Quiets::default(), built: Mutex::default() }
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

    /// The tokens of another connection that may have them, or a source of its own. `network` is the connection's.
    fn tokens(
        &self,
        known: &HashMap<ConnectionId, Built>,
        tenant: &Tenant,
        connection: &Connection,
        network: &Network,
    ) -> Result<TokenSource, UpstreamError> {
        match known.values().find(|built| built.is_shared_by(tenant, connection)).and_then(|it| it.tokens.clone()) {
            Some(tokens) => Ok(tokens),
            None => tokens::source(tenant, connection, (&self.store, &self.clock), network, &self.quiets),
        }
    }

    fn built_graph(
        &self,
        settings: &Settings,
        id: &ConnectionId,
        known: &HashMap<ConnectionId, Built>,
    ) -> Result<Built, UpstreamError> {
        let upstream = Upstream::graph_with_tokens(settings, id, &self.store, &self.network, |tenant, it, network| {
            self.tokens(known, tenant, it, network)
        })?;
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
        let built = match connection.service {
            Service::GraphApi => self.built_graph(&settings, id, &all)?,
            Service::Exchange => self.built_exchange(&settings, connection, &all)?,
            Service::SmtpServer => self.built_server(&settings, connection, &all)?,
        };
        let transport = Arc::clone(&built.transport);
        all.insert(id.clone(), built);
        Ok(transport)
    }

    fn header_from_policy(&self) -> FromPolicy {
        self.settings().emails.from_policy
    }

    fn has_replaced(&self, id: &ConnectionId, transport: &Arc<dyn Transport>) -> bool {
        let settings = self.settings();
        let all = self.built();
        // A connection that is gone or cannot be built has no transport, and its lane finds that out by itself.
        all.get(id).is_some_and(|built| !Arc::ptr_eq(&built.transport, transport) || !built.is_current(&settings))
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
        // What the tokens of a server of one's own are for stands in the connection.
        let is_for_the_same = self.connection.service == by.service && by.service.needs_tenant();
        let both_are_applications = is_applications && by.permission == Permission::Application;
        both_are_applications && goes_the_same_way && is_for_the_same && self.tenant.as_ref() == Some(tenant)
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
