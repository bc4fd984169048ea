//! Sign in with Microsoft: a person lets a delegated connection send on their behalf.

use admin::SignInRequest;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use url::Url;

use super::redirect_uri;
use crate::Console;
use crate::error::PageError;
use crate::form::optional;
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor, add_cookie, set_cookie};

/// Which connection a browser went to sign in for: where its way back leads. Nothing is decided by it.
pub(super) const WENT_FOR: &str = "postern-signs-in-for";

/// Leads on to Microsoft. A page of its own, because the policy of our pages lets no form end at another host.
#[derive(Template)]
#[template(path = "authentication/away.html")]
struct AwayPage {
    frame: Frame,
    url: Url,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct SignInForm {
    /// Also from mailboxes that the person shares.
    pub(super) shared: String,
    login_hint: String,
}

pub(in crate::pages) async fn begin(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(form): Submitted<SignInForm>,
) -> Result<Response, PageError> {
    let hint = optional(&form.login_hint);
    let request = SignInRequest {
        connection: &id,
        shared_mailboxes: form.shared == "on",
        login_hint: hint.as_deref(),
        session_digest: &visitor.signed_in.session.digest,
    };
    let url = admin::begin_sign_in(
        console.store(),
        &console.flows,
        visitor.actor(),
        &request,
        &redirect_uri(&console),
        &console.config.network,
        console.now(),
    )
    .await?;
    let mut response = page(&AwayPage { frame: Frame::new(&visitor, "To Microsoft"), url })?;
    let cookie = set_cookie(WENT_FOR, &id, false, console.is_secure());
    add_cookie(response.headers_mut(), &format!("{cookie}; Max-Age=600"));
    Ok(response)
}

pub(in crate::pages) async fn forget(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    admin::forget_grant(console.store(), visitor.actor(), &id, console.now()).await?;
    Ok(Redirect::to(&format!("/integration/connections/{id}/authentication?done=forgotten")).into_response())
}
