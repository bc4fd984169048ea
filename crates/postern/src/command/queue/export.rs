//! Messages as files: one as it would be sent, or what is known of many.

use std::io;
use std::path::PathBuf;

use admin::{Actor, export_message, list_messages};
use clap::Args;
use mail::MessageId;
use store::{PageRequest, Store};
use submission::http::MessageSummary;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::listing::Selection;
use super::parse_id;
use crate::terminal::Failure;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// This message, as .eml. Left out: what is known of all that match, as JSON lines
    #[arg(value_parser = parse_id, value_name = "ID")]
    id: Option<MessageId>,
    #[command(flatten)]
    selection: Selection,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const PAGE: u32 = 500;

pub(super) async fn export(store: &dyn Store, options: &Options) -> Result<(), Failure> {
    let mut out: Box<dyn AsyncWrite + Unpin> = match &options.out {
        None => Box::new(tokio::io::stdout()),
        Some(file) => Box::new(tokio::fs::File::create(file).await.map_err(|error| {
            Failure::new(format!("{} cannot be written: {error}", file.display()), "Name another file with --out.")
        })?),
    };
    let written = match options.id {
        Some(id) => eml(store, id, &mut out).await,
        None => json_lines(store, &options.selection, &mut out).await,
    };
    match written {
        Ok(()) => out.flush().await.or_else(unless_reader_left).map_err(Failure::from),
        Err(Stopped::ReaderLeft) => Ok(()),
        Err(Stopped::Failed(failure)) => Err(failure),
    }
}

/// Why writing ended early.
enum Stopped {
    /// `postern queue export | head`: there is nothing to report.
    ReaderLeft,
    Failed(Failure),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderLeft } else { Self::Failed(error.into()) }
    }
}

impl From<admin::AdminError> for Stopped {
    fn from(error: admin::AdminError) -> Self {
        Self::Failed(error.into())
    }
}

fn unless_reader_left(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

async fn eml(store: &dyn Store, id: MessageId, out: &mut (impl AsyncWrite + Unpin)) -> Result<(), Stopped> {
    let (message, mut body) = export_message(store, &Actor::command_line(), id).await?;
    out.write_all(message.added_header.as_bytes()).await?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = body.read(&mut chunk).await?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        out.write_all(bytes).await?;
    }
}

async fn json_lines(
    store: &dyn Store,
    selection: &Selection,
    out: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Stopped> {
    let filter = selection.filter();
    let mut before = None;
    loop {
        let page = list_messages(store, &Actor::command_line(), &filter, PageRequest { before, limit: PAGE }).await?;
        for message in page.messages.into_iter().map(MessageSummary::from) {
            let mut line = serde_json::to_vec(&message).map_err(|error| {
                Stopped::Failed(Failure::new(
                    format!("{} cannot be written as JSON: {error}", message.id),
                    "Report this.",
                ))
            })?;
            line.push(b'\n');
            out.write_all(&line).await?;
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_no_failure_and_a_full_disk_is_one() {
        let left = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Stopped::from(left()), Stopped::ReaderLeft));
        assert!(unless_reader_left(left()).is_ok());
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Stopped::from(full()), Stopped::Failed(_)));
        assert!(unless_reader_left(full()).is_err());
    }
}
