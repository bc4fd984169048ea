//! Postern's program: reads arguments and calls the command they name.

mod cli;
mod command;
mod config;
mod intake;
mod opening;
mod owner;
mod sendmail;
mod serve;
mod terminal;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os().collect())
}
