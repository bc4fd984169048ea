//! `postern connection authenticate`, for machines without a browser: somebody signs in for a delegated connection, on another
//! device, with a code; with application permission the application proves to be itself, by whatever its tenant has.
//!
//! The sign-in under way lives in this process; what comes of it lies in the store, where the server notices it.

use std::sync::Arc;
use std::time::Duration;

use admin::{
    Actor, DevicePolled, DeviceSignIn, Flows, GrantSummary, Proof, SignInRequest, begin_device_sign_in,
    connection_named, poll_device_sign_in, prove_application,
};
use clap::Args;
use jiff::Timestamp;
use relay::Network;
use serde::Serialize;
use settings::Permission;
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
    /// With application permission: by what the application proved itself, and what its token says.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'a Proof>,
    /// Why nobody signed in, or what was refused.
    explanation: Option<&'a Explanation>,
}

pub(super) async fn run(store: &Arc<dyn Store>, network: &Network, options: &Options) -> Result<(), Failure> {
    let actor = Actor::command_line();
    let connection = connection_named(&**store, &actor, &options.name)?;
    if connection.permission == Permission::Application && connection.tenant.is_some() {
        let proved = prove_application(store, &actor, &connection.id, network).await?;
        return show_proof(&connection.name, &proved, options.json);
    }
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

fn show_proof(connection: &str, proved: &Result<Proof, Explanation>, json: bool) -> Result<(), Failure> {
    let proof = proved.as_ref().ok();
    if json {
        let explanation = proved.as_ref().err();
        say_json(&End { connection, signed_in: false, grant: None, proof, explanation })?;
        let failed = Failure { what: String::new(), fix: String::new(), status: STATUS_FAILED };
        return if proof.is_some() { Ok(()) } else { Err(failed) };
    }
    let proof = proved.as_ref().map_err(|explanation| super::explained(connection, explanation))?;
    say(format!("'{connection}' proves to be itself; nobody needs to sign in"))?;
    say(format!("  by         {}", plain(&proof.by)))?;
    if let Some(token) = &proof.token {
        let text = |value: &Option<String>| plain(value.as_deref().unwrap_or("not said"));
        say(format!("  for        {}", text(&token.audience)))?;
        say(format!("  tenant     {}", text(&token.tenant_id)))?;
        say(format!("  client     {}", text(&token.client_id)))?;
        let roles = if token.roles.is_empty() { "none".to_owned() } else { plain(&token.roles.join(", ")) };
        say(format!("  roles      {roles}"))?;
        say(format!("  expires    {}", token.expires.map_or("not said".to_owned(), |at| at.to_string())))?;
    }
    match proof.lacks_role {
        Some(role) => say(format!(
            "note: the token does not carry {role}; right if Exchange grants it by RBAC for Applications, else consent to it"
        )),
        None => Ok(()),
    }
}

fn show_end(connection: &str, ended: &DevicePolled, json: bool) -> Result<(), Failure> {
    let (grant, explanation) = match ended {
        DevicePolled::Granted(grant) => (Some(grant), None),
        DevicePolled::Refused(explanation) => (None, Some(explanation)),
        DevicePolled::Pending => (None, None),
    };
    if json {
        say_json(&End { connection, signed_in: grant.is_some(), grant, proof: None, explanation })?;
        let failed = Failure { what: String::new(), fix: String::new(), status: STATUS_FAILED };
        return if grant.is_some() { Ok(()) } else { Err(failed) };
    }
    match (grant, explanation) {
        (Some(grant), _) => say(format!("'{connection}' sends as {} from now on", plain(&grant.user))),
        (None, Some(explanation)) => Err(super::explained(connection, explanation)),
        (None, None) => Ok(()),
    }
}
