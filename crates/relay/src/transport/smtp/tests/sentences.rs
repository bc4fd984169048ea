//! Exchange Online's replies: each with its cause, its fix, and what it means for the lane.

use wire::parse_reply;

use super::*;
use crate::transport::smtp::exchange::{KNOWN, recognise};
use crate::transport::smtp::explain::Scene;

use Meaning::{Administrator, Later, Refused, Slower, Tomorrow};

/// What is to become of the message and its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Administrator,
    Slower,
    Tomorrow,
    Refused,
    Later,
}

impl Meaning {
    fn lane(self) -> LaneVerdict {
        match self {
            Administrator => LaneVerdict::NeedsAdministrator,
            Slower => LaneVerdict::Throttled(None),
            Tomorrow => LaneVerdict::QuotaUsedUp(None),
            Refused | Later => LaneVerdict::MessageOnly,
        }
    }
}

/// Where it is said, what, what it means, and a word of what to do about it.
type Row = (&'static str, &'static str, Meaning, &'static str);

static SENTENCES: &[Row] = &[
    (
        "EHLO",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled",
        Administrator,
        "Set-TransportConfig",
    ),
    (
        "EHLO",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
        Administrator,
        "Set-CASMailbox",
    ),
    (
        "EHLO",
        "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
        Administrator,
        "no password",
    ),
    (
        "EHLO",
        "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully.",
        Administrator,
        "sign-in log",
    ),
    (
        "EHLO",
        "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy.",
        Administrator,
        "no password",
    ),
    (
        "EHLO",
        "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
        Administrator,
        "Enter them again",
    ),
    ("EHLO", "535 5.7.139 Authentication unsuccessful, some new reason.", Administrator, "sign-in log"),
    ("connect", "501 5.5.121 Invalid XOAUTH2 argument", Administrator, "primary address"),
    ("EHLO", "535 5.7.142 Token will expire soon", Slower, "new token"),
    ("EHLO", "535 5.7.143 Expired token", Slower, "new token"),
    ("EHLO", "535 5.7.144 Invalid API permissions", Administrator, "Mail.Send"),
    (".", "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", Later, "tried again"),
    (".", "554 5.2.2 Submission quota exceeded", Tomorrow, "Wait"),
    (".", "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; Invalid characters", Refused, "filter"),
    ("RCPT", "452 4.5.3 Too many recipients", Later, "another copy"),
    ("MAIL", "550 5.7.62 Client does not have permissions to send as this sender", Refused, "rewrite"),
    (".", "550 5.6.241 From does not match", Refused, "rewrite"),
    ("MAIL", "550 5.2.240 not a high volume e-mail account", Administrator, "account made for it"),
    ("MAIL", "550 5.7.240 application not allowed", Administrator, "Add-HVEAppAccess"),
    ("RCPT", "550 5.7.64 TenantAttribution; Relay Access Denied", Administrator, "connector"),
    (
        "MAIL",
        "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization",
        Administrator,
        "connector",
    ),
    (".", "550 5.7.232 Access denied, trial tenant exceeded its limit", Tomorrow, "trial"),
    (".", "550 5.7.236 Access denied, onmicrosoft.com domain exceeded its limit", Tomorrow, "bulk"),
    (
        ".",
        "550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains",
        Administrator,
        "Add the domain",
    ),
    ("EHLO", "535 5.7.3 Authentication unsuccessful [AM0PR10CA0041]", Administrator, "SMTP.SendAsApp"),
    ("EHLO", "432 4.3.2 Concurrent connection limit exceeded", Slower, "in_flight"),
    ("MAIL", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Slower, "in_flight"),
    ("MAIL", "530 5.7.57 Client not authenticated to send mail", Administrator, "authenticate"),
    ("MAIL", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", Refused, "Send As"),
    (
        ".",
        "554 5.2.252 SendAsDenied; a not allowed to send as b; STOREDRV.Submission.Exception:SendAsDeniedException",
        Refused,
        "Send As",
    ),
    (".", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", Tomorrow, "Wait"),
    (
        ".",
        "554 5.2.2 mailbox full; QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
        Administrator,
        "Sent Items",
    ),
    (".", "554 5.2.2 mailbox full", Administrator, "Sent Items"),
    ("MAIL", "550 5.1.8 Access denied, bad outbound sender", Administrator, "Restricted entities"),
    (".", "550 5.7.705 Access denied, tenant has exceeded threshold", Tomorrow, "Microsoft"),
    (".", "550 5.7.233 Access denied, tenant has exceeded external recipient rate", Tomorrow, "bulk"),
    (".", "550 5.7.708 Access denied, traffic not accepted from this IP", Administrator, "support request"),
    ("MAIL", "550 5.7.30 Basic authentication is not supported for Client Submission.", Administrator, "no password"),
];

#[tokio::test]
async fn exchanges_sentences_are_told_apart() {
    for (step, reply, meaning, words) in SENTENCES.iter().copied() {
        let peer = Peer::start(Script::new(&ALL).on(step, reply)).await;
        let target = target(peer.port, Security::None, Login::None, &Network::default());
        let verdict = Bench::of(target, Service::Exchange).send(&["a@x.test"]).await;
        assert_eq!(verdict.lane, meaning.lane(), "{reply}");
        let is_refused = matches!(verdict.outcomes[0], RecipientOutcome::Refused(_));
        assert_eq!(is_refused, meaning == Refused, "{reply}");
        let explanation = verdict.explanation.unwrap();
        assert!(explanation.fix.contains(words), "{reply}\n{}", explanation.fix);
        assert!(explanation.what.contains(reply.split(' ').nth(1).unwrap()), "{}", explanation.what);
        assert!(!explanation.why.is_empty() && !explanation.who.is_empty(), "{explanation:?}");
    }
}

#[test]
fn every_row_knows_a_sentence_of_the_table_above() {
    let known_in = |host, service| {
        let scene = Scene { host, port: 587, service, sends_as_mailbox: false, signs_in_by_token: true };
        let recognised = |(_, reply, ..): &Row| {
            let (reply, _) = parse_reply(format!("{reply}\r\n").as_bytes()).unwrap().unwrap();
            recognise(&reply, &scene).map(std::ptr::from_ref)
        };
        let found: Vec<_> = SENTENCES.iter().filter_map(recognised).collect();
        KNOWN.iter().filter(|row| found.contains(&std::ptr::from_ref(*row))).count()
    };
    assert_eq!(known_in("exchange.test", Service::Exchange), KNOWN.len());
    // A server of one's own that is Microsoft's.
    for host in ["smtp.office365.com", "SMTP.Office365.US", "x.mail.protection.outlook.com", "smtp.hve.mx.microsoft"] {
        assert_eq!(known_in(host, Service::SmtpServer), KNOWN.len(), "{host}");
    }
    assert_eq!(known_in("mail.contoso.test", Service::SmtpServer), 0);
}

#[tokio::test]
async fn the_mailbox_refused_as_its_own_sender_is_for_an_administrator() {
    let script =
        Script::new(&ALL).on("MAIL", "550 5.7.60 SMTP; Client does not have permissions to send as this sender");
    let peer = Peer::start(script).await;
    let target = target(peer.port, Security::None, Login::None, &Network::default());
    let bench = Bench { policy: FromPolicy::Rewrite, ..Bench::of(target, Service::Exchange) };
    let verdict = bench.send(&["a@x.test"]).await;
    assert_eq!((verdict.lane, verdict.outcomes[0]), (LaneVerdict::NeedsAdministrator, RecipientOutcome::Deferred));
}
