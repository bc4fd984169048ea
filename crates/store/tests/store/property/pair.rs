//! Both stores side by side. Their numbers for lanes and attempts may differ; everything else may not.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mail::EnhancedStatus;
use settings::{Emails, RoutedTo, Tenant, TenantId};
use store::model::ModelStore;
use store::sqlite::SqliteStore;
use store::{
    AttemptId, AttemptReport, AuditEntry, Claim, Enqueued, Filter, IdempotencyKey, Lane, LaneId, LanePause, Lease,
    MessageDetail, MessageRecord, NewMessage, PageRequest, RecipientOutcome, SettingsChange, Store, StoreError,
};

use super::history::{MESSAGES, Step};
use crate::fixture::*;

/// The second differs from the first only in case: they are one lane.
const MAILBOXES: [&str; 3] = ["noreply@contoso.test", "NoReply@Contoso.test", "hr@contoso.test"];

pub(super) struct Pair {
    folder: tempfile::TempDir,
    now: Timestamp,
    sides: [Side; 2],
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
        Self { folder, now: at(10_000), sides: [Side::new(Arc::new(ModelStore::default())), Side::new(sqlite)] }
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
        self.sides[1].store = Arc::new(SqliteStore::open(self.folder.path()).unwrap());
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
        Step::Claim { .. } | Step::Finish { .. } | Step::Wait { .. } | Step::Restart => String::new(),
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
    let Step::Enqueue { number, mailbox, priority, recipients, send_in, key, is_large } = step else { unreachable!() };
    let all = ["a@x.test", "b@x.test", "c@x.test"];
    let length = if *is_large { 70_000 } else { 10 };
    let body = staged(store, &vec![u8::try_from(*number).unwrap(); length]).await;
    let new = NewMessage {
        body,
        routed_to: mailbox.map(|mailbox| route(MAILBOXES[mailbox])),
        priority: *priority,
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
    ];
    let mut lanes: Vec<_> = store.lanes_with_work().await.unwrap().into_iter().map(plain_lane).collect();
    lanes.sort_by(|a, b| a.key.cmp(&b.key));
    seen.push(format!("{lanes:?}"));
    for lane in side.lanes.values() {
        seen.push(shown(store.lane(*lane).await.map(plain_lane)));
        seen.push(shown(store.recipients_attempted(*lane, after(now, -7_200)).await));
    }
    for state in store::MessageState::ALL {
        let filter = Filter { states: vec![state], ..Filter::default() };
        let page = store.messages(&filter, PageRequest { before: Some(id(MESSAGES)), limit: 2 }).await.unwrap();
        let ids: Vec<_> = page.messages.iter().map(|record| record.id).collect();
        seen.push(format!("{state:?} {ids:?} {:?}", page.next));
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
