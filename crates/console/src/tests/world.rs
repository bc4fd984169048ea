//! A fixed world: settings, people and messages, at a time that stands still until a test moves it.

use std::sync::{Arc, Mutex};

use admin::people::{SessionPolicy, SetupToken};
use admin::{Actor, Mode, SecretSource, SetupFile, apply};
use axum::Router;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, EnhancedStatus, Envelope, MessageId};
use secrecy::SecretString;
use settings::{ApiToken, ApiTokenId, ConnectionId, Role, RoutedTo, User, UserId};
use store::model::ModelStore;
use store::{
    AttemptReport, AuditEntry, Explanation, NewMessage, NodeId, Priority, RecipientOutcome, Session, SettingsChange,
    StagedBody, Store, Via,
};
use tokio_util::sync::CancellationToken;

use super::browser::Browser;
use super::marked::MARKER;
use crate::pages::{all, router};
use crate::{Console, ConsoleConfig, SmtpListener};

/// The password of everybody.
pub(super) const PASSWORD: &str = "zebra lamp quiet";
/// argon2id of it, made once: a hash takes too long to make one for every test.
const HASH: &str = include_str!("password_hash.txt");

pub(super) const HOST: &str = "postern.test:8080";

/// Upstreams that refuse every connection: nothing listens on the discard port of this machine.
const SETUP: &str = r#"
[[tenant]]
name = "Contoso"
cloud = { login = "http://127.0.0.1:9", graph = "http://127.0.0.1:9", smtp = "127.0.0.1:9" }
tenant_id = "11111111-2222-3333-4444-555555555555"
client_id = "66666666-7777-8888-9999-000000000000"
client_secret = "a stored client secret"
client_secret_expires = "2026-11-20"

[[tenant]]
name = "Fabrikam"
cloud = { login = "http://127.0.0.1:9", graph = "http://127.0.0.1:9", smtp = "127.0.0.1:9" }
tenant_id = "fabrikam.test"
client_id = "66666666-7777-8888-9999-000000000001"
client_secret = "another stored client secret"

[[tenant]]
name = "Spare"
cloud = { login = "http://127.0.0.1:9", graph = "http://127.0.0.1:9", smtp = "127.0.0.1:9" }
tenant_id = "spare.test"
client_id = "66666666-7777-8888-9999-000000000003"
client_secret = "a third stored client secret"

[[connection]]
name = "Contoso Graph"
service = "Microsoft Entra ID Graph API"
tenant = "Contoso"

[[connection]]
name = "Anna's mailbox"
service = "Microsoft Entra ID Graph API"
tenant = "Contoso"
permission = "delegated"

[[connection]]
name = "Fabrikam Graph"
service = "Microsoft Entra ID Graph API"
tenant = "Fabrikam"

[emails]
mailbox = "noreply@contoso.test"
service_connection = "Contoso Graph"

[[route]]
name = "HR"
sender = "*@hr.contoso.test"
service_connection = "Anna's mailbox"
mailbox = "sender"

[[route]]
name = "Rest"
sender = "*@rest.contoso.test"
service_connection = "Fabrikam Graph"
mailbox = "sender"

[[account]]
name = "erp"
token = "a stored account token"
allowed_senders = ["*@contoso.test"]
networks = ["10.0.0.0/8"]
messages_per_minute = 600

[[webhook]]
name = "Chat"
url = "http://127.0.0.1:9/postern"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
events = ["message.failed", "alarm.raised"]
"#;

const MAIL: &str = "From: erp@contoso.test\r\nTo: karl@example.test\r\nSubject: Invoice 7\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nPlease pay.\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<p>Please <b>pay</b>.</p>\r\n--b--\r\n";

pub(super) struct World {
    pub(super) store: Arc<ModelStore>,
    pub(super) console: Console,
    pub(super) router: Router,
    clock: Arc<Mutex<Timestamp>>,
    pub(super) folder: tempfile::TempDir,
}

/// How browsers reach the console.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Plainly,
    ByTls,
}

impl World {
    /// Nothing in it but the key ring.
    pub(super) fn empty(reached: Reached) -> Self {
        let (store, folder) = (Arc::new(ModelStore::default()), tempfile::tempdir().unwrap());
        let clock = Arc::new(Mutex::new("2026-11-10T08:00:00Z".parse::<Timestamp>().unwrap()));
        let config = ConsoleConfig {
            public_url: match reached {
                Reached::Plainly => format!("http://{HOST}"),
                Reached::ByTls => "https://postern.test".to_owned(),
            }
            .parse()
            .unwrap(),
            tls: reached == Reached::ByTls,
            hosts: vec![HOST.to_owned()],
            network: relay::Network::default(),
            data_dir: folder.path().to_owned(),
            min_free_bytes: 0,
            hostname: "postern.test".to_owned(),
            smtp: vec![SmtpListener { listen: "127.0.0.1:2525".parse().unwrap(), tls: "STARTTLS" }],
            configuration: Vec::new(),
            sessions: SessionPolicy::default(),
            setup: SetupToken::ensure(folder.path(), &*store).unwrap(),
            stop: CancellationToken::new(),
        };
        let tells = Arc::clone(&clock);
        let console = Console::with_clock(store.clone(), config, Arc::new(move || *tells.lock().unwrap()));
        let router = router(console.clone());
        Self { store, console, router, clock, folder }
    }

    pub(super) async fn new() -> Self {
        Self::reached(Reached::Plainly).await
    }

    pub(super) async fn reached(reached: Reached) -> Self {
        let world = Self::empty(reached);
        let file = SetupFile::parse("world", SETUP).unwrap();
        let secrets = SecretSource::new("/nowhere".as_ref());
        let (store, now) = (&*world.store, world.now());
        apply(store, &Actor::command_line(), &file, &secrets, Mode::Change, now).await.unwrap();
        let people = [
            ("vera", Role::Viewer),
            ("olga", Role::Operator),
            ("anna", Role::Administrator),
            ("otto", Role::Administrator),
        ];
        let mut changes: Vec<_> = people.map(|(name, role)| SettingsChange::PutUser(user(name, role, now))).into();
        changes.push(SettingsChange::PutApiToken(ApiToken {
            id: ApiTokenId("token-1".into()),
            name: "monitoring".into(),
            role: Role::Viewer,
            digest: "0f1e".into(),
            created_at: now,
            expires_at: None,
        }));
        world.change(changes).await;
        for number in 1..=4 {
            world.hand_in(number, MAIL, "Invoice 7").await;
        }
        world.deliver_two().await;
        world
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(super) fn now(&self) -> Timestamp {
        *self.clock.lock().unwrap()
    }

    pub(super) fn pass(&self, time: SignedDuration) {
        *self.clock.lock().unwrap() += time;
    }

    /// Straight into the store, past every check of `admin`.
    pub(super) async fn change(&self, changes: Vec<SettingsChange>) {
        let version = self.store.settings().borrow().version;
        let audit = AuditEntry {
            at: self.now(),
            actor: "cli".into(),
            action: "changed".into(),
            detail: serde_json::Value::Null,
        };
        self.store.change_settings(version, changes, audit).await.unwrap();
    }

    pub(super) fn message(number: u64) -> MessageId {
        MessageId::new(1_793_000_000_000, u128::from(number))
    }

    /// The id of what has this name in the settings.
    pub(super) fn id(&self, name: &str) -> String {
        let all = self.ids();
        all.into_iter()
            .find(|(_, known)| known == name || *known == format!("{name} {MARKER}"))
            .unwrap_or_else(|| panic!("{name} is nothing"))
            .0
    }

    /// Everything that has an id that is made anew in every world, with a name for it.
    pub(super) fn ids(&self) -> Vec<(String, String)> {
        let settings = self.store.settings().borrow().clone();
        let tenants = settings.tenants.iter().map(|it| (it.id.0.clone(), it.name.clone()));
        let connections = settings.connections.iter().map(|it| (it.id.0.clone(), it.name.clone()));
        let routes = settings.routes.iter().map(|it| (it.id.0.clone(), it.name.clone()));
        let accounts = settings.accounts.iter().map(|it| (it.id.0.clone(), it.name.clone()));
        let webhooks = settings.webhooks.iter().map(|it| (it.id.0.clone(), it.name.clone()));
        tenants.chain(connections).chain(routes).chain(accounts).chain(webhooks).collect()
    }

    /// Somebody with this role, who just signed in.
    pub(super) async fn signed_in(&self, role: Role) -> Browser {
        let name = match role {
            Role::Viewer => "vera",
            Role::Operator => "olga",
            Role::Administrator => "anna",
        };
        self.signed_in_as(name).await
    }

    pub(super) async fn signed_in_as(&self, name: &str) -> Browser {
        let token = admin::people::generate_token().unwrap();
        let session = Session {
            digest: self.store.key_ring().token_digest(&token).unwrap(),
            user: UserId(format!("user-{name}")),
            created_at: self.now(),
            last_seen_at: self.now(),
            authenticated_at: self.now(),
            peer: Some("192.0.2.7".parse().unwrap()),
            user_agent: Some("a browser".into()),
        };
        self.store.put_session(session.clone()).await.unwrap();
        let csrf = admin::people::csrf_token(self.store(), &session).unwrap();
        self.anonymous().with_session(&token, csrf)
    }

    pub(super) fn anonymous(&self) -> Browser {
        Browser::new(self.router.clone(), self.console.is_secure())
    }

    pub(super) async fn hand_in(&self, number: u64, raw: &str, subject: &str) {
        let mut envelope = Envelope::new(address("erp@contoso.test"));
        envelope.add(address("karl@example.test"));
        let connection = ConnectionId(self.id("Contoso Graph"));
        let message = NewMessage {
            id: Self::message(number),
            envelope,
            body: StagedBody::inline(Bytes::from(raw.to_owned())).unwrap(),
            added_header: "Received: by postern.test\r\n".into(),
            header_from: Some(address("erp@contoso.test")),
            subject: Some(subject.to_owned()),
            internet_message_id: Some(format!("<{number}@contoso.test>")),
            routed_to: Some(RoutedTo { connection, mailbox: address("noreply@contoso.test") }),
            hold: None,
            priority: Priority::Normal,
            send_at: None,
            received_at: self.now(),
            expires_at: self.now() + SignedDuration::from_hours(48),
            account: None,
            via: Via::Smtp,
            peer: Some("192.0.2.9".parse().unwrap()),
            idempotency: None,
            metadata: None,
        };
        self.store.enqueue(message).await.unwrap();
    }

    /// The first is sent, the second refused.
    async fn deliver_two(&self) {
        let refusal = Explanation {
            what: "The mailbox does not exist".into(),
            why: "Microsoft Graph said so".into(),
            fix: "Choose a mailbox that exists".into(),
            who: "you".into(),
            code: Some("ErrorInvalidUser".into()),
        };
        self.attempt(RecipientOutcome::Accepted, None).await;
        let refused = RecipientOutcome::Refused(EnhancedStatus::permanent(1, 1));
        self.attempt(refused, Some(refusal)).await;
    }

    /// The oldest message that is due, with this outcome.
    pub(super) async fn attempt(&self, outcome: RecipientOutcome, explanation: Option<Explanation>) {
        let (node, now) = (NodeId("node".into()), self.now());
        let lane = self.store.lanes_with_work().await.unwrap()[0].id;
        let until = now + SignedDuration::from_mins(1);
        let lease = self.store.lease_lane(lane, &node, None, until, now).await.unwrap().unwrap();
        let claim = self.store.claim(&lease, 1, 100, now).await.unwrap().remove(0);
        let report = AttemptReport {
            outcomes: vec![outcome],
            explanation,
            request_id: Some("request-1".into()),
            due_at: now,
            retry_uncertain: false,
            settles_doubt: false,
        };
        self.store.finish_attempt(&claim, report, now).await.unwrap();
    }

    /// All there is, but for when sessions were last seen: equal before and after means that nothing was changed.
    pub(super) async fn everything(&self) -> String {
        let settings = self.store.settings().borrow().clone();
        let filter = store::Filter::default();
        let page = self.store.messages(&filter, store::PageRequest { before: None, limit: 100 }).await.unwrap();
        let sessions = self.store.sessions(None).await.unwrap();
        let sessions: Vec<_> = sessions.into_iter().map(|session| (session.digest, session.authenticated_at)).collect();
        let audit = self.store.audit(None, 1000).await.unwrap();
        format!("{settings:?}\n{page:?}\n{sessions:?}\n{audit:?}")
    }

    pub(super) fn list(&self) -> Vec<crate::guard::Entry> {
        all(self.console.clone()).list
    }
}

pub(super) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(super) fn user(name: &str, role: Role, now: Timestamp) -> User {
    User {
        id: UserId(format!("user-{name}")),
        name: name.to_owned(),
        role,
        password_hash: Some(HASH.trim().to_owned()),
        totp: None,
        openid: None,
        disabled: false,
        created_at: now,
    }
}

pub(super) fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}
