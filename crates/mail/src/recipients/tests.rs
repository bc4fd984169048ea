use std::collections::BTreeSet;

use mail_parser::MessageParser;
use proptest::prelude::*;

use super::*;

fn aligned(header: &str, recipients: &str) -> String {
    let recipients: Vec<Address> = recipients.split_whitespace().map(|text| text.parse().unwrap()).collect();
    let recipients: Vec<&Address> = recipients.iter().collect();
    String::from_utf8(align_recipients(header.as_bytes(), &recipients).into_owned()).unwrap()
}

#[test]
fn headers_that_name_exactly_the_recipients_are_not_copied() {
    for (header, recipients) in [
        ("To: a@x.test\r\n\r\n", "a@x.test"),
        ("TO: Anna <A@X.test>,\r\n\tb@x.test\r\nSubject: s\r\ncc: c@x.test (C)\r\n\r\n", "c@x.test a@x.test b@x.test"),
        ("To: F: a@x.test;\r\nCc:\r\nReply-To: other@x.test\r\nX-To: other@x.test\r\n\r\n", "a@x.test"),
        ("Resent-To: a@x.test\r\nTo: a@x.test\r\n\r\n", "a@x.test"),
        ("To: a@x.test", "a@x.test"), // neither line end nor blank line
    ] {
        let recipients: Vec<Address> = recipients.split_whitespace().map(|text| text.parse().unwrap()).collect();
        let recipients: Vec<&Address> = recipients.iter().collect();
        assert!(matches!(align_recipients(header.as_bytes(), &recipients), Cow::Borrowed(_)), "{header:?}");
    }
}

#[test]
fn foreign_mailboxes_go_and_the_others_keep_their_bytes() {
    for (header, recipients, expected) in [
        ("To: a@x.test, e@x.test\r\n", "a@x.test", "To: a@x.test\r\n"),
        ("To: e@x.test\r\nCc: a@x.test\r\n", "a@x.test", "Cc: a@x.test\r\n"), // an empty field goes
        ("to: \"e@x.test, F\" <a@x.test>, e@x.test\r\n", "a@x.test", "to: \"e@x.test, F\" <a@x.test>\r\n"),
        ("To: F: a@x.test, e@x.test;, G: e@x.test;\r\n", "a@x.test", "To: F: a@x.test;\r\n"),
        (
            "To: F: a@x.test, b@x.test;, c@x.test, e@x.test\r\n",
            "a@x.test b@x.test c@x.test",
            "To: F: a@x.test, b@x.test;, c@x.test\r\n",
        ),
        ("To: a@x.test, (e@x.test)\r\n", "a@x.test", "To: a@x.test\r\n"), // a comment between commas
        ("To: a@x.test; A@x.test\r\n", "a@x.test", "To: a@x.test\r\n"),   // once
        // After a fold the line is short again.
        (
            "To: \"A display name that takes all the room that there is on its line\"\r\n <a@x.test>, e@x.test, b@x.test\r\n",
            "a@x.test b@x.test",
            "To: \"A display name that takes all the room that there is on its line\"\r\n <a@x.test>, b@x.test\r\n",
        ),
        ("To: undisclosed-recipients:;\r\n", "", "To: undisclosed-recipients:;\r\n"),
        ("To: a@x.test; e@x.test\r\n", "a@x.test", "To: a@x.test\r\n"), // not understood: salvaged
        ("To: e@x.test <a@x.test>\r\n", "a@x.test", "To: \"e@x.test\" <a@x.test>\r\n"), // the name is quoted
        ("To: a@x.test (e@x.test)\r\n", "a@x.test", "To: a@x.test\r\n"), // the comment could be mailed
        ("To: <@e.test:a@x.test>\r\n", "a@x.test", "To: a@x.test\r\n"), // the route could be mailed
        ("To: \"e@x.test\r\nSubject: s\r\n", "", "Subject: s\r\n"),     // a quote that never closes
        ("Resent-To: e@x.test\r\nResent-Bcc: a@x.test\r\nTo: a@x.test\r\n", "a@x.test", "To: a@x.test\r\n"),
    ] {
        assert_eq!(aligned(&format!("{header}\r\n"), recipients), format!("{expected}\r\n"), "{header:?}");
    }
}

#[test]
fn recipients_that_not_every_reader_would_find_are_put_into_our_bcc() {
    for (header, recipients, expected) in [
        ("Subject: s\r\n", "a@x.test b@x.test", "Bcc: a@x.test, b@x.test\r\nSubject: s\r\n"),
        ("Subject: s\r\n", "a@x.test A@x.test", "Bcc: a@x.test\r\nSubject: s\r\n"), // once
        ("BCC: a@x.test, e@x.test\r\nTo: b@x.test\r\n", "a@x.test b@x.test", "Bcc: a@x.test\r\nTo: b@x.test\r\n"),
        ("Bcc : e@x.test\r\n", "a@x.test", "Bcc: a@x.test\r\n"),
        // A repeated field: some readers take the first, some the last.
        (
            "To: a@x.test\r\nTo: b@x.test\r\n",
            "a@x.test b@x.test",
            "Bcc: a@x.test, b@x.test\r\nTo: a@x.test\r\nTo: b@x.test\r\n",
        ),
        // A blank before the colon: no field for some readers.
        ("To : a@x.test\r\n", "a@x.test", "Bcc: a@x.test\r\nTo : a@x.test\r\n"),
        ("To : a@x.test, e@x.test\r\n", "a@x.test", "To: a@x.test\r\n"),
        // A line without a colon ends the header for some readers.
        ("junk\r\nTo: a@x.test\r\n", "a@x.test", "Bcc: a@x.test\r\njunk\r\nTo: a@x.test\r\n"),
        ("Subject: s\r\n \r\nTo: a@x.test\r\n", "a@x.test", "Bcc: a@x.test\r\nSubject: s\r\n \r\nTo: a@x.test\r\n"),
        // Resent-To is not mailed by every reader.
        ("Resent-To: a@x.test\r\n", "a@x.test", "Bcc: a@x.test\r\nResent-To: a@x.test\r\n"),
        // A-label and U-label are not compared: still exact.
        ("To: a@xn--exmple-cua.test\r\n", "a@exämple.test", "Bcc: <a@exämple.test>\r\n"),
        ("", "\"a,b\"@x.test", "Bcc: <\"a,b\"@x.test>\r\n"),
    ] {
        assert_eq!(aligned(&format!("{header}\r\n"), recipients), format!("{expected}\r\n"), "{header:?}");
    }
}

#[test]
fn disguised_recipient_fields_go() {
    for (header, expected) in [
        ("\0To: e@x.test\r\n", ""),
        ("T o: e@x.test\r\n , f@x.test\r\n", ""), // with its continuation, which would fall to the line before
        ("To: a@x.test\r\nT\u{7f}o: e@x.test\r\n , f@x.test\r\n", "To: a@x.test\r\n"),
        ("junk\r\n Bcc: e@x.test\r\n", "junk\r\n"), // a reader that skips the first line and trims the second
        ("Subject: s\rBcc: e@x.test\r\nA: 1\r\n", "A: 1\r\n"), // a bare CR is a line end for some
        ("To:\re@x.test\r\n", ""),                  // and is nothing for others
    ] {
        assert_eq!(
            aligned(&format!("{header}\r\n"), "a@x.test").replace("Bcc: a@x.test\r\n", ""),
            format!("{expected}\r\n")
        );
    }
}

#[test]
fn stray_lines_at_the_top_cannot_add_to_our_bcc() {
    assert_eq!(aligned(" , e@x.test\r\n\t, f@x.test\r\nA: 1\r\n\r\n", "a@x.test"), "Bcc: a@x.test\r\nA: 1\r\n\r\n");
}

#[test]
fn only_the_top_level_header_is_looked_at() {
    let body = "To: e@x.test\r\nBcc: e@x.test\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nBcc: e@x.test\r\n";
    let message = format!("To: a@x.test, e@x.test\r\n\r\n{body}");
    assert_eq!(aligned(&message, "a@x.test"), format!("To: a@x.test\r\n\r\n{body}"));
}

#[test]
fn long_fields_are_folded() {
    let recipients: Vec<Address> = (0..500).map(|n| format!("recipient-{n}@contoso.test").parse().unwrap()).collect();
    let recipients: Vec<&Address> = recipients.iter().collect();
    let out = align_recipients(b"\r\n", &recipients).into_owned();
    assert!(out.split(|byte| *byte == b'\n').all(|line| line.len() <= 79), "no line over 78 characters");
    assert_eq!(mailed(&out).len(), 500);
}

#[test]
fn a_hundred_kilobytes_of_addresses_are_cut_to_the_one_recipient() {
    let list: Vec<String> = (0..4000).map(|n| format!("\"Nobody, {n}\" <n{n}@x.test>")).collect();
    let header = format!("To: {}\r\n\r\n", list.join(",\r\n "));
    assert!(header.len() > 100_000);
    assert_eq!(aligned(&header, "n3999@x.test"), "To: \"Nobody, 3999\" <n3999@x.test>\r\n\r\n");
}

#[test]
fn without_bcc_the_rest_is_as_it_was() {
    for (header, expected) in [
        ("To: a@x.test; junk\r\nBcc: b@x.test,\r\n c@x.test\r\nS: 1\r\n", "To: a@x.test; junk\r\nS: 1\r\n"),
        ("bCC : b@x.test\r\nResent-Bcc: c@x.test\r\nResent-To: d@x.test\r\n", "Resent-To: d@x.test\r\n"),
        ("To: a@x.test\r\n\0Bcc: b@x.test\r\n , c@x.test\r\n", "To: a@x.test\r\n"),
    ] {
        let header = format!("{header}\r\n");
        assert_eq!(remove_bcc(header.as_bytes()), format!("{expected}\r\n").as_bytes(), "{header:?}");
    }
    assert!(matches!(remove_bcc(b"To: a@x.test\r\n\r\nBcc: body\r\n"), Cow::Borrowed(_)));
}

/// What an independent reader finds in To, Cc and Bcc, all instances of each.
fn mailed(message: &[u8]) -> BTreeSet<String> {
    let Some(message) = MessageParser::default().parse(message) else { return BTreeSet::new() };
    let wanted = |name: &str| ["to", "cc", "bcc"].iter().any(|field| name.eq_ignore_ascii_case(field));
    message
        .headers()
        .iter()
        .filter(|header| wanted(header.name()))
        .filter_map(|header| header.value().as_address())
        .flat_map(|addresses| addresses.iter().filter_map(|address| address.address().map(str::to_lowercase)))
        .collect()
}

/// What our own strict reader finds: only regular fields up to the first strange line, and of several the first.
fn mailed_strictly(message: &[u8]) -> BTreeSet<String> {
    let (header, _) = header::split(message);
    let fields = header::lines(header).map_while(|line| match line {
        Line::Field(field) if field.is_regular => Some(field),
        _ => None,
    });
    let mut seen = Vec::new();
    let mut found = BTreeSet::new();
    for field in fields {
        let name = field.name.to_ascii_lowercase();
        if [&b"to"[..], b"cc", b"bcc"].contains(&name.as_slice()) && !seen.contains(&name) {
            seen.push(name);
            let list = parse_address_list(field.value).unwrap();
            found.extend(list.mailboxes().map(|mailbox| mailbox.address.as_str().to_lowercase()));
        }
    }
    found
}

/// Everything of the header but recipient fields and what looks like them.
fn other_lines(message: &[u8]) -> Vec<Vec<u8>> {
    let (header, body) = header::split(message);
    let mut lines: Vec<Vec<u8>> = header::fields(header)
        .filter(|field| !RECIPIENT_FIELDS.iter().any(|name| field.is(name)))
        .map(|field| header[field.span].to_vec())
        .collect();
    lines.push(body.to_vec());
    lines
}

fn mailbox_text() -> impl Strategy<Value = String> {
    let address =
        prop::sample::select(vec!["a@x.test", "B@x.test", "c@x.test", "d.e+f@y.test", "eve@z.test", "mallory@z.test"]);
    (address, 0_usize..12).prop_map(|(address, form)| match form {
        0..=2 => address.to_owned(),
        3 => format!("Name <{address}>"),
        4 => format!("\"Quoted, eve@z.test; <b@x.test>\" <{address}>"),
        5 => format!("=?utf-8?Q?J=C3=BCrgen?=\r\n <{address}>"),
        6 => format!("{address} (comment)"),
        7 => format!("{address} <{address}>"),
        8 => format!("<@route.test:{address}>"),
        9 => format!("{address} (mallory@z.test)"),
        10 => format!("\"unclosed <{address}>"),
        _ => format!("Grp: {address}, c@x.test;"),
    })
}

#[test]
fn a_bare_cr_within_the_name_is_noise_to_some_readers() {
    let only: Address = "a@x.test".parse().unwrap();
    assert_eq!(&*align_recipients(b":To\r:eve@z.test,\r\n\r\n", &[&only]), b"Bcc: a@x.test\r\n\r\n");
}

fn header_line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "To",
        "TO",
        "Cc",
        "cc",
        "Bcc",
        "BCC",
        "To ",
        "Bcc ",
        "Resent-To",
        "Resent-Bcc",
        "\0To",
        "T o",
        " Cc",
        "Too",
        "X-Bcc",
    ]);
    let separator = prop::sample::select(vec![", ", ",\r\n ", ";", ",,", " ,\r\n\t"]);
    let addresses = (name, proptest::collection::vec(mailbox_text(), 0..5), separator)
        .prop_map(|(name, list, separator)| format!("{name}: {}\r\n", list.join(separator)));
    prop_oneof![
        8 => addresses,
        1 => Just("Subject: To: eve@z.test\r\n Bcc: eve@z.test\r\n".to_owned()),
        1 => Just("no colon at all\r\n".to_owned()),
        1 => Just(" , eve@z.test\r\n".to_owned()),
        1 => Just(" To: eve@z.test\r\n".to_owned()),
        1 => Just("X-Blank: 1\r\n \r\n".to_owned()),
        1 => Just("Message-ID: <eve@z.test>\r\n".to_owned()),
        1 => Just("From eve@z.test Mon Jan  1 00:00:00 2024\r\n".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_envelope_decides_who_gets_the_mail(
        lines in proptest::collection::vec(header_line(), 0..8),
        envelope in proptest::sample::subsequence(vec!["a@x.test", "b@x.test", "c@x.test", "d.e+f@y.test", "bcc@y.test", "g'h@x.test"], 0..6),
        has_blank_line in any::<bool>(),
    ) {
        let body = if has_blank_line { "\r\nTo: eve@z.test\r\n\r\nBcc: eve@z.test\r\n" } else { "" };
        let message = format!("{}{body}", lines.concat());
        let recipients: Vec<Address> = envelope.iter().map(|text| text.parse().unwrap()).collect();
        let references: Vec<&Address> = recipients.iter().collect();
        let (header, body) = header::split(message.as_bytes());
        let out = [&*align_recipients(header, &references), body].concat();
        let expected: BTreeSet<String> = envelope.iter().map(|text| (*text).to_owned()).collect();
        let shown = String::from_utf8_lossy(&out).into_owned();
        prop_assert_eq!(mailed(&out), expected.clone(), "lenient reader of {}", shown);
        prop_assert_eq!(mailed_strictly(&out), expected, "strict reader of {}", shown);
        prop_assert_eq!(other_lines(&out), other_lines(message.as_bytes()), "nothing else changed in {}", shown);
        let (header, _) = header::split(&out);
        prop_assert_eq!(&*align_recipients(header, &references), header, "aligned twice");
        let bccs: Vec<_> = header::fields(header).filter(|field| field.is("bcc")).collect();
        prop_assert!(bccs.is_empty() || (bccs.len() == 1 && bccs[0].span.start == 0), "one Bcc, ours: {}", shown);
    }

    #[test]
    fn no_bytes_panic_and_a_foreign_address_never_stays(header in proptest::collection::vec(prop::sample::select(vec![
        &b"To"[..], b"Cc", b"Bcc", b":", b" ", b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"a@x.test", b"eve@z.test", b",", b"\"",
        b"<", b">", b"(", b")", b";", b"\\", b"=?", b"\t"]), 0..40)) {
        let message = header.concat();
        let only: Address = "a@x.test".parse().unwrap();
        let (header, body) = header::split(&message);
        let out = [&*align_recipients(header, &[&only]), body].concat();
        let found = mailed(&out);
        prop_assert!(!found.contains("eve@z.test"), "{:?}", String::from_utf8_lossy(&out));
        let (header, _) = header::split(&out);
        prop_assert_eq!(&*align_recipients(header, &[&only]), header, "aligned twice");
    }
}
