//! What the program says: results on standard output, failures on standard error.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

/// A failure as the terminal shows it: one line what failed, one line what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub what: String,
    pub fix: String,
    pub status: u8,
}

/// Done, but the answer is no (a check failed, a message did not arrive).
pub(crate) const STATUS_FAILED: u8 = 1;
/// The command was not understood.
pub(crate) const STATUS_USAGE: u8 = 2;

impl Failure {
    pub(crate) fn new(what: impl fmt::Display, fix: impl fmt::Display) -> Self {
        Self { what: what.to_string(), fix: fix.to_string(), status: STATUS_FAILED }
    }

    pub(crate) fn usage(what: impl fmt::Display, fix: impl fmt::Display) -> Self {
        Self { status: STATUS_USAGE, ..Self::new(what, fix) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error, "Look at the file or stream it was about.")
    }
}

impl From<admin::AdminError> for Failure {
    fn from(error: admin::AdminError) -> Self {
        Self::new(&error, error.fix())
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::new(error.what, error.fix)
    }
}

/// Writes a line. A reader that went away (`postern queue list | head`) is no failure.
pub(crate) fn say(text: impl fmt::Display) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes one JSON document.
pub(crate) fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("the answer cannot be written as JSON: {error}"), "Report this."))?;
    say(text)
}

/// Writes a line to standard error; there is nobody left to tell when that fails.
pub(crate) fn complain(text: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Columns as wide as their widest cell, two blanks apart.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.len())).max().unwrap_or(0)
    };
    let line = |cells: &[&str]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let body = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    std::iter::once(line(head)).chain(body).collect::<Vec<_>>().join("\n")
}

/// Text from outside as a terminal may show it: control characters could move its cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["1".to_owned(), "long cell".to_owned()], vec!["22".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["id", "what"], &rows), "id  what\n1   long cell\n22  x");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb"), "a\u{fffd}[2Jb");
    }
}
