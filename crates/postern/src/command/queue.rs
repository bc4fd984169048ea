//! `postern queue list|show|retry|cancel|hold|release|delete|export`

mod export;
mod listing;
mod operate;

use clap::Subcommand;
use mail::MessageId;

use crate::config::{Config, Loaded};
use crate::opening::{open_existing, open_store};
use crate::terminal::Failure;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  postern queue list --state failed,uncertain
  postern queue list --from erp@ --limit 20
  postern queue show 01JD...
  postern queue retry --state failed
  postern queue export 01JD... > message.eml")]
pub(crate) enum Command {
    /// List messages, newest first
    List(listing::Options),
    /// Show one message: recipients, attempts, events, errors
    Show(listing::One),
    /// Try again now: queued, failed, uncertain, held and cancelled messages
    Retry(operate::Options),
    /// Give up on messages
    Cancel(operate::Options),
    /// Keep messages back until they are released
    Hold(operate::Options),
    /// Let held messages go
    Release(operate::Options),
    /// Delete messages and their content
    Delete(operate::Options),
    /// Write a message as .eml, or what is known of many as JSON lines
    Export(export::Options),
}

pub(crate) fn run(command: &Command, loaded: &Loaded) -> Result<(), Failure> {
    use store::Operation;
    super::block_on(async {
        let store = open_existing(loaded).await?;
        match command {
            Command::List(options) => listing::list(&*store, options).await,
            Command::Show(one) => listing::show(&*store, one).await,
            Command::Retry(options) => operate::operate(&*store, options, Some(Operation::Retry)).await,
            Command::Cancel(options) => operate::operate(&*store, options, Some(Operation::Cancel)).await,
            Command::Hold(options) => operate::operate(&*store, options, Some(Operation::Hold)).await,
            Command::Release(options) => operate::operate(&*store, options, Some(Operation::Release)).await,
            Command::Delete(options) => operate::operate(&*store, options, None).await,
            Command::Export(options) => export::export(&*store, options).await,
        }
    })
}

/// What `mailq` prints: everything that has not come to an end.
pub(crate) fn list_waiting(config: &Config) -> Result<(), Failure> {
    super::block_on(async { listing::waiting(&*open_store(config).await?).await })
}

fn parse_id(text: &str) -> Result<MessageId, String> {
    text.parse().map_err(|error: mail::MessageIdError| error.to_string())
}
