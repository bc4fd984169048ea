//! What an attempt takes of the requests and octets that Outlook allows an application on a mailbox.
//!
//! Promise: never less than is used, whatever way the message takes, apart from a request that is repeated because its
//! token was refused. The number of attachments is not known before the message is read, so that of large messages is
//! an assumption.

use graph::MimeBody;
use settings::{Connection, Delivery};

use super::HEADER_GROWTH_BYTES;
use crate::Cost;

/// Draft, mark, send.
const DRAFT_REQUESTS: u64 = 3;

/// Two looks for traces of earlier attempts, and the removal of what one of them left.
const TRACE_REQUESTS: u64 = 3;

/// Attachments that go in a request each, or open a session; few messages have more.
const ATTACHMENTS: u64 = 16;

/// Octets of one range of a file.
const RANGE_BYTES: u64 = 12 * 320 * 1024;

/// JSON around what is sent.
const ENVELOPE_BYTES: u64 = 64 * 1024;

pub(super) fn of(connection: &Connection, message_bytes: u64, is_repeated: bool) -> Cost {
    let is_large = connection.takes_large_apart() && message_bytes > connection.mime_limit();
    let by_draft = is_large || connection.delivery == Delivery::Tracked;
    let traces = if by_draft && is_repeated { TRACE_REQUESTS } else { 0 };
    let base64 = MimeBody::request_bytes_for(message_bytes.saturating_add(HEADER_GROWTH_BYTES));
    if is_large {
        let ranges = message_bytes.div_ceil(RANGE_BYTES);
        let requests = DRAFT_REQUESTS.saturating_add(traces).saturating_add(ATTACHMENTS).saturating_add(ranges);
        return Cost { requests, upload_bytes: base64.saturating_add(ENVELOPE_BYTES) };
    }
    let requests = if by_draft { DRAFT_REQUESTS + traces } else { 1 };
    Cost { requests, upload_bytes: if by_draft { base64.saturating_add(ENVELOPE_BYTES) } else { base64 } }
}

#[cfg(test)]
mod tests {
    use settings::{ConnectionId, Service};

    use super::*;

    fn connection() -> Connection {
        Connection::new(ConnectionId("c".into()), "c", Service::GraphApi)
    }

    #[test]
    fn a_small_message_is_one_request_of_its_base64() {
        let cost = of(&connection(), 30_000, false);
        assert_eq!(cost.requests, 1);
        assert!(cost.upload_bytes >= 40_000, "{cost:?}");
        assert_eq!(of(&connection(), 30_000, true).requests, 1, "without drafts there are no traces");
    }

    #[test]
    fn tracked_delivery_pays_for_draft_mark_and_send_and_for_looking_back() {
        let tracked = Connection { delivery: Delivery::Tracked, ..connection() };
        assert_eq!(of(&tracked, 30_000, false).requests, 3);
        assert_eq!(of(&tracked, 30_000, true).requests, 6);
    }

    #[test]
    fn a_larger_message_never_costs_less() {
        for connection in [
            connection(),
            Connection { large_messages: true, ..connection() },
            Connection { large_messages: true, delivery: Delivery::Tracked, ..connection() },
        ] {
            let sizes = [0, 1, 100_000, 3_145_727, 3_145_728, 3_145_729, 4_000_000, 35_000_000, 150_000_000];
            for pair in sizes.windows(2) {
                let (less, more) = (of(&connection, pair[0], false), of(&connection, pair[1], false));
                assert!(less.requests <= more.requests && less.upload_bytes <= more.upload_bytes, "{pair:?}");
            }
        }
    }
}
