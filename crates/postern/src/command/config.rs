//! `postern config check` and `postern config show`

use clap::Subcommand;
use serde_json::json;

use crate::config::{ConfigError, Loaded};
use crate::terminal::{Failure, STATUS_FAILED, complain, say, say_json};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether the server could start with this configuration
    Check {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print the configuration in force: defaults, file, environment, command line; passwords masked
    Show {
        /// Print one JSON document instead of TOML
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &Command, loaded: Result<Loaded, ConfigError>) -> Result<(), Failure> {
    match command {
        Command::Check { json } => check(loaded, *json),
        Command::Show { json } => show(&loaded?, *json),
    }
}

fn check(loaded: Result<Loaded, ConfigError>, as_json: bool) -> Result<(), Failure> {
    let file = loaded.as_ref().ok().and_then(|loaded| loaded.file.clone());
    let problems: Vec<(String, String)> = match loaded {
        Err(error) => vec![(error.what, error.fix)],
        Ok(loaded) => loaded.config.problems().into_iter().map(|problem| (problem.what, problem.fix)).collect(),
    };
    let place = file.map_or("the defaults".to_owned(), |file| file.display().to_string());
    if as_json {
        let list: Vec<_> = problems.iter().map(|(what, fix)| json!({ "what": what, "fix": fix })).collect();
        say_json(&json!({ "ok": problems.is_empty(), "file": place, "problems": list }))?;
    } else if problems.is_empty() {
        say(format!("{place}: sound"))?;
    } else {
        problems.iter().for_each(|(what, fix)| complain(format!("postern: {what}\n  {fix}")));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure { what: String::new(), fix: String::new(), status: STATUS_FAILED })
    }
}

fn show(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    let shown = loaded.config.masked();
    if as_json {
        return say_json(&shown);
    }
    let text = toml::to_string_pretty(&shown)
        .map_err(|error| Failure::new(format!("the configuration cannot be shown: {error}"), "Use --json."))?;
    let place = loaded.file.as_ref().map_or("no file".to_owned(), |file| file.display().to_string());
    say(format!("# from {place}, the environment and the defaults\n{}", text.trim_end()))
}
