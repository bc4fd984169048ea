//! `/{tenant}/adminconsent` and `/{tenant}/v2.0/adminconsent`: an administrator grants an app its permissions for
//! everyone.

use hyper::body::Incoming;
use jiff::Timestamp;

use super::authorize::find_tenant;
use super::client::{Form, find_app, read_parameters};
use super::refusal::Refusal;
use super::scope::{self, Asked};
use super::visit::{Consent, Manner, Question, Reply, Visit, WayBack, Who, posted_form, refusal_page};
use crate::directory::App;
use crate::dispatch::not_found;
use crate::exchange::Call;
use crate::state::State;

/// Answers a request for the page, and the forms it posts.
pub(crate) async fn admin_consent(state: &State, call: &Call, key: &str, body: Incoming) -> Reply {
    let Some(form) = posted_form(call, body).await else { return not_found() };
    let now = state.clock.now();
    answer(state, call, key, form, now).unwrap_or_else(|refusal| refusal_page(call, &refusal, now))
}

fn answer(state: &State, call: &Call, key: &str, form: Form, now: Timestamp) -> Result<Reply, Refusal> {
    let tenant = find_tenant(state, key)?;
    let parameters = read_parameters(call.query.as_bytes());
    let client_id = parameters.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    let app = find_app(tenant, client_id)?;
    let way_back = WayBack::check(app, &parameters)?;
    let asked = match parameters.get("scope") {
        Some(text) => scope::parse(state, call, app, text)?,
        None => scope::configured(app),
    };
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
    let manner = Manner::default();
    let guest = match visit.who(&manner) {
        Who::Somebody(guest) => guest,
        Who::Refused(refusal) => return Err(refusal),
        Who::Nobody(complaint) => return Ok(visit.sign_in_page(&manner, complaint.as_ref())),
    };
    if !guest.user.settings.admin {
        return Err(Refusal::new(90094));
    }
    match guest.answer {
        None => Ok(visit.consent_page(&guest, &question(app, &asked))),
        Some(Consent::Refused) => {
            let refusal = Refusal::new(65004).with_error("permission_denied");
            Ok(way_back.refuse(call, &refusal, now))
        }
        Some(Consent::Given | Consent::GivenForEveryone) => {
            state.accounts.consents.give(app, None, &asked.permissions);
            state.accounts.consents.give_roles(app);
            Ok(way_back.send(&[("admin_consent", "True"), ("tenant", &tenant.id)]))
        }
    }
}

fn question(app: &App, asked: &Asked) -> Question {
    let role = |role: &String| (format!("As the application itself: {role}"), role.clone());
    let delegated =
        asked.permissions.iter().map(|permission| (permission.meaning.to_owned(), asked.spelled(*permission)));
    Question {
        title: "Permissions requested for your organization",
        sentence: "would like, for all users of the organization:",
        permissions: app.settings.roles.iter().map(role).chain(delegated).collect(),
        offers_everyone: false,
    }
}
