//! The difference between two settings in words an administrator reads, and a program may.
//!
//! Invariant: no line holds a secret; of those it says only that they are set or have changed.

mod described;

use std::fmt;

use serde::Serialize;
use settings::Settings;

use described::{Described, Field, NONE};

/// What happens to one named thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffLine {
    /// `add`, `change` or `remove`.
    pub action: &'static str,
    /// `tenant`, `connection`, `emails`, `route`, `account`, `webhook` or `notices`.
    pub kind: &'static str,
    pub name: String,
    pub fields: Vec<FieldChange>,
}

/// One field, shown before and after; `None`: there was, or is, no such thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    pub field: &'static str,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl fmt::Display for DiffLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            "add" => '+',
            "remove" => '-',
            _ => '~',
        };
        write!(f, "{sign} {}", self.kind)?;
        if !self.name.is_empty() {
            write!(f, " \"{}\"", self.name)?;
        }
        for change in &self.fields {
            match (&change.before, &change.after) {
                (Some(before), Some(after)) => write!(f, "\n    {}: {before} -> {after}", change.field)?,
                (None, Some(after)) => write!(f, "\n    {}: {after}", change.field)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Every difference, removals last so that the list reads as it is carried out.
pub(crate) fn diff(old: &Settings, new: &Settings) -> Vec<DiffLine> {
    let mut lines = Vec::new();
    let mut removed = Vec::new();
    let mut compare = |kind, before: Vec<Described>, after: Vec<Described>| {
        for thing in &after {
            lines.extend(line(kind, before.iter().find(|known| known.id == thing.id), thing));
        }
        for thing in before.iter().filter(|thing| !after.iter().any(|kept| kept.id == thing.id)) {
            removed.push(DiffLine { action: "remove", kind, name: thing.name.clone(), fields: Vec::new() });
        }
    };
    for ((kind, before), (_, after)) in described::all(old).into_iter().zip(described::all(new)) {
        compare(kind, before, after);
    }
    lines.append(&mut removed);
    lines
}

fn line(kind: &'static str, before: Option<&Described>, after: &Described) -> Option<DiffLine> {
    let Some(before) = before else {
        let shown = |f: &Field| FieldChange { field: f.name, before: None, after: Some(f.shown.clone()) };
        let fields = after.fields.iter().map(shown).collect();
        return Some(DiffLine { action: "add", kind, name: after.name.clone(), fields });
    };
    let renamed = (before.name != after.name).then(|| FieldChange {
        field: "name",
        before: Some(before.name.clone()),
        after: Some(after.name.clone()),
    });
    let changed =
        after.fields.iter().filter_map(|new| field(before.fields.iter().find(|old| old.name == new.name), new));
    let is_gone = |old: &&Field| !after.fields.iter().any(|new| new.name == old.name);
    let gone = before.fields.iter().filter(is_gone).filter(|old| old.shown != NONE).map(|old| FieldChange {
        field: old.name,
        before: Some(old.shown.clone()),
        after: Some(NONE.to_owned()),
    });
    let changed: Vec<FieldChange> = renamed.into_iter().chain(changed).chain(gone).collect();
    (!changed.is_empty()).then(|| DiffLine { action: "change", kind, name: after.name.clone(), fields: changed })
}

fn field(old: Option<&Field>, new: &Field) -> Option<FieldChange> {
    if old.is_some_and(|old| old.compared == new.compared) {
        return None;
    }
    let is_masked = old.is_some_and(|old| old.shown == new.shown);
    Some(FieldChange {
        field: new.name,
        before: Some(old.map_or(NONE.to_owned(), |old| old.shown.clone())),
        after: Some(if is_masked { "(changed)".to_owned() } else { new.shown.clone() }),
    })
}
