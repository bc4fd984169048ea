//! `postern apply FILE`

use std::path::{Path, PathBuf};

use admin::{Actor, Applied, Mode, SecretSource, SetupFile, apply};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::config::Loaded;
use crate::opening::open_store;
use crate::terminal::{Failure, say, say_json};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  CONTOSO_SECRET=... postern apply setup.toml
  postern apply setup.toml --dry-run

Names are keys; what the file does not name is left alone, unless it says prune = true. What it names is
replaced whole: a key that is left out gets its default, but a secret stays as it is. A secret is
{ env = \"NAME\" }, { file = \"PATH\" } or a string; one that is left out stays as it is.
'postern export' writes the present settings in the same form.")]
pub(crate) struct Options {
    /// Setup file; - reads standard input
    file: PathBuf,
    /// Only print what would change
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// No setup file is this long; more is a slip of the hand.
const MAX_SETUP_BYTES: u64 = 4 * 1024 * 1024;

pub(crate) fn run(options: &Options, loaded: &Loaded) -> Result<(), Failure> {
    let text = read(&options.file)?;
    let file = SetupFile::parse(&options.file.display().to_string(), &text)
        .map_err(|refused| Failure::new(refused.what, refused.fix))?;
    let secrets = SecretSource::new(options.file.parent().unwrap_or(Path::new("")));
    let mode = if options.dry_run { Mode::DryRun } else { Mode::Change };
    let applied = super::block_on(async {
        let store = open_store(&loaded.config).await?;
        Ok(apply(&*store, &Actor::command_line(), &file, &secrets, mode, Timestamp::now()).await?)
    })?;
    if options.json {
        return say_json(&json!({
            "changed": !options.dry_run && !applied.diff.is_empty(),
            "dry_run": options.dry_run,
            "version": applied.version,
            "rerouted": applied.rerouted,
            "diff": applied.diff,
        }));
    }
    say(words(&applied, options.dry_run))
}

fn words(applied: &Applied, dry_run: bool) -> String {
    if applied.diff.is_empty() {
        return "nothing to change".to_owned();
    }
    let mut lines: Vec<String> = applied.diff.iter().map(ToString::to_string).collect();
    lines.push(if dry_run {
        "dry run: nothing was changed".to_owned()
    } else {
        format!("applied (settings version {})", applied.version)
    });
    if applied.rerouted > 0 {
        lines.push(format!("waiting messages that take another way now: {}", applied.rerouted));
    }
    lines.join("\n")
}

fn read(file: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| {
        Failure::new(
            format!("{} cannot be read: {error}", file.display()),
            "Name a setup file, or - for standard input.",
        )
    };
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_SETUP_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        std::fs::File::open(file)
            .map_err(unreadable)?
            .take(MAX_SETUP_BYTES)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
    }
    Ok(text)
}
