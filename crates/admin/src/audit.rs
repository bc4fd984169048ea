//! What administrators did: the audit log, in pages.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use store::{AuditRecord, Store};

use crate::{Actor, AdminError, Role};

/// Read from the store at once.
const READ: u32 = 200;
/// Entries looked through for one page of a filtered list: bounds the time of a filter that finds nothing.
const MAX_LOOKED_AT: usize = 10_000;

/// Both texts must be part of what they are looked for in; letter case does not matter; empty: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub actor: String,
    /// In the action, and in what was changed.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditPage {
    pub entries: Vec<AuditLine>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<i64>,
}

/// One entry, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    pub number: i64,
    pub at: Timestamp,
    pub actor: String,
    /// `snake_case`, stable.
    pub action: String,
    pub changes: Vec<AuditChange>,
}

/// One thing that was different afterwards, or one fact about what was done. Secrets were masked when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditChange {
    /// As in `tenant 'Contoso'`; empty for a fact.
    pub subject: String,
    /// `add`, `change`, `remove`; empty for a fact.
    pub change: String,
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// A page of at most `limit` entries older than the one numbered `before`, newest first.
pub async fn list_audit(
    store: &dyn Store,
    actor: &Actor,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<AuditPage, AdminError> {
    actor.must_be(Role::Administrator)?;
    let (mut entries, mut at, mut looked_at) = (Vec::new(), before, 0);
    loop {
        let records = store.audit(at, READ).await?;
        if records.is_empty() {
            return Ok(AuditPage { entries, next: None });
        }
        for record in records {
            if entries.len() >= limit || looked_at >= MAX_LOOKED_AT {
                return Ok(AuditPage { entries, next: at });
            }
            at = Some(record.number);
            looked_at += 1;
            entries.extend(Some(line(record)).filter(|line| filter.matches(line)));
        }
    }
}

impl AuditFilter {
    fn matches(&self, line: &AuditLine) -> bool {
        let has = |text: &str, wanted: &str| text.to_lowercase().contains(&wanted.to_lowercase());
        let in_change = |it: &AuditChange| {
            let texts = [Some(&it.subject), Some(&it.field), it.before.as_ref(), it.after.as_ref()];
            texts.into_iter().flatten().any(|text| has(text, &self.text))
        };
        has(&line.actor, &self.actor) && (has(&line.action, &self.text) || line.changes.iter().any(in_change))
    }
}

fn line(record: AuditRecord) -> AuditLine {
    let entry = record.entry;
    let changes = match &entry.detail {
        Value::Array(things) => things.iter().flat_map(thing).collect(),
        Value::Object(facts) => facts.iter().map(|(name, value)| fact(name, value)).collect(),
        Value::Null => Vec::new(),
        other => vec![fact("detail", other)],
    };
    AuditLine { number: record.number, at: entry.at, actor: entry.actor, action: entry.action, changes }
}

/// One [`crate::DiffLine`] as it was written down.
fn thing(thing: &Value) -> Vec<AuditChange> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (kind, name) = (text(thing.get("kind")).unwrap_or_default(), text(thing.get("name")).unwrap_or_default());
    let subject = if name.is_empty() { kind } else { format!("{kind} '{name}'") };
    let change = text(thing.get("action")).unwrap_or_default();
    let bare =
        |field, before, after| AuditChange { subject: subject.clone(), change: change.clone(), field, before, after };
    match thing.get("fields").and_then(Value::as_array) {
        Some(fields) if !fields.is_empty() => fields
            .iter()
            .map(|it| bare(text(it.get("field")).unwrap_or_default(), text(it.get("before")), text(it.get("after"))))
            .collect(),
        _ => vec![bare(String::new(), None, None)],
    }
}

fn fact(name: &str, value: &Value) -> AuditChange {
    let after = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    AuditChange {
        subject: String::new(),
        change: String::new(),
        field: name.to_owned(),
        before: None,
        after: Some(after),
    }
}
