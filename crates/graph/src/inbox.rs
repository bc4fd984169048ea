//! Reading the Inbox of a mailbox, for the reports that come back. Needs `Mail.Read`.
//!
//! Promise: nothing in the mailbox is changed, not even whether a message is read. An answer is read up to a bound.
//!
//! Left to others: how often (the mailbox's budget of requests is shared with sending), what a report means.

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::call::{Call, Effect, Payload, read_bytes};
use crate::client::GraphMail;
use crate::draft::unreadable;
use crate::error::GraphError;
use crate::mailbox::MailboxSegment;

/// Messages on one page.
pub const INBOX_PAGE: u32 = 50;

/// `PidTagMessageClass`: reports have one of their own, such as `REPORT.IPM.Note.NDR`.
const MESSAGE_CLASS: &str = "String 0x001A";

/// A message in the Inbox, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxMessage {
    /// Immutable.
    pub id: String,
    pub received_at: Timestamp,
    /// Exchange took it for a report: not delivered, delayed, delivered.
    pub is_report: bool,
}

#[derive(Deserialize)]
struct Page {
    value: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    received_date_time: Timestamp,
    #[serde(default)]
    single_value_extended_properties: Vec<Property>,
}

#[derive(Deserialize)]
struct Property {
    value: String,
}

impl GraphMail {
    /// What came at `since` or later, oldest first, without the first `skip` of it: at most [`INBOX_PAGE`] messages.
    pub async fn inbox_since(
        &self,
        mailbox: &MailboxSegment,
        since: Timestamp,
        skip: u32,
    ) -> Result<Vec<InboxMessage>, GraphError> {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let path = format!(
            "mailFolders/inbox/messages?$filter={}&$orderby={}&$select={}&$expand={}&$top={INBOX_PAGE}&$skip={skip}",
            encode(&format!("receivedDateTime ge {}", since.strftime("%Y-%m-%dT%H:%M:%SZ"))),
            encode("receivedDateTime"),
            encode("id,receivedDateTime"),
            encode(&format!("singleValueExtendedProperties($filter=id eq '{MESSAGE_CLASS}')")),
        );
        let answered = self.call(mailbox, &reading(path)).await?;
        let client_request_id = answered.client_request_id.clone();
        let page = tokio::time::timeout(self.deadlines.answer, answered.json::<Page>()).await.ok().flatten();
        let page = page.ok_or_else(|| unreadable(client_request_id))?;
        Ok(page.value.into_iter().map(InboxMessage::from).collect())
    }

    /// The message as MIME; `None`: it is larger than `max_bytes`.
    pub async fn inbox_mime(
        &self,
        mailbox: &MailboxSegment,
        id: &str,
        max_bytes: usize,
    ) -> Result<Option<Vec<u8>>, GraphError> {
        let path = format!("messages/{}/$value", utf8_percent_encode(id, NON_ALPHANUMERIC));
        let answered = self.call(mailbox, &reading(path)).await?;
        let client_request_id = answered.client_request_id.clone();
        match tokio::time::timeout(self.deadlines.answer, read_bytes(answered.response, max_bytes)).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) | Err(_) => Err(unreadable(client_request_id)),
        }
    }
}

fn reading(below_mailbox: String) -> Call<'static> {
    Call {
        method: Method::GET,
        below_mailbox,
        payload: Payload::Nothing,
        expected: StatusCode::OK,
        effect: Effect::Reads,
    }
}

impl From<Listed> for InboxMessage {
    fn from(listed: Listed) -> Self {
        let is_report = listed.single_value_extended_properties.iter().any(|class| is_report_class(&class.value));
        Self { id: listed.id, received_at: listed.received_date_time, is_report }
    }
}

/// `REPORT.IPM.Note.NDR`, also of signed messages, and what older clients called `IPM.Note.REPORT`.
fn is_report_class(class: &str) -> bool {
    class.split('.').any(|part| part.eq_ignore_ascii_case("REPORT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_told_by_its_class() {
        for (class, expected) in
            [("REPORT.IPM.Note.NDR", true), ("report.ipm.note.smime.ndr", true), ("IPM.Note", false), ("", false)]
        {
            assert_eq!(is_report_class(class), expected, "{class}");
        }
    }
}
