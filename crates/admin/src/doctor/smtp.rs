//! A connection by SMTP: reachable, protected, authenticated, what the server offers, and whether it takes a message.

use std::sync::Arc;

use relay::{SmtpFacts, TestLetter};
use settings::{ConnectionId, Settings};
use store::{Explanation, Store};

use super::{Check, CheckStatus, DoctorRequest, expiry, mailboxes};
use crate::connection::mailbox;

pub(super) async fn checks(
    store: &Arc<dyn Store>,
    settings: &Settings,
    id: &ConnectionId,
    request: &DoctorRequest,
) -> Vec<Check> {
    let tenant = settings.connection(id).and_then(|it| it.tenant.as_ref()).and_then(|id| settings.tenant(id));
    let mut checks: Vec<Check> = tenant.and_then(|tenant| expiry::check(tenant, request.now)).into_iter().collect();
    match relay::test_smtp(settings, id, store, &request.network, mailbox(settings, id)).await {
        Ok(facts) => checks.extend(offer(&facts)),
        Err(explanation) => {
            checks.push(Check::explained("smtp_session", CheckStatus::Fail, &explanation));
            return checks;
        }
    }
    checks.extend(test_message(store, settings, id, request).await);
    checks
}

fn offer(facts: &SmtpFacts) -> Vec<Check> {
    let protection = if facts.tls { "in TLS" } else { "in clear" };
    let login = if facts.authenticated { "authenticated" } else { "without authentication" };
    let found = format!("{}:{} takes mail, {protection}, {login}", facts.host, facts.port);
    let mut checks = vec![Check::ok("smtp_session", found)];
    if let Some(bytes) = facts.max_message_bytes {
        checks.push(Check::ok("size_limit", format!("the server takes messages up to {} MiB", bytes / (1024 * 1024))));
    }
    if facts.lacks.contains(&"SMTPUTF8") {
        checks.push(Check::not_ok(
            "smtp_extensions",
            CheckStatus::Warn,
            "the server does not offer SMTPUTF8: mail to or from addresses beyond ASCII is refused",
            "Switch it on there, or use ASCII addresses only.",
        ));
    }
    checks
}

/// Past the queue, so that the answer is seen here.
async fn test_message(
    store: &Arc<dyn Store>,
    settings: &Settings,
    id: &ConnectionId,
    request: &DoctorRequest,
) -> Option<Check> {
    const NAME: &str = "test_message";
    let to = request.send_to.as_ref()?;
    let mailbox = mailbox(settings, id);
    let Some(from) = request.send_from.as_ref().or(mailbox) else {
        let fix = "Set mailbox in [emails], or in a route of this connection, or give --from.";
        return Some(Check::not_ok(NAME, CheckStatus::Fail, "no address to send from", fix));
    };
    let letter = TestLetter { from: from.clone(), to: to.clone(), content: mailboxes::text(from, to, request.now) };
    let sent: Result<SmtpFacts, Explanation> =
        relay::send_test_smtp(settings, id, store, &request.network, mailbox, &letter).await;
    Some(match sent {
        Ok(facts) => {
            let answer = facts.accepted.unwrap_or_default();
            Check::ok(NAME, format!("{} took a message from {from} to {to}: {answer}", facts.host))
        }
        Err(explanation) => Check::explained(NAME, CheckStatus::Fail, &explanation),
    })
}
