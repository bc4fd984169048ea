//! What earlier attempts left in a mailbox, found by the marker that every draft of ours carries.

use mail::Address;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::{DraftId, MARKER_PROPERTY, preparing, unreadable};
use crate::call::Payload;
use crate::client::GraphMail;
use crate::error::GraphError;
use crate::mailbox::MailboxSegment;

/// A message that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentCopy {
    pub recipients: Vec<Address>,
}

/// What earlier attempts left in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traces {
    pub sent: Vec<SentCopy>,
    /// Not sent: to be removed.
    pub drafts: Vec<DraftId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    id: String,
    is_draft: bool,
    #[serde(default)]
    to_recipients: Vec<Recipient>,
    #[serde(default)]
    cc_recipients: Vec<Recipient>,
    #[serde(default)]
    bcc_recipients: Vec<Recipient>,
    #[serde(default)]
    single_value_extended_properties: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: EmailAddress,
}

#[derive(Deserialize)]
struct EmailAddress {
    #[serde(default)]
    address: String,
}

#[derive(Deserialize)]
struct Page {
    value: Vec<Found>,
}

impl GraphMail {
    /// What earlier attempts for this marker left in the mailbox. `message_id` (with its angle brackets) finds also a MIME
    /// draft whose maker was interrupted before it was marked, and which therefore was never sent.
    pub async fn find_traces(
        &self,
        mailbox: &MailboxSegment,
        marker: &str,
        message_id: Option<&str>,
    ) -> Result<Traces, GraphError> {
        let mut traces = Traces::default();
        let filter = format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq '{MARKER_PROPERTY}' and ep/value eq '{}')",
            marker.replace('\'', "''")
        );
        for message in self.list(mailbox, &filter, "id,isDraft,toRecipients,ccRecipients,bccRecipients").await? {
            if message.is_draft {
                traces.drafts.push(DraftId(message.id));
            } else {
                traces.sent.push(SentCopy { recipients: message.recipients() });
            }
        }
        if let Some(message_id) = message_id {
            let filter = format!("internetMessageId eq '{}'", message_id.replace('\'', "''"));
            let found = self.list(mailbox, &filter, "id,isDraft").await?;
            let unmarked = found.into_iter().filter(|it| it.is_draft && it.single_value_extended_properties.is_empty());
            traces.drafts.extend(unmarked.map(|message| DraftId(message.id)));
        }
        Ok(traces)
    }

    async fn list(&self, mailbox: &MailboxSegment, filter: &str, select: &str) -> Result<Vec<Found>, GraphError> {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let expand = format!("singleValueExtendedProperties($filter=id eq '{MARKER_PROPERTY}')");
        let path = format!(
            "messages?$filter={}&$select={}&$expand={}&$top=50",
            encode(filter),
            encode(select),
            encode(&expand)
        );
        let call = preparing(Method::GET, path, Payload::Nothing, StatusCode::OK);
        let answered = self.call(mailbox, &call).await?;
        let client_request_id = answered.client_request_id.clone();
        let page: Option<Page> = answered.json().await;
        page.map(|page| page.value).ok_or_else(|| unreadable(client_request_id))
    }
}

impl Found {
    fn recipients(&self) -> Vec<Address> {
        let all = self.to_recipients.iter().chain(&self.cc_recipients).chain(&self.bcc_recipients);
        all.filter_map(|it| it.email_address.address.parse().ok()).collect()
    }
}
