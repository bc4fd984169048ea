//! What the server offers, and what becomes of mail that needs what it does not.

use mail::BodyType;

use super::*;
use crate::TestLetter;

/// A message with these fields behind From, and this content.
fn message(fields: &str, content: &str) -> Vec<u8> {
    format!("From: ERP <erp@contoso.test>\r\n{fields}\r\n{content}").into_bytes()
}

/// What arrived, behind the field that the gateway puts on top.
fn arrived(peer: &Peer) -> String {
    peer.heard(|heard| {
        let text = String::from_utf8_lossy(&heard.messages[0]).into_owned();
        text.strip_prefix("Received: by test\r\n").unwrap().to_owned()
    })
}

#[tokio::test]
async fn what_the_server_does_not_offer_to_carry_and_cannot_be_converted_is_refused_with_words_and_not_sent() {
    let signed = "Content-Type: multipart/signed; boundary=s\r\n";
    let signed = message(signed, "--s\r\n\r\nWiese, gr\u{fc}n\r\n--s\r\nContent-Type: x/y\r\n\r\nx\r\n--s--\r\n");
    let header = message("To: J\u{fc}rgen <j\u{fc}rgen@x.test>\r\n", "x\r\n");
    for (offers, raw, recipient, expected) in [
        (&["SIZE 50"][..], MESSAGE, "a@x.test", Some((3, 4))),
        (&[], signed.as_slice(), "a@x.test", Some((6, 3))),
        (&["8BITMIME"], signed.as_slice(), "a@x.test", None),
        (&["8BITMIME"], MESSAGE, "\u{fc}@x.test", Some((6, 7))),
        (&["8BITMIME", "SMTPUTF8"], MESSAGE, "\u{fc}@x.test", None),
        (&[], header.as_slice(), "a@x.test", Some((6, 7))), // an address in a field cannot be put otherwise
    ] {
        let peer = Peer::start(Script::new(offers)).await;
        let verdict = Bench::plain(&peer).send_as(raw, envelope(&[recipient])).await;
        let outcome = expected.map_or(RecipientOutcome::Accepted, |(subject, detail)| refused(subject, detail));
        assert_eq!(verdict.outcomes, [outcome], "{offers:?}");
        assert_eq!(verdict.is_beyond_the_way, expected.is_some(), "another way may carry it");
        assert_eq!(peer.heard(|heard| heard.messages.len()), usize::from(expected.is_none()), "{offers:?}");
        assert_eq!(peer.commands("MAIL") > 0, expected.is_none());
        assert_eq!(verdict.explanation.is_some(), expected.is_some());
    }
}

#[tokio::test]
async fn eight_bits_are_converted_where_the_server_takes_seven_and_the_size_is_that_of_what_is_sent() {
    let peer = Peer::start(Script::new(&["SIZE 100000"])).await;
    let fields = "Subject: Gr\u{fc}n\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
    let raw = message(fields, ".dots and gr\u{fc}n\r\n");
    let verdict = Bench::plain(&peer).send_as(&raw, envelope(&["a@x.test"])).await;
    assert_eq!(verdict.outcomes, [RecipientOutcome::Accepted]);
    assert_eq!(
        arrived(&peer),
        "From: ERP <erp@contoso.test>\r\nSubject: =?utf-8?q?Gr=C3=BCn?=\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         .dots and gr=C3=BCn\r\n"
    );
    let size = peer.heard(|heard| heard.messages[0].len());
    assert_eq!(peer.commands(&format!("MAIL FROM:<erp@contoso.test> SIZE={size}")), 1, "without BODY=8BITMIME");
}

#[tokio::test]
async fn a_large_message_is_converted_as_it_streams() {
    let peer = Peer::start(Script::new(&[])).await;
    let line = "zehn Zentner gr\u{fc}ne Gurken\r\n";
    let raw = message("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n", &line.repeat(20_000));
    let verdict = Bench::plain(&peer).send_as(&raw, envelope(&["a@x.test"])).await;
    assert_eq!(verdict.outcomes, [RecipientOutcome::Accepted]);
    let (_, body) =
        arrived(&peer).split_once("\r\n\r\n").map(|(head, body)| (head.to_owned(), body.to_owned())).unwrap();
    assert_eq!(body, line.replace('\u{fc}', "=C3=BC").repeat(20_000));
}

#[tokio::test]
async fn a_converted_message_that_outgrows_the_server_is_refused() {
    let raw = message("", &"\u{fc}".repeat(300));
    let peer = Peer::start(Script::new(&["SIZE 800"])).await;
    let verdict = Bench::plain(&peer).send_as(&raw, envelope(&["a@x.test"])).await;
    assert_eq!(verdict.outcomes, [refused(3, 4)]);
}

#[tokio::test]
async fn who_cannot_be_told_is_refused_alone_and_the_others_are_mailed() {
    let peer = Peer::start(Script::new(&["8BITMIME"]).on("RCPT TO:<c@", "550 5.1.1 unknown")).await;
    let bench = Bench::plain(&peer);
    let verdict = bench.send(&["a@x.test", "\u{fc}@x.test", "b@x.test"]).await;
    assert_eq!(verdict.outcomes, [RecipientOutcome::Accepted, refused(6, 7), RecipientOutcome::Accepted]);
    assert_eq!((verdict.lane, verdict.is_beyond_the_way), (LaneVerdict::Go, true));
    assert!(verdict.explanation.unwrap().why.contains("SMTPUTF8"));
    let verdict = bench.send(&["\u{fc}@x.test", "c@x.test", "a@x.test"]).await;
    assert_eq!(verdict.outcomes, [refused(6, 7), refused(1, 1), RecipientOutcome::Accepted]);
    assert!(!verdict.is_beyond_the_way, "c is unknown on any way");
    assert_eq!(peer.commands("RCPT TO:<\u{fc}"), 0);
}

#[tokio::test]
async fn a_header_meant_for_smtputf8_is_put_in_ascii_where_its_addresses_allow() {
    for (offers, expected) in [
        (&["8BITMIME", "SMTPUTF8"][..], "To: J\u{fc}rgen <j@x.test>\r\n"),
        (&["8BITMIME"], "To: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\r\n"),
    ] {
        let peer = Peer::start(Script::new(offers)).await;
        let raw = message("To: J\u{fc}rgen <j@x.test>\r\n", "x\r\n");
        let verdict = Bench::plain(&peer).send_as(&raw, Envelope { smtputf8: true, ..envelope(&["j@x.test"]) }).await;
        assert_eq!(verdict.outcomes, [RecipientOutcome::Accepted]);
        assert!(arrived(&peer).contains(expected), "{}", arrived(&peer));
        let said = peer.heard(|heard| heard.lines.iter().any(|line| line.contains(" SMTPUTF8")));
        assert_eq!(said, offers.contains(&"SMTPUTF8"));
    }
}

#[tokio::test]
async fn what_was_asked_of_reports_is_passed_on_where_the_server_offers_to_take_it() {
    for (offers, asked) in [(&ALL[..], true), (&[], false)] {
        let peer = Peer::start(Script::new(offers)).await;
        let mut envelope = envelope(&["a@x.test"]);
        envelope.envelope_id = Some("job 7".to_owned());
        envelope.recipients[0].notify = Some(mail::DsnNotify { success: true, failure: true, delay: false });
        let verdict = Bench::plain(&peer).send_as(MESSAGE, envelope).await;
        assert_eq!(verdict.outcomes, [RecipientOutcome::Accepted]);
        assert_eq!(peer.commands("RCPT TO:<a@x.test> NOTIFY=SUCCESS,FAILURE") == 1, asked);
        let mail = peer.heard(|heard| heard.lines.iter().find(|line| line.starts_with("MAIL")).unwrap().clone());
        assert_eq!(mail.contains(" ENVID=job+207"), asked, "{mail}");
    }
}

#[tokio::test]
async fn what_the_content_is_decides_what_is_said_of_it() {
    let peer = Peer::start(Script::new(&ALL)).await;
    let bench = Bench::plain(&peer);
    let eight_bit = [MESSAGE, "grün\r\n".as_bytes()].concat();
    bench.send_as(&eight_bit, envelope(&["a@x.test"])).await; // the client said nothing
    bench.send_as(MESSAGE, Envelope { body: BodyType::EightBitMime, ..envelope(&["a@x.test"]) }).await;
    let said: Vec<bool> = peer.heard(|heard| {
        heard.lines.iter().filter(|line| line.starts_with("MAIL")).map(|line| line.contains("BODY=8BITMIME")).collect()
    });
    assert_eq!(said, [true, false]);
}

#[tokio::test]
async fn a_server_of_before_ehlo_is_spoken_to_in_its_tongue() {
    let peer = Peer::start(Script::new(&[]).on("EHLO", "502 5.5.1 what").on("HELO", "250 hello")).await;
    assert_eq!(Bench::plain(&peer).send(&["a@x.test"]).await.lane, LaneVerdict::Go);
}

#[tokio::test]
async fn a_test_of_a_connection_says_what_the_server_offers_and_sends_nothing() {
    let peer = Peer::start(Script::new(&["SIZE 1000", "8BITMIME", "PIPELINING"])).await;
    let facts = Bench::plain(&peer).transport.probe(None, None).await.unwrap();
    assert_eq!((facts.max_message_bytes, facts.tls, facts.authenticated), (Some(1000), false, false));
    assert_eq!((facts.lacks, facts.accepted), (vec!["SMTPUTF8", "DSN"], None));
    assert_eq!((peer.commands("QUIT"), peer.commands("MAIL"), peer.commands("EHLO gateway.test")), (1, 0, 1));
}

#[tokio::test]
async fn a_test_with_a_message_hands_it_in_and_says_what_the_server_said() {
    let letter = TestLetter {
        from: "noreply@contoso.test".parse().unwrap(),
        to: "a@x.test".parse().unwrap(),
        content: bytes::Bytes::from_static(b"Subject: test\r\n\r\n.\r\n"),
    };
    let peer = Peer::start(Script::new(&ALL)).await;
    let facts = Bench::plain(&peer).transport.probe(None, Some(&letter)).await.unwrap();
    assert_eq!(facts.accepted.as_deref(), Some("250 2.0.0 queued as 7"));
    peer.heard(|heard| assert_eq!(heard.messages, [b"Subject: test\r\n\r\n.\r\n"]));
    for (step, words) in [("RCPT", "550 5.1.1 unknown"), ("DATA", "554 5.7.1 no"), (".", "554 5.6.0 no")] {
        let peer = Peer::start(Script::new(&ALL).on(step, words)).await;
        let explanation = Bench::plain(&peer).transport.probe(None, Some(&letter)).await.unwrap_err();
        assert!(explanation.what.contains(words), "{explanation:?}");
    }
}
