//! The token that proves that a request comes from a page of ours: in a form's field `csrf`, or in a header for requests
//! that a script makes.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;

use super::Visitor;
use crate::Console;
use crate::error::PageError;

const HEADER: &str = "x-csrf-token";
/// A form of ours with the largest certificate and the longest lists is far smaller.
const MAX_FORM_BYTES: usize = 1024 * 1024;
/// A form that trickles in for longer holds a connection that others need.
const FORM_DEADLINE: Duration = Duration::from_secs(30);

/// Looks at the header, else at the form, and leaves the body as it was.
pub(super) async fn check(console: &Console, visitor: &Visitor, request: &mut Request) -> Result<(), PageError> {
    let by_header = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let given = if by_header.is_some() {
        by_header
    } else {
        let body = whole_body(std::mem::take(request.body_mut())).await?;
        let given = url::form_urlencoded::parse(&body).find(|(name, _)| name == "csrf");
        let given = given.map(|(_, value)| value.into_owned());
        *request.body_mut() = Body::from(body);
        given
    };
    compare(console, visitor, given.as_deref())
}

/// Looks at the header alone: for requests that no form can make.
pub(super) fn check_header(console: &Console, visitor: &Visitor, headers: &HeaderMap) -> Result<(), PageError> {
    compare(console, visitor, headers.get(HEADER).and_then(|value| value.to_str().ok()))
}

fn compare(console: &Console, visitor: &Visitor, given: Option<&str>) -> Result<(), PageError> {
    let session = &visitor.signed_in.session;
    if given.is_some_and(|given| admin::people::csrf_matches(console.store(), session, given)) {
        return Ok(());
    }
    tracing::warn!(event = "csrf_refused", actor = visitor.signed_in.actor.name(), path = visitor.path);
    let what = "The request does not come from a page of this session";
    Err(PageError::new(StatusCode::FORBIDDEN, what, "Reload the page and do it again."))
}

async fn whole_body(body: Body) -> Result<Vec<u8>, PageError> {
    let arriving = tokio::time::timeout(FORM_DEADLINE, Limited::new(body, MAX_FORM_BYTES).collect()).await;
    let arrived = arriving.map_err(|_| {
        PageError::new(StatusCode::REQUEST_TIMEOUT, "The form did not arrive in time", "Send it again.")
    })?;
    let collected = arrived.map_err(|_| {
        let what = "The form is too long, or broke off";
        PageError::new(StatusCode::PAYLOAD_TOO_LARGE, what, "Shorten what you entered.")
    })?;
    Ok(collected.to_bytes().to_vec())
}

/// A form of ours. A field that occurs several times is a list; an unknown one is passed over.
#[derive(Debug)]
pub(crate) struct Submitted<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Console> for Submitted<T> {
    type Rejection = PageError;

    async fn from_request(mut request: Request, console: &Console) -> Result<Self, PageError> {
        // Of forms that need no session nobody measured the length yet.
        let body = whole_body(std::mem::take(request.body_mut())).await?;
        *request.body_mut() = Body::from(body);
        let form = axum_extra::extract::Form::<T>::from_request(request, console).await;
        form.map(|form| Self(form.0)).map_err(|error| {
            tracing::info!(event = "form_not_understood", %error);
            PageError::bad_request("The form is not as it should be")
        })
    }
}
