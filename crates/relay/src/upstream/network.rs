//! The network of one connection: the gateway's own, changed by what the connection says of itself.
//!
//! Promise: what comes out holds for everything the connection does: tokens, Graph, uploads, SMTP. A proxy's password is
//! opened here and nowhere else, and lives in the [`Network`] alone.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret as _;
use settings::{Connection, ConnectionId, ConnectionNetwork, ProxyChoice, ProxyServer};
use store::{KeyRing, SecretField};
use url::Url;

use super::UpstreamError;
use crate::Network;

/// How `connection` reaches the outside, where the gateway itself goes by `gateway`. Asks nothing of the network.
pub fn network_of(connection: &Connection, gateway: &Network, keys: &KeyRing) -> Result<Network, UpstreamError> {
    let Some(ConnectionNetwork { proxy, ca_bundle_pem }) = &connection.network else { return Ok(gateway.clone()) };
    let mut network = gateway.clone();
    match proxy {
        ProxyChoice::Gateway => {}
        ProxyChoice::Direct => {
            network.proxy = None;
            network.no_proxy = Vec::new();
        }
        ProxyChoice::Server(server) => {
            network.proxy = Some(with_password(server, &connection.id, keys)?);
            network.no_proxy.clone_from(&server.no_proxy);
        }
    }
    if let Some(more) = ca_bundle_pem {
        let mut all = network.ca_bundle_pem.take().unwrap_or_default();
        // A file need not end its last line.
        all.push(b'\n');
        all.extend_from_slice(more.as_bytes());
        network.ca_bundle_pem = Some(all);
    }
    Ok(network)
}

fn with_password(server: &ProxyServer, id: &ConnectionId, keys: &KeyRing) -> Result<Url, UpstreamError> {
    let mut url = server.url.clone();
    let Some(sealed) = &server.password else { return Ok(url) };
    let password =
        keys.open(&SecretField { table: "connection", id: id.0.clone(), field: "proxy_password" }, sealed)?;
    // Encoded whole: a '%' in the password would otherwise be read as the beginning of an encoded octet.
    let encoded = utf8_percent_encode(password.expose_secret(), NON_ALPHANUMERIC).to_string();
    url.set_password(Some(&encoded)).map_err(|()| graph::NetworkError::Proxy)?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::SecretString;
    use settings::{Service, Tenant, TenantId};
    use store::{AuditEntry, SettingsChange, Store};

    use super::*;
    use crate::{Connections, Upstreams as _};

    fn gateway() -> Network {
        Network {
            proxy: Some("http://gate.test:3128".parse().unwrap()),
            no_proxy: vec!["internal.test".to_owned()],
            ca_bundle_pem: Some(b"GATEWAY".to_vec()),
            ..Network::default()
        }
    }

    fn connection(proxy: ProxyChoice, ca_bundle_pem: Option<&str>) -> Connection {
        let network = ConnectionNetwork { proxy, ca_bundle_pem: ca_bundle_pem.map(str::to_owned) };
        let mut connection = Connection::new(ConnectionId("c".to_owned()), "C", Service::GraphApi);
        connection.network = Some(network);
        connection
    }

    fn keys() -> (tempfile::TempDir, std::sync::Arc<KeyRing>) {
        let folder = tempfile::tempdir().unwrap();
        let keys = store::sqlite::SqliteStore::open(folder.path()).unwrap().key_ring();
        (folder, keys)
    }

    #[test]
    fn a_connection_that_says_nothing_goes_as_the_gateway_goes() {
        let (_folder, keys) = keys();
        let mut silent = connection(ProxyChoice::Gateway, None);
        for said in [Some(ConnectionNetwork::default()), None] {
            silent.network = said;
            let network = network_of(&silent, &gateway(), &keys).unwrap();
            assert_eq!((network.proxy, network.no_proxy), (gateway().proxy, gateway().no_proxy));
            assert_eq!(network.ca_bundle_pem, gateway().ca_bundle_pem);
        }
    }

    #[test]
    fn a_connection_without_a_proxy_has_none_whatever_the_gateway_has() {
        let (_folder, keys) = keys();
        let network = network_of(&connection(ProxyChoice::Direct, None), &gateway(), &keys).unwrap();
        assert_eq!((network.proxy, network.ca_bundle_pem), (None, gateway().ca_bundle_pem));
    }

    #[test]
    fn a_proxy_of_its_own_comes_with_its_own_password_and_exceptions() {
        let (_folder, keys) = keys();
        let password = "p@ss:w/rd%41";
        let field = SecretField { table: "connection", id: "c".to_owned(), field: "proxy_password" };
        let server = ProxyServer {
            url: "socks5h://out@proxy.test:1080".parse().unwrap(),
            password: Some(keys.seal(&field, &SecretString::from(password)).unwrap()),
            no_proxy: vec!["10.0.0.0/8".to_owned()],
        };
        let network = network_of(&connection(ProxyChoice::Server(server), None), &gateway(), &keys).unwrap();
        let url = network.proxy.as_ref().unwrap();
        assert_eq!((url.host_str(), url.port(), url.username()), (Some("proxy.test"), Some(1080), "out"));
        let decoded = percent_encoding::percent_decode_str(url.password().unwrap()).decode_utf8().unwrap();
        assert_eq!(decoded, password);
        assert_eq!(network.no_proxy, ["10.0.0.0/8"]);
        assert!(!format!("{network:?}").contains(url.password().unwrap()), "{network:?}");
    }

    #[test]
    fn its_authorities_are_trusted_besides_the_gateways() {
        let (_folder, keys) = keys();
        let own = connection(ProxyChoice::Gateway, Some("OWN"));
        assert_eq!(network_of(&own, &gateway(), &keys).unwrap().ca_bundle_pem.unwrap(), b"GATEWAY\nOWN");
        let alone = network_of(&own, &Network::default(), &keys).unwrap();
        assert_eq!(alone.ca_bundle_pem.unwrap(), b"\nOWN");
    }

    #[tokio::test]
    async fn tokens_are_shared_between_connections_that_go_the_same_way_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(store::sqlite::SqliteStore::open(folder.path()).unwrap());
        let field = SecretField { table: "tenant", id: "t".to_owned(), field: "client_secret" };
        let secret = store.key_ring().seal(&field, &SecretString::from("secret")).unwrap();
        let tenant = Tenant {
            id: TenantId("t".to_owned()),
            name: "Contoso".to_owned(),
            cloud: settings::Cloud::Global,
            tenant_id: "contoso.test".to_owned(),
            client_id: "66666666-7777-8888-9999-000000000000".to_owned(),
            credential: Some(settings::Credential::ClientSecret { secret, expires: None }),
            pending_certificate: None,
            external: settings::ExternalLimit::default(),
        };
        let of = |id: &str, proxy| {
            let network = Some(ConnectionNetwork { proxy, ca_bundle_pem: None });
            let new = Connection::new(ConnectionId(id.to_owned()), id, Service::GraphApi);
            Connection { tenant: Some(tenant.id.clone()), network, ..new }
        };
        let first = of("first", ProxyChoice::Direct);
        let changes = vec![SettingsChange::PutTenant(tenant.clone()), SettingsChange::PutConnection(first.clone())];
        let audit = AuditEntry {
            at: jiff::Timestamp::UNIX_EPOCH,
            actor: "test".to_owned(),
            action: "set up".to_owned(),
            detail: serde_json::Value::Null,
        };
        store.change_settings(0, changes, audit).await.unwrap();
        let connections = Connections::new(store, Network::default());
        connections.transport(&first.id).unwrap();
        let all = connections.built();
        let is_shared_by = |other: &Connection| all[&first.id].is_shared_by(&tenant, other);
        assert!(is_shared_by(&of("alike", ProxyChoice::Direct)));
        assert!(!is_shared_by(&of("as the gateway", ProxyChoice::Gateway)));
    }
}
