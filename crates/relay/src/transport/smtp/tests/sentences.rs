//! Exchange Online's replies: each with its cause, its fix, and what it means for the lane.

use super::*;

#[tokio::test]
async fn exchanges_sentences_are_told_apart() {
    use LaneVerdict::{MessageOnly, NeedsAdministrator, QuotaUsedUp, Throttled};
    for (step, reply, lane, words) in [
        (
            "EHLO",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled",
            NeedsAdministrator,
            "Set-TransportConfig",
        ),
        (
            "EHLO",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
            NeedsAdministrator,
            "Set-CASMailbox",
        ),
        (
            "EHLO",
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            NeedsAdministrator,
            "no password",
        ),
        (
            "EHLO",
            "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully.",
            NeedsAdministrator,
            "sign-in log",
        ),
        ("EHLO", "535 5.7.3 Authentication unsuccessful [AM0PR10CA0041]", NeedsAdministrator, "SMTP.SendAsApp"),
        ("EHLO", "432 4.3.2 Concurrent connection limit exceeded", Throttled(None), "in_flight"),
        ("MAIL", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Throttled(None), "in_flight"),
        ("MAIL", "530 5.7.57 Client not authenticated to send mail", NeedsAdministrator, "authenticate"),
        ("MAIL", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", MessageOnly, "Send As"),
        (
            ".",
            "554 5.2.252 SendAsDenied; a not allowed to send as b; STOREDRV.Submission.Exception:SendAsDeniedException",
            MessageOnly,
            "Send As",
        ),
        (".", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", QuotaUsedUp(None), "Wait"),
        (
            ".",
            "554 5.2.2 mailbox full; QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
            NeedsAdministrator,
            "Sent Items",
        ),
        ("MAIL", "550 5.1.8 Access denied, bad outbound sender", NeedsAdministrator, "Restricted entities"),
        (".", "550 5.7.705 Access denied, tenant has exceeded threshold", QuotaUsedUp(None), "Microsoft"),
        (".", "550 5.7.233 Access denied, tenant has exceeded external recipient rate", QuotaUsedUp(None), "bulk"),
        (".", "550 5.7.708 Access denied, traffic not accepted from this IP", NeedsAdministrator, "support request"),
        (
            "MAIL",
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            NeedsAdministrator,
            "no password",
        ),
    ] {
        let peer = Peer::start(Script::new(&ALL).on(step, reply)).await;
        let target = target(peer.port, Security::None, Login::None, &Network::default());
        let verdict = Bench::of(target, Service::Exchange).send(&["a@x.test"]).await;
        assert_eq!(verdict.lane, lane, "{reply}");
        let is_refused = matches!(verdict.outcomes[0], RecipientOutcome::Refused(_));
        assert_eq!(is_refused, lane == MessageOnly, "{reply}");
        let explanation = verdict.explanation.unwrap();
        assert!(explanation.fix.contains(words), "{reply}\n{}", explanation.fix);
        assert!(explanation.what.contains(reply.split(' ').nth(1).unwrap()), "{}", explanation.what);
    }
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
