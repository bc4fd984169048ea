//! Lists of messages as CSV (RFC 4180), for spreadsheets.
//!
//! Invariant: no cell begins a formula. Subjects and addresses are strangers' text, and a spreadsheet runs what begins
//! with `=`, `+`, `-`, `@`, a tab or a CR; such a cell gets an apostrophe in front.

use mail::MessageId;
use store::{Filter, MessageRecord, PageRequest, Store};

use crate::{Actor, AdminError, Role};

/// Messages in one piece of the file: bounds memory.
const PAGE: u32 = 500;

const HEAD: &str =
    "id,state,received_at,sender,from,recipients,subject,message_id,size_bytes,attempts,account,via,error,bounced\r\n";

/// One piece of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvPiece {
    pub text: String,
    /// Where the next piece begins; `None`: this was the last.
    pub next: Option<MessageId>,
}

/// The piece after `before`; the first one (`None`) begins with the names of the columns.
pub async fn export_list(
    store: &dyn Store,
    actor: &Actor,
    filter: &Filter,
    before: Option<MessageId>,
) -> Result<CsvPiece, AdminError> {
    actor.must_be(Role::Viewer)?;
    let page = store.messages(filter, PageRequest { before, limit: PAGE }).await?;
    let settings = store.settings().borrow().clone();
    let mut text = if before.is_none() { HEAD.to_owned() } else { String::new() };
    for message in &page.messages {
        let account = message.account.as_ref().map(|id| settings.account(id).map_or(id.0.as_str(), |it| &it.name));
        text.push_str(&row(message, account.unwrap_or_default()));
    }
    Ok(CsvPiece { text, next: page.next })
}

fn row(message: &MessageRecord, account: &str) -> String {
    let recipients: Vec<&str> = message.envelope.recipients.iter().map(|it| it.address.as_str()).collect();
    let via = serde_json::to_value(message.via).ok();
    let cells = [
        message.id.to_string(),
        message.state.name().to_owned(),
        message.received_at.to_string(),
        message.envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default(),
        message.header_from.as_ref().map(ToString::to_string).unwrap_or_default(),
        recipients.join(" "),
        message.subject.clone().unwrap_or_default(),
        message.internet_message_id.clone().unwrap_or_default(),
        message.size_bytes.to_string(),
        message.attempts.to_string(),
        account.to_owned(),
        via.as_ref().and_then(|via| via.as_str()).unwrap_or_default().to_owned(),
        message.last_error.as_ref().map(|error| error.what.clone()).unwrap_or_default(),
        if message.bounced { "yes" } else { "" }.to_owned(),
    ];
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// Always in quotes: there is nothing to decide then.
fn cell(text: &str) -> String {
    // White space in front would hide the sign from us and not from every spreadsheet.
    let first = text.trim_start_matches([' ', '\u{a0}', '\u{feff}']).chars().next();
    let is_formula = first.is_some_and(|c| "=+-@\t\r\n＝＋－＠".contains(c));
    format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\"").replace('\0', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_a_formula_or_ends_its_row() {
        for (text, expected) in [
            ("Hello", "\"Hello\""),
            ("=HYPERLINK(\"http://x.test\")", "\"'=HYPERLINK(\"\"http://x.test\"\")\""),
            ("+1", "\"'+1\""),
            ("-2+3", "\"'-2+3\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            (" =1", "\"' =1\""),
            ("＝1", "\"'＝1\""), // full width, which some spreadsheets read alike
            ("a,\"b\"\r\nc", "\"a,\"\"b\"\"\r\nc\""),
            ("", "\"\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
