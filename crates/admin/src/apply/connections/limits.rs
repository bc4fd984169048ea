//! How large and how fast mail goes through a connection.

use settings::{GRAPH_LARGE_MAX_BYTES_EVER, GRAPH_MIME_MAX_BYTES, Pace, Service};

use crate::Refused;
use crate::setup_file::ConnectionEntry;

/// Below this nearly every message would be taken apart.
const MIME_MAX_BYTES_AT_LEAST: u64 = 64 * 1024;

pub(super) fn mime_max_bytes(name: &str, entry: &ConnectionEntry) -> Result<Option<u64>, Refused> {
    let Some(bytes) = entry.mime_max_bytes else { return Ok(None) };
    if entry.service == Service::GraphApi && (MIME_MAX_BYTES_AT_LEAST..=GRAPH_MIME_MAX_BYTES).contains(&bytes) {
        return Ok(Some(bytes));
    }
    let range = format!("{MIME_MAX_BYTES_AT_LEAST} and {GRAPH_MIME_MAX_BYTES}");
    let what = format!("connection '{name}': mime_max_bytes = {bytes} is not between {range}, for Microsoft Graph");
    let fix = "Graph takes 4 MiB of base64 in one request, which is 3 MiB of message; leave it out for that.";
    Err(Refused::new(what, fix).at("mime_max_bytes"))
}

pub(super) fn in_flight(name: &str, entry: &ConnectionEntry) -> Result<u32, Refused> {
    let (in_flight, max) =
        (entry.in_flight.unwrap_or(entry.service.default_in_flight()), entry.service.max_in_flight());
    if (1..=max).contains(&in_flight) {
        return Ok(in_flight);
    }
    let fix = match entry.service {
        Service::GraphApi => "Microsoft serves 4 requests at once on a mailbox; 3 leaves one for others.",
        Service::Exchange => "Exchange Online takes 3 connections of a mailbox.",
        Service::SmtpServer => "More sessions at once make no server faster.",
    };
    let what = format!("connection '{name}': in_flight = {in_flight} is not between 1 and {max}");
    Err(Refused::new(what, fix).at("in_flight"))
}

pub(super) fn large_max_bytes(name: &str, entry: &ConnectionEntry) -> Result<Option<u64>, Refused> {
    let Some(bytes) = entry.large_max_bytes else { return Ok(None) };
    let refused = |what: String, fix: &str| {
        Err(Refused::new(format!("connection '{name}': {what}"), fix.to_owned()).at("large_max_bytes"))
    };
    if entry.service != Service::GraphApi || !entry.large_messages {
        let what = "large_max_bytes is for large messages through Microsoft Graph".to_owned();
        return refused(what, "Add large_messages = true, or leave large_max_bytes out.");
    }
    if !(GRAPH_MIME_MAX_BYTES..=GRAPH_LARGE_MAX_BYTES_EVER).contains(&bytes) {
        let range = format!("{GRAPH_MIME_MAX_BYTES} and {GRAPH_LARGE_MAX_BYTES_EVER}");
        return refused(
            format!("large_max_bytes = {bytes} is not between {range}"),
            "Exchange Online lets a mailbox send 35 MiB, or up to 150 MiB where its administrator allows it.",
        );
    }
    Ok(Some(bytes))
}

pub(super) fn pace(name: &str, entry: &ConnectionEntry) -> Result<Pace, Refused> {
    let refused = |field, what: String, fix: &str| {
        Err(Refused::new(format!("connection '{name}': {what}"), fix.to_owned()).at(field))
    };
    for (field, value) in
        [("messages_per_minute", entry.messages_per_minute), ("recipients_per_day", entry.recipients_per_day)]
    {
        if value == Some(0) {
            return refused(field, format!("{field} = 0 would let nothing through"), "Leave it out for no limit.");
        }
    }
    let bears = entry.service.limits().recipients_per_day;
    if let (Some(bears), Some(asked)) = (bears, entry.recipients_per_day)
        && asked > bears
    {
        let what = format!("recipients_per_day = {asked} is more than the {bears} that the service bears");
        return refused(
            "recipients_per_day",
            what,
            "Give a lower number, or leave it out for the service's own limit.",
        );
    }
    Ok(Pace { messages_per_minute: entry.messages_per_minute, recipients_per_day: entry.recipients_per_day })
}
