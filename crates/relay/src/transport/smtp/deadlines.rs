//! How long each step of a dialog is waited for: the least that RFC 5321 §4.5.3.2 asks of a client.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// Name and TCP handshake, for all addresses together; also the TLS handshake.
    pub(crate) connect: Duration,
    /// Greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET.
    pub(crate) command: Duration,
    /// The reply to DATA.
    pub(crate) data: Duration,
    /// Until the peer has taken the next piece of the message.
    pub(crate) block: Duration,
    /// The reply to the end of the message: the server may be delivering meanwhile, and who gives up too early has it
    /// delivered twice.
    pub(crate) end_of_data: Duration,
    /// The reply to QUIT, which changes nothing.
    pub(crate) quit: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            command: Duration::from_mins(5),
            data: Duration::from_mins(2),
            block: Duration::from_mins(3),
            end_of_data: Duration::from_mins(10),
            quit: Duration::from_secs(2),
        }
    }
}
