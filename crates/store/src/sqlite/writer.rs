//! The one thread that writes: group commit.
//!
//! What is waiting when the thread becomes free is one transaction with one sync; a command that comes alone goes at
//! once. Each command is answered after the commit:
//!
//! 1. the commands of the batch run in one `IMMEDIATE` transaction,
//! 2. the totals are written,
//! 3. COMMIT: the WAL is synced; from here on everything in the batch is acknowledged work,
//! 4. news goes out, and the callers hear.
//!
//! A database error anywhere in 1-3 undoes the batch, and each command runs again alone, so that a bad one fails alone.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpointer;
use super::unit::Unit;
use crate::{Change, StoreError};

/// Commands waiting for the writer; beyond it callers wait for room. Bounds the inline bodies in memory to 16 MiB.
const WAITING_COMMANDS_MAX: usize = 256;
/// Commands in one transaction. More would not save syncs worth having, and would keep the first caller waiting.
const BATCH_COMMANDS_MAX: usize = 256;

/// How it ended for one command.
#[derive(Clone, Copy)]
pub(super) enum Ending<'t, T> {
    Committed(&'t T),
    /// Nothing of it is in the database.
    Undone,
    /// COMMIT failed: after a crash it may turn out to be there.
    Doubtful,
}

pub(super) trait Task: Send {
    fn run(&mut self, unit: &mut Unit<'_>) -> Result<(), StoreError>;
    /// Tells the caller. `Ok`: what `run` last returned stands and is on disk.
    fn settle(self: Box<Self>, committed: Result<(), Failure>);
}

#[derive(Clone)]
pub(super) struct Failure {
    error: StoreError,
    doubtful: bool,
}

struct Job<S, T, W, A> {
    state: S,
    work: W,
    after: A,
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<S, T, W, A> Task for Job<S, T, W, A>
where
    S: Send,
    T: Send,
    W: FnMut(&mut S, &mut Unit<'_>) -> Result<T, StoreError> + Send,
    A: FnOnce(S, Ending<'_, T>) + Send,
{
    fn run(&mut self, unit: &mut Unit<'_>) -> Result<(), StoreError> {
        let done = (self.work)(&mut self.state, unit);
        let outcome = done.as_ref().map(|_| ()).map_err(Clone::clone);
        self.done = Some(done);
        outcome
    }

    fn settle(self: Box<Self>, committed: Result<(), Failure>) {
        let Self { state, after, done, reply, .. } = *self;
        let result = match committed {
            Ok(()) => done.unwrap_or_else(|| Err(StoreError::Unavailable { detail: "the command never ran".into() })),
            Err(Failure { error, doubtful: false }) => Err(error),
            Err(Failure { error, doubtful: true }) => {
                after(state, Ending::Doubtful);
                let _ = reply.send(Err(error));
                return;
            }
        };
        match &result {
            Ok(value) => after(state, Ending::Committed(value)),
            Err(_) => after(state, Ending::Undone),
        }
        // A caller that went away does not need the answer.
        let _ = reply.send(result);
    }
}

/// Where commands are handed in.
#[derive(Clone)]
pub(super) struct Writer {
    commands: mpsc::Sender<Box<dyn Task>>,
}

impl Writer {
    /// Starts the thread. `publish` is called with the news of each commit; the thread ends when the last `Writer` is
    /// dropped and everything handed in is done.
    pub(super) fn start(
        connection: Connection,
        mut checkpointer: Checkpointer,
        publish: impl Fn(Vec<Change>) + Send + 'static,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (commands, waiting) = mpsc::channel(WAITING_COMMANDS_MAX);
        let thread = std::thread::Builder::new().name("store-writer".into());
        let handle = thread.spawn(move || run(&connection, waiting, &mut checkpointer, &publish))?;
        Ok((Self { commands }, handle))
    }

    /// Runs `work` in a transaction, more than once if it must; returns after the commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Unit<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_then((), move |(), unit| work(unit), |(), _| ()).await
    }

    /// Like `write`, with something that must be told how it ended even if the caller has gone by then.
    pub(super) async fn write_then<S: Send + 'static, T: Send + 'static>(
        &self,
        state: S,
        work: impl FnMut(&mut S, &mut Unit<'_>) -> Result<T, StoreError> + Send + 'static,
        after: impl FnOnce(S, Ending<'_, T>) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Job { state, work, after, done: None, reply });
        self.commands.send(job).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Like `write`, from a thread that may wait.
    pub(super) fn write_blocking<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Unit<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work = move |(): &mut (), unit: &mut Unit<'_>| work(unit);
        let job = Box::new(Job { state: (), work, after: |(), _: Ending<'_, T>| (), done: None, reply });
        self.commands.blocking_send(job).map_err(|_| stopped())?;
        answer.blocking_recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Whether somebody waits for the thread right now.
    pub(super) fn is_pressed(&self) -> bool {
        self.commands.capacity() < self.commands.max_capacity()
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable { detail: "the store's writer has stopped".into() }
}

fn run(
    connection: &Connection,
    mut waiting: mpsc::Receiver<Box<dyn Task>>,
    checkpointer: &mut Checkpointer,
    publish: &impl Fn(Vec<Change>),
) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_COMMANDS_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            batch.push(next);
        }
        commit_batch(connection, batch, publish);
        checkpointer.committed(connection.total_changes());
    }
}

fn commit_batch(connection: &Connection, mut batch: Vec<Box<dyn Task>>, publish: &impl Fn(Vec<Change>)) {
    match commit_together(connection, &mut batch) {
        Ok(changes) => {
            publish(changes);
            batch.into_iter().for_each(|task| task.settle(Ok(())));
        }
        Err(failure) if batch.len() == 1 => {
            report(&failure.error);
            batch.into_iter().for_each(|task| task.settle(Err(failure.clone())));
        }
        Err(_) => batch.into_iter().for_each(|task| commit_batch(connection, vec![task], publish)),
    }
}

fn report(error: &StoreError) {
    if matches!(error, StoreError::Unavailable { .. } | StoreError::Unreadable { .. } | StoreError::DiskFull { .. }) {
        tracing::error!(event = "store_write_failed", %error);
    }
}

/// Steps 1 to 3. An error means that nothing of the batch stands.
fn commit_together(connection: &Connection, batch: &mut [Box<dyn Task>]) -> Result<Vec<Change>, Failure> {
    let undone = |error: StoreError| {
        roll_back(connection);
        Failure { error, doubtful: false }
    };
    control(connection, "BEGIN IMMEDIATE").map_err(undone)?;
    let mut unit = Unit::new(connection);
    for task in batch {
        let before = unit.written();
        match task.run(&mut unit) {
            // The command said no before it wrote anything: its answer stands, and the others go on.
            Err(error) if is_an_answer(&error) && unit.written() == before => {}
            Err(error) => return Err(undone(error)),
            Ok(()) => {}
        }
    }
    unit.flush().map_err(undone)?;
    let changes = std::mem::take(&mut unit.changes);
    match control(connection, "COMMIT") {
        Ok(()) => Ok(changes),
        Err(error) => {
            roll_back(connection);
            Err(Failure { error, doubtful: true })
        }
    }
}

fn is_an_answer(error: &StoreError) -> bool {
    match error {
        StoreError::NotFound { .. }
        | StoreError::Conflict { .. }
        | StoreError::IdempotencyMismatch
        | StoreError::SettingsChanged { .. }
        | StoreError::LeaseLost => true,
        StoreError::DiskFull { .. } | StoreError::Unreadable { .. } | StoreError::Unavailable { .. } => false,
    }
}

fn control(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn roll_back(connection: &Connection) {
    // Some errors have rolled back already.
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(event = "store_rollback_failed", %error);
    }
}
