//! Why queued messages wait although they are due: their lane stands still.

use std::collections::HashMap;

use jiff::Timestamp;
use store::{Explanation, LaneId, LanePause, MessageRecord, MessageState, StoreError};

use super::foreign;
use crate::Console;
use crate::show;

/// The pauses of the lanes in which these messages are queued.
#[derive(Debug, Default)]
pub(in crate::pages) struct Waits(HashMap<LaneId, LanePause>);

impl Waits {
    /// Asks for each lane once; a page of messages has few.
    pub(in crate::pages) async fn of(console: &Console, messages: &[MessageRecord]) -> Result<Self, StoreError> {
        let mut pauses = HashMap::new();
        let queued = messages.iter().filter(|message| message.state == MessageState::Queued);
        let mut lanes: Vec<LaneId> = queued.filter_map(|message| message.lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        for lane in lanes {
            match console.store().lane(lane).await {
                Ok(found) => pauses.extend(found.pause.map(|pause| (lane, pause))),
                // It went while we looked: then nothing stands still.
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(pauses))
    }

    /// What made the message's lane stand still, if it does.
    pub(in crate::pages) fn explanation(&self, message: &MessageRecord, now: Timestamp) -> Option<&Explanation> {
        let pause = self.0.get(&message.lane?).filter(|pause| pause.until > now);
        pause.filter(|_| message.state == MessageState::Queued).map(|pause| &pause.explanation)
    }

    /// Why this message waits, in words; `None`: its turn comes by itself.
    pub(in crate::pages) fn why(&self, message: &MessageRecord, now: Timestamp) -> Option<String> {
        if message.state != MessageState::Queued {
            return None;
        }
        if message.routed_to.is_none() {
            return Some("Nothing sends it: see Edit Global System Settings, Emails.".to_owned());
        }
        let lane = self.0.get(&message.lane?).filter(|pause| pause.until > now);
        let due = message.due_at.filter(|due| *due > now);
        match (lane, due) {
            (Some(pause), due) if due.is_none_or(|due| due < pause.until) => {
                // An error of its own stands before this and says the same.
                let why = match &message.last_error {
                    Some(_) => String::new(),
                    None => format!(" {}", foreign::line(&pause.explanation.what, foreign::LINE_MAX_CHARS)),
                };
                let state = if pause.needs_administrator { "stopped" } else { "resting" };
                Some(format!("Its mailbox is {state}.{why} Goes on {}.", show::distance(&pause.until, &now)))
            }
            (_, Some(due)) => {
                let what = if message.attempts > 0 { "Next attempt" } else { "Due" };
                Some(format!("{what} {}.", show::distance(&due, &now)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::{Envelope, MessageId, ReversePath};
    use settings::{ConnectionId, RoutedTo};
    use store::{Explanation, Priority, Via};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn message(due: i64, attempts: u32, is_routed: bool) -> MessageRecord {
        let way = || RoutedTo { connection: ConnectionId("c".to_owned()), mailbox: "m@x.test".parse().unwrap() };
        MessageRecord {
            id: MessageId::new(1, 1),
            state: MessageState::Queued,
            envelope: Envelope::new(ReversePath::Null),
            size_bytes: 0,
            added_header: String::new(),
            header_from: None,
            subject: None,
            internet_message_id: None,
            lane: is_routed.then_some(LaneId(1)),
            routed_to: is_routed.then(way),
            priority: Priority::Normal,
            received_at: at(0),
            expires_at: at(10_000),
            due_at: Some(at(due)),
            attempts,
            may_be_duplicated: false,
            bounced: false,
            last_error: None,
            account: None,
            via: Via::Smtp,
            peer: None,
            metadata: None,
        }
    }

    #[test]
    fn a_message_says_why_it_waits() {
        let pause = LanePause {
            until: at(160),
            explanation: Explanation { what: "Too many.".to_owned(), ..Explanation::default() },
            needs_administrator: false,
        };
        let stands = Waits(HashMap::from([(LaneId(1), pause)]));
        let now = at(100);
        let resting = "Its mailbox is resting. Too many. Goes on in 1 minute.";
        let mut tried = message(90, 1, true);
        tried.last_error = Some(Explanation { what: "Too many.".to_owned(), ..Explanation::default() });
        for (waits, message, words) in [
            (&Waits::default(), message(90, 0, true), None),
            (&Waits::default(), message(130, 1, true), Some("Next attempt in 30 seconds.")),
            (&stands, message(90, 0, true), Some(resting)),
            (&stands, message(130, 1, true), Some(resting)),
            (&stands, message(220, 0, true), Some("Due in 2 minutes.")),
            (&stands, message(90, 0, false), Some("Nothing sends it: see Edit Global System Settings, Emails.")),
        ] {
            assert_eq!(waits.why(&message, now).as_deref(), words);
        }
        let once = "Its mailbox is resting. Goes on in 1 minute.";
        assert_eq!(stands.why(&tried, now).as_deref(), Some(once), "its own error says the reason already");
        assert_eq!(stands.why(&message(90, 0, true), at(160)), None, "the pause is over");
        let explained = |waits: &Waits| waits.explanation(&message(90, 0, true), now).map(|it| it.what.clone());
        assert_eq!((explained(&stands), explained(&Waits::default())), (Some("Too many.".to_owned()), None));
    }
}
