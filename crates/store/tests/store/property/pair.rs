//! Both stores side by side. Their numbers for lanes and attempts may differ; everything else may not.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mail::EnhancedStatus;
use settings::{AccountId, ConnectionId, Emails, RoutedTo, Sealed, Tenant, TenantId, UserId};
use store::model::ModelStore;
use store::sqlite::SqliteStore;
use store::{
    AttemptId, AttemptReport, AuditEntry, Claim, Enqueued, Filter, Grant, IdempotencyKey, Lane, LaneId, LanePause,
    Lease, MessageDetail, MessageRecord, NewMessage, PageRequest, RecipientOutcome, Session, SettingsChange, Store,
    StoreError,
};

use super::history::{MESSAGES, Step};
use crate::fixture::*;

/// The second differs from the first only in case: they are one lane.
const MAILBOXES: [&str; 3] = ["noreply@contoso.test", "NoReply@Contoso.test", "hr@contoso.test"];

pub(super) struct Pair {
    folder: tempfile::TempDir,
    now: Timestamp,
    sides: [Side; 2],
    /// The second side by its own type; `None` while it is restarted.
    sqlite: Option<Arc<SqliteStore>>,
}

struct Side {
    store: Arc<dyn Store>,
    lanes: BTreeMap<RoutedTo, LaneId>,
    leases: Vec<Lease>,
    claims: Vec<Claim>,
}

impl Side {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { store, lanes: BTreeMap::new(), leases: Vec::new(), claims: Vec::new() }
    }

    fn lane(&self, mailbox: usize) -> LaneId {
        self.lanes.get(&route(MAILBOXES[mailbox])).copied().unwrap_or(LaneId(9_999))
    }
}

impl Pair {
    pub(super) fn new() -> Self {
        // In memory where that can be had: what is asked here is not whether the disk keeps it.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let sqlite = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let sides = [Side::new(Arc::new(ModelStore::default())), Side::new(sqlite.clone())];
        Self { folder, now: at(10_000), sides, sqlite: Some(sqlite) }
    }

    /// Changes one side only.
    pub(super) async fn tamper(&self) {
        self.sides[1].store.delete(id(1)).await.unwrap();
    }

    pub(super) async fn run(&mut self, step: &Step) -> Result<(), String> {
        let now = self.now;
        match step {
            Step::Wait { seconds } => self.now = now + SignedDuration::from_secs(*seconds),
            Step::Restart => self.restart(),
            Step::IndexWords => self.sqlite.as_ref().unwrap().index_words().await.unwrap(),
            _ => {
                let [model, sqlite] = &mut self.sides;
                same("the answer", &answer(model, step, now).await, &answer(sqlite, step, now).await)?;
            }
        }
        self.learn_lanes().await;
        let [model, sqlite] = &self.sides;
        same("what can be seen", &view(model, self.now).await, &view(sqlite, self.now).await)
    }

    fn restart(&mut self) {
        // The old one is dropped first: two of one process would be two processes.
        self.sides[1].store = Arc::new(ModelStore::default());
        self.sqlite = None;
        let sqlite = Arc::new(SqliteStore::open(self.folder.path()).unwrap());
        self.sides[1].store = sqlite.clone();
        self.sqlite = Some(sqlite);
    }

    async fn learn_lanes(&mut self) {
        for side in &mut self.sides {
            let page = side.store.messages(&Filter::default(), PageRequest { before: None, limit: 100 }).await.unwrap();
            let known = page.messages.into_iter().filter_map(|record| record.routed_to.zip(record.lane));
            side.lanes.extend(known);
        }
    }
}

fn same<T: PartialEq + Debug>(what: &str, model: &T, sqlite: &T) -> Result<(), String> {
    if model == sqlite { Ok(()) } else { Err(format!("{what}\n  model:  {model:?}\n  sqlite: {sqlite:?}")) }
}

/// Which error, without its words.
fn kind(error: StoreError) -> String {
    match error {
        StoreError::SettingsChanged { current } => format!("settings changed, {current}"),
        StoreError::DiskFull { .. } => "disk full".into(),
        StoreError::NotFound { .. } => "not found".into(),
        StoreError::Conflict { .. } => "conflict".into(),
        StoreError::IdempotencyMismatch => "idempotency mismatch".into(),
        StoreError::LeaseLost => "lease lost".into(),
        StoreError::Unreadable { detail } => format!("unreadable: {detail}"),
        StoreError::Unavailable { detail } => format!("unavailable: {detail}"),
    }
}

fn shown<T: Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => kind(error),
    }
}

async fn answer(side: &mut Side, step: &Step, now: Timestamp) -> String {
    let store = Arc::clone(&side.store);
    match step {
        Step::Enqueue { .. } => shown(enqueue(&*store, step, now).await),
        Step::Lease { mailbox, node, is_renewal, seconds } => {
            lease(side, *mailbox, *node, *is_renewal, after(now, *seconds), now).await
        }
        Step::Claim { lease, messages, recipients } if !side.leases.is_empty() => {
            let claims = store.claim(lease.get(&side.leases), *messages, *recipients, now).await;
            side.claims.extend(claims.iter().flatten().cloned());
            shown(claims.map(|claims| claims.into_iter().map(plain_claim).collect::<Vec<_>>()))
        }
        Step::Finish { claim, outcomes, is_explained, due_in, retry_uncertain } if !side.claims.is_empty() => {
            let claim = claim.get(&side.claims);
            let report = AttemptReport {
                outcomes: outcomes.iter().map(|code| outcome(*code)).take(claim.recipients.len()).collect(),
                explanation: is_explained.then(|| because("a reason")),
                request_id: None,
                due_at: after(now, *due_in),
                retry_uncertain: *retry_uncertain,
                settles_doubt: false,
            };
            shown(store.finish_attempt(claim, report, now).await)
        }
        Step::Pause { mailbox, seconds } => {
            let pause = |seconds| LanePause {
                until: after(now, seconds),
                explanation: because("busy"),
                needs_administrator: false,
            };
            shown(store.pause_lane(side.lane(*mailbox), seconds.map(pause)).await)
        }
        Step::Operate { number, operation } => shown(store.operate(id(*number), *operation, "eve", None, now).await),
        Step::Fail { number } => shown(store.fail(id(*number), because("too old"), now).await),
        Step::Quarantine { number } => shown(store.quarantine(id(*number), because("damaged"), now).await),
        Step::Delete { number } => shown(store.delete(id(*number)).await),
        Step::Purge { state, age, limit } => shown(store.purge(*state, after(at(0), *age), *limit).await),
        Step::Reroute { routes } => {
            let routes = routes.iter().map(|(number, mailbox)| (id(*number), mailbox.map(|it| route(MAILBOXES[it]))));
            shown(store.reroute(routes.collect()).await)
        }
        Step::ChangeSettings { is_late, change } => shown(change_settings(&*store, *is_late, *change, now).await),
        Step::Sessions { digest, user, what, age } => sessions(&*store, (*digest, *user), *what, *age, now).await,
        Step::Grant { connection, is_dead } => {
            let connection = ConnectionId(format!("c{connection}"));
            shown(store.put_grant(&connection, is_dead.map(|is_dead| grant(0, is_dead, now))).await)
        }
        Step::RotateGrant { connection, known, token, is_dead } => {
            let connection = ConnectionId(format!("c{connection}"));
            shown(store.put_grant_if(&connection, &refresh_token(*known), grant(*token, *is_dead, now)).await)
        }
        Step::PurgeHistory { age } => shown(store.purge_history(after(now, -age)).await),
        Step::Claim { .. } | Step::Finish { .. } | Step::Wait { .. } | Step::IndexWords | Step::Restart => {
            String::new()
        }
    }
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now + SignedDuration::from_secs(seconds)
}

fn outcome(code: u8) -> RecipientOutcome {
    match code {
        0 | 1 => RecipientOutcome::Accepted,
        2 => RecipientOutcome::Deferred,
        3 => RecipientOutcome::Refused(EnhancedStatus::permanent(1, 1)),
        _ => RecipientOutcome::Uncertain,
    }
}

async fn enqueue(store: &dyn Store, step: &Step, now: Timestamp) -> Result<Enqueued, StoreError> {
    let Step::Enqueue { number, mailbox, priority, recipients, send_in, key, is_large, account } = step else {
        unreachable!()
    };
    let all = ["a@x.test", "b@x.test", "c@x.test"];
    let length = if *is_large { 70_000 } else { 10 };
    let body = staged(store, &vec![u8::try_from(*number).unwrap(); length]).await;
    let new = NewMessage {
        body,
        routed_to: mailbox.map(|mailbox| route(MAILBOXES[mailbox])),
        priority: *priority,
        account: account.map(|account| AccountId(format!("a{account}"))),
        send_at: send_in.map(|seconds| after(now, seconds)),
        expires_at: after(now, 3_000 + number * 100),
        idempotency: key.map(|(key, digest)| IdempotencyKey {
            key: key.to_string(),
            request_digest: [digest; 32],
            expires_at: after(at(*number), 9_000),
        }),
        ..to(message(*number), &all[..*recipients])
    };
    store.enqueue(new).await
}

async fn sessions(store: &dyn Store, (digest, user): (u8, u8), what: u8, age: i64, now: Timestamp) -> String {
    let digest = format!("d{digest}");
    match what {
        0 | 1 => {
            let session = Session {
                digest,
                user: UserId(format!("u{user}")),
                created_at: after(now, -age),
                last_seen_at: now,
                authenticated_at: now,
                peer: None,
                user_agent: None,
            };
            shown(store.put_session(session).await)
        }
        2 => shown(store.remove_sessions(vec![digest]).await),
        _ => shown(store.purge_sessions(after(now, -age), after(now, -2 * age)).await),
    }
}

fn refresh_token(number: u8) -> Sealed {
    Sealed { key_id: 1, box_base64: format!("AAA{number}") }
}

fn grant(token: u8, is_dead: bool, now: Timestamp) -> Grant {
    Grant {
        refresh_token: refresh_token(token),
        user: "anna@contoso.test".into(),
        scopes: vec!["Mail.Send".into()],
        signed_in_at: now,
        refreshed_at: now,
        dead: is_dead.then(|| because("revoked")),
    }
}

async fn lease(
    side: &mut Side,
    mailbox: usize,
    name: usize,
    is_renewal: bool,
    until: Timestamp,
    now: Timestamp,
) -> String {
    let (lane, node) = (side.lane(mailbox), node(&format!("n{name}")));
    let held = side.leases.iter().rev().find(|lease| is_renewal && lease.lane == lane && lease.node == node).cloned();
    let lease = side.store.lease_lane(lane, &node, held.as_ref(), until, now).await;
    side.leases.extend(lease.iter().flatten().cloned());
    shown(lease.map(|lease| lease.map(|lease| (lease.node, lease.epoch, lease.until))))
}

async fn change_settings(store: &dyn Store, is_late: bool, change: u8, now: Timestamp) -> Result<u64, StoreError> {
    let version = store.settings().borrow().version;
    let base = if is_late { version + 1 } else { version };
    let tenant = |id: &str| Tenant {
        id: TenantId(id.into()),
        name: format!("{id} at {now}"),
        cloud: settings::Cloud::Global,
        tenant_id: "contoso.test".into(),
        client_id: "6".into(),
        credential: None,
        pending_certificate: None,
        external: settings::ExternalLimit::default(),
    };
    let change = match change {
        0 => SettingsChange::PutTenant(tenant("t2")),
        1 => SettingsChange::PutTenant(tenant("t1")),
        2 => SettingsChange::RemoveTenant(TenantId("t1".into())),
        3 => SettingsChange::PutEmails(Emails { enabled: true, ..Emails::default() }),
        4 => SettingsChange::PutEmails(Emails::default()),
        _ => SettingsChange::RemoveTenant(TenantId("t2".into())),
    };
    let audit = AuditEntry { at: now, actor: "eve".into(), action: "change".into(), detail: serde_json::json!([base]) };
    store.change_settings(base, vec![change], audit).await
}

fn plain(record: MessageRecord) -> MessageRecord {
    MessageRecord { lane: None, ..record }
}

fn plain_claim(claim: Claim) -> (MessageRecord, Vec<usize>, u64) {
    (plain(claim.message), claim.recipients, claim.lease.epoch)
}

fn plain_detail(mut detail: MessageDetail) -> MessageDetail {
    detail.attempts.iter_mut().for_each(|attempt| attempt.id = AttemptId(0));
    MessageDetail { message: plain(detail.message), ..detail }
}

fn plain_lane(lane: Lane) -> Lane {
    Lane { id: LaneId(0), ..lane }
}

fn filters(now: Timestamp) -> Vec<Filter> {
    use store::MessageState as S;
    let all = Filter::default;
    let of_one_state = S::ALL.map(|state| Filter { states: vec![state], ..all() });
    let more = [
        all(),
        Filter { states: vec![S::Queued, S::Sending, S::Held, S::Uncertain], ..all() },
        Filter { states: vec![S::Sent, S::Failed], text: Some("hi b".into()), ..all() },
        Filter { account: Some(AccountId("a1".into())), ..all() },
        Filter { recipient: Some(address("B@x.test")), since: Some(after(at(0), 2)), ..all() },
        Filter { sender: Some("app".into()), until: Some(after(now, -9_997)), ..all() },
    ];
    of_one_state.into_iter().chain(more).collect()
}

/// Everything a caller can see, in a form that two stores can share.
async fn view(side: &Side, now: Timestamp) -> Vec<String> {
    let store = &*side.store;
    let mut seen = vec![
        shown(store.counts().await),
        shown(store.unrouted(3).await),
        shown(store.waiting_messages(Some(id(0)), 3).await),
        shown(store.expired(now, 3).await),
        shown(store.audit(None, 5).await),
        format!("{:?}", store.settings().borrow()),
        shown(store.history(after(now, -50_000), after(now, 1)).await),
        shown(store.last_submissions().await),
        shown(store.sessions(None).await),
        shown(store.sessions(Some(&UserId("u1".into()))).await),
        shown(store.session("d1").await),
        shown(store.grant(&ConnectionId("c1".into())).await),
    ];
    // Lanes of one name have one order; those without work are known to both.
    seen.push(format!("{:?}", store.lanes(2).await.unwrap().into_iter().map(plain_lane).collect::<Vec<_>>()));
    let mut lanes: Vec<_> = store.lanes_with_work().await.unwrap().into_iter().map(plain_lane).collect();
    lanes.sort_by(|a, b| a.key.cmp(&b.key));
    seen.push(format!("{lanes:?}"));
    for lane in side.lanes.values() {
        seen.push(shown(store.lane(*lane).await.map(plain_lane)));
        seen.push(shown(store.recipients_attempted(*lane, after(now, -7_200)).await));
    }
    for filter in filters(now) {
        for before in [None, Some(id(MESSAGES)), Some(id(2))] {
            let page = store.messages(&filter, PageRequest { before, limit: 2 }).await.unwrap();
            let ids: Vec<_> = page.messages.iter().map(|record| record.id).collect();
            seen.push(format!("{filter:?} {before:?} {ids:?} {:?}", page.next));
        }
    }
    for number in 0..MESSAGES {
        seen.push(shown(store.message(id(number)).await.map(plain_detail)));
        seen.push(match store.read_body(id(number)).await {
            Ok(body) => format!("{:?}", crc32fast::hash(&body.into_bytes(100_000).await.unwrap())),
            Err(error) => kind(error),
        });
    }
    seen
}
