use mail_parser::{MessageParser, MimeHeaders as _};
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn recipient(address: &str) -> RecipientReport {
    RecipientReport {
        address: address.parse().unwrap(),
        original_recipient: None,
        status: EnhancedStatus::permanent(1, 1),
        diagnostic: Some("Microsoft Graph did not accept it: no such mailbox.".into()),
        last_attempt: Some(at(60)),
    }
}

const HEADER: &[u8] = b"Received: by gate.test with ESMTPSA id 01HF7YAT00AAAAAAAAAAAAAAAA; x\r\nMessage-ID: <1@erp.test>\r\nSubject: Order 7\r\n\r\n";

fn with_report<T>(action: Action, recipients: &[RecipientReport], then: impl FnOnce(Report<'_>) -> T) -> T {
    let (from, to) = ("noreply@contoso.test".parse().unwrap(), "erp@contoso.test".parse().unwrap());
    then(Report {
        id: MessageId::new(1_700_000_000_000, 7),
        at: at(120),
        reporting_mta: "gate.contoso.test",
        from: &from,
        to: &to,
        action,
        recipients,
        subject: Some("Order 7"),
        internet_message_id: Some("<1@erp.test>"),
        envelope_id: Some("QQ314159"),
        arrived_at: at(0),
        given_up_at: Some(at(3_600)),
        returned: Returned::Headers(HEADER),
    })
}

#[test]
fn a_failure_report_is_what_rfc_3464_says() {
    let text =
        with_report(Action::Failed, &[recipient("bob@x.test")], |report| String::from_utf8(report.to_mime()).unwrap());
    let status = text.split("--=_dsn_").nth(2).unwrap();
    assert!(
        status.ends_with(
            "Content-Type: message/delivery-status\r\nContent-Description: Delivery report\r\n\r\n\
             Original-Envelope-Id: QQ314159\r\nReporting-MTA: dns; gate.contoso.test\r\n\
             Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n\
             Final-Recipient: rfc822; bob@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\
             Diagnostic-Code: X-Postern; Microsoft Graph did not accept it: no such\r\n mailbox.\r\n\
             Last-Attempt-Date: Tue, 14 Nov 2023 22:14:20 +0000\r\n\r\n"
        ),
        "{status}"
    );
    for expected in [
        "From: Mail Delivery System <noreply@contoso.test>\r\n",
        "To: <erp@contoso.test>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "In-Reply-To: <1@erp.test>\r\n",
        "report-type=delivery-status;",
        "Content-Type: text/rfc822-headers\r\n",
        "Subject: Order 7\r\n\r\n--=_dsn_",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("Will-Retry-Until"));
}

#[test]
fn a_delay_notice_says_until_when_it_is_tried() {
    let text =
        with_report(Action::Delayed, &[recipient("bob@x.test")], |report| String::from_utf8(report.to_mime()).unwrap());
    assert!(text.contains("Action: delayed\r\n"));
    assert!(text.contains("Will-Retry-Until: Tue, 14 Nov 2023 23:13:20 +0000\r\n"));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("you need not send it again"), "{text}");
}

#[test]
fn what_is_written_is_read_again() {
    let mut second = recipient("jürgen@bücher.test");
    second.original_recipient = Some("rfc822;Old@x.test".into());
    let raw = with_report(Action::Failed, &[recipient("bob@x.test"), second], |report| report.to_mime());
    let read = read_report(&raw).unwrap();
    assert_eq!(read.internet_message_id.as_deref(), Some("<1@erp.test>"));
    assert_eq!(read.traces.len(), 1);
    let shown: Vec<_> = read
        .recipients
        .iter()
        .map(|it| (it.addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(" "), it.action, it.status))
        .collect();
    let (failed, status) = (Some(Action::Failed), Some(EnhancedStatus::permanent(1, 1)));
    assert_eq!(
        shown,
        [("bob@x.test".to_owned(), failed, status), ("Old@x.test jürgen@bücher.test".to_owned(), failed, status)]
    );
}

#[test]
fn a_full_message_comes_back_when_asked_for() {
    let message = b"Message-ID: <1@erp.test>\r\nSubject: Order 7\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n";
    let raw = with_report(Action::Failed, &[recipient("bob@x.test")], |report| {
        Report { returned: Returned::Full(message), ..report }.to_mime()
    });
    let text = String::from_utf8_lossy(&raw);
    assert!(
        text.contains("message/rfc822") && text.contains("Content-Transfer-Encoding: 8bit") && text.contains("Grüße")
    );
    assert_eq!(read_report(&raw).unwrap().internet_message_id.as_deref(), Some("<1@erp.test>"));
}

/// As Exchange Online writes it: HTML for people, the original as a message of its own.
const EXCHANGE: &str = "From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@contoso.test>\r\n\
    To: noreply@contoso.test\r\nSubject: Undeliverable: Order 7\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"b1\"\r\n\r\n\
    --b1\r\nContent-Type: multipart/alternative; boundary=\"b2\"\r\n\r\n--b2\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--b2--\r\n\
    --b1\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;AM0PR01MB1.eurprd01.prod.exchangelabs.com\r\n\
    Received-From-MTA: dns;AM0PR01MB1\r\nArrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n\
    Original-Recipient: rfc822;gone@contoso.test\r\nFinal-Recipient: rfc822;gone@contoso.test\r\nAction: failed\r\n\
    Status: 5.1.10\r\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found\r\n by SMTP address lookup\r\n\
    \r\n--b1\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <7@erp.test>\r\nSubject: Order 7\r\n\r\n\r\n--b1--\r\n";

#[test]
fn exchanges_reports_are_understood() {
    let read = read_report(EXCHANGE.as_bytes()).unwrap();
    assert_eq!(read.internet_message_id.as_deref(), Some("<7@erp.test>"));
    let [only] = read.recipients.as_slice() else { panic!("{read:?}") };
    assert_eq!(only.addresses, ["gone@contoso.test".parse().unwrap()]);
    assert_eq!(only.status, Some(EnhancedStatus::permanent(1, 10)));
    let said = only.diagnostic.as_deref().unwrap();
    assert_eq!(said, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup");
}

#[test]
fn a_message_that_only_quotes_a_report_is_none() {
    for raw in [
        "Subject: Re\r\n\r\nFinal-Recipient: rfc822; a@b.test\r\nAction: failed\r\n",
        "Content-Type: message/rfc822\r\n\r\nMessage-ID: <1@x>\r\n\r\n",
        "",
    ] {
        assert_eq!(read_report(raw.as_bytes()), None, "{raw}");
    }
}

proptest! {
    #[test]
    fn what_others_said_cannot_end_a_field(said in "(?s).{0,900}", envid in "(?s).{0,80}", orcpt in "(?s).{0,80}") {
        let one = RecipientReport {
            original_recipient: Some(format!("rfc822;{orcpt}")),
            diagnostic: Some(said.clone()),
            ..recipient("bob@x.test")
        };
        let raw = with_report(Action::Failed, std::slice::from_ref(&one), |report| {
            Report { envelope_id: Some(&envid), subject: Some(&said), ..report }.to_mime()
        });
        let message = MessageParser::default().parse(&raw).unwrap();
        prop_assert_eq!(message.parts.len(), 4);
        prop_assert_eq!(message.content_type().unwrap().ctype(), "multipart");
        prop_assert!(raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
        let read = read_report(&raw).unwrap();
        prop_assert_eq!(read.recipients.len(), 1);
        prop_assert_eq!(read.recipients[0].action, Some(Action::Failed));
        prop_assert!(read.recipients[0].addresses.contains(&one.address));
    }

    #[test]
    fn any_bytes_are_read_without_a_crash(cut in 0_usize..1_500, noise in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut raw = EXCHANGE.as_bytes().to_vec();
        let cut = cut.min(raw.len());
        raw.splice(cut..cut, noise);
        let _ = read_report(&raw);
    }
}
