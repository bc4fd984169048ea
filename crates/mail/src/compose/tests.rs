use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::*;

fn composed(json: &serde_json::Value) -> Result<Composed, String> {
    let message: ComposeMessage = serde_json::from_value(json.clone()).map_err(|error| error.to_string())?;
    compose(message).map_err(|error| error.to_string())
}

fn base() -> serde_json::Value {
    serde_json::json!({"from": "a@x.test", "to": "b@x.test", "subject": "s", "text": "t"})
}

fn with(key: &str, value: serde_json::Value) -> serde_json::Value {
    let mut json = base();
    json[key] = value;
    json
}

#[test]
fn a_plain_message_is_plain() {
    let message = composed(&base()).unwrap();
    assert_eq!(
        String::from_utf8(message.mime).unwrap(),
        "From: <a@x.test>\r\nTo: <b@x.test>\r\nSubject: s\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\nt"
    );
}

#[test]
fn everything_said_is_in_the_message() {
    let json = serde_json::json!({
        "from": "\"Müller, Ännchen\" <a@x.test>",
        "to": ["B <b@x.test>", "c@x.test, d@x.test"],
        "cc": "e@x.test",
        "bcc": ["f@x.test"],
        "reply_to": "r@x.test",
        "subject": "Grüße 👋",
        "text": "Zeile 1\nZeile 2",
        "html": "<img src=\"cid:logo\">",
        "attachments": [
            {"filename": "logo.png", "content_type": "image/png", "content": "iVBOR\nw0K", "content_id": "logo"},
            {"filename": "Bericht ä.pdf", "content_type": "application/pdf; name=\"x\"", "content": "JVBERg=="},
            {"filename": "mail.eml", "content_type": "message/rfc822", "content": "U3ViamVjdDogaQoKYm9keQo="},
        ],
        "headers": {"X-Order-Id": "42", "List-Unsubscribe": "<https://x.test/u>"},
        "priority": "high",
        "send_at": "2030-01-01T00:00:00Z",
        "metadata": {"order": 42},
    });
    let message = composed(&json).unwrap();
    let recipients: Vec<String> = message.envelope.recipients.iter().map(|r| r.address.to_string()).collect();
    assert_eq!(recipients, ["b@x.test", "c@x.test", "d@x.test", "e@x.test", "f@x.test"]);
    assert_eq!(message.envelope.reverse_path.to_string(), "<a@x.test>");
    assert!(!String::from_utf8_lossy(&message.mime).contains("f@x.test"), "Bcc is in the envelope only");

    let parsed = MessageParser::default().parse(&message.mime).unwrap();
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Müller, Ännchen"), Some("a@x.test")));
    assert_eq!(parsed.subject(), Some("Grüße 👋"));
    assert_eq!(parsed.reply_to().unwrap().first().unwrap().address(), Some("r@x.test"));
    assert_eq!(parsed.header_raw("X-Order-Id").map(str::trim), Some("42"));
    assert_eq!(parsed.header_raw("List-Unsubscribe").map(str::trim), Some("<https://x.test/u>"));
    assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), "Zeile 1\nZeile 2");
    assert_eq!(parsed.body_html(0).unwrap().trim_end(), "<img src=\"cid:logo\">");
    let attachments: Vec<_> = parsed.attachments().map(|part| part.attachment_name()).collect();
    assert_eq!(attachments, [Some("logo.png"), Some("Bericht ä.pdf"), Some("mail.eml")]);
    let logo = parsed.attachments().next().unwrap();
    assert_eq!((logo.content_id(), logo.contents()), (Some("logo"), &b"\x89PNG\r\n"[..]));
    let inner = parsed.attachments().nth(2).unwrap().message().unwrap();
    assert_eq!((inner.subject(), inner.body_text(0).unwrap().trim_end()), (Some("i"), "body"));
}

#[test]
fn what_cannot_be_sent_is_refused_with_the_field_and_the_remedy() {
    use serde_json::json;
    for (key, value, error) in [
        ("from", json!("a@x.test, b@x.test"), "from: give one mailbox"),
        ("from", json!(""), "from: \"\" is not a mailbox"),
        ("to", json!([]), "to: the message has no recipient"),
        ("to", json!("nobody"), "to: \"nobody\" is not a mailbox"),
        ("to", json!("e@x.test <b@x.test>"), "to: \"e@x.test <b@x.test>\" is not a mailbox"), // whom is meant?
        ("to", json!("b@x.test (e@x.test)"), "to: \"b@x.test (e@x.test)\" is not a mailbox"),
        ("to", json!("B\r\nBcc: e@x.test\r\n <b@x.test>"), "to: line breaks"),
        ("cc", json!(["\"\nBcc: e@x.test\" <b@x.test>"]), "cc: line breaks"),
        ("to", json!(5), "invalid type: integer `5`, expected a mailbox"),
        ("subject", json!("s\r\nBcc: e@x.test"), "subject: line breaks"),
        ("headers", json!({"X-A": "1\nBcc: e@x.test"}), "headers.X-A: line breaks"),
        ("headers", json!({"X-A\r\nBcc": "e@x.test"}), "headers: \"X-A\\r\\nBcc\": a header name"),
        ("headers", json!({"X A": "1"}), "headers: \"X A\": a header name"),
        ("headers", json!({"": "1"}), "headers: \"\": a header name"),
        ("headers", json!({"bCC": "e@x.test"}), "headers.bCC: this header cannot be set here: use bcc"),
        ("headers", json!({"Resent-To": "e@x.test"}), "headers.Resent-To: this header cannot be set here"),
        ("headers", json!({"Content-Type": "x"}), "headers.Content-Type: this header cannot be set here"),
        ("headers", json!({"Sender": "e@x.test"}), "headers.Sender: this header cannot be set here"),
        ("attachments", json!([{"filename": "f", "content": "%"}]), "attachments[0].content: not base64"),
        ("attachments", json!([{"filename": "f\r\nX: 1", "content": ""}]), "attachments[0].filename: line breaks"),
        (
            "attachments",
            json!([{"filename": "f", "content": "", "content_type": "text/plain\r\nX: 1"}]),
            "attachments[0].content_type: \"text/plain\\r\\nX: 1\" is not a media type",
        ),
        (
            "attachments",
            json!([{"filename": "f", "content": "", "content_type": "multipart/mixed"}]),
            "attachments[0].content_type: \"multipart/mixed\" cannot be attached",
        ),
        (
            "attachments",
            json!([{"filename": "f", "content": "", "content_id": "a>\r\nX: 1"}]),
            "attachments[0].content_id: write the id",
        ),
        ("subjekt", json!("typo"), "unknown field `subjekt`"),
        ("priority", json!("urgent"), "unknown variant `urgent`, expected one of `high`, `normal`, `bulk`"),
    ] {
        let found = composed(&with(key, value)).unwrap_err();
        assert!(found.starts_with(error), "{key}: {found}");
    }
}

#[test]
fn empty_and_absent_parts_are_no_error() {
    use serde_json::json;
    for (key, value) in [
        ("cc", json!(null)),
        ("text", json!(null)),
        ("html", json!("")),
        ("subject", json!("")),
        ("attachments", json!([{"filename": "", "content": ""}])),
    ] {
        assert!(composed(&with(key, value.clone())).is_ok(), "{key} {value}");
    }
}

#[test]
fn addresses_beyond_ascii_need_smtputf8() {
    assert!(composed(&with("cc", serde_json::json!("jürgen@x.test"))).unwrap().envelope.smtputf8);
    assert!(!composed(&base()).unwrap().envelope.smtputf8);
}

proptest! {
    #[test]
    fn no_text_escapes_its_field(subject in "\\PC{0,60}", name in "[^\\p{Cc}\"\\\\]{0,30}", header in "\\PC{0,60}", text in "(?s).{0,80}") {
        let json = serde_json::json!({
            "from": format!("\"{name}\" <a@x.test>"), "to": format!("\"{name}\" <b@x.test>"), "bcc": "c@x.test",
            "subject": subject, "headers": {"X-A": header}, "text": text,
        });
        let message = composed(&json).unwrap();
        let (head, _) = crate::header::split(&message.mime);
        let names: Vec<String> = crate::header::lines(head).map(|line| match line {
            crate::header::Line::Field(field) => String::from_utf8_lossy(field.name).into_owned(),
            crate::header::Line::Other(other) => format!("{other:?}"),
        }).collect();
        let expected = ["From", "To", "Subject", "X-A", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"];
        prop_assert_eq!(names, expected);
        let from = crate::from::parse_from(head);
        prop_assert!(from.is_understood, "{}", String::from_utf8_lossy(head));
        prop_assert_eq!(from.addresses.len(), 1);
        let to: crate::Address = "b@x.test".parse().unwrap();
        let aligned = crate::recipients::align_recipients(head, &[&to]);
        prop_assert_eq!(&*aligned, head, "To names b@x.test alone");
    }
}
