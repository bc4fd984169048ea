//! The mailboxes a connection sends from: there, ours to use, and allowed to send as somebody else.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use graph::{FailureClass, GraphError, MailboxError, MailboxSegment};
use jiff::Timestamp;
use mail::Address;
use relay::Upstream;
use settings::{ConnectionId, FromPolicy, Mailbox, Settings};
use store::Explanation;

use super::{Check, CheckStatus};
use crate::connection::{explain, mailbox};

/// So many are asked about; the others are like them.
const MAX_MAILBOXES: usize = 10;
/// Somebody waits for the finding.
const PATIENCE: Duration = Duration::from_secs(10);
/// What Graph says to a message without recipients: only after it has found the mailbox and the right to it.
const NO_RECIPIENTS: &str = "ErrorInvalidRecipients";

/// Every mailbox that the settings name for this connection. Nothing is sent: the message has nobody to go to.
pub(super) async fn checks(settings: &Settings, upstream: &Upstream) -> Vec<Check> {
    const NAME: &str = "mailbox";
    let all = named(settings, &upstream.connection.id);
    let asked = all.into_iter().take(MAX_MAILBOXES).map(async |mailbox| (mailbox, ask(upstream, mailbox).await));
    let mut checks = Vec::new();
    let mut well = Vec::new();
    for (mailbox, found) in join_all(asked).await {
        match found {
            Ok(()) => well.push(mailbox.as_str()),
            Err(unsent) => checks.push(unsent.check(NAME, mailbox)),
        }
    }
    if !well.is_empty() {
        checks.push(Check::ok(NAME, format!("Graph lets this application send from {}", well.join(", "))));
    }
    checks.extend(send_as(settings, upstream));
    checks
}

/// Addresses that stand in the Emails settings and in routes, each once. Those of `mailbox = "sender"` are known to nobody.
fn named<'a>(settings: &'a Settings, id: &ConnectionId) -> Vec<&'a Address> {
    let uses = |connection: &ConnectionId, fallback: &[ConnectionId]| connection == id || fallback.contains(id);
    let emails = &settings.emails;
    let by_emails = emails.service_connection.as_ref().is_some_and(|connection| uses(connection, &emails.fallback));
    let by_routes = settings.routes.iter().filter(|route| uses(&route.service_connection, &route.fallback));
    let of_routes = by_routes.filter_map(|route| match &route.mailbox {
        Mailbox::Address(address) => Some(address),
        Mailbox::Sender => None,
    });
    let mut all: Vec<&Address> = Vec::new();
    for address in emails.mailbox.iter().filter(|_| by_emails).chain(of_routes) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

/// With `from_policy = "keep"`, each From that is not the mailbox needs Send As, and only a message shows whether it is there.
fn send_as(settings: &Settings, upstream: &Upstream) -> Option<Check> {
    if settings.emails.from_policy != FromPolicy::Keep || mailbox(settings, &upstream.connection.id).is_none() {
        return None;
    }
    let found =
        "from_policy is keep: the mailbox needs Send As for every other From; try one with --send-to and --from";
    Some(Check::ok("send_as", found))
}

/// The one proof that sending works: a message, sent past the queue so that its answer is seen here. `from`: instead of the
/// mailbox's own address, to see whether it may send as that.
pub(super) async fn test_message(
    settings: &Settings,
    upstream: &Upstream,
    (from, to): (Option<&Address>, &Address),
    now: Timestamp,
) -> Check {
    const NAME: &str = "test_message";
    let Some(mailbox) = mailbox(settings, &upstream.connection.id) else {
        let fix = "Set mailbox in [emails], or in a route of this connection.";
        return Check::not_ok(NAME, CheckStatus::Fail, "no mailbox to send from", fix);
    };
    let from = from.unwrap_or(mailbox);
    match send(upstream, mailbox, &text(from, to, now)).await {
        Ok(request_id) => {
            let as_whom = if from == mailbox { String::new() } else { format!(" as {from}") };
            Check::ok(NAME, format!("Graph took a message from {mailbox}{as_whom} to {to} (request-id {request_id})"))
        }
        Err(error) => error.check(NAME, mailbox),
    }
}

/// Why Graph did not take a message.
enum Unsent {
    /// It was not even asked: that is no mailbox's name.
    NoMailbox(MailboxError),
    NoAnswer,
    Refused(Box<GraphError>),
}

/// Whether mail could leave from the mailbox.
async fn ask(upstream: &Upstream, mailbox: &Address) -> Result<(), Unsent> {
    let question = without_recipients(mailbox);
    let answered = tokio::time::timeout(PATIENCE, send(upstream, mailbox, &question)).await;
    match answered.unwrap_or(Err(Unsent::NoAnswer)) {
        Err(Unsent::Refused(error)) if error.code().is_some_and(|code| code.eq_ignore_ascii_case(NO_RECIPIENTS)) => {
            Ok(())
        }
        answered => answered.map(|_| ()),
    }
}

/// Returns Graph's name for the request.
async fn send(upstream: &Upstream, mailbox: &Address, message: &Bytes) -> Result<String, Unsent> {
    let segment = MailboxSegment::new(mailbox.as_str()).map_err(Unsent::NoMailbox)?;
    let sent = upstream.mail.send_mime(&segment, message).await;
    let accepted = sent.map_err(|error| Unsent::Refused(Box::new(error)))?;
    Ok(accepted.request_id.unwrap_or(accepted.client_request_id))
}

impl Unsent {
    fn check(&self, name: &'static str, mailbox: &Address) -> Check {
        let error = match self {
            Self::NoMailbox(error) => {
                return Check::not_ok(name, CheckStatus::Fail, error.to_string(), "Correct the mailbox.");
            }
            Self::NoAnswer => {
                let found = format!("Graph did not answer for the mailbox {mailbox} within {} s", PATIENCE.as_secs());
                let fix =
                    "Wait: mail does so meanwhile. If it lasts, look at the health of the service in its admin center.";
                return Check::not_ok(name, CheckStatus::Warn, found, fix);
            }
            Self::Refused(error) => error,
        };
        let explanation: Explanation = explain(&error.explanation(), error.code().map(str::to_owned));
        let passes = matches!(error.class(), FailureClass::Transient { .. } | FailureClass::Uncertain);
        let status = if passes { CheckStatus::Warn } else { CheckStatus::Fail };
        let mut check = Check::explained(name, status, &explanation);
        let request_id = error.request_id().unwrap_or(error.client_request_id());
        check.found = format!("{} (mailbox {mailbox}, request-id {request_id})", check.found);
        check
    }
}

fn without_recipients(from: &Address) -> Bytes {
    Bytes::from(format!(
        "From: <{from}>\r\nSubject: Question of Postern's doctor\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nThis is for nobody.\r\n"
    ))
}

/// A message that says where it comes from.
pub(super) fn text(from: &Address, to: &Address, now: Timestamp) -> Bytes {
    let date = jiff::fmt::rfc2822::to_string(&now.to_zoned_datetime(jiff::tz::TimeZone::UTC)).unwrap_or_default();
    Bytes::from(format!(
        "From: Postern <{from}>\r\nTo: <{to}>\r\nSubject: Test message from Postern\r\nDate: {date}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         This message was sent by 'postern doctor'. That it arrived shows that mail\r\n\
         leaves this gateway.\r\n"
    ))
}

#[cfg(test)]
mod tests {
    use settings::{Emails, Route, RouteId};

    use super::*;

    #[test]
    fn the_test_message_is_a_message() {
        let text = text(&"a@b.test".parse().unwrap(), &"c@d.test".parse().unwrap(), Timestamp::UNIX_EPOCH);
        let (header, body) = mail::header::split(&text);
        let names: Vec<String> =
            mail::header::fields(header).map(|field| String::from_utf8_lossy(field.name).into_owned()).collect();
        assert_eq!(names, ["From", "To", "Subject", "Date", "MIME-Version", "Content-Type"]);
        assert!(mail::line_endings::is_canonical(&text) && !body.is_empty());
    }

    #[test]
    fn the_question_names_nobody() {
        let text = without_recipients(&"a@b.test".parse().unwrap());
        let (header, _) = mail::header::split(&text);
        let asked: Vec<Vec<u8>> = mail::header::fields(header).map(|field| field.name.to_ascii_lowercase()).collect();
        assert!([&b"to"[..], b"cc", b"bcc"].iter().all(|name| !asked.iter().any(|asked| asked == name)));
    }

    #[test]
    fn a_mailbox_is_asked_about_once_also_for_a_fallback() {
        let route = |mailbox: &str, connection: &str, fallback: &[&str]| Route {
            id: RouteId(mailbox.into()),
            name: mailbox.into(),
            sender: "*".parse().unwrap(),
            service_connection: ConnectionId(connection.into()),
            mailbox: if mailbox == "sender" { Mailbox::Sender } else { Mailbox::Address(mailbox.parse().unwrap()) },
            fallback: fallback.iter().map(|id| ConnectionId((*id).into())).collect(),
        };
        let settings = Settings {
            emails: Emails {
                mailbox: Some("main@b.test".parse().unwrap()),
                service_connection: Some(ConnectionId("c".into())),
                ..Emails::default()
            },
            routes: vec![
                route("main@b.test", "c", &[]),
                route("hr@b.test", "other", &["c"]),
                route("far@b.test", "other", &[]),
                route("sender", "c", &[]),
            ],
            ..Settings::default()
        };
        let shown: Vec<&str> = named(&settings, &ConnectionId("c".into())).iter().map(|it| it.as_str()).collect();
        assert_eq!(shown, ["main@b.test", "hr@b.test"]);
    }
}
