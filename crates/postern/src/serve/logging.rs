//! The log: named events with fields, for people or for machines, on standard error.
//!
//! `docs/logging.md` lists the events.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};
use crate::terminal::Failure;

pub(crate) fn init(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| {
        Failure::new(
            format!("log.level \"{}\" is not understood: {error}", log.level),
            "Write error, warn, info, debug or trace.",
        )
    })?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|error| Failure::new(format!("the log cannot be started: {error}"), "Report this."))
}
