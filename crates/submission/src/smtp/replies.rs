//! The replies that do not depend on what was asked, so that all of our wording can be read in one place.

use mail::{Class, EnhancedStatus};
use wire::Reply;

const fn done(subject: u16, detail: u16) -> EnhancedStatus {
    EnhancedStatus::new(Class::Success, subject, detail)
}

const fn later(subject: u16, detail: u16) -> EnhancedStatus {
    EnhancedStatus::transient(subject, detail)
}

const fn never(subject: u16, detail: u16) -> EnhancedStatus {
    EnhancedStatus::permanent(subject, detail)
}

// ---- yes

pub(super) fn greeting(hostname: &str) -> Reply {
    Reply::success(20, format!("{hostname} ESMTP Postern"))
}

pub(super) fn ok() -> Reply {
    Reply::new(50, done(0, 0), "OK")
}

pub(super) fn sender_ok() -> Reply {
    Reply::new(50, done(1, 0), "Sender OK")
}

pub(super) fn recipient_ok() -> Reply {
    Reply::new(50, done(1, 5), "Recipient OK")
}

pub(super) fn go_ahead() -> Reply {
    Reply::intermediate(54, "Go ahead; end with <CRLF>.<CRLF>")
}

pub(super) fn queued(id: mail::MessageId) -> Reply {
    Reply::new(50, done(0, 0), format!("Queued as {id}"))
}

pub(super) fn bye() -> Reply {
    Reply::new(21, done(0, 0), "Bye")
}

pub(super) fn signed_in() -> Reply {
    Reply::new(35, done(7, 0), "Authentication successful")
}

pub(super) fn challenge(prompt: &'static str) -> Reply {
    Reply::intermediate(34, prompt)
}

pub(super) fn ready_for_tls() -> Reply {
    Reply::new(20, done(0, 0), "Ready to start TLS")
}

/// VRFY tells nobody who exists (RFC 5321 §3.5.3).
pub(super) fn not_verified() -> Reply {
    Reply::new(52, done(0, 0), "Cannot verify; send a message and see")
}

pub(super) fn help() -> Reply {
    Reply::new(14, done(0, 0), "EHLO MAIL RCPT DATA RSET NOOP QUIT STARTTLS AUTH (RFC 5321)")
}

// ---- not like this

pub(super) fn hello_first() -> Reply {
    Reply::new(3, never(5, 1), "Send EHLO first")
}

pub(super) fn transaction_under_way() -> Reply {
    Reply::new(3, never(5, 1), "A message is under way; finish it or send RSET")
}

pub(super) fn mail_first() -> Reply {
    Reply::new(3, never(5, 1), "Send MAIL FROM first")
}

pub(super) fn recipient_first() -> Reply {
    Reply::new(3, never(5, 1), "No recipient was accepted; send RCPT TO first")
}

pub(super) fn expn_not_offered() -> Reply {
    Reply::new(2, never(5, 1), "EXPN is not offered")
}

pub(super) fn tls_not_offered() -> Reply {
    Reply::new(2, never(5, 1), "STARTTLS is not offered here")
}

pub(super) fn tls_already() -> Reply {
    Reply::new(3, never(5, 1), "TLS is on already")
}

pub(super) fn auth_not_offered() -> Reply {
    Reply::new(2, never(5, 1), "AUTH is not offered here")
}

pub(super) fn auth_already() -> Reply {
    Reply::new(3, never(5, 1), "Signed in already")
}

/// RFC 4954 §4.
pub(super) fn auth_needs_tls() -> Reply {
    Reply::new(38, never(7, 11), "Encryption required: sign in under TLS")
}

/// RFC 4954 §6.
pub(super) fn sign_in_first(can_upgrade: bool) -> Reply {
    let text = if can_upgrade {
        "Authentication required: send STARTTLS, then AUTH"
    } else {
        "Authentication required: sign in with a submission account"
    };
    Reply::new(30, never(7, 0), text)
}

pub(super) fn acting_as_another_not_allowed() -> Reply {
    Reply::new(35, never(7, 8), "An account can act for itself only; leave the authorization identity empty")
}

pub(super) fn message_too_large(max_message_bytes: u64) -> Reply {
    Reply::new(52, never(3, 4), format!("The message is larger than the {max_message_bytes} octets allowed here"))
}

/// RFC 5321 §4.5.3.1.10: the client sends the rest with another message.
pub(super) fn too_many_recipients(max_recipients: usize) -> Reply {
    Reply::new(52, later(5, 3), format!("More than {max_recipients} recipients; send the rest with another message"))
}

pub(super) fn recipient_needs_smtputf8() -> Reply {
    Reply::new(53, never(6, 7), "The recipient address is not ASCII: give SMTPUTF8 with MAIL")
}

/// RFC 5321 §4.2.5: what we do not know to be stored is the client's to send again.
pub(super) fn not_stored() -> Reply {
    Reply::new(51, later(3, 0), "The message could not be stored; try again later")
}

pub(super) fn line_too_long() -> Reply {
    Reply::new(0, never(5, 2), "Line too long")
}

pub(super) fn bare_cr_in_command() -> Reply {
    Reply::new(0, never(5, 2), "Commands cannot hold a bare CR")
}

pub(super) fn auth_line_too_long() -> Reply {
    Reply::new(0, never(5, 6), "Authentication exchange line is too long")
}

// ---- and goodbye

pub(super) fn address_not_served(peer: std::net::IpAddr) -> Reply {
    Reply::new(
        54,
        never(7, 1),
        format!("Your address {peer} may not send here; the listener's `allow` does not name it"),
    )
}

/// The code is the message's, for it is the message that must not come again like this; then the connection ends.
pub(super) fn bare_line_ending(character: &str) -> Reply {
    Reply::new(
        54,
        never(6, 0),
        format!(
            "The message holds a bare {character}; lines must end in CRLF (or set line_endings = normalize here); \
             closing the connection"
        ),
    )
}

/// 521 as the last word is Postfix's for the same; what follows the LF may be somebody else's command.
pub(super) fn bare_lf_in_command() -> Reply {
    Reply::new(21, never(5, 2), "Lines must end in CRLF (or set line_endings = normalize here)")
}

/// RFC 3207 §4.2: what was said in the clear must not count under TLS.
pub(super) fn plaintext_after_starttls() -> Reply {
    Reply::new(54, never(5, 1), "Commands were sent in the clear behind STARTTLS")
}

pub(super) fn server_full() -> Reply {
    Reply::new(21, later(3, 2), "Too many connections; try again later")
}

pub(super) fn address_full() -> Reply {
    Reply::new(21, later(7, 0), "Too many connections from your address; try again later")
}

pub(super) fn account_full() -> Reply {
    Reply::new(21, later(7, 0), "Too many connections of this account; try again later")
}

pub(super) fn shutting_down() -> Reply {
    Reply::new(21, later(3, 2), "Shutting down; try again later")
}

pub(super) fn timed_out() -> Reply {
    Reply::new(21, later(4, 2), "Timed out waiting for you")
}

pub(super) fn session_over() -> Reply {
    Reply::new(21, later(4, 2), "This session is old; connect again")
}

pub(super) fn too_many_commands() -> Reply {
    Reply::new(21, later(7, 0), "Too many commands without a message; connect again")
}

pub(super) fn too_many_errors() -> Reply {
    Reply::new(21, later(7, 0), "Too many errors")
}

pub(super) fn too_many_failed_logins() -> Reply {
    Reply::new(21, later(7, 0), "Too many failed logins; try again later")
}
