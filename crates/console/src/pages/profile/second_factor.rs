//! The second factor: switching it on with a code from the device, recovery codes, switching it off.

use admin::AdminError;
use admin::people::{self, RecoveryCodes};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::Console;
use crate::error::{PageError, sentence};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

/// The secret as QR code and text, and the field for the first code.
#[derive(Template)]
#[template(path = "people/second_factor.html")]
struct EnrolPage {
    frame: Frame,
    qr_svg: String,
    secret: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "people/recovery_codes.html")]
struct CodesPage {
    frame: Frame,
    codes: Vec<String>,
}

#[derive(Template)]
#[template(path = "people/second_factor_again.html")]
struct AgainPage {
    frame: Frame,
    problem: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::pages) struct CodeForm {
    code: String,
}

pub(in crate::pages) async fn begin(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let enrolment = people::begin_totp(&console.gate, &visitor.signed_in, console.now())?;
    page(&EnrolPage {
        frame: Frame::new(&visitor, "Second factor"),
        qr_svg: enrolment.qr_svg.expose_secret().to_owned(),
        secret: enrolment.secret.expose_secret().to_owned(),
        problem: None,
    })
}

pub(in crate::pages) async fn confirm(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(form): Submitted<CodeForm>,
) -> Result<Response, PageError> {
    let code = form.code.trim();
    let confirmed = people::confirm_totp(console.store(), &console.gate, &visitor.signed_in, code, console.now()).await;
    match confirmed {
        Ok(codes) => recovery_codes(&visitor, &codes),
        // The secret was shown once; the device still has it, so only a code is asked for again.
        Err(AdminError::Refused(refused)) => {
            let problem = format!("{}. {}", sentence(&refused.what), refused.fix);
            let shown = page(&AgainPage { frame: Frame::new(&visitor, "Second factor"), problem })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(in crate::pages) async fn new_codes(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let codes = people::new_recovery_codes(console.store(), &visitor.signed_in, console.now()).await?;
    recovery_codes(&visitor, &codes)
}

fn recovery_codes(visitor: &Visitor, codes: &RecoveryCodes) -> Result<Response, PageError> {
    let codes = codes.0.iter().map(|code| code.expose_secret().to_owned()).collect();
    page(&CodesPage { frame: Frame::new(visitor, "Recovery codes"), codes })
}

pub(in crate::pages) async fn remove(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    people::remove_own_totp(console.store(), &visitor.signed_in, console.now()).await?;
    Ok(Redirect::to("/profile?done=second-factor-off").into_response())
}
