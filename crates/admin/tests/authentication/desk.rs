//! An administrator's desk: a gateway with one delegated connection, and the sandbox tenant it belongs to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use admin::{
    Actor, AdminError, Callback, DevicePolled, DeviceSignIn, Flows, GrantSummary, Mode, SecretSource, SetupFile,
    SignInEnd, SignInRequest, apply, begin_device_sign_in, begin_sign_in, finish_sign_in, grant_of,
    poll_device_sign_in,
};
use jiff::{SignedDuration, Timestamp};
use relay::Network;
use sandbox::{Config, Sandbox};
use secrecy::{ExposeSecret as _, SecretString};
use settings::ConnectionId;
use store::sqlite::SqliteStore;
use store::{Explanation, SecretField, Store};
use url::Url;

use crate::browser::Browser;

pub(crate) const CONFIDENTIAL: &str = "66666666-7777-8888-9999-000000000000";
pub(crate) const PUBLIC: &str = "66666666-7777-8888-9999-000000000001";
/// Of the console session at this desk.
pub(crate) const SESSION: &str = "digest of a session";

pub(crate) struct Desk {
    pub(crate) tenant: sandbox::Running,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) flows: Flows,
    pub(crate) connection: String,
    actor: Actor,
    /// Milliseconds that time was moved by.
    moved: Arc<AtomicI64>,
    folder: tempfile::TempDir,
}

/// A setup file for a delegated connection of that app.
pub(crate) fn setup(base: &str, client: &str) -> String {
    let secret = if client == CONFIDENTIAL { "client_secret = 'sandbox-secret'" } else { "" };
    format!(
        "[[tenant]]\nname = 'Contoso'\ncloud = {{ login = '{base}', graph = '{base}' }}\n\
         tenant_id = '11111111-2222-3333-4444-555555555555'\nclient_id = '{client}'\n{secret}\n\
         [[connection]]\nname = 'C'\nservice = 'Microsoft Entra ID Graph API'\ntenant = 'Contoso'\n\
         permission = 'delegated'\n\
         [emails]\nmailbox = 'anna@contoso.test'\nservice_connection = 'C'\n"
    )
}

pub(crate) fn callback_uri() -> Url {
    "http://127.0.0.1:8080/oauth/callback".parse().unwrap()
}

/// Whatever the browser was sent back with.
pub(crate) fn callback(told: &std::collections::HashMap<String, String>) -> Callback {
    Callback {
        state: told["state"].clone(),
        code: told.get("code").map(|code| SecretString::from(code.as_str())),
        error: told.get("error").cloned(),
        error_description: told.get("error_description").cloned(),
    }
}

impl Desk {
    pub(crate) async fn new(client: &str) -> Self {
        Self::with(Config::default(), client).await
    }

    pub(crate) async fn with(config: Config, client: &str) -> Self {
        let tenant = Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let moved = Arc::new(AtomicI64::new(0));
        let mut desk = Self {
            tenant,
            store,
            flows: Flows::default(),
            connection: String::new(),
            actor: Actor::command_line(),
            moved,
            folder,
        };
        desk.apply(&setup(&desk.tenant.base_url, client)).await;
        desk.connection.clone_from(&desk.store.settings().borrow().connections[0].id.0);
        desk
    }

    pub(crate) async fn apply(&self, setup: &str) {
        let file = SetupFile::parse("setup.toml", setup).unwrap();
        let secrets = SecretSource::new(Path::new("."));
        apply(&*self.store, &self.actor(), &file, &secrets, Mode::Change, self.now()).await.unwrap();
    }

    pub(crate) fn actor(&self) -> Actor {
        self.actor.clone()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock())()
    }

    /// The time here; the relay may go by it too.
    pub(crate) fn clock(&self) -> relay::Clock {
        let moved = Arc::clone(&self.moved);
        Arc::new(move || Timestamp::now() + SignedDuration::from_millis(moved.load(Ordering::SeqCst)))
    }

    /// Moves the time here and at the tenant.
    pub(crate) fn wait(&self, time: Duration) {
        self.tenant.advance_clock(time);
        self.wait_here(time.try_into().unwrap());
    }

    /// Moves the time here alone.
    pub(crate) fn wait_here(&self, time: SignedDuration) {
        self.moved.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn request(&self) -> SignInRequest<'_> {
        SignInRequest {
            connection: &self.connection,
            shared_mailboxes: false,
            session_digest: SESSION,
            login_hint: None,
        }
    }

    /// Where the browser is to go.
    pub(crate) async fn begin(&self, request: &SignInRequest<'_>) -> Url {
        let (store, network) = (&*self.store, Network::default());
        let (actor, redirect_uri) = (self.actor(), callback_uri());
        let begun = begin_sign_in(store, &self.flows, &actor, request, &redirect_uri, &network, self.now());
        begun.await.unwrap()
    }

    pub(crate) async fn finish(&self, callback: &Callback, session: &str) -> Result<SignInEnd, AdminError> {
        let (store, network) = (&*self.store, Network::default());
        finish_sign_in(store, &self.flows, &self.actor(), callback, session, &network, self.now()).await
    }

    /// A whole sign-in in a browser.
    pub(crate) async fn sign_in(&self, name: &str) -> GrantSummary {
        let url = self.begin(&self.request()).await;
        let told = Browser::new().accept(&url, name).await.sent_back_to(&callback_uri());
        match self.finish(&callback(&told), SESSION).await.unwrap() {
            SignInEnd::Granted(grant) => grant,
            SignInEnd::Refused(explanation) => panic!("{explanation:?}"),
        }
    }

    pub(crate) async fn begin_device(&self, request: &SignInRequest<'_>) -> Result<DeviceSignIn, Explanation> {
        let (store, network) = (&*self.store, Network::default());
        begin_device_sign_in(store, &self.flows, &self.actor(), request, &network, self.now()).await.unwrap()
    }

    pub(crate) async fn poll(&self, begun: &DeviceSignIn) -> Result<DevicePolled, AdminError> {
        let (store, network) = (&*self.store, Network::default());
        poll_device_sign_in(store, &self.flows, &self.actor(), &begun.id, SESSION, &network, self.now()).await
    }

    pub(crate) async fn grant(&self) -> Option<GrantSummary> {
        grant_of(&*self.store, &self.actor(), &self.connection).await.unwrap()
    }

    /// The refresh token that is kept.
    pub(crate) async fn refresh_token(&self) -> String {
        let id = ConnectionId(self.connection.clone());
        let sealed = self.store.grant(&id).await.unwrap().unwrap().refresh_token;
        let field = SecretField::new("grant", id.0, "refresh_token");
        self.store.key_ring().open(&field, &sealed).unwrap().expose_secret().to_owned()
    }

    /// The actions in the audit log, newest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let lines = self.store.audit(None, 100).await.unwrap();
        lines.into_iter().map(|line| line.entry.action).collect()
    }

    /// The AADSTS numbers of the requests for tokens so far, the newest last; 0: granted.
    pub(crate) fn asked(&self, grant_type: &str) -> Vec<u32> {
        let all = self.tenant.token_requests().into_iter();
        let of_type = all.filter(|it| it.grant_type.as_deref() == Some(grant_type));
        of_type.map(|it| it.aadsts.unwrap_or_default()).collect()
    }
}
