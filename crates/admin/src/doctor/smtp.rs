//! A connection by SMTP: reachable, protected, authenticated, and what the server offers.

use std::sync::Arc;

use settings::{ConnectionId, Settings};
use store::Store;

use super::{Check, CheckStatus, DoctorRequest, expiry};
use crate::connection::mailbox;

pub(super) async fn checks(
    store: &Arc<dyn Store>,
    settings: &Settings,
    id: &ConnectionId,
    request: &DoctorRequest,
) -> Vec<Check> {
    let tenant = settings.connection(id).and_then(|it| it.tenant.as_ref()).and_then(|id| settings.tenant(id));
    let mut checks: Vec<Check> = tenant.and_then(|tenant| expiry::check(tenant, request.now)).into_iter().collect();
    let session = relay::test_smtp(settings, id, store, &request.network, mailbox(settings, id)).await;
    let facts = match session {
        Ok(facts) => facts,
        Err(explanation) => {
            checks.push(Check::explained("smtp_session", CheckStatus::Fail, &explanation));
            return checks;
        }
    };
    let protection = if facts.tls { "in TLS" } else { "in clear" };
    let login = if facts.authenticated { "authenticated" } else { "without authentication" };
    let found = format!("{}:{} takes mail, {protection}, {login}", facts.host, facts.port);
    checks.push(Check::ok("smtp_session", found));
    let needed: Vec<&str> = facts.lacks.iter().copied().filter(|it| matches!(*it, "8BITMIME" | "SMTPUTF8")).collect();
    if !needed.is_empty() {
        checks.push(Check::not_ok(
            "smtp_extensions",
            CheckStatus::Warn,
            format!("the server does not offer {}: mail that needs it is refused", needed.join(" and ")),
            "Switch it on there, or send in 7-bit encodings and ASCII addresses only.",
        ));
    }
    if let Some(to) = &request.send_to {
        checks.push(Check::not_ok(
            "test_message",
            CheckStatus::Warn,
            format!("no message was sent to {to}: by SMTP none can be sent past the queue"),
            "Send one through it: postern send --from A --to B --subject test.",
        ));
    }
    checks
}
