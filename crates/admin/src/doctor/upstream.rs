//! Microsoft's side: reachable, same time of day, token, rights, and a message if one is wanted.

use std::sync::Arc;

use bytes::Bytes;
use graph::MailboxSegment;
use jiff::Timestamp;
use mail::Address;
use relay::Upstream;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use settings::{ConnectionId, ConnectionType, Credential, Settings, Tenant};
use store::{Explanation, Store};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Check, CheckStatus, DoctorRequest, smtp};
use crate::connection::{TokenFacts, explain, mailbox};

/// A certificate assertion lives ten minutes; half of that is no room for comfort.
const MAX_SKEW_SECONDS: i64 = 300;
/// When an expiry is near enough to plan for.
const EXPIRY_WARNING_DAYS: i64 = 30;

/// The checks of one connection. What depends on a failed one is left out: it would only say the same again.
pub(super) async fn checks(
    store: &Arc<dyn Store>,
    settings: &Settings,
    id: &ConnectionId,
    request: &DoctorRequest,
) -> Vec<Check> {
    if settings.connection(id).is_some_and(|it| it.service.connection_type() == ConnectionType::Smtp) {
        return smtp::checks(store, settings, id, request).await;
    }
    let upstream = match Upstream::graph(settings, id, store, &request.network) {
        Ok(upstream) => upstream,
        Err(error) => return vec![Check::explained("connection", CheckStatus::Fail, &error.explanation())],
    };
    let mut checks = vec![Check::ok("connection", format!("'{}' is complete", upstream.connection.name))];
    checks.extend(credential_expiry(&upstream.tenant, request.now));
    checks.extend(clock(&upstream, request).await);
    let token = match upstream.tokens.token().await {
        Ok(token) => token,
        Err(error) => {
            let explanation = explain(&error.explanation(), error.aadsts().map(|number| format!("AADSTS{number}")));
            checks.push(Check::explained("token", CheckStatus::Fail, &explanation));
            return checks;
        }
    };
    checks.push(Check::ok("token", "Entra ID gave an access token"));
    checks.extend(token.claims().ok().map(TokenFacts::from).map(|facts| claims(&facts, &upstream)));
    if let Some(to) = &request.send_to {
        checks.push(test_message(settings, &upstream, to, request.now).await);
    }
    checks
}

pub(super) fn credential_expiry(tenant: &Tenant, now: Timestamp) -> Option<Check> {
    const NAME: &str = "credential_expiry";
    let (what, expires) = match tenant.credential.as_ref()? {
        Credential::ClientSecret { expires, .. } => {
            let Some(date) = expires else {
                return Some(Check::not_ok(
                    NAME,
                    CheckStatus::Warn,
                    "nobody entered when the client secret expires, so nobody is warned",
                    "Copy the date from 'Certificates & secrets' into client_secret_expires of the tenant.",
                ));
            };
            ("client secret", date.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        }
        Credential::Certificate(certificate) => ("certificate", certificate_end(&certificate.certificate_pem)?),
        // Others see to it that these stay fresh.
        Credential::FederatedTokenFile { .. } | Credential::ManagedIdentity => return None,
    };
    let days = (expires.as_second() - now.as_second()).div_euclid(24 * 3600);
    let date = expires.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let fix = format!("Make a new {what} in the app registration and apply it: it takes effect at once.");
    Some(match days {
        ..0 => Check::not_ok(NAME, CheckStatus::Fail, format!("the {what} expired on {date}"), fix),
        0..EXPIRY_WARNING_DAYS => {
            Check::not_ok(NAME, CheckStatus::Warn, format!("the {what} expires on {date}, in {days} days"), fix)
        }
        _ => Check::ok(NAME, format!("the {what} is good until {date}")),
    })
}

fn certificate_end(pem: &str) -> Option<Timestamp> {
    let der = CertificateDer::pem_slice_iter(pem.as_bytes()).next()?.ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// Assertions and tokens carry times: a clock that is wrong breaks them with errors that name something else.
async fn clock(upstream: &Upstream, request: &DoctorRequest) -> Option<Check> {
    const NAME: &str = "clock";
    let login = upstream.cloud.login.as_str().trim_end_matches('/');
    let url = format!("{login}/{}/v2.0/.well-known/openid-configuration", upstream.tenant.tenant_id);
    let http = request.network.client().ok()?;
    let began = Timestamp::now();
    let answer = match http.get(&url).timeout(std::time::Duration::from_secs(20)).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            return Some(Check {
                who: entra::Who::NetworkAdministrator.to_string(),
                ..Check::not_ok(
                    "network",
                    CheckStatus::Fail,
                    format!("{login} cannot be reached: {}", if why.is_empty() { error.to_string() } else { why }),
                    "Check name resolution, firewall, [proxy] in postern.toml and the CA bundle.",
                )
            });
        }
    };
    let theirs = answer.headers().get("date")?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(theirs).ok()?.timestamp();
    // Between question and answer: half of the time it took is the best guess of when the answer was written.
    let ours = (began.as_millisecond() + Timestamp::now().as_millisecond()) / 2000;
    let skew = ours - theirs.as_second();
    if skew.abs() > MAX_SKEW_SECONDS {
        let direction = if skew > 0 { "fast" } else { "slow" };
        let found = format!("this machine's clock is {} s {direction}", skew.abs());
        return Some(Check::not_ok(NAME, CheckStatus::Fail, found, "Let the machine follow a time server (NTP)."));
    }
    Some(Check::ok(NAME, format!("within {} s of Microsoft's", skew.abs().max(1))))
}

fn claims(facts: &TokenFacts, upstream: &Upstream) -> Check {
    const NAME: &str = "token_claims";
    let wanted = &upstream.tenant.tenant_id;
    let other_tenant = facts.tenant_id.as_ref().filter(|tid| is_guid(wanted) && !tid.eq_ignore_ascii_case(wanted));
    if let Some(tid) = other_tenant {
        let found = format!("the token was issued by tenant {tid}, not {wanted}");
        return Check::not_ok(NAME, CheckStatus::Fail, found, "Correct tenant_id.");
    }
    match facts.advice(upstream) {
        Some(advice) => {
            let status = if facts.is_for(upstream) { CheckStatus::Warn } else { CheckStatus::Fail };
            Check::explained(NAME, status, &advice)
        }
        None => Check::ok(NAME, format!("roles: {}", facts.roles.join(", "))),
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The one proof that sending works: a message, sent past the queue so that its answer is seen here.
async fn test_message(settings: &Settings, upstream: &Upstream, to: &Address, now: Timestamp) -> Check {
    const NAME: &str = "test_message";
    let Some(mailbox) = mailbox(settings, &upstream.connection.id) else {
        let fix = "Set mailbox in [emails], or in a route of this connection.";
        return Check::not_ok(NAME, CheckStatus::Fail, "no mailbox to send from", fix);
    };
    let segment = match MailboxSegment::new(mailbox.as_str()) {
        Ok(segment) => segment,
        Err(error) => return Check::not_ok(NAME, CheckStatus::Fail, error.to_string(), "Correct the mailbox."),
    };
    match upstream.mail.send_mime(&segment, &text(mailbox, to, now)).await {
        Ok(accepted) => {
            let request_id = accepted.request_id.unwrap_or(accepted.client_request_id);
            Check::ok(NAME, format!("Graph took a message from {mailbox} to {to} (request-id {request_id})"))
        }
        Err(error) => {
            let code = error.code().map(str::to_owned);
            let explanation: Explanation = explain(&error.explanation(), code);
            let mut check = Check::explained(NAME, CheckStatus::Fail, &explanation);
            let request_id = error.request_id().unwrap_or(error.client_request_id());
            check.found = format!("{} (mailbox {mailbox}, request-id {request_id})", check.found);
            check
        }
    }
}

fn text(from: &Address, to: &Address, now: Timestamp) -> Bytes {
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
}
