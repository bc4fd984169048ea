//! A listener to talk to: SQLite in a temporary folder, one account, loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use argon2::password_hash::PasswordHasher;
use rustls::pki_types::PrivateKeyDer;
use settings::{Account, AccountId};
use store::sqlite::SqliteStore;
use store::{AuditEntry, Filter, MessageRecord, PageRequest, SettingsChange, Store};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::LineEndings;

use super::super::listener::Context;
use super::super::{AuthMode, ListenerConfig, SmtpLimits, SmtpServer, TlsMode};
use super::client::Client;
use crate::clock::SystemClock;
use crate::intake::{Intake, Limits};

/// What a test may set before the listener opens.
pub(super) struct Setup {
    pub(super) config: ListenerConfig,
    pub(super) smtp: SmtpLimits,
    pub(super) intake: Limits,
    pub(super) account: Account,
}

impl Setup {
    fn new() -> Self {
        let config = ListenerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: TlsMode::None,
            auth: AuthMode::Required,
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            line_endings: LineEndings::Reject,
            hostname: "mx.test".to_owned(),
        };
        let account = Account {
            id: AccountId("a1".to_owned()),
            name: "erp".to_owned(),
            password_hash: Some(hash("right")),
            token_digest: None,
            allowed_senders: vec!["*@contoso.test".parse().unwrap()],
            networks: Vec::new(),
            messages_per_minute: None,
        };
        Self { config, smtp: SmtpLimits::default(), intake: Limits::default(), account }
    }
}

fn hash(password: &str) -> String {
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password_with_salt(password.as_bytes(), b"salt of a test").unwrap().to_string()
}

/// An opened store behind an intake.
pub(super) struct Behind {
    pub(super) server: SmtpServer,
    store: Arc<dyn Store>,
    config: ListenerConfig,
    pub(super) folder: tempfile::TempDir,
}

impl Behind {
    pub(super) async fn open(set_up: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::new();
        set_up(&mut setup);
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let audit = AuditEntry {
            at: jiff::Timestamp::now(),
            actor: "test".to_owned(),
            action: "test".to_owned(),
            detail: serde_json::Value::Null,
        };
        let version = store.settings().borrow().version;
        store.change_settings(version, vec![SettingsChange::PutAccount(setup.account)], audit).await.unwrap();
        let intake = Intake::new(Arc::clone(&store), Arc::new(SystemClock), "mx.test", setup.intake);
        let server = SmtpServer::new(intake, setup.smtp);
        Self { server, store, config: setup.config, folder }
    }

    /// For a session without a listener.
    pub(super) fn context(&self) -> Arc<Context> {
        Arc::new(self.server.context(self.config.clone()))
    }

    pub(super) async fn messages(&self) -> Vec<MessageRecord> {
        let page = PageRequest { before: None, limit: 100 };
        self.store.messages(&Filter::default(), page).await.unwrap().messages
    }

    pub(super) async fn body(&self, message: &MessageRecord) -> String {
        let mut body = Vec::new();
        self.store.read_body(message.id).await.unwrap().read_to_end(&mut body).await.unwrap();
        String::from_utf8(body).unwrap()
    }
}

/// A listener at work.
pub(super) struct Gate {
    pub(super) behind: Behind,
    pub(super) address: SocketAddr,
    pub(super) shutdown: CancellationToken,
    pub(super) serving: JoinHandle<()>,
    pub(super) tls: Arc<rustls::ClientConfig>,
}

impl Gate {
    pub(super) async fn open(set_up: impl FnOnce(&mut Setup, &Arc<rustls::ServerConfig>)) -> Self {
        let (server_tls, tls) = certificate();
        let behind = Behind::open(|setup| set_up(setup, &server_tls)).await;
        let listener = behind.server.bind(behind.config.clone()).await.unwrap();
        let (address, shutdown) = (listener.local_addr(), CancellationToken::new());
        let serving = tokio::spawn(listener.serve(shutdown.clone()));
        Self { behind, address, shutdown, serving, tls }
    }

    pub(super) async fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// Connected and greeted.
    pub(super) async fn greeted(&self) -> Client {
        let mut client = self.connect().await;
        assert_eq!(client.reply().await, "220 mx.test ESMTP Postern");
        client
    }

    /// Shuts down and waits for the last session.
    pub(super) async fn close(self) -> Behind {
        self.shutdown.cancel();
        self.serving.await.unwrap();
        self.behind
    }
}

fn certificate() -> (Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["mx.test".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}
