//! Signing in on another device: a code to type there, for gateways that no browser reaches.

use admin::{DevicePolled, DeviceSignIn, SignInRequest};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::sign_in::SignInForm;
use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};
use crate::pages::message::ExplanationView;

#[derive(Template)]
#[template(path = "authentication/device.html")]
struct DevicePage {
    frame: Frame,
    connection: String,
    begun: DeviceSignIn,
}

/// It is over, without a sign-in.
#[derive(Template)]
#[template(path = "authentication/device_over.html")]
struct DeviceOverPage {
    frame: Frame,
    connection: String,
    error: ExplanationView,
}

#[derive(Template)]
#[template(path = "authentication/device_over_part.html")]
struct DeviceOverPart {
    connection: String,
    error: ExplanationView,
}

pub(in crate::pages) async fn begin(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Submitted(form): Submitted<SignInForm>,
) -> Result<Response, PageError> {
    let request = SignInRequest {
        connection: &id,
        shared_mailboxes: form.shared == "on",
        login_hint: None,
        session_digest: &visitor.signed_in.session.digest,
    };
    let (store, actor, network) = (console.store(), visitor.actor(), &console.config.network);
    let frame = Frame::new(&visitor, "Sign in on another device");
    match admin::begin_device_sign_in(store, &console.flows, actor, &request, network, console.now()).await? {
        Ok(begun) => page(&DevicePage { frame, connection: id, begun }),
        Err(explanation) => {
            let error = ExplanationView::of(&explanation);
            let shown = page(&DeviceOverPage { frame, connection: id, error })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
    }
}

/// Asked by the page again and again, and by the button of those who have no script.
pub(in crate::pages) async fn poll(
    State(console): State<Console>,
    visitor: Visitor,
    Path((id, flow)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let is_part = headers.contains_key("hx-request");
    let (store, actor, network) = (console.store(), visitor.actor(), &console.config.network);
    let digest = &visitor.signed_in.session.digest;
    match admin::poll_device_sign_in(store, &console.flows, actor, &flow, digest, network, console.now()).await? {
        DevicePolled::Pending if is_part => Ok(StatusCode::NO_CONTENT.into_response()),
        DevicePolled::Pending => {
            let fix = "Finish it on the other device, then go back and press the button again.";
            Err(PageError::new(StatusCode::CONFLICT, "The sign-in is not finished yet", fix))
        }
        DevicePolled::Granted(_) => {
            let place = format!("/integration/connections/{id}/authentication?done=signed-in");
            if is_part {
                return Ok((StatusCode::OK, [("HX-Redirect", place)]).into_response());
            }
            Ok(Redirect::to(&place).into_response())
        }
        DevicePolled::Refused(explanation) => {
            let error = ExplanationView::of(&explanation);
            if is_part {
                return page(&DeviceOverPart { connection: id, error });
            }
            let frame = Frame::new(&visitor, "Sign in on another device");
            page(&DeviceOverPage { frame, connection: id, error })
        }
    }
}
