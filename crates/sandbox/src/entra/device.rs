//! Sign-in for machines without a browser: a code shown there, entered by a person here.

use std::collections::BTreeSet;

use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::accounts::{Device, Grantee, Verdict};
use super::authorize::{find_tenant, needs_approval, question, remember};
use super::client::{Form, find_app};
use super::redeem::DEVICE_LIFETIME;
use super::refusal::Refusal;
use super::scope::{self, Permission};
use super::visit::{Consent, Guest, Manner, Question, Reply, Visit, Who, device_page, notice_page, posted_form};
use crate::dispatch::not_found;
use crate::exchange::{Call, json_reply};
use crate::guid;
use crate::journal::TokenRecord;
use crate::state::State;

/// Letters that no one confuses and that spell no word.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_LETTERS: u32 = 8;

/// `POST /{tenant}/oauth2/v2.0/devicecode`.
pub(crate) async fn device_code(state: &State, call: &Call, key: &str, body: Incoming) -> Reply {
    let form = posted_form(call, body).await.unwrap_or_default();
    let now = state.clock.now();
    let answer = start(state, call, key, &form, now);
    let refusal = answer.as_ref().err();
    let shown = |text: &str| text.chars().take(TokenRecord::SHOWN_CHARS).collect::<String>();
    state.journal.device_code_answered(TokenRecord {
        at: now,
        tenant: shown(key),
        grant_type: Some("device_authorization".to_owned()),
        client_id: form.get("client_id").map(|id| shown(id)),
        scope: form.get("scope").map(|scope| shown(scope)),
        user: None,
        error: refusal.map(|refusal| refusal.error),
        aadsts: refusal.map(|refusal| refusal.code),
    });
    match answer {
        Ok(body) => json_reply(StatusCode::OK, &body),
        Err(refusal) => refusal.reply(call, now),
    }
}

fn start(state: &State, call: &Call, key: &str, form: &Form, now: Timestamp) -> Result<Value, Refusal> {
    if call.method != Method::POST {
        let text = format!("The endpoint only accepts POST requests. Received a {} request.", call.method);
        return Err(Refusal::saying(900_561, text));
    }
    let tenant = find_tenant(state, key)?;
    let client_id = form.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    let app = find_app(tenant, client_id)?;
    if !app.settings.allow_public_client {
        return Err(Refusal::new(7_000_218));
    }
    let scope = form.get("scope").ok_or_else(|| Refusal::missing("scope"))?;
    let asked = scope::parse(state, call, app, scope)?;
    asked.single_resource()?;
    let user_code = new_user_code();
    let device = Device {
        tenant: tenant.clone(),
        app: app.clone(),
        asked,
        user_code: normalised(&user_code),
        at: now,
        last_asked: None,
        verdict: Verdict::Pending,
    };
    let page = format!("{}/devicelogin", call.origin());
    Ok(json!({
        "user_code": user_code,
        "device_code": state.accounts.devices.hand_out("1.D", device),
        "verification_uri": page,
        "expires_in": DEVICE_LIFETIME.as_secs(),
        "interval": state.config.token.device_code_interval_seconds,
        "message": format!(
            "To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
        ),
    }))
}

/// `ABCD-EFGH`, from the alphabet above.
fn new_user_code() -> String {
    let mut number = guid::random_u128();
    let mut code = String::new();
    for at in 0..USER_CODE_LETTERS {
        if at == USER_CODE_LETTERS / 2 {
            code.push('-');
        }
        let letter = usize::try_from(number % 20).ok().and_then(|at| ALPHABET.get(at));
        code.push(letter.map_or('B', |letter| char::from(*letter)));
        number /= 20;
    }
    code
}

/// A user code as people type it, made comparable.
fn normalised(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// `/devicelogin`: enter the code, sign in, agree.
pub(crate) async fn device_login(state: &State, call: &Call, body: Incoming) -> Reply {
    let Some(form) = posted_form(call, body).await else { return not_found() };
    let now = state.clock.now();
    let Some(user_code) = form.get("user_code").cloned() else {
        return device_page(&call.query_value("otc").unwrap_or_default(), None);
    };
    let is_waiting = |device: &Device| {
        let is_alive = now.duration_since(device.at) < DEVICE_LIFETIME;
        device.user_code == normalised(&user_code) && is_alive && matches!(device.verdict, Verdict::Pending)
    };
    let Some(device) = state.accounts.devices.with_first(is_waiting, |device| device.clone()) else {
        let text = "That code didn't work. Check the code and try again. (AADSTS70018)";
        return device_page(&user_code, Some(text));
    };
    let visit = Visit {
        state,
        call,
        tenant: &device.tenant,
        app: &device.app,
        action: "/devicelogin".to_owned(),
        hidden: vec![("user_code", device.user_code.clone())],
        targets: Vec::new(),
        form,
        now,
    };
    let manner = Manner::default();
    match visit.who(&manner) {
        Who::Somebody(guest) => ask(&visit, &guest, &device),
        Who::Refused(refusal) => visit.refuse(&refusal),
        Who::Nobody(complaint) => visit.sign_in_page(&manner, complaint.as_ref()),
    }
}

/// Whoever is signed in must still say that this device is meant: the code may have come from somebody else.
fn ask(visit: &Visit<'_>, guest: &Guest, device: &Device) -> Reply {
    let allowed = visit.state.accounts.consents.of(visit.app, &guest.user);
    let missing: BTreeSet<Permission> = device.asked.permissions.difference(&allowed).copied().collect();
    if needs_approval(visit.tenant, &guest.user, &missing) {
        return visit.refuse(&Refusal::new(90094));
    }
    let Some(answer) = guest.answer else {
        let title = "Are you trying to sign in?";
        let sentence = if missing.is_empty() {
            "is asking for you on another device. Only accept if you entered a code you asked for yourself."
        } else {
            "is asking for you on another device. Only accept if you entered a code you asked for yourself. It would \
             like to:"
        };
        let question = Question { title, sentence, ..question(&device.asked, &missing, &guest.user) };
        return visit.consent_page(guest, &question);
    };
    let verdict = if answer == Consent::Refused {
        Verdict::Declined
    } else {
        remember(visit, guest, answer, &missing);
        Verdict::Accepted(Box::new(Grantee {
            tenant: device.tenant.clone(),
            app: device.app.clone(),
            user: guest.user.clone(),
            asked: device.asked.clone(),
            nonce: None,
            is_public: true,
            serial: guest.serial,
            at: visit.now,
        }))
    };
    let is_this = |other: &Device| other.user_code == device.user_code && other.at == device.at;
    visit.state.accounts.devices.with_first(is_this, |device| device.verdict = verdict);
    if answer == Consent::Refused {
        return notice_page("Sign-in cancelled", "The device was told that you declined. You may close this window.");
    }
    notice_page("You have signed in", "You have signed in on your device. You may now close this window.")
}
