//! Every limit and default of the sandbox in one table, each with its reason.

use serde::Deserialize;

/// How long access tokens live.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenRules {
    /// Entra picks a lifetime at random between these two, so that clients do not refresh in step.
    pub min_lifetime_seconds: u32,
    pub max_lifetime_seconds: u32,
    /// Further resource names for which Graph tokens are issued (a reverse proxy's name, say). Microsoft's own names
    /// and the sandbox's own addresses always count.
    pub graph_resources: Vec<String>,
    /// Seconds a client must wait between two questions for a device code; Entra says 5.
    pub device_code_interval_seconds: u32,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            min_lifetime_seconds: 60 * 60,
            max_lifetime_seconds: 90 * 60,
            graph_resources: Vec::new(),
            device_code_interval_seconds: 5,
        }
    }
}

/// What Graph allows one application on one mailbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests at the same time per app and mailbox; Outlook allows four.
    pub concurrent_requests: u32,
    /// Requests per app and mailbox in the window below; Outlook allows 10,000 in ten minutes.
    pub requests_per_window: u64,
    pub request_window_seconds: u32,
    /// Bytes uploaded per app and mailbox in the window below; Outlook allows 150 MB in five minutes.
    pub upload_bytes_per_window: u64,
    pub upload_window_seconds: u32,
    /// `Retry-After` of a concurrency refusal. The window limits compute theirs.
    pub retry_after_seconds: f64,
    /// The whole request body, base64 included; Graph's gateway allows 4 MB.
    pub max_request_bytes: u64,
    /// The decoded message; the default `MaxSendSize` of a mailbox.
    pub max_message_bytes: u64,
    /// To, Cc and Bcc together; the default of a mailbox.
    pub max_recipients: usize,
    /// Recipients per mailbox in 24 hours, refused at once beyond it; 0: not counted. Exchange says 10,000.
    pub recipients_per_day: u64,
    /// Messages of a mailbox by SMTP; what is more arrives as much later. Exchange says 30; 0: all arrive at once.
    pub smtp_messages_per_minute: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent_requests: 4,
            requests_per_window: 10_000,
            request_window_seconds: 600,
            upload_bytes_per_window: 150 * 1024 * 1024,
            upload_window_seconds: 300,
            retry_after_seconds: 1.0,
            max_request_bytes: 4 * 1024 * 1024,
            max_message_bytes: 35 * 1024 * 1024,
            max_recipients: 500,
            recipients_per_day: 0,
            smtp_messages_per_minute: 30,
        }
    }
}

/// Points on which Microsoft's service differs from day to day or from tenant to tenant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Answer a too large request with 400 and "4MB" as the JSON path does, instead of the gateway's 413.
    pub too_large_is_400: bool,
    /// Time every Graph request takes at least.
    pub latency_ms: u64,
    /// Drop header fields that begin with `X-` from delivered copies, as tenants do that do not know the name yet.
    pub drop_x_headers: bool,
    /// Give delivered copies a Message-ID of the service's own.
    pub replace_message_id: bool,
    /// How long a non-delivery report takes to the sender's Inbox, by the sandbox's clock.
    pub bounce_after_seconds: u64,
    /// Domains outside the tenant to which nothing can be delivered: what is sent there comes back.
    pub unreachable_domains: Vec<String>,
}

/// How much the sandbox remembers. Counters go on when the memory is full.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// The newest messages are kept, with their MIME.
    pub keep_messages: usize,
    /// Bytes of MIME kept; the oldest messages go first.
    pub keep_bytes: u64,
    /// Rows of `GET /sandbox/api/deliveries`.
    pub keep_deliveries: usize,
    /// Rows of `GET /sandbox/api/requests`, and of `GET /sandbox/api/token_requests`.
    pub keep_requests: usize,
    /// `false`: keep no MIME, only the rows. For benchmarks.
    pub store_bodies: bool,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            keep_messages: 20_000,
            keep_bytes: 256 * 1024 * 1024,
            keep_deliveries: 50_000,
            keep_requests: 50_000,
            store_bodies: true,
        }
    }
}
