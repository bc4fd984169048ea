//! Which connections have tokens together, and which never.

use std::sync::Arc;

use sandbox::{Config, Fault, FaultKind, Sandbox};
use secrecy::SecretString;
use settings::{Credential, CustomCloud, Delivery, Security, SmtpServer, TenantId};
use store::sqlite::SqliteStore;
use store::{AuditEntry, SecretField, SettingsChange};

use super::*;

struct Rig {
    _folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    connections: Connections,
}

impl Rig {
    async fn new(changes: impl FnOnce(&dyn Store) -> Vec<SettingsChange>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let connections = Connections::new(Arc::clone(&store), Network::default());
        let changes = changes(&*store);
        let rig = Self { _folder: folder, store, connections };
        rig.change(changes).await;
        rig
    }

    async fn change(&self, changes: Vec<SettingsChange>) {
        let detail = serde_json::Value::Null;
        let audit = AuditEntry { at: Timestamp::now(), actor: "test".into(), action: "test".into(), detail };
        let version = self.store.settings().borrow().version;
        self.store.change_settings(version, changes, audit).await.unwrap();
    }

    /// The tokens that the connection sends with.
    fn tokens(&self, id: &str) -> TokenSource {
        let id = ConnectionId(id.to_owned());
        self.connections.transport(&id).unwrap();
        self.connections.built().get(&id).unwrap().tokens.clone().unwrap()
    }
}

async fn tenant_in_a_cloud() -> sandbox::Running {
    Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap()
}

fn tenant(store: &dyn Store, id: &str, at: &sandbox::Running) -> Tenant {
    let base: url::Url = at.base_url.parse().unwrap();
    let field = SecretField { table: "tenant", id: id.to_owned(), field: "client_secret" };
    let secret = store.key_ring().seal(&field, &SecretString::from("sandbox-secret")).unwrap();
    Tenant {
        id: TenantId(id.to_owned()),
        name: id.to_owned(),
        cloud: settings::Cloud::Custom(CustomCloud { login: base.clone(), graph: base, smtp: None }),
        tenant_id: "11111111-2222-3333-4444-555555555555".into(),
        client_id: "66666666-7777-8888-9999-000000000000".into(),
        credential: Some(Credential::ClientSecret { secret, expires: None }),
        pending_certificate: None,
        external: settings::ExternalLimit::default(),
    }
}

fn connection(id: &str, tenant: &str, service: Service) -> SettingsChange {
    SettingsChange::PutConnection(Connection {
        tenant: Some(TenantId(tenant.to_owned())),
        ..Connection::new(ConnectionId(id.to_owned()), id, service)
    })
}

#[tokio::test]
async fn connections_of_a_tenant_have_tokens_together_and_those_of_another_cloud_never() {
    let (here, there) = (tenant_in_a_cloud().await, tenant_in_a_cloud().await);
    let rig = Rig::new(|store| {
        vec![
            // The same ids, in two clouds.
            SettingsChange::PutTenant(tenant(store, "here", &here)),
            SettingsChange::PutTenant(tenant(store, "there", &there)),
            connection("one", "here", Service::GraphApi),
            connection("two", "here", Service::GraphApi),
            connection("elsewhere", "there", Service::GraphApi),
        ]
    })
    .await;
    let one = rig.tokens("one").token().await.unwrap();
    let two = rig.tokens("two").token().await.unwrap();
    let elsewhere = rig.tokens("elsewhere").token().await.unwrap();
    assert_eq!(one.expose(), two.expose());
    assert_ne!(one.expose(), elsewhere.expose());
    assert_eq!((here.token_requests().len(), there.token_requests().len()), (1, 1));
}

#[tokio::test]
async fn an_application_that_is_throttled_for_one_service_asks_nothing_for_another_even_with_a_new_secret() {
    let cloud = tenant_in_a_cloud().await;
    let rig = Rig::new(|store| {
        vec![
            SettingsChange::PutTenant(tenant(store, "t", &cloud)),
            connection("graph", "t", Service::GraphApi),
            connection("smtp", "t", Service::Exchange),
        ]
    })
    .await;
    cloud.add_fault(Fault::new(FaultKind::TokenThrottle).retry_after(30.0));
    let error = rig.tokens("graph").token().await.unwrap_err();
    assert!(error.is_throttled(), "{error}");
    let mut renamed = tenant(&*rig.store, "t", &cloud);
    renamed.name = "renamed".to_owned();
    assert!(rig.tokens("smtp").token().await.unwrap_err().is_throttled());
    rig.change(vec![SettingsChange::PutTenant(renamed)]).await;
    let error = rig.tokens("graph").token().await.unwrap_err();
    assert!(error.is_throttled() && error.retry_after().is_some_and(|wait| wait > Duration::from_secs(20)), "{error}");
    assert_eq!(cloud.token_requests().len(), 1);
}

#[tokio::test]
async fn a_server_of_ones_own_gets_tokens_for_what_its_connection_says() {
    const SCOPE: &str = "https://outlook.office365.com/.default";
    let cloud = tenant_in_a_cloud().await;
    let server = |scope: Option<&str>| SmtpServer {
        host: "127.0.0.1".to_owned(),
        port: 25,
        security: Security::StartTls,
        username: None,
        password: None,
        oauth_scope: scope.map(str::to_owned),
    };
    let own = |id: &str, scope| {
        SettingsChange::PutConnection(Connection {
            tenant: Some(TenantId("t".to_owned())),
            smtp: Some(server(scope)),
            ..Connection::new(ConnectionId(id.to_owned()), id, Service::SmtpServer)
        })
    };
    let rig = Rig::new(|store| {
        vec![
            SettingsChange::PutTenant(tenant(store, "t", &cloud)),
            own("with", Some(SCOPE)),
            own("without", None),
            own("other", Some("https://another.test/.default")),
        ]
    })
    .await;
    rig.tokens("with").token().await.unwrap();
    assert_eq!(cloud.token_requests()[0].scope.as_deref(), Some(SCOPE));
    // Another scope is another service: its tokens are not shared, and this one is none of the tenant's.
    let error = rig.tokens("other").token().await.unwrap_err();
    assert_eq!(error.aadsts(), Some(500_011));
    let without = ConnectionId("without".to_owned());
    rig.connections.transport(&without).unwrap();
    assert!(rig.connections.built().get(&without).unwrap().tokens.is_none());
}

#[test]
fn a_sign_in_asks_for_what_the_connections_settings_need() {
    let plain = || Connection::new(ConnectionId("c".into()), "C", Service::GraphApi);
    let table = [
        (plain(), vec!["Mail.Send"]),
        (Connection { large_messages: true, ..plain() }, vec!["Mail.Send", "Mail.ReadWrite"]),
        (Connection { delivery: Delivery::Tracked, ..plain() }, vec!["Mail.Send", "Mail.ReadWrite"]),
        (Connection { read_bounces: true, ..plain() }, vec!["Mail.Send", "Mail.Read"]),
        // By SMTP there is one permission, whatever else is chosen.
        (Connection { large_messages: true, service: Service::Exchange, ..plain() }, vec!["SMTP.Send"]),
    ];
    for (connection, permissions) in table {
        assert_eq!(mail_scope(&connection).permissions(), permissions, "{connection:?}");
    }
}
