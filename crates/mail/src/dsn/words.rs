//! What a report says to people.

use std::fmt::Write as _;

use super::{Action, RecipientReport, Report};
use crate::trace::date_time;

/// RFC 3676 §4.2 advises to stay below 79.
const LINE_CHARS: usize = 74;
/// Recipients named one by one; the machine-readable part names all.
const SHOWN: usize = 50;

pub(super) fn subject(action: Action) -> &'static str {
    match action {
        Action::Failed => "Undelivered Mail Returned to Sender",
        Action::Delayed => "Delayed Mail (still being retried)",
        Action::Delivered | Action::Relayed => "Successful Mail Delivery Report",
    }
}

pub(super) fn for_people(report: &Report<'_>) -> String {
    let mut out = String::new();
    paragraph(&mut out, "", &format!("This is the mail gateway at {}.", report.reporting_mta));
    out.push_str("\r\n");
    paragraph(&mut out, "", &opening(report));
    for recipient in report.recipients.iter().take(SHOWN) {
        out.push_str("\r\n");
        named(&mut out, recipient);
    }
    if let Some(more) = report.recipients.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        paragraph(&mut out, "\r\n    ", &format!("and {more} more, which the attached report names."));
    }
    out.push_str("\r\n");
    if let Some(subject) = report.subject {
        paragraph(&mut out, "    ", &format!("Subject: {subject}"));
    }
    paragraph(&mut out, "    ", &format!("Handed in: {}", date_time(report.arrived_at)));
    out
}

fn opening(report: &Report<'_>) -> String {
    match report.action {
        Action::Failed => {
            "Your message was not delivered to the recipients below. It will not be tried again.".to_owned()
        }
        Action::Delayed => {
            let until = report.given_up_at.map(|at| format!(" until {}", date_time(at))).unwrap_or_default();
            format!(
                "Your message has not been delivered to the recipients below yet. It is still being tried{until}; you need \
                 not send it again."
            )
        }
        Action::Delivered => "Your message was delivered to the recipients below.".to_owned(),
        Action::Relayed => "Your message was handed on to the mail service of the recipients below. That service does \
                            not report whether it arrives; you hear again only if it comes back."
            .to_owned(),
    }
}

fn named(out: &mut String, recipient: &RecipientReport) {
    paragraph(out, "", &format!("<{}>", recipient.address));
    if let Some(said) = recipient.diagnostic.as_deref().filter(|said| !said.is_empty()) {
        paragraph(out, "    ", said);
    }
}

/// Words wrapped into lines that each begin with `indent`. A line of a hostile text stays a line of this paragraph.
fn paragraph(out: &mut String, indent: &str, text: &str) {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut length = 0;
    for word in clean.split_whitespace() {
        let word: String = word.chars().take(300).collect();
        if length > 0 && length + 1 + word.chars().count() > LINE_CHARS {
            out.push_str("\r\n");
            length = 0;
        }
        if length == 0 {
            // Writing to a string does not fail.
            let _ = write!(out, "{indent}{word}");
            length = indent.len() + word.chars().count();
        } else {
            let _ = write!(out, " {word}");
            length += 1 + word.chars().count();
        }
    }
    out.push_str("\r\n");
}
