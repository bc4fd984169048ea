//! `/{tenant}/adminconsent` and `/{tenant}/v2.0/adminconsent`: an administrator grants an app its permissions for
//! everyone.

use hyper::body::Incoming;
use jiff::Timestamp;

use super::authorize::find_tenant;
use super::client::{Form, find_app, read_parameters};
use super::refusal::Refusal;
use super::scope::{self, Asked, Permission};
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
    let wish = Wish::read(state, call, app, parameters.get("scope"))?;
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
        None => Ok(visit.consent_page(&guest, &wish.question())),
        Some(Consent::Refused) => {
            let refusal = Refusal::new(65004).with_error("permission_denied");
            Ok(way_back.refuse(call, &refusal, now))
        }
        Some(Consent::Given | Consent::GivenForEveryone) => {
            state.accounts.consents.give(app, None, &wish.asked.permissions);
            if !wish.roles.is_empty() {
                state.accounts.consents.give_roles(app);
            }
            Ok(way_back.send(&[("admin_consent", "True"), ("tenant", &tenant.id)]))
        }
    }
}

/// What is to be granted.
struct Wish<'a> {
    asked: Asked,
    /// Application permissions come with `.default` and with no scope at all, never one by one.
    roles: &'a [String],
}

impl<'a> Wish<'a> {
    fn read(state: &State, call: &Call, app: &'a App, scope: Option<&String>) -> Result<Self, Refusal> {
        let Some(scope) = scope else {
            return Ok(Self { asked: scope::configured(app), roles: &app.settings.roles });
        };
        let asked = scope::parse(state, call, app, scope)?;
        let is_default = scope.split_whitespace().any(|word| word.ends_with("/.default"));
        Ok(Self { asked, roles: if is_default { &app.settings.roles } else { &[] } })
    }

    fn question(&self) -> Question {
        let role = |role: &String| (format!("As the application itself: {role}"), role.clone());
        let shown = |permission: &Permission| (permission.meaning.to_owned(), self.asked.spelled(*permission));
        Question {
            title: "Permissions requested for your organization",
            sentence: "would like, for all users of the organization:",
            permissions: self.roles.iter().map(role).chain(self.asked.permissions.iter().map(shown)).collect(),
            offers_everyone: false,
        }
    }
}
