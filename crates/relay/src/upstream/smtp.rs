//! Connections that speak SMTP: a server of one's own, and Exchange Online.

use std::sync::Arc;

use entra::{Scope, TokenSource};
use mail::Address;
use settings::{Connection, ConnectionId, Permission, Service, Settings, Tenant};
use store::{Explanation, Store};

use super::{Built, Connections, UpstreamError, application, cloud, network_of};
use crate::transport::{SmtpFacts, SmtpTransport, Target};
use crate::{Network, Transport};

impl Connections {
    pub(super) fn built_server(&self, connection: &Connection) -> Result<Built, UpstreamError> {
        let transport = server(connection, &*self.store, &self.network, self.hostname.clone())?;
        let transport: Arc<dyn Transport> = Arc::new(transport);
        Ok(Built { connection: connection.clone(), tenant: None, tokens: None, transport })
    }

    pub(super) fn built_exchange(
        &self,
        settings: &Settings,
        connection: &Connection,
        shared: impl FnOnce(&Tenant) -> Option<TokenSource>,
    ) -> Result<Built, UpstreamError> {
        let tenant = tenant(settings, connection)?;
        let tokens = match shared(tenant) {
            Some(tokens) => tokens,
            None => tokens(tenant, connection, &*self.store, &self.network)?,
        };
        let network = network_of(connection, &self.network, &self.store.key_ring())?;
        let transport = exchange(connection, tenant, tokens.clone(), &network, self.hostname.clone())?;
        let transport: Arc<dyn Transport> = Arc::new(transport);
        Ok(Built { connection: connection.clone(), tenant: Some(tenant.clone()), tokens: Some(tokens), transport })
    }
}

fn server(
    connection: &Connection,
    store: &dyn Store,
    network: &Network,
    hostname: Option<String>,
) -> Result<SmtpTransport, UpstreamError> {
    let keys = store.key_ring();
    let network = &network_of(connection, network, &keys)?;
    let target = Target::of_server(connection, &keys, network, hostname)?;
    Ok(SmtpTransport::new(target, connection.clone(), network.idle_timeout))
}

fn exchange(
    connection: &Connection,
    tenant: &Tenant,
    tokens: TokenSource,
    network: &Network,
    hostname: Option<String>,
) -> Result<SmtpTransport, UpstreamError> {
    let target = Target::of_exchange(&cloud(&tenant.cloud)?, tokens, network, hostname)?;
    Ok(SmtpTransport::new(target, connection.clone(), network.idle_timeout))
}

fn tenant<'a>(settings: &'a Settings, connection: &Connection) -> Result<&'a Tenant, UpstreamError> {
    connection.tenant.as_ref().and_then(|id| settings.tenant(id)).ok_or(UpstreamError::NoTenant)
}

fn tokens(
    tenant: &Tenant,
    connection: &Connection,
    store: &dyn Store,
    network: &Network,
) -> Result<TokenSource, UpstreamError> {
    if connection.permission == Permission::Delegated {
        return Err(UpstreamError::DelegatedExchange);
    }
    let application = application(tenant, &cloud(&tenant.cloud)?, &store.key_ring(), connection.permission)?;
    let network = network_of(connection, network, &store.key_ring())?;
    Ok(TokenSource::new(network.client()?, application, &Scope::Exchange)?)
}

/// Connects, protects, authenticates and says goodbye, as a message would find it. `mailbox`: as whom, where a token is
/// for one.
pub async fn test_smtp(
    settings: &Settings,
    id: &ConnectionId,
    store: &Arc<dyn Store>,
    network: &Network,
    mailbox: Option<&Address>,
) -> Result<SmtpFacts, Explanation> {
    let connection = settings.connection(id).ok_or_else(|| UpstreamError::UnknownConnection.explanation())?;
    let transport = match connection.service {
        Service::SmtpServer => server(connection, &**store, network, None),
        Service::Exchange if mailbox.is_none() => return Err(no_mailbox()),
        Service::Exchange => tenant(settings, connection).and_then(|tenant| {
            let tokens = tokens(tenant, connection, &**store, network)?;
            exchange(connection, tenant, tokens, &network_of(connection, network, &store.key_ring())?, None)
        }),
        Service::GraphApi => Err(UpstreamError::UnsupportedService(Service::GraphApi)),
    };
    transport.map_err(|error| error.explanation())?.probe(mailbox).await
}

/// A token opens a mailbox, not the server.
fn no_mailbox() -> Explanation {
    Explanation {
        what: "There is no mailbox to test this connection with.".to_owned(),
        why: "Neither the Emails settings nor a route with a mailbox of its own use it.".to_owned(),
        fix: "Choose the connection and a mailbox in the Emails settings, or in a route.".to_owned(),
        who: entra::Who::GatewayAdministrator.to_string(),
        code: None,
    }
}
