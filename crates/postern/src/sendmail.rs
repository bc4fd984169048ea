//! The `sendmail` every mailer knows how to call.
//!
//! Promise: status 0 is given only once the message is durably queued; every other end has the status of sysexits.h that
//! mailers act on, and a sentence on standard error.
//!
//! Left to others: options (`options`), what is read from standard input (`input`), header and envelope (`message`).

mod exit;
mod input;
mod local_user;
mod message;
mod options;
mod over_http;
mod pipe;

use std::ffi::OsString;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use store::Via;
use submission::smtp::{AuthMode, ListenerConfig, SmtpServer, TlsMode};

use crate::config::{Loaded, load};
use crate::intake::smtp_limits;
use crate::opening::{is_forbidden, open_queue};
use crate::terminal::{complain, say};
use exit::{Status, Trouble};
use message::Prepared;
use options::{Mode, Options};

/// Runs a call under the name `name` (`sendmail`, `mailq`, `newaliases`).
pub(crate) fn run(name: &str, arguments: Vec<OsString>) -> ExitCode {
    match options::parse(name, arguments).and_then(|options| carry_out(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            complain(format!("sendmail: {}\n  {}", trouble.what, trouble.fix));
            ExitCode::from(trouble.status.code())
        }
    }
}

fn carry_out(options: &Options) -> Result<(), Trouble> {
    match options.mode {
        Mode::Help => say(options::HELP).map_err(Trouble::from),
        // The queue is worked on by the server without being told, and there are no aliases to build.
        Mode::Nothing => Ok(()),
        Mode::ListQueue => list_queue(options),
        Mode::Smtp => smtp(options),
        Mode::Deliver => deliver(options),
    }
}

fn configuration(options: &Options) -> Result<Loaded, Trouble> {
    load(options.config.as_deref(), options.data_dir.as_deref(), options.source)
        .map_err(|error| Trouble::new(Status::Config, error.what, error.fix))
}

fn list_queue(options: &Options) -> Result<(), Trouble> {
    let loaded = configuration(options)?;
    crate::command::queue::list_waiting(&loaded.config).map_err(Trouble::from)
}

/// `-bs`: an SMTP session on standard input and output, for programs that speak SMTP to a pipe. Whoever can start us is
/// on this machine, and so need not sign in.
fn smtp(options: &Options) -> Result<(), Trouble> {
    let loaded = configuration(options)?;
    let store = open_queue(&loaded)?;
    let config = loaded.config;
    let server = SmtpServer::new(crate::intake::intake(&config, Arc::new(store)), smtp_limits(&config));
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let session = ListenerConfig {
        listen: SocketAddr::new(here, 0),
        tls: TlsMode::None,
        auth: AuthMode::Off,
        allow: vec![here.into()],
        line_endings: wire::LineEndings::Normalize,
        hostname: config.hostname(),
    };
    let stream = tokio::io::join(pipe::Pipe::new(tokio::io::stdin()), tokio::io::stdout());
    if runtime()?.block_on(server.serve_stream(stream, here, session)) {
        return Ok(());
    }
    let what = "the input ended inside a transaction: its message was not taken";
    Err(Trouble::new(Status::TemporaryFailure, what, "End the message with a line that is a dot, and say QUIT."))
}

fn deliver(options: &Options) -> Result<(), Trouble> {
    let loaded = configuration(options)?;
    let config = &loaded.config;
    let mut input = input::Input::new(std::io::stdin().lock(), !options.dot_is_text);
    let prepared = message::prepare(options, config, &mut input)?;
    let runtime = runtime()?;
    match open_queue(&loaded) {
        Ok(store) => {
            let intake = crate::intake::intake(config, Arc::new(store));
            let id = runtime.block_on(hand_in(&intake, prepared, &mut input))?;
            if options.verbose {
                say(format!("queued as {id}"))?;
            }
            Ok(())
        }
        Err(failure) => {
            let forbidden = is_forbidden(&config.data_dir);
            match over_http::Server::from_environment()? {
                Some(server) => runtime.block_on(server.hand_in(config, prepared, &mut input)),
                None if forbidden => Err(Trouble::new(
                    Status::NoPermission,
                    failure.what,
                    "Set POSTERN_URL and POSTERN_TOKEN to hand in over HTTP, or run it as the folder's owner.",
                )),
                None => Err(Trouble::new(Status::TemporaryFailure, failure.what, failure.fix)),
            }
        }
    }
}

async fn hand_in(
    intake: &submission::intake::Intake,
    prepared: Prepared,
    input: &mut input::Input<impl Read>,
) -> Result<mail::MessageId, Trouble> {
    let mut incoming = crate::intake::begin_local(intake, Via::Sendmail, prepared.envelope).await?;
    incoming.write(&prepared.head).await?;
    while let Some(chunk) = input.next_chunk()? {
        incoming.write(chunk).await?;
    }
    Ok(incoming.commit().await?)
}

fn runtime() -> Result<tokio::runtime::Runtime, Trouble> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Trouble::new(Status::OsError, format!("no runtime: {error}"), "Look at the limits of this process.")
    })
}
