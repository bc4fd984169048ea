//! What a call says: `{"type", "timestamp", "data"}`.

use jiff::Timestamp;
use serde_json::{Value, json};
use settings::{News, Settings};
use store::{MessageDetail, Outcome, RecipientState};

use crate::news::AlarmNews;

/// Recipients told of one by one; `recipient_count` says how many there are.
const RECIPIENTS: usize = 500;

/// One call's content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// `webhook-id`: the same again is the same news.
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

/// What became of a message: as it stands when this is made, which may be later than what is told of.
pub(super) fn of_message(settings: &Settings, outcome: &Outcome, detail: &MessageDetail) -> Told {
    let message = &detail.message;
    let recipients: Vec<Value> = detail
        .recipients
        .iter()
        .take(RECIPIENTS)
        .map(|it| json!({"address": it.address, "status": state_name(it.state), "code": it.status.map(|code| code.to_string())}))
        .collect();
    let account = message.account.as_ref().and_then(|id| settings.account(id)).map(|account| account.name.as_str());
    let way = message.routed_to.as_ref();
    let connection = way.and_then(|way| settings.connection(&way.connection)).map(|it| it.name.as_str());
    let data = json!({
        "id": message.id,
        "status": message.state,
        "sender": message.envelope.reverse_path.address(),
        "from": message.header_from,
        "subject": message.subject,
        "message_id": message.internet_message_id,
        "received_at": message.received_at,
        "recipients": recipients,
        "recipient_count": detail.recipients.len(),
        "may_be_duplicated": message.may_be_duplicated,
        "via": message.via,
        "account": account,
        "connection": connection,
        "mailbox": way.map(|way| &way.mailbox),
        "metadata": message.metadata,
        "error": message.last_error,
    });
    told(format!("{}.{}", message.id, outcome.number), outcome.kind.news(), outcome.at, &data)
}

pub(super) fn of_alarm(alarm: &AlarmNews) -> Told {
    told(alarm.name.clone(), alarm.news, alarm.at, &alarm.data)
}

fn told(id: String, news: News, at: Timestamp, data: &Value) -> Told {
    let body = json!({"type": news.name(), "timestamp": at, "data": data});
    Told { id, body: body.to_string().into_bytes() }
}

fn state_name(state: RecipientState) -> &'static str {
    match state {
        RecipientState::Pending => "pending",
        RecipientState::Sent => "sent",
        RecipientState::Bounced => "bounced",
        RecipientState::Failed => "failed",
        RecipientState::Uncertain => "uncertain",
    }
}
