//! Every bound of the SMTP way in, in one table, each with its reason.

use std::time::Duration;

/// What a client may take. The sizes of a message are the intake's ([`crate::intake::Limits`]), the same for every way in.
#[derive(Debug, Clone)]
pub struct SmtpLimits {
    /// Sessions at once on all listeners: each costs a socket and at most about 64 KiB.
    pub connections: u32,
    /// Sessions at once from one address (IPv6: one /64, the smallest network a client gets).
    pub connections_per_ip: u32,
    /// Sessions at once signed in as one account, so that one application cannot crowd the others out.
    pub connections_per_account: u32,
    /// Commands without a message accepted between them. A message with the most recipients
    /// takes 503; a client that takes four times that does not mean mail.
    pub commands_between_messages: u32,
    /// Refused commands a session: a client that guesses.
    pub bad_commands: u32,
    /// Failed logins a session, answered without delay and then with 421: a delay would hold our memory, not theirs.
    pub login_failures_per_session: u32,
    /// Failed logins from one address as one user within `login_failure_window`. Successes are not counted.
    pub login_failures_per_user: u32,
    /// The same from one address under any name: who tries many names. Behind one NAT there may be many programs.
    pub login_failures_per_ip: u32,
    pub login_failure_window: Duration,
    /// Addresses, and addresses with user names, whose failures are remembered at once: some 64 octets each.
    pub login_failure_entries: usize,
    /// With line end. RFC 5321 §4.5.3.1.4 asks for 512, extensions for more, RFC 4954 §4 for 12288 with AUTH.
    pub line_octets: usize,
    /// RFC 5321 §4.5.3.2.7: a server waits five minutes for a command.
    pub command_timeout: Duration,
    /// The handshake of TLS is a few round trips.
    pub handshake_timeout: Duration,
    /// RFC 5321 §4.5.3.2.5: three minutes for the next part of a message.
    pub data_block_timeout: Duration,
    /// For the whole message: 35 MiB over a slow line (500 kbit/s) takes ten minutes.
    pub data_timeout: Duration,
    /// For the client to take our replies.
    pub write_timeout: Duration,
    /// After this a session ends between two messages, so that nothing lives for ever.
    pub session_timeout: Duration,
}

impl Default for SmtpLimits {
    fn default() -> Self {
        Self {
            connections: 1000,
            connections_per_ip: 100,
            connections_per_account: 200,
            commands_between_messages: 2000,
            bad_commands: 20,
            login_failures_per_session: 3,
            login_failures_per_user: 20,
            login_failures_per_ip: 200,
            login_failure_window: Duration::from_mins(10),
            login_failure_entries: 10_000,
            line_octets: 12 * 1024,
            command_timeout: Duration::from_mins(5),
            handshake_timeout: Duration::from_mins(1),
            data_block_timeout: Duration::from_mins(3),
            data_timeout: Duration::from_mins(10),
            write_timeout: Duration::from_mins(5),
            session_timeout: Duration::from_hours(24),
        }
    }
}
