//! `postern export`

use std::path::PathBuf;

use admin::{Actor, export};
use clap::Args;

use crate::config::Loaded;
use crate::opening::open_existing;
use crate::terminal::{Failure, say};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, loaded: &Loaded) -> Result<(), Failure> {
    let text = super::block_on(async { Ok(export(&*open_existing(loaded).await?, &Actor::command_line())?) })?;
    match &options.out {
        None => say(text.trim_end()),
        Some(file) => std::fs::write(file, text).map_err(|error| {
            Failure::new(format!("{} cannot be written: {error}", file.display()), "Name another file with --out.")
        }),
    }
}
