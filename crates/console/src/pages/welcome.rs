//! The first run: from nothing to a delivered test message, one step after the other.
//!
//! Nothing is kept about it: what is set up says how far one is, so one can leave and come back, or do a step elsewhere.

pub(super) mod test;

use admin::ConnectionSummary;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::authentication::AuthenticationState;
use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;

use test::TestMessage;

/// How far the first run is.
pub(super) struct Progress {
    pub(super) steps: Vec<Step>,
}

pub(super) struct Step {
    pub(super) title: &'static str,
    /// What it is for, or what there is.
    pub(super) text: String,
    pub(super) is_done: bool,
    /// The first that is not done.
    pub(super) is_next: bool,
    pub(super) href: String,
    pub(super) button: &'static str,
}

impl Progress {
    pub(super) fn is_finished(&self) -> bool {
        self.steps.iter().all(|step| step.is_done)
    }

    pub(super) fn done_count(&self) -> usize {
        self.steps.iter().filter(|step| step.is_done).count()
    }

    /// The last step is done on the page itself.
    pub(super) fn waits_for_test(&self) -> bool {
        self.steps.iter().rev().skip(1).all(|step| step.is_done)
    }

    fn of(steps: Vec<Step>) -> Self {
        let next = steps.iter().position(|step| !step.is_done);
        let mark = |(index, step)| Step { is_next: Some(index) == next, ..step };
        Self { steps: steps.into_iter().enumerate().map(mark).collect() }
    }
}

fn step(title: &'static str, is_done: bool, text: impl Into<String>, href: String, button: &'static str) -> Step {
    Step { title, text: text.into(), is_done, is_next: false, href, button }
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage {
    frame: Frame,
    progress: Progress,
    /// The test message that was sent from here.
    test: Option<TestMessage>,
    /// Whom a test message is proposed to go to.
    mailbox: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Id of a message.
    test: Option<String>,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let test = match &asked.test {
        Some(id) => Some(TestMessage::find(&console, &visitor, id).await?),
        None => None,
    };
    page(&WelcomePage {
        progress: progress(&console, &visitor).await?,
        frame: Frame::new(&visitor, "Welcome to Postern"),
        test,
        mailbox: admin::find_emails(console.store(), visitor.actor())?.mailbox.unwrap_or_default(),
    })
}

/// How far the first run is, from what is set up.
pub(super) async fn progress(console: &Console, visitor: &Visitor) -> Result<Progress, PageError> {
    let (store, actor) = (console.store(), visitor.actor());
    let connections = admin::list_connections(store, actor)?;
    let emails = admin::find_emails(store, actor)?;
    let accounts = admin::list_accounts(store, actor).await?;
    let sent = store.counts().await?.sent;
    // The one that is in use, else the first.
    let chosen = emails.service_connection_id.as_ref();
    let connection = connections.iter().find(|it| Some(&it.id) == chosen).or_else(|| connections.first());
    let emails_text = emails.problem.clone().map_or_else(
        || format!("Mail leaves from {}.", emails.mailbox.clone().unwrap_or_default()),
        |_| "Choose the connection and the mailbox that mail leaves from.".to_owned(),
    );
    let account_text = match accounts.as_slice() {
        [] => "What hands mail in signs in with an account of its own.".to_owned(),
        [one] => format!("{} can hand mail in.", one.name),
        all => format!("{} accounts can hand mail in.", all.len()),
    };
    let test_text = "Goes through the queue and out through Microsoft, as every message will.";
    let settings = "/settings".to_owned();
    Ok(Progress::of(vec![
        connection_step(connection),
        authentication_step(console, visitor, &connections, connection).await?,
        step("Emails settings", emails.problem.is_none(), emails_text, settings, "Edit Global System Settings"),
        step(
            "Submission account",
            !accounts.is_empty(),
            account_text,
            if accounts.is_empty() { "/integration/accounts/add" } else { "/integration/accounts" }.to_owned(),
            "Add submission account",
        ),
        step("Test message", sent > 0, test_text, "/welcome#test".to_owned(), "Send test message"),
    ]))
}

fn connection_step(connection: Option<&ConnectionSummary>) -> Step {
    let text = connection.map_or_else(
        || "The tenant in Microsoft Entra ID, and the app registration that Postern signs in as.".to_owned(),
        |connection| format!("{} is there.", connection.name),
    );
    let href = if connection.is_some() { "/integration/connections" } else { "/integration/connections/add" };
    step("Service Connection", connection.is_some(), text, href.to_owned(), "Add Service Connection")
}

/// Done when every connection that mail may leave by can prove who it is; the first that cannot is shown.
async fn authentication_step(
    console: &Console,
    visitor: &Visitor,
    connections: &[ConnectionSummary],
    connection: Option<&ConnectionSummary>,
) -> Result<Step, PageError> {
    const TITLE: &str = "Setup Authentication";
    let Some(connection) = connection else {
        let text = "Prove to Microsoft that mail may leave: as the app, or as a person who signs in.";
        return Ok(step(TITLE, false, text, "/integration/connections".to_owned(), TITLE));
    };
    let mut connection = connection;
    let mut state = AuthenticationState::of(console, visitor, connection).await?;
    for other in connections.iter().filter(|other| !other.used_by.is_empty()) {
        if !state.is_set_up {
            break;
        }
        connection = other;
        state = AuthenticationState::of(console, visitor, other).await?;
    }
    let href = format!("/integration/connections/{}/authentication", connection.id);
    Ok(step(TITLE, state.is_set_up, format!("{}: {}.", connection.name, state.words), href, TITLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(done: [bool; 3]) -> Progress {
        Progress::of(done.map(|is_done| step("A step", is_done, "", String::new(), "Do it")).into())
    }

    #[test]
    fn the_first_step_that_is_not_done_is_next() {
        for (done, next) in [
            ([false, false, false], Some(0)),
            ([true, false, true], Some(1)), // a step done elsewhere, before its turn
            ([true, true, true], None),
        ] {
            let progress = steps(done);
            assert_eq!(progress.steps.iter().position(|step| step.is_next), next, "{done:?}");
            assert_eq!(progress.is_finished(), next.is_none());
        }
        assert!(steps([true, true, false]).waits_for_test() && !steps([true, false, false]).waits_for_test());
    }
}
