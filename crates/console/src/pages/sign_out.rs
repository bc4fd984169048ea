//! Signing out.

use admin::people;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use crate::Console;
use crate::error::PageError;
use crate::guard::{Visitor, add_cookie, session_cookie};

pub(super) async fn submit(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    people::sign_out(console.store(), &visitor.signed_in, console.now()).await?;
    let mut response = Redirect::to("/sign-in").into_response();
    add_cookie(response.headers_mut(), &session_cookie(None, console.is_secure()));
    Ok(response)
}
