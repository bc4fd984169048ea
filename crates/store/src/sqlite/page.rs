//! Pages of messages, newest first.
//!
//! 1. The newest candidates are looked at one by one. This fills a page of what is frequent at once, and finds messages
//!    whose words are not indexed yet.
//! 2. If the page is not full by then, the index of words says where to look further: first by the rarer words alone, for
//!    common ones are slow to ask for, and if that is often in vain by all of them.
//!
//! Candidates come from the indices of states and of what bounced; [`crate::Filter`] decides on each message itself.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use mail::MessageId;
use rusqlite::{Connection, OptionalExtension, params};

use super::code::state_code;
use super::row::{COLUMNS, SOURCE, read};
use super::search::{all, seq_of};
use super::span::Span;
use super::words::Question;
use crate::query::Matcher;
use crate::{Filter, MessageRecord, MessageState, Page, PageRequest, StoreError};

/// How many messages are looked at before the index is asked (more closely).
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Before the index is asked at all: some milliseconds, about what its answer costs for a word that is in every tenth
    /// message.
    pub(super) looked_at_first: usize,
    /// In vain, before the index is asked for common words as well.
    pub(super) in_vain_max: usize,
}

pub(super) const PATIENCE: Patience = Patience { looked_at_first: 500, in_vain_max: 1_000 };

/// Messages, spread over all, that tell which words are common.
const SAMPLE: i64 = 24;
/// Numbers of candidates fetched at once.
const FETCHED: usize = 256;

/// `patience` is [`PATIENCE`] outside tests; it changes what the answer costs, never the answer.
pub(super) fn page(
    connection: &Connection,
    filter: &Filter,
    page: PageRequest,
    patience: Patience,
) -> Result<Page, StoreError> {
    let matcher = filter.matcher();
    let mut found = Found::new(connection, &matcher, page.limit);
    let Some(newest) = newest(connection, page.before)?.filter(|_| !matcher.finds_nothing()) else {
        return Ok(found.page);
    };
    let span = Span::of(connection, filter.since, filter.until)?;
    let question = Question::new(&matcher);
    let mut candidates = Candidates::new(connection, filter);
    let mut looked_at = 0;
    let mut at = span.at_or_below(newest);
    while question.is_none() || at > span.indexed_up_to || looked_at < patience.looked_at_first {
        let Some(seq) = candidates.at_or_below(at)?.filter(|seq| !span.is_over(*seq)) else { return Ok(found.page) };
        at = span.at_or_below(seq);
        if at < seq {
            continue;
        }
        if found.look_at(seq)? == Look::Full {
            return Ok(found.page);
        }
        looked_at += 1;
        at = span.at_or_below(seq - 1);
    }
    if let Some(question) = question {
        look_where_indexed(&question, (span.first, at), patience, &mut candidates, &mut found)?;
    }
    Ok(found.page)
}

/// Step 2, over the numbers from `first` to `last`.
fn look_where_indexed(
    question: &Question,
    (first, last): (i64, i64),
    patience: Patience,
    candidates: &mut Candidates<'_>,
    found: &mut Found<'_>,
) -> Result<(), StoreError> {
    let sample = if question.is_of_several() { found.sample(first, last)? } else { Vec::new() };
    let rest = match question.without_common(&sample) {
        Some(rarer) => look_for(&rarer, (first, last), patience.in_vain_max, candidates, found)?,
        None => Some(last),
    };
    if let Some(rest) = rest {
        look_for(&question.all(), (first, rest), usize::MAX, candidates, found)?;
    }
    Ok(())
}

/// Looks at what the index answers until the page is full or `in_vain_max` messages did not match; where it then goes on,
/// if it does.
fn look_for(
    terms: &str,
    (first, last): (i64, i64),
    in_vain_max: usize,
    candidates: &mut Candidates<'_>,
    found: &mut Found<'_>,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT rowid FROM message_words WHERE message_words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 \
               ORDER BY rowid DESC";
    let mut statement = found.connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![terms, first, last])?;
    let mut in_vain = 0;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        match candidates.nearest(seq)? {
            None => break,
            Some(nearest) if nearest < seq => {}
            Some(_) => match found.look_at(seq)? {
                Look::Full => break,
                Look::Taken => {}
                Look::InVain if in_vain + 1 >= in_vain_max => return Ok(Some(seq - 1)),
                Look::InVain => in_vain += 1,
            },
        }
    }
    Ok(None)
}

/// The number that a page begins with; `None`: it is empty.
fn newest(connection: &Connection, before: Option<MessageId>) -> Result<Option<i64>, StoreError> {
    let Some(before) = before else { return Ok(Some(i64::MAX)) };
    if let Some(seq) = seq_of(connection, before)? {
        return Ok(Some(seq.saturating_sub(1)));
    }
    let sql = "SELECT seq FROM message WHERE id < ?1 ORDER BY id DESC LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([before.to_bytes().as_slice()], |row| row.get(0)).optional()?)
}

/// What came of looking at a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Taken,
    /// It does not match, or cannot be read.
    InVain,
    /// It matches, and the page is full: there is a next one.
    Full,
}

/// The page as far as it is filled.
struct Found<'c> {
    connection: &'c Connection,
    matcher: &'c Matcher<'c>,
    sql: String,
    limit: usize,
    page: Page,
}

impl<'c> Found<'c> {
    fn new(connection: &'c Connection, matcher: &'c Matcher<'c>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let sql = format!("SELECT {COLUMNS} FROM {SOURCE} WHERE m.seq = ?1");
        Self { connection, matcher, sql, limit, page: Page { messages: Vec::new(), next: None } }
    }

    fn look_at(&mut self, seq: i64) -> Result<Look, StoreError> {
        let record = self.readable(seq)?.filter(|record| self.matcher.matches(record));
        let Some(record) = record else { return Ok(Look::InVain) };
        if self.page.messages.len() >= self.limit {
            self.page.next = self.page.messages.last().map(|last| last.id);
            return Ok(Look::Full);
        }
        self.page.messages.push(record);
        Ok(Look::Taken)
    }

    /// Messages spread evenly over these numbers.
    fn sample(&self, first: i64, last: i64) -> Result<Vec<MessageRecord>, StoreError> {
        let step = last.saturating_sub(first) / SAMPLE;
        let mut sample = Vec::new();
        for index in 0..SAMPLE {
            sample.extend(self.readable(first + index * step)?);
        }
        Ok(sample)
    }

    fn readable(&self, seq: i64) -> Result<Option<MessageRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(&self.sql)?;
        let mut rows = statement.query([seq])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        match read(row) {
            Ok(stored) => Ok(Some(stored.record)),
            // A message that cannot be read must not hide all others.
            Err(error) => {
                tracing::warn!(event = "message_unreadable", %error);
                Ok(None)
            }
        }
    }
}

/// The numbers of all messages in some states, or of those that bounced, from the newest on. Those of the state queued
/// come with those being sent.
struct Candidates<'c> {
    connection: &'c Connection,
    streams: Vec<Stream>,
    are_all: bool,
}

impl<'c> Candidates<'c> {
    fn new(connection: &'c Connection, filter: &Filter) -> Self {
        let of_state = |state: &MessageState| match state {
            // Worded as the partial indices are, for the planner takes those only for their own words.
            MessageState::Queued => "state IN (0, 1)".to_owned(),
            state => format!("state = {} AND state <> 0", state_code(*state)),
        };
        let are_all = filter.states.is_empty() && !filter.bounced;
        let conditions = match filter.states.as_slice() {
            // Always the fewer ones.
            _ if filter.bounced => vec!["bounced = 1 AND bounced <> 0".to_owned()],
            [] => vec!["1".to_owned()],
            states => states.iter().map(of_state).collect(),
        };
        let streams = conditions.into_iter().map(|condition| Stream::new(&condition)).collect();
        Self { connection, streams, are_all }
    }

    /// The highest candidate that is not above `at`. To be asked for lower and lower numbers.
    fn at_or_below(&mut self, at: i64) -> Result<Option<i64>, StoreError> {
        let mut highest = None;
        for stream in &mut self.streams {
            highest = highest.max(stream.at_or_below(self.connection, at)?);
        }
        Ok(highest)
    }

    /// The same for a number that is known to be a message's, as far as states narrow it.
    fn nearest(&mut self, seq: i64) -> Result<Option<i64>, StoreError> {
        if self.are_all { Ok(Some(seq)) } else { self.at_or_below(seq) }
    }
}

struct Stream {
    sql: String,
    /// Fetched and not yet passed, highest first.
    known: VecDeque<i64>,
    is_over: bool,
}

impl Stream {
    fn new(condition: &str) -> Self {
        let sql = format!("SELECT seq FROM message WHERE {condition} AND seq <= ?1 ORDER BY seq DESC LIMIT {FETCHED}");
        Self { sql, known: VecDeque::new(), is_over: false }
    }

    fn at_or_below(&mut self, connection: &Connection, at: i64) -> Result<Option<i64>, StoreError> {
        while let Some(seq) = self.known.front() {
            if *seq <= at {
                return Ok(Some(*seq));
            }
            self.known.pop_front();
        }
        if !self.is_over {
            self.known = all(connection, &self.sql, [at], |row| Ok(row.get(0)?))?.into();
            self.is_over = self.known.len() < FETCHED;
        }
        Ok(self.known.front().copied())
    }
}
