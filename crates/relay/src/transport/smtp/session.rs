//! One session: connected, protected, introduced, authenticated; ready for one message after the other.
//!
//! ```text
//!   connect ─► [TLS] ─► greeting ─► EHLO ─► [STARTTLS ─► TLS ─► EHLO] ─► [AUTH] ─► ready ─► QUIT
//!               implicit                      starttls
//! ```
//!
//! Invariant: where protection is asked for, neither a password nor a message is said without it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use entra::TokenSource;
use graph::Way;
use rustls::ClientConfig;
use secrecy::SecretString;
use settings::Security;
use wire::{Capabilities, Extension, ServerReply, Severity};

use super::deadlines::Deadlines;
use super::link::Link;
use super::login;
use super::trouble::{At as _, Cause, Failure, Step, Trouble};

/// A server, and how it is spoken to.
pub(crate) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) login: Login,
    pub(super) way: Way,
    pub(super) tls: Arc<ClientConfig>,
    /// Our name in EHLO; `None`: the address of our end.
    pub(super) hostname: Option<String>,
    pub(super) deadlines: Deadlines,
}

/// How to prove who we are.
pub(crate) enum Login {
    None,
    Password {
        user: String,
        password: SecretString,
    },
    Token {
        /// `None`: the mailbox.
        user: Option<String>,
        tokens: TokenSource,
    },
}

impl Login {
    /// The user is the mailbox, so that a session is good for one mailbox only.
    pub(super) fn is_of_mailbox(&self) -> bool {
        matches!(self, Self::Token { user: None, .. })
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(super) link: Link,
    pub(super) offered: Capabilities,
    pub(super) deadlines: Deadlines,
    /// Messages it was used for.
    pub(super) used: u32,
    /// Nothing is left over from the last message.
    pub(super) is_clean: bool,
}

impl Session {
    /// Opens a session. `user` is the mailbox that a token is for.
    pub(crate) async fn open(target: &Target, user: &str) -> Result<Self, Failure> {
        let deadlines = target.deadlines;
        let dialed = target.way.dial(&target.host, target.port, deadlines.connect).await;
        let stream = dialed.map_err(Trouble::Way).at(Step::Connect)?;
        let link = Link::new(stream);
        let hello = target.hostname.clone().or_else(|| link.local_literal()).unwrap_or_else(|| "localhost".to_owned());
        let link = match target.security {
            Security::Implicit => secured(link, target).await?,
            Security::StartTls | Security::None => link,
        };
        let mut session = Self { link, offered: Capabilities::default(), deadlines, used: 0, is_clean: true };
        let greeting = session.link.reply(deadlines.command).await.at(Step::Greeting)?;
        expect(Step::Greeting, greeting, Severity::Positive)?;
        session.introduce(&hello, target).await?;
        if target.security == Security::StartTls {
            session = session.start_tls(target).await?;
            session.introduce(&hello, target).await?;
        }
        login::log_in(&mut session, &target.login, user).await?;
        Ok(session)
    }

    /// Sends one command line (or several) and reads one reply.
    pub(super) async fn ask(&mut self, step: Step, line: &[u8]) -> Result<ServerReply, Failure> {
        self.link.send(line, self.deadlines.command).await.at(step)?;
        self.link.reply(self.deadlines.command).await.at(step)
    }

    async fn introduce(&mut self, hello: &str, target: &Target) -> Result<(), Failure> {
        let mut line = Vec::new();
        wire::ehlo_line(hello, &mut line);
        let reply = self.ask(Step::Ehlo, &line).await?;
        // Only a server of before 2001 knows no EHLO; it can neither protect nor authenticate.
        let needs_extensions = target.security == Security::StartTls || !matches!(target.login, Login::None);
        if matches!(reply.code, 500..=504) && !needs_extensions {
            line.clear();
            wire::helo_line(hello, &mut line);
            let reply = self.ask(Step::Ehlo, &line).await?;
            self.offered = Capabilities::default();
            return expect(Step::Ehlo, reply, Severity::Positive).map(|_| ());
        }
        let reply = expect(Step::Ehlo, reply, Severity::Positive)?;
        self.offered = Capabilities::from_reply(&reply);
        Ok(())
    }

    /// What was offered before TLS is forgotten: somebody else may have said it (RFC 3207 §4.2).
    async fn start_tls(mut self, target: &Target) -> Result<Self, Failure> {
        if !self.offered.offers(Extension::StartTls) {
            return Err(Failure::new(Step::StartTls, Cause::NoStartTls));
        }
        let reply = self.ask(Step::StartTls, b"STARTTLS\r\n").await?;
        expect(Step::StartTls, reply, Severity::Positive)?;
        let link = secured(self.link, target).await?;
        Ok(Self { link, offered: Capabilities::default(), ..self })
    }

    /// Makes the session ready for another message.
    pub(super) async fn reset(&mut self) -> Result<(), Failure> {
        let reply = self.ask(Step::Reset, b"RSET\r\n").await?;
        expect(Step::Reset, reply, Severity::Positive)?;
        self.is_clean = true;
        Ok(())
    }

    /// Says goodbye. Nothing depends on the answer.
    pub(crate) async fn quit(mut self) {
        let wait: Duration = self.deadlines.quit;
        if self.link.send(b"QUIT\r\n", wait).await.is_ok() {
            let _goodbye = self.link.reply(wait).await;
        }
    }
}

async fn secured(link: Link, target: &Target) -> Result<Link, Failure> {
    link.secure(&target.host, Arc::clone(&target.tls), target.deadlines.connect).await.at(Step::Tls)
}

/// The reply, if it is of the kind that lets the dialog go on.
pub(super) fn expect(step: Step, reply: ServerReply, wanted: Severity) -> Result<ServerReply, Failure> {
    if reply.severity() == wanted { Ok(reply) } else { Err(Failure::new(step, Cause::Reply(reply))) }
}
