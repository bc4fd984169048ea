//! What happened: one row for each accepted send, each Graph request and each token request, and counters.
//!
//! Promise: rows are dropped oldest first when there are too many; counters are never reset but by
//! `DELETE /sandbox/api/messages`, which starts all over.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::config::Storage;
use crate::state::lock;

/// One accepted `sendMail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The message's id here, as in `GET /sandbox/api/messages/{id}`.
    pub id: String,
    pub at: Timestamp,
    pub tenant_id: String,
    pub client_id: String,
    /// Whose mailbox sent it: the UPN in lower case.
    pub mailbox: String,
    /// `mime` or `json`.
    pub form: &'static str,
    /// The From address the message named, if any.
    pub from: Option<String>,
    pub subject: Option<String>,
    pub internet_message_id: Option<String>,
    /// Everyone mailed, as spelled, each address once.
    pub recipients: Vec<String>,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    pub saved_to_sent_items: bool,
    /// Of the MIME as submitted, decoded.
    pub sha256: String,
    pub bytes: usize,
    pub request_id: String,
    /// The request target as received.
    pub target: String,
    /// The request's header fields; the token is masked.
    pub headers: Vec<(String, String)>,
    /// The client was told something else than 202 on purpose.
    pub answer_withheld: bool,
}

/// One request to Graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestRecord {
    pub at: Timestamp,
    pub method: String,
    pub target: String,
    /// 0: the connection was reset.
    pub status: u16,
    /// The error code, if it was refused.
    pub code: Option<String>,
    /// Of the body as received; absent if it was not read.
    pub body_sha256: Option<String>,
    pub body_bytes: usize,
    pub request_id: String,
    /// From the head of the request to its answer.
    pub duration_ms: f64,
}

/// One request to the token or device code endpoint. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenRecord {
    pub at: Timestamp,
    /// As the address names it.
    pub tenant: String,
    /// As the client wrote it; `device_authorization` for a request for a device code.
    pub grant_type: Option<String>,
    pub client_id: Option<String>,
    pub scope: Option<String>,
    /// Who the tokens are for: the UPN in lower case. Absent for an application, and after a refusal.
    pub user: Option<String>,
    /// The OAuth error, if it was refused.
    pub error: Option<&'static str>,
    pub aadsts: Option<u32>,
}

impl TokenRecord {
    /// Of what a client may make as long as it likes, this much is kept.
    pub(crate) const SHOWN_CHARS: usize = 200;
}

/// Totals since the start or the last `DELETE /sandbox/api/messages`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    pub tokens_issued: u64,
    pub token_errors: u64,
    pub requests: u64,
    /// Answers by status; `"0"` are resets.
    pub by_status: BTreeMap<u16, u64>,
    pub deliveries: u64,
    pub recipients_mailed: u64,
    pub bytes_delivered: u64,
    pub messages_kept: usize,
    pub bytes_kept: u64,
}

#[derive(Debug, Default)]
struct Rows {
    deliveries: VecDeque<Arc<Delivery>>,
    requests: VecDeque<RequestRecord>,
    token_requests: VecDeque<TokenRecord>,
    stats: Stats,
}

/// The journal of one sandbox.
#[derive(Debug)]
pub(crate) struct Journal {
    rows: Mutex<Rows>,
    keep_deliveries: usize,
    keep_requests: usize,
    delivered: watch::Sender<u64>,
}

impl Journal {
    pub(crate) fn new(storage: &Storage) -> Self {
        Self {
            rows: Mutex::default(),
            keep_deliveries: storage.keep_deliveries,
            keep_requests: storage.keep_requests,
            delivered: watch::Sender::new(0),
        }
    }

    pub(crate) fn delivered(&self, delivery: Arc<Delivery>) {
        let mut rows = lock(&self.rows);
        rows.stats.deliveries += 1;
        rows.stats.recipients_mailed += u64::try_from(delivery.recipients.len()).unwrap_or(0);
        rows.stats.bytes_delivered += u64::try_from(delivery.bytes).unwrap_or(0);
        rows.deliveries.push_back(delivery);
        if rows.deliveries.len() > self.keep_deliveries {
            rows.deliveries.pop_front();
        }
        // Still under the lock, so that the number announced never goes back.
        self.delivered.send_replace(rows.stats.deliveries);
    }

    pub(crate) fn requested(&self, record: RequestRecord) {
        let mut rows = lock(&self.rows);
        rows.stats.requests += 1;
        *rows.stats.by_status.entry(record.status).or_default() += 1;
        rows.requests.push_back(record);
        if rows.requests.len() > self.keep_requests {
            rows.requests.pop_front();
        }
    }

    pub(crate) fn token_answered(&self, record: TokenRecord) {
        let mut rows = lock(&self.rows);
        if record.error.is_none() {
            rows.stats.tokens_issued += 1;
        } else {
            rows.stats.token_errors += 1;
        }
        rows.keep_token_request(record, self.keep_requests);
    }

    /// A device code was asked for, which is no token yet.
    pub(crate) fn device_code_answered(&self, record: TokenRecord) {
        lock(&self.rows).keep_token_request(record, self.keep_requests);
    }

    /// The newest `limit` token requests, oldest first.
    pub(crate) fn token_requests(&self, limit: usize) -> Vec<TokenRecord> {
        let rows = lock(&self.rows);
        let skip = rows.token_requests.len().saturating_sub(limit);
        rows.token_requests.iter().skip(skip).cloned().collect()
    }

    /// The newest `limit` deliveries, oldest first.
    pub(crate) fn deliveries(&self, limit: usize) -> Vec<Arc<Delivery>> {
        let rows = lock(&self.rows);
        let skip = rows.deliveries.len().saturating_sub(limit);
        rows.deliveries.iter().skip(skip).cloned().collect()
    }

    /// The newest `limit` requests, oldest first.
    pub(crate) fn requests(&self, limit: usize) -> Vec<RequestRecord> {
        let rows = lock(&self.rows);
        let skip = rows.requests.len().saturating_sub(limit);
        rows.requests.iter().skip(skip).cloned().collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        lock(&self.rows).stats.clone()
    }

    /// Changes with every delivery; holds their number.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.delivered.subscribe()
    }

    pub(crate) fn clear(&self) {
        let mut rows = lock(&self.rows);
        *rows = Rows::default();
        self.delivered.send_replace(0);
    }
}

impl Rows {
    fn keep_token_request(&mut self, record: TokenRecord, keep: usize) {
        self.token_requests.push_back(record);
        if self.token_requests.len() > keep {
            self.token_requests.pop_front();
        }
    }
}
