//! What Entra shows people: sign in, consent, enter a code, and why it does not go on.

use askama::Template;
use hyper::StatusCode;
use jiff::Timestamp;

use super::{Guest, Manner, Reply, Visit};
use crate::config::{SignIn, UserState};
use crate::directory::User;
use crate::entra::refusal::{Ids, Refusal};
use crate::exchange::Call;
use crate::pages::{Forms, document};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    app: &'a str,
    tenant: &'a str,
    action: &'a str,
    hidden: &'a [(&'static str, String)],
    username: &'a str,
    complaint: Option<String>,
    /// Names and passwords, there to be copied.
    users: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    app: &'a str,
    tenant: &'a str,
    user: &'a str,
    action: &'a str,
    hidden: &'a [(&'static str, String)],
    ticket: String,
    question: &'a Question,
}

/// What a person is asked to agree to.
#[derive(Debug)]
pub(in crate::entra) struct Question {
    pub(in crate::entra) title: &'static str,
    /// A sentence after the names of user and app.
    pub(in crate::entra) sentence: &'static str,
    /// What each permission means, and its name.
    pub(in crate::entra) permissions: Vec<(String, String)>,
    /// Whether the person may answer for everyone.
    pub(in crate::entra) offers_everyone: bool,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    refusal: &'a Refusal,
    text: &'a str,
    ids: Ids,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage<'a> {
    user_code: &'a str,
    complaint: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage<'a> {
    title: &'a str,
    text: &'a str,
}

impl Visit<'_> {
    /// The page that asks for user and password.
    pub(in crate::entra) fn sign_in_page(&self, manner: &Manner, complaint: Option<&Refusal>) -> Reply {
        let copied = |user: &User| -> Option<(String, String)> {
            let settings = &user.settings;
            let can_sign_in = settings.sign_in == SignIn::Ok && settings.state != UserState::Missing;
            let password = settings.password.as_ref().filter(|_| can_sign_in)?;
            Some((settings.upn.clone(), password.0.clone()))
        };
        let typed = self.form.get("username").or(manner.hint.as_ref());
        let page = SignInPage {
            app: &self.app.settings.name,
            tenant: &self.tenant.name,
            action: &self.action,
            hidden: &self.hidden,
            username: typed.map(String::as_str).unwrap_or_default(),
            complaint: complaint.map(|refusal| format!("AADSTS{}: {}", refusal.code, refusal.text())),
            users: self.tenant.user_list.iter().filter_map(|user| copied(user)).collect(),
        };
        let status = if complaint.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        document(status, &page, &self.forms())
    }

    /// The page that asks for consent.
    pub(in crate::entra) fn consent_page(&self, guest: &Guest, question: &Question) -> Reply {
        let page = ConsentPage {
            app: &self.app.settings.name,
            tenant: &self.tenant.name,
            user: &guest.user.settings.upn,
            action: &self.action,
            hidden: &self.hidden,
            ticket: self.ticket(guest),
            question,
        };
        guest.seal(document(StatusCode::OK, &page, &self.forms()))
    }

    fn forms(&self) -> Forms {
        Forms::SelfAnd { targets: self.targets.clone() }
    }
}

/// The page that says why it does not go on.
pub(in crate::entra) fn refusal_page(call: &Call, refusal: &Refusal, now: Timestamp) -> Reply {
    let page = RefusalPage { refusal, text: refusal.text(), ids: Ids::new(call, now) };
    document(StatusCode::BAD_REQUEST, &page, &Forms::None)
}

/// The page that asks for the code a device shows.
pub(in crate::entra) fn device_page(user_code: &str, complaint: Option<&str>) -> Reply {
    let status = if complaint.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    document(status, &DevicePage { user_code, complaint }, &Forms::SelfAnd { targets: Vec::new() })
}

/// A page that ends it.
pub(in crate::entra) fn notice_page(title: &str, text: &str) -> Reply {
    document(StatusCode::OK, &NoticePage { title, text }, &Forms::None)
}
