//! Submission accounts: who may hand us mail, as whom, from where, how much.

use std::net::IpAddr;

use ipnet::IpNet;
use mail::Address;
use serde::{Deserialize, Serialize};

use crate::SenderPattern;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    /// User name for SMTP AUTH.
    pub name: String,
    /// argon2id PHC string; `None`: no SMTP AUTH.
    pub password_hash: Option<String>,
    /// Keyed digest of the API bearer token, hex; `None`: no HTTP API.
    pub token_digest: Option<String>,
    /// Empty: any sender.
    pub allowed_senders: Vec<SenderPattern>,
    /// Empty: any network.
    pub networks: Vec<IpNet>,
    pub messages_per_minute: Option<u32>,
}

impl Account {
    /// Asked for MAIL FROM and for every address of the header From.
    pub fn may_send_as(&self, sender: &Address) -> bool {
        self.allowed_senders.is_empty() || self.allowed_senders.iter().any(|pattern| pattern.matches(sender))
    }

    pub fn may_connect_from(&self, peer: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&peer.to_canonical()))
    }
}
