//! Send test message: one message through the queue, to see that mail leaves.

use admin::{AdminError, Refused};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use mail::MessageId;
use serde::Deserialize;

use crate::Console;
use crate::error::PageError;
use crate::form::{Field, FormView};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "settings/test_message.html")]
struct TestMessagePage {
    frame: Frame,
    form: FormView,
    /// Why it would wait.
    problem: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::pages) struct TestForm {
    to: String,
    /// Sent from the first run, which goes on from there.
    from_welcome: Option<String>,
}

pub(in crate::pages) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    test_page(&console, &visitor, None, None)
}

fn test_page(
    console: &Console,
    visitor: &Visitor,
    to: Option<&str>,
    refused: Option<Refused>,
) -> Result<Response, PageError> {
    let emails = admin::find_emails(console.store(), visitor.actor())?;
    let to = to.map(str::to_owned).or(emails.mailbox).unwrap_or_default();
    let fields = vec![
        Field::email("to", "Recipient", &to)
            .required()
            .autocomplete("email")
            .hint("Goes through the queue like any message."),
    ];
    let form = FormView { submit: "Send test message", ..FormView::new("/test-message", "/", fields) };
    page(&TestMessagePage {
        frame: Frame::new(visitor, "Send test message"),
        form: form.with_problem(refused),
        problem: emails.problem,
    })
}

pub(in crate::pages) async fn send(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(form): Submitted<TestForm>,
) -> Result<Response, PageError> {
    match queue(&console, &visitor, form.to.trim()).await {
        Ok(id) if form.from_welcome.is_some() => {
            Ok(Redirect::to(&format!("/welcome?test={id}&done=test-sent#test")).into_response())
        }
        Ok(id) => Ok(Redirect::to(&format!("/messages/{id}?done=test-sent")).into_response()),
        Err(AdminError::Refused(refused)) => {
            let shown = test_page(&console, &visitor, Some(&form.to), Some(refused))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn queue(console: &Console, visitor: &Visitor, to: &str) -> Result<MessageId, AdminError> {
    let to = to.parse().map_err(|error| {
        Refused::new(format!("'{to}' is not an address: {error}"), "Write it as user@example.org.").at("to")
    })?;
    let hostname = &console.config.hostname;
    admin::send_test_message(console.store(), visitor.actor(), &to, hostname, console.now()).await
}
