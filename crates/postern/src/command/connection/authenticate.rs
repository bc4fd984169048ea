//! `postern connection authenticate`: somebody signs in for a delegated connection, on another device, with a code.
//!
//! The sign-in under way lives in this process; what comes of it lies in the store, where the server notices it.

use std::sync::Arc;
use std::time::Duration;

use admin::{
    Actor, DevicePolled, DeviceSignIn, Flows, GrantSummary, SignInRequest, begin_device_sign_in, connection_named,
    poll_device_sign_in,
};
use clap::Args;
use jiff::Timestamp;
use relay::Network;
use serde::Serialize;
use store::{Explanation, Store};

use crate::terminal::{Failure, STATUS_FAILED, complain, plain, say, say_json};

/// A command line is a session of its own.
const SESSION: &str = "command line";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name of the connection
    name: String,
    /// Also ask to send from shared mailboxes (Mail.Send.Shared)
    #[arg(long)]
    shared_mailboxes: bool,
    /// Print one JSON document at the end; the code to type goes to standard error
    #[arg(long)]
    json: bool,
}

/// How it ended.
#[derive(Debug, Serialize)]
struct End<'a> {
    connection: &'a str,
    signed_in: bool,
    grant: Option<&'a GrantSummary>,
    /// Why nobody signed in.
    explanation: Option<&'a Explanation>,
}

pub(super) async fn run(store: &Arc<dyn Store>, network: &Network, options: &Options) -> Result<(), Failure> {
    let actor = Actor::command_line();
    let connection = connection_named(&**store, &actor, &options.name)?;
    let flows = Flows::default();
    let request = SignInRequest {
        connection: &connection.id,
        shared_mailboxes: options.shared_mailboxes,
        session_digest: SESSION,
        login_hint: None,
    };
    let begun = begin_device_sign_in(&**store, &flows, &actor, &request, network, Timestamp::now()).await?;
    let ended = match begun {
        Err(explanation) => DevicePolled::Refused(explanation),
        Ok(begun) => {
            show_code(&begun, options.json)?;
            wait(&**store, &flows, &actor, &begun, network).await?
        }
    };
    show_end(&connection.name, &ended, options.json)
}

fn show_code(begun: &DeviceSignIn, json: bool) -> Result<(), Failure> {
    let text = format!(
        "{}\n\n  page  {}\n  code  {}\n\nWaiting for you to sign in there ...",
        plain(&begun.message),
        begun.verification_uri,
        plain(&begun.user_code)
    );
    if json {
        complain(text);
        return Ok(());
    }
    say(text)
}

/// Asks as often as Entra allows, until it is decided. A sign-in that nobody finishes is refused after ten minutes.
async fn wait(
    store: &dyn Store,
    flows: &Flows,
    actor: &Actor,
    begun: &DeviceSignIn,
    network: &Network,
) -> Result<DevicePolled, Failure> {
    loop {
        tokio::time::sleep(Duration::from_secs(begun.interval_seconds.max(1))).await;
        let polled = poll_device_sign_in(store, flows, actor, &begun.id, SESSION, network, Timestamp::now()).await?;
        if polled != DevicePolled::Pending {
            return Ok(polled);
        }
    }
}

fn show_end(connection: &str, ended: &DevicePolled, json: bool) -> Result<(), Failure> {
    let (grant, explanation) = match ended {
        DevicePolled::Granted(grant) => (Some(grant), None),
        DevicePolled::Refused(explanation) => (None, Some(explanation)),
        DevicePolled::Pending => (None, None),
    };
    if json {
        say_json(&End { connection, signed_in: grant.is_some(), grant, explanation })?;
        let failed = Failure { what: String::new(), fix: String::new(), status: STATUS_FAILED };
        return if grant.is_some() { Ok(()) } else { Err(failed) };
    }
    match (grant, explanation) {
        (Some(grant), _) => say(format!("'{connection}' sends as {} from now on", plain(&grant.user))),
        (None, Some(explanation)) => Err(super::explained(connection, explanation)),
        (None, None) => Ok(()),
    }
}
