//! Microsoft Graph: `sendMail` in both its forms, drafts with attachments and upload sessions, and the refusals around them.
//!
//! Promise: one request is refused for the first reason Graph would give: token, address, rate, size, permission,
//! mailbox, content. Every answer carries Graph's ids.
//!
//! Left to others: where accepted mail is kept (`mailbox`), and faults (`faults`), which are only obeyed here.

mod address;
mod bearer;
mod drafts;
mod failure;
mod inbox;
mod json_message;
mod mime;
mod reply;
mod route;
mod schema;
mod send_mail;
mod submission;
mod throttle;
mod window;

pub(crate) use address::is_resolvable;
pub(crate) use bearer::BearerCache;
pub(crate) use drafts::Drafts;
pub(crate) use reply::{answer, answer_upload};
pub(crate) use throttle::Throttle;

/// Whether a first path segment names a version of Graph, existing or not.
pub(crate) fn is_version(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("beta")
        || segment
            .strip_prefix(['v', 'V'])
            .is_some_and(|rest| rest.contains('.') && rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}
