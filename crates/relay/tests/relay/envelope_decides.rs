//! The envelope decides who gets the mail: for random headers and envelopes, what the tenant mailed is the envelope, nobody
//! sees a Bcc, and nothing else of the message changed.
//!
//! The sandbox reads the message with a parser of its own, so it judges the header editing independently.

use std::collections::BTreeSet;

use crate::rig::tenant::{Gateway, MAILBOX};
use mail::header::{self, Line};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use proptest::test_runner::{Config, TestRunner};
use store::MessageState;

/// Whom headers and envelopes may name.
const PEOPLE: [&str; 8] = [
    "anna@contoso.test",
    "ben@contoso.test",
    "o'hara@x.test",
    "first.last+tag@sub.x.test",
    "UPPER@X.TEST",
    "\"quoted local\"@x.test",
    "a@b.test",
    "zoe@example.test",
];

const RECIPIENT_FIELDS: [&str; 10] =
    ["To", "Cc", "Bcc", "to", "CC", "bCC", "Resent-To", "Resent-Cc", "Resent-Bcc", "TO"];

/// A mailbox as real clients write it.
fn mailbox() -> impl Strategy<Value = String> {
    (any::<Index>(), 0..9_u8).prop_map(|(person, form)| {
        let address = person.get(&PEOPLE);
        match form {
            0 => format!("<{address}>"),
            1 => format!("Plain Name <{address}>"),
            2 => format!("\"Last, First\" <{address}>"),
            3 => format!("\"someone@else.test\" <{address}>"), // a display name that looks like an address
            4 => format!("=?utf-8?Q?J=C3=BCrgen_=40x?= <{address}>"),
            5 => format!("{address} (a comment, with a comma)"),
            6 => format!("\"semi;colon: \\\"q\\\"\"\r\n <{address}>"),
            7 => format!("Ünïcode <{address}>"),
            _ => (*address).to_string(),
        }
    })
}

fn address_list() -> impl Strategy<Value = String> {
    (prop::collection::vec(mailbox(), 0..5), 0..6_u8).prop_map(|(mailboxes, form)| match form {
        0 => format!("A Group: {};", mailboxes.join(", ")),
        1 => "undisclosed-recipients:;".to_owned(),
        2 => mailboxes.join(",\r\n\t"),
        3 => mailboxes.join(" , , "),
        _ => mailboxes.join(", "),
    })
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (any::<Index>(), address_list()).prop_map(|(name, list)| format!("{}: {list}", name.get(&RECIPIENT_FIELDS))),
        1 => address_list().prop_map(|list| format!("To : {list}")), // obsolete, and read by some
        1 => Just("Subject: a subject with To: anna@contoso.test in it".to_owned()),
        1 => Just("X-To: nobody@x.test".to_owned()),
        1 => Just("References: <1@x.test>\r\n <2@x.test>".to_owned()),
        1 => Just("a line without a colon".to_owned()),
        1 => Just("X-Eight-Bit: caf\u{e9}".to_owned()),
    ]
}

/// Parts that hold what must not be touched: header-like lines, an attached message with its own recipients.
fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("plain\r\n".to_owned()),
        Just(
            "--b\r\nContent-Type: text/plain\r\nBcc: hidden@x.test\r\n\r\nTo: fake@x.test\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nTo: inner@x.test\r\nBcc: inner2@x.test\r\n\r\ninner\r\n--b--\r\n"
                .to_owned()
        ),
        "[ -~]{0,200}".prop_map(|text| format!("{text}\r\n")),
    ]
}

pub(crate) fn case() -> impl Strategy<Value = (Vec<String>, String, Vec<&'static str>)> {
    (prop::collection::vec(field(), 0..8), body(), subsequence(PEOPLE.to_vec(), 1..=4))
}

#[test]
fn the_addresses_mailed_are_the_envelope_and_nothing_else_changed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = runtime.block_on(Gateway::new());
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let result = runner.run(&case(), |(fields, body, envelope)| {
        let raw = format!(
            "From: noreply@contoso.test\r\nContent-Type: multipart/mixed; boundary=b\r\n{}\r\n{body}",
            fields.iter().flat_map(|field| [field, "\r\n"]).collect::<String>()
        );
        let sent = runtime.block_on(async {
            let id = gateway.enqueue(raw.as_bytes(), &envelope, MAILBOX).await;
            gateway.until_state(id, MessageState::Sent).await;
            gateway.submitted(id)
        });
        prop_assert_eq!(sent.len(), 1);
        prop_assert_eq!(folded(sent[0].delivery.recipients.iter()), folded(envelope.iter()), "{}", &raw);
        let delivered = gateway.sandbox.delivered_copy(&sent[0]);
        prop_assert!(!names_of(&delivered).iter().any(|name| name.contains("bcc")), "a Bcc is visible");
        let (_, given_body) = header::split(raw.as_bytes());
        let (_, sent_body) = header::split(&sent[0].raw);
        prop_assert_eq!(sent_body, given_body, "the body changed");
        prop_assert_eq!(other_lines(&sent[0].raw), other_lines(raw.as_bytes()), "another field changed");
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn folded<T: ToString>(addresses: impl Iterator<Item = T>) -> BTreeSet<String> {
    addresses.map(|address| address.to_string().to_lowercase()).collect()
}

fn names_of(raw: &[u8]) -> Vec<String> {
    header::fields(raw).map(|field| String::from_utf8_lossy(field.name).to_lowercase()).collect()
}

/// Every header line that is neither a recipient field nor one the test's intake added.
fn other_lines(raw: &[u8]) -> Vec<Vec<u8>> {
    let (block, _) = header::split(raw);
    let ours = ["received", "message-id"];
    header::lines(block)
        .filter(|line| match line {
            Line::Field(field) => {
                let name = String::from_utf8_lossy(field.name).to_lowercase();
                !RECIPIENT_FIELDS.iter().any(|known| known.to_lowercase() == name) && !ours.contains(&name.as_str())
            }
            Line::Other(_) => true,
        })
        .map(|line| block[line.span()].to_vec())
        .collect()
}
