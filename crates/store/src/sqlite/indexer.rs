//! Fills the index of words behind acceptance.
//!
//! Accepting a message writes nothing into the index. A thread of its own gathers for a while, reads what is new and
//! takes it apart; the writer then gets words to write, in slices so short that nobody waits for them noticeably:
//!
//! 1. the words and the runs of a slice,
//! 2. the tally `indexed_up_to`, in the same transaction.
//!
//! Invariant: up to `indexed_up_to`, every readable message's words are in the index. Several processes may index one
//! folder: a slice that another one has written is not written again.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::readers::Readers;
use super::row::{COLUMNS, SOURCE, read};
use super::search::all;
use super::span::{Span, widen};
use super::unit::Unit;
use super::words;
use super::writer::Writer;
use crate::StoreError;

/// What comes in within this time is indexed together.
const GATHERED: Duration = Duration::from_secs(1);
/// Messages in one transaction: some milliseconds.
const SLICE: usize = 512;
/// Rests between slices, as multiples of what a slice took: when others wait for the writer, and when nobody does. While
/// messages come in as fast as they can, the index falls behind rather than hold them up, and catches up afterwards.
const RESTS: (u32, u32) = (30, 1);
/// Commands that wait for the writer, or the disk, must not make a rest long.
const REST_MAX: Duration = Duration::from_secs(1);

/// The store's end. Dropping it ends the thread.
pub(super) struct Indexer {
    kick: SyncSender<()>,
    is_asked: Arc<AtomicBool>,
    /// Nothing is ever sent: its end is the signal.
    _life: Sender<Infallible>,
}

impl Indexer {
    pub(super) fn start(readers: Readers, writer: Writer) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (kick, kicks) = sync_channel(1);
        let (life, end) = channel();
        let is_asked = Arc::new(AtomicBool::new(false));
        let work = Work { readers, writer, end };
        let asked = Arc::clone(&is_asked);
        let thread = std::thread::Builder::new().name("store-index".into());
        let handle = thread.spawn(move || run(&work, &kicks, &asked))?;
        Ok((Self { kick, is_asked, _life: life }, handle))
    }

    /// There are new messages. Costs nothing while the thread knows.
    pub(super) fn kick(&self) {
        if !self.is_asked.load(Ordering::Acquire) && !self.is_asked.swap(true, Ordering::AcqRel) {
            // Full: one waits already. Disconnected: the store is being closed.
            let _ = self.kick.try_send(());
        }
    }
}

struct Work {
    readers: Readers,
    writer: Writer,
    end: Receiver<Infallible>,
}

impl Work {
    /// Waits; whether the store is being closed.
    fn ends_within(&self, time: Duration) -> bool {
        matches!(self.end.recv_timeout(time), Err(RecvTimeoutError::Disconnected))
    }
}

fn run(work: &Work, kicks: &Receiver<()>, is_asked: &AtomicBool) {
    while kicks.recv().is_ok() && !work.ends_within(GATHERED) {
        // First, so that a message that comes while the last slice is read asks again.
        is_asked.store(false, Ordering::Release);
        loop {
            let began = Instant::now();
            match index_slice(&work.readers, &work.writer) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(event = "search_index_not_filled", %error);
                    break;
                }
            }
            let factor = if work.writer.is_pressed() { RESTS.0 } else { RESTS.1 };
            if work.ends_within(REST_MAX.min(began.elapsed() * factor)) {
                return;
            }
        }
    }
}

/// Indexes everything that is there now, without rests.
pub(super) fn index_all(readers: &Readers, writer: &Writer) -> Result<(), StoreError> {
    while index_slice(readers, writer)? {}
    Ok(())
}

/// Indexes the oldest messages that are not; whether there were any.
fn index_slice(readers: &Readers, writer: &Writer) -> Result<bool, StoreError> {
    let slice = readers.read_here(read_slice)?;
    if slice.messages.is_empty() {
        return Ok(false);
    }
    writer.write_blocking(move |unit| write_slice(unit, &slice))?;
    Ok(true)
}

struct Slice {
    /// What `indexed_up_to` was.
    base: i64,
    messages: Vec<Entry>,
}

struct Entry {
    seq: i64,
    received_at: i64,
    /// `None`: the message cannot be read, so it cannot be found.
    words: Option<String>,
}

fn read_slice(connection: &Connection) -> Result<Slice, StoreError> {
    let base = Span::of(connection, None, None)?.indexed_up_to;
    let sql = format!("SELECT {COLUMNS} FROM {SOURCE} WHERE m.seq > ?1 ORDER BY m.seq LIMIT {SLICE}");
    let messages = all(connection, &sql, [base], |row| {
        let words = read(row).ok().map(|stored| words::of_message(&stored.record));
        Ok(Entry { seq: row.get(0)?, received_at: row.get("received_at")?, words })
    })?;
    Ok(Slice { base, messages })
}

fn write_slice(unit: &mut Unit<'_>, slice: &Slice) -> Result<(), StoreError> {
    if unit.tally("indexed_up_to")? != slice.base {
        return Ok(());
    }
    for entry in &slice.messages {
        // One that was deleted since it was read would never leave the index.
        unit.execute(
            "INSERT INTO message_words (rowid, words) SELECT ?1, ?2 FROM message WHERE seq = ?1 AND ?2 IS NOT NULL",
            params![entry.seq, entry.words],
        )?;
    }
    widen(unit, slice.messages.iter().map(|entry| (entry.seq, entry.received_at)))?;
    let last = slice.messages.last().map_or(slice.base, |entry| entry.seq);
    unit.execute("UPDATE tally SET value = ?1 WHERE name = 'indexed_up_to'", [last])?;
    Ok(())
}

/// Takes a message out again that is being deleted.
pub(super) fn forget(unit: &Unit<'_>, seq: i64) -> Result<(), StoreError> {
    if seq <= unit.tally("indexed_up_to")? {
        unit.execute("DELETE FROM message_words WHERE rowid = ?1", [seq])?;
    }
    Ok(())
}
