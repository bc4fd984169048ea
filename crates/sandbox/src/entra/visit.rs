//! A person at one of Entra's pages: who it is, what it is asked, and where it is sent in the end.
//!
//! Promise: a page's question is answered only by whoever gave the password or has the session, on the same page (a
//! ticket in the form says so); and a redirect leads nowhere but to an address checked before.

mod pages;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::accounts::Session;
use super::client::{Form, read_form};
use super::refusal::{Ids, Refusal};
use crate::config::SignIn;
use crate::directory::{App, Tenant, User};
use crate::exchange::{Call, Received, read_body, reply, set_header};
use crate::state::State;

pub(super) use pages::{Question, device_page, notice_page, refusal_page};

/// Entra's name for the cookie of a signed-in browser.
const COOKIE: &str = "ESTSAUTH";
/// A session that the person did not ask to be kept ends after a day; nobody ponders a question for longer either.
const SESSION_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
const MAX_BODY_BYTES: u64 = 64 * 1024;

pub(super) type Reply = Response<Full<Bytes>>;

/// One request for a page, and what it is about.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) state: &'a State,
    pub(super) call: &'a Call,
    pub(super) tenant: &'a Arc<Tenant>,
    pub(super) app: &'a Arc<App>,
    /// Where the page's forms go, and with what besides the person's answers.
    pub(super) action: String,
    pub(super) hidden: Vec<(&'static str, String)>,
    /// Where the answer to a form may redirect to.
    pub(super) targets: Vec<String>,
    /// What was posted; empty for a page that is only looked at.
    pub(super) form: Form,
    pub(super) now: Timestamp,
}

/// What the client wants of the sign-in itself.
#[derive(Debug, Default)]
pub(super) struct Manner {
    /// A session is not enough.
    pub(super) is_fresh: bool,
    /// Whom the client expects.
    pub(super) hint: Option<String>,
}

/// Who is there.
#[derive(Debug)]
pub(super) enum Who {
    Somebody(Guest),
    /// Nobody yet; with what was wrong about the last attempt.
    Nobody(Option<Refusal>),
    /// Somebody who may not sign in.
    Refused(Refusal),
}

/// A person who is signed in.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) user: Arc<User>,
    /// Of the sign-in; what comes of it is revoked with it.
    pub(super) serial: u64,
    /// The session's cookie, to be set with whatever is answered.
    cookie: Option<String>,
    /// The answer to this page's question, if this is it.
    pub(super) answer: Option<Consent>,
}

/// What a person answers when asked for consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    Given,
    GivenForEveryone,
    Refused,
}

/// The form of a `POST`; `None` for a method that pages do not know.
pub(super) async fn posted_form(call: &Call, body: Incoming) -> Option<Form> {
    match call.method {
        Method::GET => Some(Form::new()),
        Method::POST => match read_body(body, MAX_BODY_BYTES).await {
            Received::Whole(bytes) => Some(read_form(call, &bytes)),
            Received::TooLarge | Received::Broken => Some(Form::new()),
        },
        _ => None,
    }
}

impl Visit<'_> {
    /// Finds out who is there: by the ticket of an answered page, by user and password, or by the browser's session.
    pub(super) fn who(&self, manner: &Manner) -> Who {
        if let Some(ticket) = self.form.get("ticket") {
            return match self.state.accounts.tickets.take(ticket).filter(|ticket| self.is_good(ticket, manner)) {
                Some(ticket) => Who::Somebody(Guest {
                    user: ticket.user,
                    serial: ticket.serial,
                    cookie: None,
                    answer: Some(self.answer()),
                }),
                None => Who::Nobody(None),
            };
        }
        if let Some(name) = self.form.get("username") {
            let password = self.form.get("password").map(String::as_str).unwrap_or_default();
            return match self.check_password(name, password) {
                Ok(user) => Who::Somebody(self.welcome(user)),
                Err(refusal) if matches!(refusal.code, 53003 | 50076) => Who::Refused(refusal),
                Err(refusal) => Who::Nobody(Some(refusal)),
            };
        }
        let session = self.cookie().and_then(|cookie| self.state.accounts.sessions.find(cookie));
        match session.filter(|session| !manner.is_fresh && self.is_good(session, manner)) {
            Some(Session { user, serial, .. }) => Who::Somebody(Guest { user, serial, cookie: None, answer: None }),
            None => Who::Nobody(None),
        }
    }

    fn is_good(&self, session: &Session, manner: &Manner) -> bool {
        let is_for_here = session.purpose.as_ref().is_none_or(|purpose| *purpose == self.purpose());
        let is_expected = match (&session.purpose, &manner.hint) {
            (None, Some(hint)) => session.user.owns(hint),
            _ => true,
        };
        session.tenant_id == self.tenant.id
            && self.now.duration_since(session.at) < SESSION_LIFETIME
            && is_for_here
            && is_expected
            && self.state.accounts.revoked_since(&session.user, session.serial).is_none()
    }

    fn answer(&self) -> Consent {
        match (self.form.get("answer").map(String::as_str), self.form.contains_key("everyone")) {
            (Some("accept"), true) => Consent::GivenForEveryone,
            (Some("accept"), false) => Consent::Given,
            _ => Consent::Refused,
        }
    }

    fn check_password(&self, name: &str, password: &str) -> Result<Arc<User>, Refusal> {
        let user = self.tenant.user(name.trim()).ok_or_else(|| unknown_user(name, self.tenant))?;
        let is_right =
            user.settings.password.as_ref().is_some_and(|own| bool::from(own.0.as_bytes().ct_eq(password.as_bytes())));
        if !is_right {
            return Err(Refusal::new(50126));
        }
        match user.settings.sign_in {
            SignIn::Ok => Ok(Arc::clone(user)),
            SignIn::Disabled => Err(Refusal::new(50057)),
            SignIn::ConditionalAccess => Err(Refusal::new(53003)),
            SignIn::MfaRequired => Err(Refusal::new(50076)),
        }
    }

    /// Starts the browser's session.
    fn welcome(&self, user: Arc<User>) -> Guest {
        let serial = self.state.accounts.take_serial();
        let tenant_id = self.tenant.id.clone();
        let session = Session { tenant_id, user: Arc::clone(&user), purpose: None, serial, at: self.now };
        let handle = self.state.accounts.sessions.hand_out("", session);
        let secure = if self.call.secure { "; Secure" } else { "" };
        let cookie = format!("{COOKIE}={handle}; Path=/; HttpOnly; SameSite=Lax{secure}");
        Guest { user, serial, cookie: Some(cookie), answer: None }
    }

    fn cookie(&self) -> Option<&str> {
        session_cookie(self.call)
    }

    /// A ticket for the answer to this page's question.
    fn ticket(&self, guest: &Guest) -> String {
        let ticket = Session {
            tenant_id: self.tenant.id.clone(),
            user: Arc::clone(&guest.user),
            purpose: Some(self.purpose()),
            serial: guest.serial,
            at: self.now,
        };
        self.state.accounts.tickets.hand_out("", ticket)
    }

    /// What tells this page's question from all others.
    fn purpose(&self) -> String {
        let hidden: Vec<&str> = self.hidden.iter().map(|(_, value)| value.as_str()).collect();
        format!("{} {}", self.action, hidden.join(" "))
    }

    /// The page that says why it does not go on.
    pub(super) fn refuse(&self, refusal: &Refusal) -> Reply {
        refusal_page(self.call, refusal, self.now)
    }
}

impl Guest {
    /// Adds the session's cookie, if it is new.
    pub(super) fn seal(&self, mut reply: Reply) -> Reply {
        if let Some(cookie) = &self.cookie {
            set_header(&mut reply, "set-cookie", cookie);
        }
        reply
    }
}

/// The handle of the browser's session.
pub(super) fn session_cookie(call: &Call) -> Option<&str> {
    let pairs = call.header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value).next()
}

/// What makes the browser forget its session.
pub(super) fn forget_session(mut reply: Reply) -> Reply {
    set_header(&mut reply, "set-cookie", &format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"));
    reply
}

fn unknown_user(name: &str, tenant: &Tenant) -> Refusal {
    Refusal::saying(
        50034,
        format!(
            "The user account {name} does not exist in the {} directory. To sign into this application, the account \
             must be added to the directory.",
            tenant.name
        ),
    )
}

/// The client's address that a person is sent back to.
#[derive(Debug)]
pub(super) struct WayBack {
    uri: Url,
    state: Option<String>,
}

impl WayBack {
    /// Checks the address against the registration. Whoever fails here must see a page: an address that is not the
    /// app's own must never be gone to.
    pub(super) fn check(app: &App, parameters: &Form) -> Result<Self, Refusal> {
        if app.settings.redirect_uris.is_empty() {
            return Err(Refusal::new(500_113));
        }
        let given = parameters.get("redirect_uri").ok_or_else(|| Refusal::missing("redirect_uri"))?;
        let uri = Url::parse(given).ok().filter(|_| app.has_redirect_uri(given)).ok_or_else(|| {
            let text = format!(
                "The redirect URI '{given}' specified in the request does not match the redirect URIs configured for \
                 the application '{}'. Make sure the redirect URI sent in the request matches one added to your \
                 application in the Azure portal.",
                app.settings.client_id
            );
            Refusal::saying(50011, text)
        })?;
        Ok(Self { uri, state: parameters.get("state").cloned() })
    }

    /// The address as a source of a content security policy.
    pub(super) fn target(&self) -> String {
        match self.uri.scheme() {
            "http" | "https" => self.uri.origin().ascii_serialization(),
            scheme => format!("{scheme}:"),
        }
    }

    /// Sends the person back with these parameters, and the client's state.
    pub(super) fn send(&self, parameters: &[(&str, &str)]) -> Reply {
        let mut uri = self.uri.clone();
        uri.query_pairs_mut().extend_pairs(parameters);
        if let Some(state) = &self.state {
            uri.query_pairs_mut().append_pair("state", state);
        }
        let mut response = reply(StatusCode::FOUND, "", Bytes::new());
        set_header(&mut response, "location", uri.as_str());
        set_header(&mut response, "referrer-policy", "no-referrer");
        response
    }

    /// Sends the person back with a refusal.
    pub(super) fn refuse(&self, call: &Call, refusal: &Refusal, now: Timestamp) -> Reply {
        let description = refusal.description(&Ids::new(call, now));
        self.send(&[("error", refusal.error), ("error_description", &description)])
    }
}
