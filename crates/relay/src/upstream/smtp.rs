//! Connections that speak SMTP: a server of one's own, and Exchange Online.

use std::collections::HashMap;
use std::sync::Arc;

use entra::TokenSource;
use jiff::Timestamp;
use mail::Address;
use settings::{Connection, ConnectionId, Service, Settings, Tenant};
use store::{Explanation, Store};

use super::tokens::{self, Quiets};
use super::{Built, Connections, UpstreamError, cloud, network_of, tenant_of};
use crate::transport::{SmtpFacts, SmtpTransport, Target, TestLetter};
use crate::{Clock, Network, Transport};

impl Connections {
    pub(super) fn built_server(
        &self,
        settings: &Settings,
        connection: &Connection,
        known: &HashMap<ConnectionId, Built>,
    ) -> Result<Built, UpstreamError> {
        let network = network_of(connection, &self.network, &self.store.key_ring())?;
        let tenant = issuer(settings, connection)?;
        let tokens = tenant.map(|tenant| self.tokens(known, tenant, connection, &network)).transpose()?;
        let transport = server(connection, &*self.store, tokens.clone(), &network, self.hostname.clone())?;
        let transport: Arc<dyn Transport> = Arc::new(transport);
        Ok(Built { connection: connection.clone(), tenant: tenant.cloned(), tokens, transport })
    }

    pub(super) fn built_exchange(
        &self,
        settings: &Settings,
        connection: &Connection,
        known: &HashMap<ConnectionId, Built>,
    ) -> Result<Built, UpstreamError> {
        let network = network_of(connection, &self.network, &self.store.key_ring())?;
        let tenant = tenant_of(settings, connection)?;
        let tokens = self.tokens(known, tenant, connection, &network)?;
        let transport = exchange(connection, tenant, tokens.clone(), &network, self.hostname.clone())?;
        let transport: Arc<dyn Transport> = Arc::new(transport);
        Ok(Built { connection: connection.clone(), tenant: Some(tenant.clone()), tokens: Some(tokens), transport })
    }
}

/// Whose tokens a server of one's own takes; `None`: a password, or nothing.
fn issuer<'a>(settings: &'a Settings, connection: &Connection) -> Result<Option<&'a Tenant>, UpstreamError> {
    takes_tokens(connection).then(|| tenant_of(settings, connection)).transpose()
}

fn takes_tokens(connection: &Connection) -> bool {
    let has_scope = connection.smtp.as_ref().is_some_and(|server| server.oauth_scope.is_some());
    connection.service == Service::Exchange || has_scope
}

fn server(
    connection: &Connection,
    store: &dyn Store,
    tokens: Option<TokenSource>,
    network: &Network,
    hostname: Option<String>,
) -> Result<SmtpTransport, UpstreamError> {
    let target = Target::of_server(connection, &store.key_ring(), tokens, network, hostname)?;
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

/// Connects, protects, authenticates and says goodbye, as a message would find it. `mailbox`: as whom, where a token is
/// for one.
pub async fn test_smtp(
    settings: &Settings,
    id: &ConnectionId,
    store: &Arc<dyn Store>,
    network: &Network,
    mailbox: Option<&Address>,
) -> Result<SmtpFacts, Explanation> {
    probe(settings, id, (store, network), mailbox, None).await
}

/// The same, and hands one message in, past the queue. [`SmtpFacts::accepted`] then holds what the server said to it.
pub async fn send_test_smtp(
    settings: &Settings,
    id: &ConnectionId,
    store: &Arc<dyn Store>,
    network: &Network,
    mailbox: Option<&Address>,
    letter: &TestLetter,
) -> Result<SmtpFacts, Explanation> {
    probe(settings, id, (store, network), mailbox, Some(letter)).await
}

async fn probe(
    settings: &Settings,
    id: &ConnectionId,
    (store, network): (&Arc<dyn Store>, &Network),
    mailbox: Option<&Address>,
    letter: Option<&TestLetter>,
) -> Result<SmtpFacts, Explanation> {
    let connection = settings.connection(id).ok_or_else(|| UpstreamError::UnknownConnection.explanation())?;
    if mailbox.is_none() && takes_tokens(connection) {
        return Err(no_mailbox());
    }
    let transport = to_test(settings, connection, store, network).map_err(|error| error.explanation())?;
    transport.probe(mailbox, letter).await
}

fn to_test(
    settings: &Settings,
    connection: &Connection,
    store: &Arc<dyn Store>,
    network: &Network,
) -> Result<SmtpTransport, UpstreamError> {
    let network = network_of(connection, network, &store.key_ring())?;
    let clock: Clock = Arc::new(Timestamp::now);
    let tokens = |tenant| tokens::source(tenant, connection, (store, &clock), &network, &Quiets::default());
    match connection.service {
        Service::SmtpServer => {
            let tokens = issuer(settings, connection)?.map(tokens).transpose()?;
            server(connection, &**store, tokens, &network, network.hostname.clone())
        }
        Service::Exchange => {
            let tenant = tenant_of(settings, connection)?;
            exchange(connection, tenant, tokens(tenant)?, &network, network.hostname.clone())
        }
        Service::GraphApi => Err(UpstreamError::UnsupportedService(Service::GraphApi)),
    }
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
