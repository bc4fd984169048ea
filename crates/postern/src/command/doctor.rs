//! `postern doctor`

use admin::{Actor, Check, CheckStatus, DoctorRequest, doctor};
use clap::Args;
use jiff::Timestamp;
use mail::Address;
use serde_json::json;

use crate::config::Loaded;
use crate::opening::{network, open_store};
use crate::terminal::{Failure, STATUS_FAILED, say, say_json};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postern doctor                             all connections in use
  postern doctor \"Contoso Graph\"             one of them
  postern doctor --send-to me@example.org    and send a test message through each
  postern doctor --json                      for monitoring; exit status 1 when a check fails")]
pub(crate) struct Options {
    /// Name of one connection
    connection: Option<String>,
    /// Send a test message to this address
    #[arg(long, value_name = "ADDRESS")]
    send_to: Option<Address>,
    /// From of that message, to see whether the mailbox may send as it
    #[arg(long, value_name = "ADDRESS", requires = "send_to")]
    from: Option<Address>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, loaded: &Loaded) -> Result<(), Failure> {
    let request = DoctorRequest {
        connection: options.connection.clone(),
        send_to: options.send_to.clone(),
        send_from: options.from.clone(),
        network: network(&loaded.config)?,
        data_dir: loaded.config.data_dir.clone(),
        configuration: loaded.config.refusals(),
        now: Timestamp::now(),
    };
    let checks = super::block_on(async {
        let store = open_store(&loaded.config).await?;
        Ok(doctor(&store, &Actor::command_line(), &request).await?)
    })?;
    let failed = checks.iter().any(|check| check.status == CheckStatus::Fail);
    if options.json {
        say_json(&json!({ "ok": !failed, "checks": checks }))?;
    } else {
        checks.iter().try_for_each(|check| say(words(check)))?;
    }
    if failed { Err(Failure { what: String::new(), fix: String::new(), status: STATUS_FAILED }) } else { Ok(()) }
}

fn words(check: &Check) -> String {
    let mark = match check.status {
        CheckStatus::Ok => "ok  ",
        CheckStatus::Warn => "WARN",
        CheckStatus::Fail => "FAIL",
    };
    let finding = format!("{mark}  {:<18} {}", check.name, check.found);
    if check.fix.is_empty() {
        return finding;
    }
    format!("{finding}\n      {:<18} -> {} ({})", "", check.fix, check.who)
}
