//! The commands: for each, the check and the action.

use mail::{EnhancedStatus, Envelope, Recipient};
use tokio::io::{AsyncRead, AsyncWrite};
use wire::{Command, Credentials, LineFault, MailCommand, Mechanism, Reply, Sasl, SaslStep};

use super::connection::Gone;
use super::session::{Flow, Session, SignedIn};
use super::{AuthMode, TlsMode, replies};
use crate::intake::{AuthError, Refusal};

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    pub(super) async fn obey(&mut self, command: Command<'_>) -> Result<Flow, Gone> {
        let reply = match command {
            Command::Ehlo(name) => self.ehlo(name),
            Command::Helo(name) => self.helo(name),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(recipient) => self.rcpt(recipient),
            Command::Data => return self.data().await,
            Command::Rset => self.rset(),
            Command::Noop => replies::ok(),
            Command::Vrfy => replies::not_verified(),
            Command::Expn => replies::expn_not_offered(),
            Command::Help => replies::help(),
            Command::StartTls => return Ok(self.start_tls()),
            Command::Auth { mechanism, initial_response } => {
                return self.auth(mechanism, initial_response).await;
            }
            Command::Quit => {
                self.answer(&replies::bye());
                return Ok(Flow::Close);
            }
        };
        Ok(self.answer(&reply))
    }

    fn ehlo(&mut self, name: &str) -> Reply {
        let reply = Reply::success(50, self.context.config.hostname.clone())
            .and_line("PIPELINING")
            .and_line(format!("SIZE {}", self.context.shared.intake.max_message_bytes()))
            .and_line("8BITMIME")
            .and_line("SMTPUTF8")
            .and_line("DSN")
            .and_line("ENHANCEDSTATUSCODES");
        let reply = if self.can_upgrade() { reply.and_line("STARTTLS") } else { reply };
        let reply = if self.may_sign_in() { reply.and_line("AUTH PLAIN LOGIN") } else { reply };
        self.introduced(name);
        reply
    }

    fn helo(&mut self, name: &str) -> Reply {
        self.introduced(name);
        Reply::success(50, self.context.config.hostname.clone())
    }

    /// EHLO may come again; it ends the transaction and keeps the login (RFC 5321 §4.1.4).
    fn introduced(&mut self, name: &str) {
        self.client.name = Some(name.to_owned());
        self.transaction = None;
    }

    fn rset(&mut self) -> Reply {
        self.transaction = None;
        replies::ok()
    }

    fn mail(&mut self, mail: MailCommand) -> Reply {
        if let Some(refusal) = self.why_no_mail(&mail) {
            return refusal;
        }
        let MailCommand { reverse_path, body, smtputf8, dsn_return, envelope_id, size: _ } = mail;
        self.transaction =
            Some(Envelope { reverse_path, recipients: Vec::new(), body, smtputf8, dsn_return, envelope_id });
        replies::sender_ok()
    }

    fn why_no_mail(&self, mail: &MailCommand) -> Option<Reply> {
        if self.client.name.is_none() {
            return Some(replies::hello_first());
        }
        if self.transaction.is_some() {
            return Some(replies::transaction_under_way());
        }
        let is_trusted = self.context.config.auth != AuthMode::Required && self.is_trusted_network();
        if self.client.account.is_none() && !is_trusted {
            return Some(replies::sign_in_first(self.can_upgrade()));
        }
        let max_message_bytes = self.context.shared.intake.max_message_bytes();
        if mail.size.is_some_and(|size| size > max_message_bytes) {
            return Some(replies::message_too_large(max_message_bytes));
        }
        let checked = self.context.shared.intake.check_reverse_path(&self.client.submitter(), &mail.reverse_path);
        checked.err().map(|refusal| refused(&refusal))
    }

    fn rcpt(&mut self, recipient: Recipient) -> Reply {
        let max_recipients = self.context.shared.intake.limits().max_recipients;
        let Some(envelope) = &mut self.transaction else {
            return replies::mail_first();
        };
        if !envelope.smtputf8 && !recipient.address.is_ascii() {
            return replies::recipient_needs_smtputf8();
        }
        if envelope.recipients.len() >= max_recipients {
            return replies::too_many_recipients(max_recipients);
        }
        envelope.add(recipient);
        replies::recipient_ok()
    }

    // ---- TLS

    fn can_upgrade(&self) -> bool {
        self.client.tls.is_none() && matches!(self.context.config.tls, TlsMode::StartTls(_))
    }

    fn start_tls(&mut self) -> Flow {
        if self.client.tls.is_some() {
            return self.answer(&replies::tls_already());
        }
        if !self.can_upgrade() {
            return self.answer(&replies::tls_not_offered());
        }
        if !self.connection.input().is_empty() {
            self.answer(&replies::plaintext_after_starttls());
            return Flow::Close;
        }
        self.answer(&replies::ready_for_tls());
        Flow::StartTls
    }

    // ---- AUTH

    fn may_sign_in(&self) -> bool {
        self.context.config.auth != AuthMode::Off && (self.client.tls.is_some() || self.is_trusted_network())
    }

    async fn auth(&mut self, mechanism: Mechanism, initial_response: Option<&str>) -> Result<Flow, Gone> {
        if let Some(refusal) = self.why_no_auth() {
            return Ok(self.answer(&refusal));
        }
        let credentials = match self.exchange(mechanism, initial_response).await? {
            Ok(credentials) => credentials,
            Err(refusal) => return Ok(self.answer(&refusal)),
        };
        if !credentials.authzid.is_empty() && credentials.authzid != credentials.user {
            return Ok(self.answer(&replies::acting_as_another_not_allowed()));
        }
        if self.context.shared.admission.is_user_shut_out(self.client.peer, &credentials.user) {
            return Ok(self.answer(&replies::too_many_failed_logins()));
        }
        let intake = &self.context.shared.intake;
        match intake.authenticate_password(&credentials.user, &credentials.password, self.client.peer).await {
            Ok(account) => match self.context.shared.admission.admit_account(&account.id) {
                None => Ok(self.answer(&replies::account_full())),
                Some(place) => {
                    tracing::debug!(event = "smtp_signed_in", peer = %self.client.peer, account = account.name);
                    self.client.account = Some(SignedIn::new(account, place));
                    Ok(self.answer(&replies::signed_in()))
                }
            },
            Err(error) => Ok(self.login_failed(&credentials, error)),
        }
    }

    fn why_no_auth(&self) -> Option<Reply> {
        if self.context.config.auth == AuthMode::Off {
            return Some(replies::auth_not_offered());
        }
        if self.client.name.is_none() {
            return Some(replies::hello_first());
        }
        if !self.may_sign_in() {
            return Some(replies::auth_needs_tls());
        }
        if self.client.account.is_some() {
            return Some(replies::auth_already());
        }
        if self.transaction.is_some() {
            return Some(replies::transaction_under_way());
        }
        let is_shut_out = self.context.shared.admission.is_shut_out(self.client.peer);
        is_shut_out.then(replies::too_many_failed_logins)
    }

    /// Challenges and responses to the end.
    async fn exchange(
        &mut self,
        mechanism: Mechanism,
        initial_response: Option<&str>,
    ) -> Result<Result<Credentials, Reply>, Gone> {
        let mut step = Sasl::start(mechanism, initial_response);
        let mut line = Vec::new();
        loop {
            match step {
                Err(error) => return Ok(Err(error.reply())),
                Ok(SaslStep::Done(credentials)) => return Ok(Ok(credentials)),
                Ok(SaslStep::Challenge(sasl, prompt)) => {
                    self.answer(&replies::challenge(prompt));
                    step = match self.read_line(&mut line).await? {
                        Ok(()) => sasl.respond(&line),
                        Err(LineFault::TooLong) => return Ok(Err(replies::auth_line_too_long())),
                        Err(LineFault::BareCr) => return Ok(Err(replies::bare_cr_in_command())),
                        Err(LineFault::BareLf) => return Ok(Err(replies::bare_lf_in_command())),
                    };
                    line.fill(0);
                }
            }
        }
    }

    /// Only failures are counted; an answer is never delayed, for that would hold our memory and not theirs.
    fn login_failed(&mut self, credentials: &Credentials, error: AuthError) -> Flow {
        let (peer, user) = (self.client.peer, &credentials.user);
        tracing::warn!(event = "smtp_login_failed", %peer, user, %error);
        metrics::counter!("postern_smtp_login_failures_total").increment(1);
        let status = match error {
            AuthError::Busy | AuthError::Unavailable => {
                let reply = Reply::new(54, EnhancedStatus::transient(7, 0), format!("{error}; try again later"));
                return self.answer(&reply);
            }
            AuthError::InvalidCredentials => EnhancedStatus::permanent(7, 8),
            AuthError::NetworkNotAllowed => EnhancedStatus::permanent(7, 1),
        };
        self.context.shared.admission.login_failed(peer, user);
        self.counted.login_failures += 1;
        if self.counted.login_failures >= self.context.shared.limits.login_failures_per_session {
            return self.answer(&replies::too_many_failed_logins());
        }
        self.answer(&Reply::new(35, status, format!("Authentication failed: {error}")))
    }
}

/// What the intake said no to, in the words it chose for the client.
pub(super) fn refused(refusal: &Refusal) -> Reply {
    let last_digits = u8::try_from(refusal.reply_code() % 100).unwrap_or(54);
    Reply::new(last_digits, refusal.status, refusal.peer_text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::RefusalKind;

    #[test]
    fn the_intakes_refusals_keep_their_class_and_their_words() {
        for (status, kind, expected) in [
            (EnhancedStatus::transient(3, 1), RefusalKind::DiskFull, "452 4.3.1 words"), // RFC 3463: system full
            (EnhancedStatus::transient(3, 0), RefusalKind::Unavailable, "451 4.3.0 words"), // ours, so transient
            (EnhancedStatus::permanent(4, 6), RefusalKind::Loop, "554 5.4.6 words"),
            (EnhancedStatus::permanent(7, 1), RefusalKind::SenderNotAllowed, "550 5.7.1 words"),
            (EnhancedStatus::permanent(3, 4), RefusalKind::TooLarge, "552 5.3.4 words"),
        ] {
            let mut out = Vec::new();
            refused(&Refusal { status, peer_text: "words".to_owned(), kind }).write_to(&mut out);
            assert_eq!(String::from_utf8(out).unwrap().trim_end(), expected);
        }
    }
}
