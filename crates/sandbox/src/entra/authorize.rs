//! `/{tenant}/oauth2/v2.0/authorize`: a person signs in, consents, and is sent back to the client with a code.
//!
//! What is wrong with app or address is shown as a page; once the address is known to be the app's own, what is wrong
//! with the rest is told to the client there.

use std::collections::BTreeSet;

use hyper::body::Incoming;
use jiff::Timestamp;

use super::accounts::{Challenge, Code, Grantee};
use super::client::{Form, find_app, read_parameters};
use super::metadata::unknown_tenant;
use super::refusal::Refusal;
use super::scope::{self, Asked, Permission};
use super::visit::{Consent, Guest, Manner, Question, Reply, Visit, WayBack, Who, posted_form, refusal_page};
use crate::directory::{Tenant, User};
use crate::dispatch::not_found;
use crate::exchange::Call;
use crate::guid;
use crate::state::State;

/// What the client wants the person to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prompt {
    AsNeeded,
    None,
    Login,
    Consent,
}

/// What the client asks for.
#[derive(Debug)]
struct Wish {
    asked: Asked,
    challenge: Option<Challenge>,
    nonce: Option<String>,
    prompt: Prompt,
    manner: Manner,
}

/// Answers a request for the page, and the forms it posts.
pub(crate) async fn authorize(state: &State, call: &Call, key: &str, body: Incoming) -> Reply {
    let Some(form) = posted_form(call, body).await else { return not_found() };
    let now = state.clock.now();
    begin(state, call, key, form, now).unwrap_or_else(|refusal| refusal_page(call, &refusal, now))
}

/// Everything whose refusal the person must see here.
fn begin(state: &State, call: &Call, key: &str, form: Form, now: Timestamp) -> Result<Reply, Refusal> {
    let tenant = find_tenant(state, key)?;
    let parameters = read_parameters(call.query.as_bytes());
    let client_id = parameters.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    let app = find_app(tenant, client_id)?;
    let way_back = WayBack::check(app, &parameters)?;
    let visit = Visit {
        state,
        call,
        tenant,
        app,
        action: call.target.clone(),
        hidden: Vec::new(),
        targets: vec![way_back.target()],
        form,
        now,
    };
    let redirect_uri = parameters.get("redirect_uri").cloned().unwrap_or_default();
    let told = Wish::read(&visit, &parameters).and_then(|wish| go_on(&visit, &way_back, &wish, redirect_uri));
    Ok(told.unwrap_or_else(|refusal| way_back.refuse(call, &refusal, now)))
}

/// Pages exist for one tenant only: its apps are nobody else's.
pub(super) fn find_tenant<'a>(state: &'a State, key: &str) -> Result<&'a std::sync::Arc<Tenant>, Refusal> {
    match key.to_ascii_lowercase().as_str() {
        "common" | "organizations" | "consumers" => Err(Refusal::new(50194)),
        _ => state.directory.tenant(key).ok_or_else(|| unknown_tenant(key)),
    }
}

impl Wish {
    fn read(visit: &Visit<'_>, parameters: &Form) -> Result<Self, Refusal> {
        let get = |name: &str| parameters.get(name).map(String::as_str);
        match get("response_type").ok_or_else(|| Refusal::missing("response_type"))? {
            "code" => {}
            other => {
                let text = format!("response_type '{other}' is not enabled for the application.");
                return Err(Refusal::saying(700_051, text));
            }
        }
        if let Some(mode) = get("response_mode").filter(|mode| *mode != "query") {
            let text = format!("'{mode}' is not a supported value of 'response_mode' when requesting a token.");
            return Err(Refusal::saying(70007, text));
        }
        let prompt = match get("prompt") {
            None | Some("create") => Prompt::AsNeeded,
            Some("none") => Prompt::None,
            Some("login" | "select_account") => Prompt::Login,
            Some("consent" | "admin_consent") => Prompt::Consent,
            Some(other) => return Err(Refusal::saying(90023, format!("Invalid request: prompt '{other}'."))),
        };
        let scope = get("scope").ok_or_else(|| Refusal::missing("scope"))?;
        Ok(Self {
            asked: scope::parse(visit.state, visit.call, visit.app, scope)?,
            challenge: read_challenge(get("code_challenge"), get("code_challenge_method"))?,
            nonce: parameters.get("nonce").cloned(),
            prompt,
            manner: Manner { is_fresh: prompt == Prompt::Login, hint: parameters.get("login_hint").cloned() },
        })
    }
}

/// RFC 7636: 43 to 128 characters; without a method it is the verifier itself.
fn read_challenge(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Challenge>, Refusal> {
    let Some(challenge) = challenge else { return Ok(None) };
    if !(43..=128).contains(&challenge.len()) {
        return Err(Refusal::new(501_491));
    }
    match method.unwrap_or("plain") {
        "S256" => Ok(Some(Challenge::S256(challenge.to_owned()))),
        "plain" => Ok(Some(Challenge::Plain(challenge.to_owned()))),
        other => Err(Refusal::saying(90023, format!("Invalid request: code_challenge_method '{other}'."))),
    }
}

/// The person's part. A refusal of here is told to the client.
fn go_on(visit: &Visit<'_>, way_back: &WayBack, wish: &Wish, redirect_uri: String) -> Result<Reply, Refusal> {
    let guest = match visit.who(&wish.manner) {
        Who::Somebody(guest) => guest,
        Who::Refused(refusal) => return Ok(visit.refuse(&refusal)),
        Who::Nobody(_) if wish.prompt == Prompt::None => return Err(Refusal::new(50058)),
        Who::Nobody(complaint) => return Ok(visit.sign_in_page(&wish.manner, complaint.as_ref())),
    };
    let allowed = visit.state.accounts.consents.of(visit.app, &guest.user);
    let missing: BTreeSet<Permission> = wish.asked.permissions.difference(&allowed).copied().collect();
    let wanted = if wish.prompt == Prompt::Consent { &wish.asked.permissions } else { &missing };
    if !wanted.is_empty() {
        if needs_approval(visit.tenant, &guest.user, &missing) {
            return Ok(visit.refuse(&Refusal::new(90094)));
        }
        match guest.answer {
            None if wish.prompt == Prompt::None => return Err(Refusal::new(65001).with_error("consent_required")),
            None => return Ok(visit.consent_page(&guest, &question(&wish.asked, wanted, &guest.user))),
            Some(Consent::Refused) => return Err(Refusal::new(65004)),
            Some(given) => remember(visit, &guest, given, wanted),
        }
    }
    let grantee = Grantee {
        tenant: visit.tenant.clone(),
        app: visit.app.clone(),
        user: guest.user.clone(),
        asked: wish.asked.clone(),
        nonce: wish.nonce.clone(),
        is_public: visit.app.is_public(),
        serial: guest.serial,
        at: visit.now,
    };
    let code = Code { grantee, redirect_uri, challenge: wish.challenge.clone(), is_redeemed: false };
    let code = visit.state.accounts.codes.hand_out("1.A", code);
    Ok(guest.seal(way_back.send(&[("code", &code), ("session_state", &guid::random())])))
}

/// Whether `user` has to ask an administrator.
pub(super) fn needs_approval(tenant: &Tenant, user: &User, missing: &BTreeSet<Permission>) -> bool {
    let is_beyond_users = |permission: &Permission| permission.needs_admin || !tenant.user_consent;
    !user.settings.admin && missing.iter().any(is_beyond_users)
}

/// The question for consent to `wanted`.
pub(super) fn question(asked: &Asked, wanted: &BTreeSet<Permission>, user: &User) -> Question {
    let shown = |permission: &Permission| (permission.meaning.to_owned(), asked.spelled(*permission));
    Question {
        title: "Permissions requested",
        sentence: "would like to:",
        permissions: wanted.iter().map(shown).collect(),
        offers_everyone: user.settings.admin,
    }
}

/// Remembers what was accepted. Only an administrator speaks for everyone.
pub(super) fn remember(visit: &Visit<'_>, guest: &Guest, given: Consent, wanted: &BTreeSet<Permission>) {
    let is_for_everyone = given == Consent::GivenForEveryone && guest.user.settings.admin;
    let user = (!is_for_everyone).then_some(guest.user.as_ref());
    visit.state.accounts.consents.give(visit.app, user, wanted);
}
