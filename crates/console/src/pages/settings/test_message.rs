//! Send test message: one message through the queue, to see that mail leaves.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::Console;
use crate::error::PageError;
use crate::guard::{Submitted, Visitor};

#[derive(Debug, Deserialize)]
pub(in crate::pages) struct TestForm {
    to: String,
    /// Where to watch it; the message's own page if nothing is named.
    from_welcome: Option<String>,
}

pub(in crate::pages) async fn send(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(form): Submitted<TestForm>,
) -> Result<Response, PageError> {
    let hostname = &console.config.hostname;
    let to = form.to.trim().parse().map_err(|error| PageError::bad_request(format!("This is not an address: {error}")))?;
    let id = admin::send_test_message(console.store(), visitor.actor(), &to, hostname, console.now()).await?;
    let place = if form.from_welcome.is_some() { format!("/welcome?test={id}") } else { format!("/messages/{id}") };
    let separator = if form.from_welcome.is_some() { '&' } else { '?' };
    Ok(Redirect::to(&format!("{place}{separator}done=test-sent")).into_response())
}
