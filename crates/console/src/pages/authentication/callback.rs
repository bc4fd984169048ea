//! Where Microsoft sends the browser back to, after a person signed in or an administrator consented.

use admin::{AdminError, Callback, SignInEnd};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::sign_in::WENT_FOR;
use crate::Console;
use crate::error::{PageError, sentence};
use crate::frame::{Frame, page};
use crate::guard::{Cookies, Visitor, add_cookie, set_cookie};
use crate::pages::message::ExplanationView;

/// Before the connection's id, in the state of an admin consent. Consent changes nothing here, so the state proves
/// nothing; it says which connection's page to go on with.
const CONSENT: &str = "consent.";

pub(super) fn consent_state(connection: &str) -> String {
    format!("{CONSENT}{connection}")
}

/// The query with which Microsoft sends the browser back: hostile text, shown escaped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct Answer {
    state: String,
    code: Option<SecretString>,
    error: Option<String>,
    error_description: Option<String>,
    admin_consent: Option<String>,
}

#[derive(Template)]
#[template(path = "authentication/callback.html")]
struct CallbackPage {
    frame: Frame,
    /// Address of the connection's page, or of the list.
    back: String,
    is_consent: bool,
    error: Option<ExplanationView>,
}

pub(in crate::pages) async fn finish(
    State(console): State<Console>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, PageError> {
    if let Some(connection) = answer.state.strip_prefix(CONSENT) {
        return consented(&console, &visitor, connection, &answer);
    }
    let back = place(&console, &visitor, Cookies::of(&headers).guarded(WENT_FOR, console.is_secure()))?;
    let callback = Callback {
        state: answer.state,
        code: answer.code,
        error: answer.error,
        error_description: answer.error_description,
    };
    let (store, actor, digest) = (console.store(), visitor.actor(), &visitor.signed_in.session.digest);
    let network = &console.config.network;
    let end = admin::finish_sign_in(store, &console.flows, actor, &callback, digest, network, console.now()).await;
    let mut response = match end {
        Ok(SignInEnd::Granted(_)) => Redirect::to(&format!("{back}?done=signed-in")).into_response(),
        Ok(SignInEnd::Refused(explanation)) => {
            let error = Some(ExplanationView::of(&explanation));
            failed(&visitor, back, error)?
        }
        Err(AdminError::Refused(refused)) => {
            let error = ExplanationView {
                what: sentence(&refused.what),
                why: String::new(),
                fix: refused.fix,
                who: String::new(),
                code: None,
                place: None,
            };
            failed(&visitor, back, Some(error))?
        }
        Err(error) => return Err(error.into()),
    };
    add_cookie(response.headers_mut(), &set_cookie(WENT_FOR, "", true, console.is_secure()));
    Ok(response)
}

fn failed(visitor: &Visitor, back: String, error: Option<ExplanationView>) -> Result<Response, PageError> {
    let frame = Frame::new(visitor, "The sign-in did not succeed");
    let shown = page(&CallbackPage { frame, back, is_consent: false, error })?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
}

fn consented(console: &Console, visitor: &Visitor, connection: &str, answer: &Answer) -> Result<Response, PageError> {
    let back = place(console, visitor, Some(connection))?;
    let is_granted =
        answer.error.is_none() && answer.admin_consent.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("true"));
    if is_granted {
        let frame = Frame::new(visitor, "Admin consent was granted");
        return page(&CallbackPage { frame, back, is_consent: true, error: None });
    }
    let error = answer.error.as_deref().unwrap_or("access_denied");
    let description = answer.error_description.as_deref().unwrap_or_default();
    let error = Some(ExplanationView::of(&admin::explain_consent_refusal(error, description)));
    let frame = Frame::new(visitor, "Admin consent was not granted");
    let shown = page(&CallbackPage { frame, back, is_consent: true, error })?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
}

/// The connection's own page if there is such a connection.
fn place(console: &Console, visitor: &Visitor, connection: Option<&str>) -> Result<String, PageError> {
    let all = admin::list_connections(console.store(), visitor.actor())?;
    let known = all.into_iter().find(|known| Some(known.id.as_str()) == connection);
    Ok(known.map_or_else(
        || "/integration/connections".to_owned(),
        |known| format!("/integration/connections/{}/authentication", known.id),
    ))
}
