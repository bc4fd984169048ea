//! What a lane that waits for a budget tells.

use mail::Address;
use store::Explanation;

use super::Kind;

/// The code of every such explanation: nothing is wrong, and nobody refused anything.
pub(crate) const USED_UP: &str = "BudgetUsedUp";

/// `limit`: of the budget.
pub(super) fn used_up(kind: Kind, limit: Option<u64>, mailbox: &Address) -> Explanation {
    let limit = limit.unwrap_or_default();
    let (what, fix) = match kind {
        Kind::InFlight => {
            (format!("As many messages of {mailbox} are being sent as may be at once."), "Nothing needs to be done.")
        }
        Kind::Requests => (
            format!("{mailbox} has used its {limit} requests of 10 minutes."),
            "Nothing needs to be done. If it happens often, send from several mailboxes.",
        ),
        Kind::Upload => (
            format!("{mailbox} has used its {} MB of 5 minutes.", limit / 1_000_000),
            "Nothing needs to be done. If it happens often, send from several mailboxes.",
        ),
        Kind::Messages => (
            format!("{mailbox} has sent its {limit} messages of a minute."),
            "Nothing needs to be done. The connection says how many there may be.",
        ),
        Kind::Recipients => (
            format!("{mailbox} has mailed its {limit} recipients of 24 hours."),
            "Wait, or send from several mailboxes; if the connection's own limit is too low, raise it.",
        ),
        Kind::External => (
            format!("The tenant has mailed its {limit} external recipients of 24 hours."),
            "Wait; if the limit is too low, correct the tenant's paid licences or its external recipients a day.",
        ),
    };
    Explanation {
        what,
        why: "More would be refused by the other side, or lost after it was accepted. It goes on by itself when there is \
              room again; what is urgent goes first."
            .to_owned(),
        fix: fix.to_owned(),
        who: "Nobody".to_owned(),
        code: Some(USED_UP.to_owned()),
    }
}
