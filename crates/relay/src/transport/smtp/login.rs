//! AUTH: with a password by PLAIN or LOGIN, with a bearer token by XOAUTH2 or OAUTHBEARER.

use secrecy::SecretString;
use wire::{ServerReply, Severity};
use zeroize::Zeroizing;

use super::session::{Login, Session, expect};
use super::trouble::{Cause, Failure, Step};

/// A token younger than this was issued for this very session: another one would say the same.
const FRESH: std::time::Duration = std::time::Duration::from_mins(1);

pub(super) async fn log_in(session: &mut Session, login: &Login, user: &str) -> Result<(), Failure> {
    match login {
        Login::None => Ok(()),
        Login::Password { user, password } => with_password(session, user, password).await,
        Login::Token { user: named, tokens } => {
            let user = named.as_deref().unwrap_or(user);
            let bearer = Bearer::offered(session).ok_or_else(|| no_mechanism(session))?;
            let token = tokens.token().await.map_err(no_token)?;
            let end = with_token(session, bearer, user, token.expose()).await;
            let is_refused = matches!(&end, Err(failure) if failure.reply().is_some_and(|reply| reply.code == 535));
            if !is_refused || token.age() <= FRESH {
                return end;
            }
            // Rights that were granted meanwhile are in the next token only.
            tokens.invalidate(&token);
            let token = tokens.token().await.map_err(no_token)?;
            with_token(session, bearer, user, token.expose()).await
        }
    }
}

/// How a bearer token is said.
#[derive(Debug, Clone, Copy)]
enum Bearer {
    Xoauth2,
    /// RFC 7628
    OauthBearer,
}

impl Bearer {
    /// Exchange knows the first alone; servers that know both take either.
    fn offered(session: &Session) -> Option<Self> {
        [Self::Xoauth2, Self::OauthBearer].into_iter().find(|bearer| offers(session, bearer.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Xoauth2 => "XOAUTH2",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    fn response(self, user: &str, token: &str) -> Zeroizing<String> {
        match self {
            Self::Xoauth2 => wire::xoauth2_response(user, token),
            Self::OauthBearer => wire::oauthbearer_response(user, token),
        }
    }

    /// What is said to the reasons of a refusal, so that the refusal itself comes.
    fn acknowledgement(self) -> &'static str {
        match self {
            Self::Xoauth2 => "",
            // RFC 7628 §3.2.3: one control-A.
            Self::OauthBearer => "AQ==",
        }
    }
}

async fn with_password(session: &mut Session, user: &str, password: &SecretString) -> Result<(), Failure> {
    if offers(session, "PLAIN") {
        let reply = initial(session, "PLAIN", &wire::plain_response(user, password)).await?;
        return authenticated(reply);
    }
    if !offers(session, "LOGIN") {
        return Err(no_mechanism(session));
    }
    let [name, secret] = wire::login_responses(user, password);
    let mut reply = command(session, "LOGIN", None).await?;
    for response in [name, secret] {
        expect_challenge(&reply)?;
        reply = respond(session, &response).await?;
    }
    authenticated(reply)
}

/// A refusal may come as a challenge with the reasons in base64; an answer to it brings the reply itself.
async fn with_token(session: &mut Session, bearer: Bearer, user: &str, token: &str) -> Result<(), Failure> {
    let mut reply = initial(session, bearer.name(), &bearer.response(user, token)).await?;
    if reply.code == 334 {
        reply = respond(session, bearer.acknowledgement()).await?;
    }
    authenticated(reply)
}

/// Sends the initial response on the AUTH line, or by itself when the line would be too long.
async fn initial(session: &mut Session, mechanism: &str, response: &str) -> Result<ServerReply, Failure> {
    if wire::fits_auth_line(mechanism, response) {
        return command(session, mechanism, Some(response)).await;
    }
    let reply = command(session, mechanism, None).await?;
    expect_challenge(&reply)?;
    respond(session, response).await
}

async fn command(session: &mut Session, mechanism: &str, response: Option<&str>) -> Result<ServerReply, Failure> {
    let mut line = Zeroizing::new(Vec::new());
    wire::auth_line(mechanism, response, &mut line);
    session.ask(Step::Auth, &line).await
}

async fn respond(session: &mut Session, response: &str) -> Result<ServerReply, Failure> {
    let line = Zeroizing::new(format!("{response}\r\n"));
    session.ask(Step::Auth, line.as_bytes()).await
}

fn expect_challenge(reply: &ServerReply) -> Result<(), Failure> {
    expect(Step::Auth, reply.clone(), Severity::Intermediate).map(|_| ())
}

fn authenticated(reply: ServerReply) -> Result<(), Failure> {
    expect(Step::Auth, reply, Severity::Positive).map(|_| ())
}

fn offers(session: &Session, mechanism: &str) -> bool {
    session.offered.auth.iter().any(|offered| offered == mechanism)
}

fn no_token(error: entra::EntraError) -> Failure {
    Failure::new(Step::Auth, Cause::Token(error))
}

fn no_mechanism(session: &Session) -> Failure {
    Failure::new(Step::Auth, Cause::NoMechanism(session.offered.auth.clone()))
}
