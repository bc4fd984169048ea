//! The audit log: who changed what, what was before and after.

use admin::{AuditChange, AuditFilter, AuditLine};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use crate::Console;
use crate::error::{PageError, sentence};
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::pages::messages::foreign;
use crate::show;

const ROWS: usize = 50;
const VALUE_MAX_CHARS: usize = 300;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    who: String,
    what: String,
    before: Option<i64>,
}

/// One field of one thing.
#[derive(Debug, PartialEq, Eq)]
struct FieldView {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

/// One thing that was changed, or what else is to be said.
#[derive(Debug, PartialEq, Eq)]
struct ChangeView {
    title: String,
    fields: Vec<FieldView>,
}

struct EntryView {
    number: i64,
    at: String,
    ago: String,
    who: String,
    what: String,
    changes: Vec<ChangeView>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    entries: Vec<EntryView>,
    older: Option<String>,
    is_narrowed: bool,
    asked: Asked,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let filter = AuditFilter { actor: asked.who.trim().to_owned(), text: asked.what.trim().to_owned() };
    let found = admin::list_audit(console.store(), visitor.actor(), &filter, asked.before, ROWS).await?;
    let now = console.now();
    page(&AuditPage {
        frame: Frame::new(&visitor, "Audit log"),
        entries: found.entries.iter().map(|line| entry(line, now)).collect(),
        older: found.next.map(|before| older(&asked, before)),
        is_narrowed: filter != AuditFilter::default() || asked.before.is_some(),
        asked,
    })
}

fn older(asked: &Asked, before: i64) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("who", &asked.who), ("what", &asked.what)] {
        if !value.trim().is_empty() {
            query.append_pair(name, value);
        }
    }
    query.append_pair("before", &before.to_string());
    format!("/administration/audit?{}", query.finish())
}

fn entry(line: &AuditLine, now: Timestamp) -> EntryView {
    EntryView {
        number: line.number,
        at: show::time(&line.at),
        ago: show::distance(&line.at, &now),
        who: foreign::line(&line.actor, foreign::LINE_MAX_CHARS),
        what: words(&line.action),
        changes: changes(&line.changes),
    }
}

/// `snake_case` as words of a sentence.
fn words(name: &str) -> String {
    sentence(&foreign::line(&name.replace('_', " "), foreign::LINE_MAX_CHARS))
}

/// Fields of one thing stand together under its name.
fn changes(changes: &[AuditChange]) -> Vec<ChangeView> {
    let text = |text: &String| foreign::line(text, VALUE_MAX_CHARS);
    let same_thing = |a: &AuditChange, b: &AuditChange| a.subject == b.subject && a.change == b.change;
    let view = |fields: &[AuditChange]| ChangeView {
        title: fields
            .first()
            .map(|it| words(&format!("{} {}", it.change, it.subject)).trim().to_owned())
            .unwrap_or_default(),
        fields: fields
            .iter()
            .filter(|it| !it.field.is_empty())
            .map(|it| FieldView {
                name: words(&it.field),
                before: it.before.as_ref().map(text),
                after: it.after.as_ref().map(text),
            })
            .collect(),
    };
    changes.chunk_by(same_thing).map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(subject: &str, change: &str, field: &str, before: Option<&str>, after: Option<&str>) -> AuditChange {
        AuditChange {
            subject: subject.to_owned(),
            change: change.to_owned(),
            field: field.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn the_fields_of_one_thing_stand_under_its_name() {
        let views = changes(&[
            change("route 'HR'", "change", "position", Some("1"), Some("2")),
            change("route 'HR'", "change", "mailbox", None, Some("hr\u{202E}@x.test")),
            change("tenant 'Old'", "remove", "", None, None),
            change("", "", "second_factor", None, Some("false")),
        ]);
        let titles: Vec<&str> = views.iter().map(|view| view.title.as_str()).collect();
        assert_eq!(titles, ["Change route 'HR'", "Remove tenant 'Old'", ""]);
        let fields: Vec<(&str, Option<&str>)> =
            views[0].fields.iter().map(|field| (field.name.as_str(), field.after.as_deref())).collect();
        assert_eq!(fields, [("Position", Some("2")), ("Mailbox", Some("hr⟨U+202E⟩@x.test"))]);
        assert_eq!((views[1].fields.len(), views[2].fields[0].name.as_str()), (0, "Second factor"));
    }
}
