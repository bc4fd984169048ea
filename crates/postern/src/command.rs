//! One file a command: each reads its options, calls the operation, and shows what came of it.

pub(crate) mod apply;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod queue;
pub(crate) mod sandbox;
pub(crate) mod send;
pub(crate) mod token;
pub(crate) mod user;

use crate::cli::{Cli, Command};
use crate::config::{Loaded, Source, load};
use crate::terminal::Failure;

pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let place = cli.place;
    let loaded = || load(place.config.as_deref(), place.data_dir.as_deref(), Source::Nearby);
    match cli.command {
        Command::Serve => crate::serve::run(&loaded()?),
        Command::Demo(options) => demo::run(&options, place.data_dir.as_deref()),
        Command::Sandbox(options) => sandbox::run(&options, place.config.as_deref()),
        Command::Apply(options) => apply::run(&options, &loaded()?),
        Command::Export(options) => export::run(&options, &loaded()?),
        Command::Doctor(options) => doctor::run(&options, &loaded()?),
        Command::Send(options) => send::run(&options, &loaded()?),
        // `cli::run` hands such calls to `sendmail` before this grammar sees them; the variant is there for --help.
        Command::Sendmail { options } => Err(Failure::usage(
            format!("sendmail's options {options:?} were not understood"),
            "Put global options before the word sendmail.",
        )),
        Command::Queue(command) => queue::run(&command, &loaded()?),
        Command::Connection(command) => connection::run(&command, &loaded()?),
        Command::User(command) => user::run(&command, &loaded()?),
        Command::Token(command) => token::run(&command, &loaded()?),
        Command::Config(command) => config::run(&command, loaded()),
    }
}

/// A runtime for a command that does one thing: everything on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime: {error}"), "Look at the limits of this process."))?;
    runtime.block_on(work)
}

/// What is known of a loaded configuration when it is not sound: the first problem.
pub(crate) fn require_sound(loaded: &Loaded) -> Result<(), Failure> {
    match loaded.config.problems().into_iter().next() {
        Some(problem) => Err(Failure::new(problem.what, problem.fix)),
        None => Ok(()),
    }
}
