use proptest::prelude::*;

use super::*;
use crate::mime::Scanner;

fn structure(message: &str) -> Structure {
    let mut scanner = Scanner::default();
    scanner.push(message.replace('\n', "\r\n").as_bytes()).unwrap();
    scanner.finish().unwrap()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn plan_of(message: &str) -> Result<JsonMessage, Unsupported> {
    plan(&structure(message), &[&address("a@x.test")])
}

/// Body part, and what is said about each file: part, name, type, inline, id.
type Shape = (Option<(usize, bool)>, Vec<(usize, String, String, bool, Option<String>)>);

fn shape(message: &str) -> Shape {
    let plan = plan_of(message).unwrap();
    let files = plan.files.into_iter().map(|f| (f.part, f.name, f.media_type, f.is_inline, f.content_id));
    (plan.body.map(|body| (body.part, body.is_html)), files.collect())
}

fn file(part: usize, name: &str, kind: &str) -> (usize, String, String, bool, Option<String>) {
    (part, name.to_owned(), kind.to_owned(), false, None)
}

fn shown(part: usize, name: &str, kind: &str, id: &str) -> (usize, String, String, bool, Option<String>) {
    (part, name.to_owned(), kind.to_owned(), true, Some(id.to_owned()))
}

/// A multipart of these parts, each with its header.
fn multipart(kind: &str, boundary: &str, parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| format!("--{boundary}\n{part}\n")).collect();
    let parts = parts.concat();
    format!("Content-Type: multipart/{kind}; boundary={boundary}\n\n{parts}--{boundary}--\n")
}

const PLAIN: &str = "Content-Type: text/plain\n\nplain";
const HTML: &str = "Content-Type: text/html\n\n<p>";
const IMAGE: &str = "Content-Type: image/png\nContent-ID: <logo>\nContent-Disposition: inline; filename=l.png\n\nx";
const PDF: &str = "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment\n\nx";
const CALENDAR: &str = "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR";

#[test]
fn html_wins_over_plain_text_wherever_it_stands() {
    assert_eq!(shape(PLAIN), (Some((0, false)), vec![]));
    assert_eq!(shape(HTML), (Some((0, true)), vec![]));
    assert_eq!(shape(&multipart("alternative", "b", &[PLAIN, HTML])), (Some((2, true)), vec![]));
    assert_eq!(shape(&multipart("alternative", "b", &[HTML, PLAIN])), (Some((1, true)), vec![]));
    let related = multipart("related", "r", &[HTML, IMAGE]);
    let expected = (Some((3, true)), vec![shown(4, "l.png", "image/png", "logo")]);
    assert_eq!(shape(&multipart("alternative", "b", &[PLAIN, &related])), expected);
    let inner = multipart("alternative", "b", &[PLAIN, HTML]);
    assert_eq!(
        shape(&multipart("mixed", "m", &[&inner, PDF])),
        (Some((3, true)), vec![file(4, "a.pdf", "application/pdf")])
    );
}

#[test]
fn images_of_the_text_are_inline_with_their_ids() {
    let start = "Content-Type: multipart/related; boundary=r; start=\"<main>\"\n\n--r\n".to_owned()
        + IMAGE
        + "\n--r\nContent-ID: <main>\n"
        + HTML
        + "\n--r--\n";
    assert_eq!(shape(&start), (Some((2, true)), vec![shown(1, "l.png", "image/png", "logo")]));
    let mixed = multipart("mixed", "m", &[HTML, IMAGE]);
    assert_eq!(shape(&mixed).1, vec![shown(2, "l.png", "image/png", "logo")]);
    // Without an id nothing can point at it.
    let nameless = multipart("related", "r", &[HTML, "Content-Type: image/gif\n\nx"]);
    assert_eq!(shape(&nameless).1, vec![file(2, "image.gif", "image/gif")]);
}

#[test]
fn whatever_is_no_text_arrives_as_a_file_with_a_name() {
    let letter = "Content-Type: message/rfc822\n\nSubject: inner\n\nhi";
    let tnef = "Content-Type: application/ms-tnef\n\nx";
    let named = "Content-Type: text/plain; name=notes.txt\n\nnotes";
    let key = "Content-Type: application/pgp-keys\n\nx";
    let message = multipart("mixed", "m", &[PLAIN, letter, letter, tnef, named, PLAIN, CALENDAR, key]);
    let expected = vec![
        file(2, "message.eml", "message/rfc822"),
        file(3, "message-2.eml", "message/rfc822"),
        file(4, "winmail.dat", "application/ms-tnef"),
        file(5, "notes.txt", "text/plain"),
        file(6, "text.txt", "text/plain"),
        file(7, "invite.ics", "text/calendar"),
        file(8, "attachment.bin", "application/pgp-keys"),
    ];
    assert_eq!(shape(&message), (Some((1, false)), expected));
    assert_eq!(shape("Content-Type: application/pdf\n\nx"), (None, vec![file(0, "attachment.pdf", "application/pdf")]));
}

#[test]
fn an_invitation_among_the_alternatives_is_kept_as_a_file() {
    let message = multipart("alternative", "b", &[PLAIN, HTML, CALENDAR]);
    assert_eq!(shape(&message), (Some((2, true)), vec![file(3, "invite.ics", "text/calendar")]));
    assert_eq!(
        shape(&multipart("alternative", "b", &[CALENDAR])),
        (None, vec![file(1, "invite.ics", "text/calendar")])
    );
}

#[test]
fn a_file_inside_the_alternative_that_was_not_chosen_is_not_lost() {
    let plain = multipart("mixed", "m", &[PLAIN, PDF]);
    let message = multipart("alternative", "b", &[&plain, HTML]);
    assert_eq!(shape(&message), (Some((4, true)), vec![file(3, "a.pdf", "application/pdf")]));
}

#[test]
fn what_json_cannot_carry_is_refused_by_name() {
    let signed = multipart("signed", "s", &[PLAIN, PDF]);
    let refused = |message: &str| plan_of(message).unwrap_err();
    assert_eq!(refused(&signed), Unsupported::Signed("multipart/signed".into()));
    assert_eq!(refused(&multipart("mixed", "m", &[&signed, PDF])), Unsupported::Signed("multipart/signed".into()));
    assert_eq!(refused(&multipart("encrypted", "e", &[PDF])), Unsupported::Encrypted("multipart/encrypted".into()));
    let smime = "Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx";
    assert_eq!(refused(smime), Unsupported::Encrypted("application/pkcs7-mime".into()));
    for kind in ["report", "digest", "form-data", "x-strange"] {
        assert_eq!(refused(&multipart(kind, "m", &[PLAIN])), Unsupported::MediaType(format!("multipart/{kind}")));
    }
    assert_eq!(refused("Content-Type: multipart/report\n\nx"), Unsupported::MediaType("multipart/report".into()));
    assert_eq!(refused("Content-Type: message/partial\n\nx"), Unsupported::MediaType("message/partial".into()));
    let encoded = "Content-Type: application/pdf\nContent-Transfer-Encoding: x-uuencode\n\nx";
    assert_eq!(refused(encoded), Unsupported::Encoding);
    let mut long = structure(PLAIN);
    long.parts[0].decoded_bytes = MAX_BODY_BYTES + 1;
    assert_eq!(plan(&long, &[]).unwrap_err(), Unsupported::BodyTooLarge);
}

#[test]
fn the_fields_json_has_properties_for_are_carried() {
    let header = "From: =?utf-8?q?J=C3=B6rg?= <j@x.test>\nTo: Anna <a@x.test>, gone@x.test\nCc: B <b@x.test>\n\
        Subject: =?utf-8?b?R3LDvMOfZQ==?=\nReply-To: r@x.test, S <s@x.test>\nMessage-ID: <1@x.test>\nIn-Reply-To: <0@x.test>\n\
        References: <m@x.test>\n <0@x.test>\nImportance: High\nDisposition-Notification-To: j@x.test\n\
        Return-Receipt-To: j@x.test\nSensitivity: Private\nList-Unsubscribe: <mailto:u@x.test>\nX-One: 1\nX-MS-Has-Attach: yes\n\
        X-Priority: 1\nX-Two: 2\nX-Three: 3\nX-Four: 4\nX-Five: 5\nX-Six: 6\n\nhi";
    let (a, b, c) = (address("a@x.test"), address("b@x.test"), address("c@x.test"));
    let plan = plan(&structure(header), &[&a, &b, &c]).unwrap();
    let draft = plan.draft("gr\u{fc}n".as_bytes(), &[("String {1} Name M", "v")]).unwrap();
    let expected = json!({
        "subject": "Grüße",
        "from": {"emailAddress": {"name": "Jörg", "address": "j@x.test"}},
        "toRecipients": [{"emailAddress": {"name": "Anna", "address": "a@x.test"}}],
        "ccRecipients": [{"emailAddress": {"name": "B", "address": "b@x.test"}}],
        "bccRecipients": [{"emailAddress": {"address": "c@x.test"}}],
        "replyTo": [{"emailAddress": {"address": "r@x.test"}}, {"emailAddress": {"name": "S", "address": "s@x.test"}}],
        "internetMessageId": "<1@x.test>",
        "importance": "high",
        "isReadReceiptRequested": true,
        "isDeliveryReceiptRequested": true,
        "singleValueExtendedProperties": [
            {"id": "String 0x1042", "value": "<0@x.test>"},
            {"id": "String 0x1039", "value": "<m@x.test> <0@x.test>"},
            {"id": "String 0x1045", "value": "<mailto:u@x.test>"},
            {"id": "Integer 0x36", "value": "2"},
            {"id": "String {1} Name M", "value": "v"},
        ],
        "internetMessageHeaders": [
            {"name": "X-One", "value": "1"}, {"name": "X-Two", "value": "2"}, {"name": "X-Three", "value": "3"},
            {"name": "X-Four", "value": "4"}, {"name": "X-Five", "value": "5"},
        ],
        "body": {"contentType": "text", "content": "grün"},
    });
    assert_eq!(draft, expected);
}

#[test]
fn the_recipients_are_the_given_ones_and_each_is_named_once() {
    let header = "To: a@x.test, A <a@x.test>, stranger@x.test\nCc: a@x.test\nBcc: hidden@x.test\n\nhi";
    let (a, b) = (address("a@x.test"), address("b@x.test"));
    let draft = plan(&structure(header), &[&a, &b, &b]).unwrap().draft(b"", &[]).unwrap();
    let all = ["toRecipients", "ccRecipients", "bccRecipients"].map(|name| draft[name].as_array().unwrap().clone());
    let named: Vec<String> =
        all.concat().iter().map(|it| it["emailAddress"]["address"].as_str().unwrap().to_owned()).collect();
    assert_eq!(named, ["a@x.test", "b@x.test"]);
}

#[test]
fn a_message_without_any_field_is_one_with_recipients_alone() {
    let draft = plan_of("\nhi").unwrap().draft(b"hi", &[]).unwrap();
    assert_eq!(draft["bccRecipients"][0]["emailAddress"]["address"], "a@x.test");
    assert_eq!(draft["subject"], "");
}

#[test]
fn importance_is_found_in_all_its_spellings() {
    let table = [
        ("Importance: low", "low"),
        ("X-Priority: 1 (Highest)", "high"),
        ("X-Priority: 5", "low"),
        ("X-Priority: 3", "normal"),
        ("Priority: urgent", "high"),
        ("Priority: non-urgent", "low"),
        ("Importance: odd", "normal"),
    ];
    for (field, importance) in table {
        let plan = plan_of(&format!("{field}\n\nhi")).unwrap();
        assert_eq!(plan.draft(b"", &[]).unwrap()["importance"], importance, "{field}");
    }
}

/// Bytes, the character set that is said, and the text.
type Case = (&'static [u8], Option<&'static str>, Result<&'static str, Unsupported>);

#[test]
fn text_is_read_in_its_character_set() {
    let table: [Case; 7] = [
        (b"gr\xfcn", Some("ISO-8859-1"), Ok("grün")),
        (b"\x80 5", Some("windows-1252"), Ok("€ 5")),
        ("grün".as_bytes(), None, Ok("grün")),
        (b"gr\xfcn", None, Ok("grün")),
        (b"\x1b$B$\"\x1b(B", Some("iso-2022-jp"), Ok("あ")),
        (b"\xe9", Some("x-klingon"), Err(Unsupported::Charset("x-klingon".into()))),
        (b"plain", Some("x-klingon"), Ok("plain")),
    ];
    for (bytes, charset, expected) in table {
        assert_eq!(body::text(bytes, charset), expected.map(str::to_owned), "{charset:?}");
    }
}

proptest! {
    #[test]
    fn whatever_the_header_says_the_recipients_are_the_given_ones(
        field in "(To|Cc|Bcc|to|X-To|Resent-To)", list in "[a-e@,<>\"; ():.=?]{0,60}", more in "[a-e]@x.test, [a-e] <[a-e]@x.test>",
        wanted in proptest::collection::hash_set("[a-e]@x\\.test", 0..5),
    ) {
        let header = format!("{field}: {list}, {more}\nTo: {more}\n\nhi");
        let recipients: Vec<Address> = wanted.iter().map(|it| address(it)).collect();
        let given: Vec<&Address> = recipients.iter().collect();
        let draft = plan(&structure(&header), &given).unwrap().draft(b"", &[]).unwrap();
        let all = ["toRecipients", "ccRecipients", "bccRecipients"].map(|name| draft[name].as_array().unwrap().clone());
        let mut named: Vec<String> =
            all.concat().iter().map(|it| it["emailAddress"]["address"].as_str().unwrap().to_owned()).collect();
        named.sort();
        let mut expected: Vec<String> = wanted.into_iter().collect();
        expected.sort();
        prop_assert_eq!(named, expected);
    }
}
