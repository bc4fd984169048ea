//! Both stores side by side. Their numbers for lanes and attempts may differ; everything else may not.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use settings::RoutedTo;
use store::model::ModelStore;
use store::sqlite::SqliteStore;
use store::{Claim, Filter, LaneId, Lease, PageRequest, Store};

use super::answer::answer;
use super::history::Step;
use super::view::view;
use crate::fixture::*;

/// The second differs from the first only in case: they are one lane.
pub(super) const MAILBOXES: [&str; 3] = ["noreply@contoso.test", "NoReply@Contoso.test", "hr@contoso.test"];

pub(super) struct Pair {
    folder: tempfile::TempDir,
    now: Timestamp,
    sides: [Side; 2],
    /// The second side by its own type; `None` while it is restarted.
    sqlite: Option<Arc<SqliteStore>>,
}

pub(super) struct Side {
    pub(super) store: Arc<dyn Store>,
    pub(super) lanes: BTreeMap<RoutedTo, LaneId>,
    pub(super) leases: Vec<Lease>,
    pub(super) claims: Vec<Claim>,
}

impl Side {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { store, lanes: BTreeMap::new(), leases: Vec::new(), claims: Vec::new() }
    }

    pub(super) fn lane(&self, mailbox: usize) -> LaneId {
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
