//! A message as Exchange sees it once it has read the request, whichever form it came in.

use bytes::Bytes;

use super::address::is_resolvable;
use super::failure::Failure;

/// What was asked to be sent.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    /// `mime` or `json`.
    pub(crate) form: &'static str,
    /// The MIME: as submitted, or as made from JSON.
    pub(crate) raw: Bytes,
    /// The addresses the message names as its author.
    pub(crate) from: Vec<String>,
    pub(crate) subject: Option<String>,
    pub(crate) internet_message_id: Option<String>,
    pub(crate) to: Vec<String>,
    pub(crate) cc: Vec<String>,
    pub(crate) bcc: Vec<String>,
    pub(crate) save_to_sent_items: bool,
}

impl Submission {
    /// Everyone to be mailed, as spelled, each once: Exchange compares addresses without case.
    pub(crate) fn recipients(&self) -> Vec<String> {
        let mut seen = std::collections::HashSet::new();
        let all = self.to.iter().chain(&self.cc).chain(&self.bcc);
        all.filter(|address| seen.insert(address.to_lowercase())).cloned().collect()
    }

    /// Refuses the whole message for one address that cannot be resolved, as Exchange does.
    pub(crate) fn check_recipients(&self, limit: usize) -> Result<(), Failure> {
        let all = || self.to.iter().chain(&self.cc).chain(&self.bcc);
        if let Some(bad) = all().find(|address| !is_resolvable(address)) {
            return Err(Failure::unresolved_recipient(bad));
        }
        match all().count() {
            0 => Err(Failure::known("ErrorInvalidRecipients")),
            count if count > limit => Err(Failure::too_many_recipients(limit)),
            _ => Ok(()),
        }
    }
}
