//! The envelope: who gets the message and who hears about it, whatever the header says (RFC 5321 §2.3.1).

use serde::{Deserialize, Serialize};

use crate::{Address, ReversePath};

/// What MAIL and RCPT said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Envelope {
    pub reverse_path: ReversePath,
    /// In the order given, without duplicates: see [`Envelope::add`].
    pub recipients: Vec<Recipient>,
    #[serde(default)]
    pub body: BodyType,
    /// SMTPUTF8 was given with MAIL (RFC 6531 §3.4).
    #[serde(default)]
    pub smtputf8: bool,
    /// RET (RFC 3461 §4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dsn_return: Option<DsnReturn>,
    /// ENVID (RFC 3461 §4.4), decoded from xtext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<String>,
}

impl Envelope {
    pub fn new(reverse_path: impl Into<ReversePath>) -> Self {
        Self { reverse_path: reverse_path.into(), ..Self::default() }
    }

    /// Adds a recipient; one that is there already is not added again, so nobody is mailed twice.
    pub fn add(&mut self, recipient: impl Into<Recipient>) {
        let recipient = recipient.into();
        if !self.recipients.iter().any(|known| known.address == recipient.address) {
            self.recipients.push(recipient);
        }
    }
}

/// One RCPT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub address: Address,
    /// NOTIFY (RFC 3461 §4.1); `None` when the client did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<DsnNotify>,
    /// ORCPT (RFC 3461 §4.2) as `type;address`, decoded from xtext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_recipient: Option<String>,
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Self {
        Self { address, notify: None, original_recipient: None }
    }
}

/// NOTIFY=: when the sender wants a report. All false is `NOTIFY=NEVER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsnNotify {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

/// RET=: how much of the message a report brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DsnReturn {
    Full,
    Headers,
}

/// BODY= (RFC 6152).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BodyType {
    #[default]
    #[serde(rename = "7bit")]
    SevenBit,
    #[serde(rename = "8bitmime")]
    EightBitMime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_given_twice_is_one() {
        let mut envelope = Envelope::new(ReversePath::Null);
        for text in ["a@b.test", "A@B.test", "c@b.test"] {
            envelope.add(text.parse::<Address>().unwrap());
        }
        assert_eq!(envelope.recipients.len(), 2);
    }
}
