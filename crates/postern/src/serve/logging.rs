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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Names of events in all sources, tests apart.
    fn events_in(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let is_source = !path.ends_with("tests") && !path.ends_with("examples");
                if is_source {
                    events_in(&path, found);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let names = text.split("event = \"").skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.filter(|name| name.contains('_') || name.contains('.')).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_event_is_described_and_every_described_event_exists() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = BTreeSet::new();
        events_in(&workspace.join("crates"), &mut found);
        let text = std::fs::read_to_string(workspace.join("docs/logging.md")).unwrap();
        let described: BTreeSet<String> =
            text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect();
        let undescribed: Vec<&String> = found.difference(&described).collect();
        let gone: Vec<&String> = described.difference(&found).collect();
        assert!(undescribed.is_empty(), "events that docs/logging.md does not describe: {undescribed:?}");
        assert!(gone.is_empty(), "docs/logging.md describes events that no source has: {gone:?}");
    }
}
