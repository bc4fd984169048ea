//! Deciding about messages, one by one or all that match.

use admin::{Actor, delete_message, list_messages, operate_message};
use clap::Args;
use jiff::Timestamp;
use mail::MessageId;
use serde_json::{Value, json};
use store::{Operation, PageRequest, Store};

use super::listing::Selection;
use super::parse_id;
use crate::terminal::{Failure, STATUS_FAILED, complain, say, say_json};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Ids, as the 250 reply named them
    #[arg(value_parser = parse_id, value_name = "ID")]
    ids: Vec<MessageId>,
    /// Instead of ids: all messages that match
    #[command(flatten)]
    selection: Selection,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Messages looked up at a time; the list is taken before anything is changed, so that nothing is met twice.
const PAGE: u32 = 500;

/// Carries out `operation` (`None`: deletes).
pub(super) async fn operate(store: &dyn Store, options: &Options, operation: Option<Operation>) -> Result<(), Failure> {
    let ids = selected(store, options).await?;
    let actor = Actor::command_line();
    let mut results: Vec<Value> = Vec::new();
    let mut failed = 0_usize;
    for id in &ids {
        let outcome = match operation {
            Some(operation) => {
                operate_message(store, &actor, *id, operation, Timestamp::now()).await.map(store::MessageState::name)
            }
            None => delete_message(store, &actor, *id).await.map(|()| "deleted"),
        };
        match outcome {
            Ok(state) if options.json => results.push(json!({ "id": id, "status": state })),
            Ok(state) => say(format!("{id} {state}"))?,
            Err(error) => {
                failed += 1;
                results.push(json!({ "id": id, "error": error.to_string() }));
                if !options.json {
                    complain(format!("postern: {id}: {error}\n  {}", error.fix()));
                }
            }
        }
    }
    if options.json {
        say_json(&results)?;
    } else if ids.is_empty() {
        say("no messages match")?;
    }
    if failed > 0 { Err(Failure { what: String::new(), fix: String::new(), status: STATUS_FAILED }) } else { Ok(()) }
}

async fn selected(store: &dyn Store, options: &Options) -> Result<Vec<MessageId>, Failure> {
    match (options.ids.is_empty(), options.selection.is_everything()) {
        (false, true) => return Ok(options.ids.clone()),
        (false, false) => return Err(Failure::usage("both ids and a selection", "Give one or the other.")),
        (true, true) => {
            return Err(Failure::usage(
                "which messages?",
                "Name ids, or select some: --state failed, --from, --to, --query.",
            ));
        }
        (true, false) => {}
    }
    let filter = options.selection.filter();
    let mut ids = Vec::new();
    let mut before = None;
    loop {
        let page = list_messages(store, &Actor::command_line(), &filter, PageRequest { before, limit: PAGE }).await?;
        ids.extend(page.messages.iter().map(|message| message.id));
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(ids),
        }
    }
}
