//! The header From: who a message says it is from, and what it says after the From policy.
//!
//! Promise: [`parse_from`] returns every address that any reader could take for the originator, or says that it cannot be
//! sure; so a check cannot be walked around by folding, repeating or disguising the field. [`rewrite_from`] leaves exactly one From with
//! the mailbox as its only address, and loses nothing of the original: it becomes Reply-To, or, where the message has
//! a Reply-To, `X-Original-From`.
//!
//! Left to others: which policy holds (`settings`), who may send as whom (`submission`). Invariant: applied twice, both
//! policies give the same bytes as applied once.

use std::borrow::Cow;

use crate::Address;
use crate::address_list::{every_address, format_mailbox, parse_address_list, salvage_mailboxes};
use crate::header::{self, Field, Line};
use crate::header_edit::{FoldedField, HeaderEdits};

/// What [`parse_from`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderFrom {
    /// In order, each once; empty when there is no From, or none with an address.
    pub addresses: Vec<Address>,
    /// Every reader finds these addresses and no others. When not, `addresses` holds what stands there, but a reader may
    /// join the pieces in its own way (`<ce o@x.test>`): whoever must be sure has to refuse.
    pub is_understood: bool,
}

/// The addresses of every From field.
pub fn parse_from(header: &[u8]) -> HeaderFrom {
    let mut from = HeaderFrom { addresses: Vec::new(), is_understood: true };
    let mut lines = header::lines(header).peekable();
    while let Some(line) = lines.next() {
        match line {
            Line::Field(field) if field.is("from") => from.add(field.value),
            Line::Field(field) if field.hides("from") => from.add_doubtful(field.value),
            Line::Other(other) if other.reads_as("from") => {
                let mut span = other.span;
                while let Some(Line::Other(next)) =
                    lines.next_if(|line| matches!(line, Line::Other(next) if next.is_continuation()))
                {
                    span.end = next.span.end;
                }
                from.add_doubtful(header.get(span).unwrap_or_default());
            }
            _ => {}
        }
    }
    from
}

impl HeaderFrom {
    fn add(&mut self, value: &[u8]) {
        let list = parse_address_list(value).ok();
        let plain = list.filter(|list| list.is_plain && list.mailboxes().all(|mailbox| mailbox.is_plain));
        if let Some(list) = plain {
            self.extend(list.mailboxes().map(|mailbox| mailbox.address.clone()).collect());
        } else if let Some(address) = named_by_itself(value) {
            self.extend(vec![address]);
        } else {
            self.add_doubtful(value);
        }
    }

    fn add_doubtful(&mut self, value: &[u8]) {
        self.is_understood = false;
        self.extend(every_address(value));
    }

    fn extend(&mut self, addresses: Vec<Address>) {
        for address in addresses {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
    }
}

/// `anna@x.test <anna@x.test>`: outside the grammar, written by many programs, and read in one way only.
fn named_by_itself(value: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(value).ok()?;
    let (name, address) = text.trim().strip_suffix('>')?.split_once('<')?;
    let (name, address): (Address, Address) = (name.trim().parse().ok()?, address.parse().ok()?);
    let is_simple = address.as_str().chars().all(|c| c.is_ascii_alphanumeric() || "@._-+".contains(c));
    (is_simple && name == address).then_some(address)
}

/// Policy *keep*: From stays. A Sender that is not the mailbox goes, for the service sets it and refuses another.
pub fn keep_from<'h>(header: &'h [u8], mailbox: &Address) -> Cow<'h, [u8]> {
    let mut edits = HeaderEdits::default();
    for field in header::fields(header) {
        if field.is("sender") && !names_only(&field, mailbox) {
            edits.remove(field.span.clone());
        }
    }
    edits.apply_if_any(&[], header)
}

/// Policy *rewrite*: the mailbox becomes From under the original display name.
///
/// ```
/// let mailbox: mail::Address = "noreply@contoso.test".parse().unwrap();
/// let header = mail::from::rewrite_from(b"From: ERP <erp@contoso.test>\r\n\r\n", &mailbox);
/// assert_eq!(&*header, b"From: ERP <noreply@contoso.test>\r\nReply-To: ERP <erp@contoso.test>\r\n\r\n");
/// ```
pub fn rewrite_from<'h>(header: &'h [u8], mailbox: &Address) -> Cow<'h, [u8]> {
    let froms: Vec<Field<'_>> = header::fields(header).filter(|field| field.is("from")).collect();
    let has_reply_to = header::fields(header).any(|field| field.is("reply-to"));
    let is_ours = matches!(froms.as_slice(), [only] if only.is_regular && names_only(only, mailbox));
    let mut first = Vec::new();
    let mut new_from = (!is_ours).then(|| replacement(&froms, mailbox, has_reply_to));
    if froms.is_empty() {
        first = new_from.take().unwrap_or_default();
    }
    let mut edits = HeaderEdits::default();
    let lines = edits.clear_top(header);
    for line in lines {
        match line {
            Line::Other(other) => {
                edits.remove_disguised(&other, &["from", "sender"]);
            }
            Line::Field(field) => {
                if field.hides("from") || field.hides("sender") {
                    edits.remove(field.span.clone());
                } else if field.is("from") && !is_ours {
                    edits.replace(field.span.clone(), new_from.take().unwrap_or_default());
                } else if field.is("sender") && !names_only(&field, mailbox) {
                    edits.remove(field.span.clone());
                }
            }
        }
    }
    edits.apply_if_any(&first, header)
}

fn names_only(field: &Field<'_>, mailbox: &Address) -> bool {
    let Ok(list) = parse_address_list(field.value) else { return false };
    let mut mailboxes = list.mailboxes();
    let is_mailbox = mailboxes.next().is_some_and(|only| only.is_plain && only.address == *mailbox);
    is_mailbox && list.is_plain && mailboxes.next().is_none()
}

/// The new From, and the field that keeps the original.
fn replacement(froms: &[Field<'_>], mailbox: &Address, has_reply_to: bool) -> Vec<u8> {
    let authors: Vec<Author> = froms.iter().flat_map(|field| authors(field.value)).collect();
    let mut from = FoldedField::new(b"From");
    if let Some(name) = authors.iter().find_map(|author| author.display_name.as_deref()) {
        from.word(name);
        from.word(format!("<{mailbox}>").as_bytes());
    } else {
        from.word(format_mailbox(None, mailbox).as_bytes());
    }
    let mut out = from.finish();
    if authors.is_empty() {
        // `root (Cron Daemon)`: nobody to reply to, but worth seeing.
        for field in froms {
            out.extend_from_slice(&original_text(field));
        }
    } else {
        let name: &[u8] = if has_reply_to { b"X-Original-From" } else { b"Reply-To" };
        let mut original = FoldedField::new(name);
        for author in &authors {
            original.item(&author.written);
        }
        out.extend_from_slice(&original.finish());
    }
    out
}

struct Author {
    written: Vec<u8>,
    display_name: Option<Vec<u8>>,
}

fn authors(value: &[u8]) -> Vec<Author> {
    // Each piece of a list that was understood is salvaged as it stands.
    let written = match parse_address_list(value) {
        Ok(list) if list.is_plain && list.mailboxes().all(|mailbox| mailbox.is_plain) => {
            list.mailboxes().map(|mailbox| mailbox.bytes_in(value).to_vec()).collect()
        }
        _ => salvage_mailboxes(value).into_iter().map(|salvaged| salvaged.written).collect::<Vec<_>>(),
    };
    written.into_iter().map(|written| Author { display_name: display_name(&written), written }).collect()
}

fn display_name(written: &[u8]) -> Option<Vec<u8>> {
    let list = parse_address_list(written).ok()?;
    let span = list.mailboxes().next()?.display_name.clone()?;
    written.get(span).map(<[u8]>::to_vec)
}

/// A From without any address, on one line within RFC 5322's 998 octets.
fn original_text(field: &Field<'_>) -> Vec<u8> {
    let text: String = field.unfolded().chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { Vec::new() } else { format!("X-Original-From: {text}\r\n").into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mailbox() -> Address {
        "noreply@contoso.test".parse().unwrap()
    }

    #[test]
    fn every_address_that_could_be_the_originator_is_returned() {
        for (header, addresses, is_understood) in [
            ("From: a@x.test\r\n", "a@x.test", true),
            ("FROM:\r\n Anna\r\n <a@x.test>\r\n", "a@x.test", true), // folded, any letter case
            ("From: a@x.test\r\nFrom: b@x.test\r\n", "a@x.test b@x.test", true), // readers take one or the other
            ("From: a@x.test, b@x.test\r\n", "a@x.test b@x.test", true),
            ("From: a@x.test\r\nFrom: A@x.test\r\n", "a@x.test", true), // each once
            ("From: ceo@x.test <app@x.test>\r\n", "ceo@x.test app@x.test", false), // either could be shown
            ("From: <@ceo@x.test:app@x.test>\r\n", "ceo@x.test app@x.test", false),
            ("From: <ce o@x.test>\r\n", "o@x.test", false), // joined by some readers
            ("From: A@x.test <a@x.test>\r\n", "a@x.test", true), // however it is read
            ("From: a@x.test <a@x.test>, ceo@x.test\r\n", "a@x.test ceo@x.test", false),
            ("From : ceo@x.test\r\n", "ceo@x.test", true), // a blank before the colon
            ("From: a@x.test\r\n\0From: ceo@x.test\r\n", "a@x.test ceo@x.test", false), // disguised
            ("\0From: a@x.test,\r\n ceo@x.test\r\n", "a@x.test ceo@x.test", false), // with its continuation
            ("junk\r\n From: ceo@x.test\r\n", "ceo@x.test", false), // seen by readers that trim
            ("From ceo@x.test Mon Jan  1 00:00:00 2024\r\nFrom: a@x.test\r\n", "a@x.test", true), // mbox
            ("X: From: ceo@x.test\r\n From: ceo@x.test\r\n", "", true),
            ("X: 1\rFrom: ceo@x.test\r\n", "ceo@x.test", false), // a bare CR is a line end for some
            ("From: root (Cron Daemon)\r\n", "", false),
            ("\r\nFrom: ceo@x.test\r\n", "", true), // the body
        ] {
            let from = parse_from(header.as_bytes());
            let found: Vec<String> = from.addresses.iter().map(ToString::to_string).collect();
            assert_eq!((found.join(" ").as_str(), from.is_understood), (addresses, is_understood), "{header:?}");
        }
    }

    #[test]
    fn rewrite_puts_the_mailbox_into_from_and_keeps_the_original() {
        for (header, expected) in [
            ("From: NOREPLY@contoso.test\r\n", "From: NOREPLY@contoso.test\r\n"), // ours already: untouched
            ("From: a@x.test\r\n", "From: noreply@contoso.test\r\nReply-To: a@x.test\r\n"),
            (
                "A: 1\r\nFrom: \"Smith, A\" <a@x.test>\r\nReply-To: r@x.test\r\n",
                "A: 1\r\nFrom: \"Smith, A\" <noreply@contoso.test>\r\nX-Original-From: \"Smith, A\" <a@x.test>\r\n\
                 Reply-To: r@x.test\r\n",
            ),
            (
                "From: =?utf-8?Q?J=C3=BCrgen?=\r\n <j@x.test>\r\nSubject: s\r\n",
                "From: =?utf-8?Q?J=C3=BCrgen?= <noreply@contoso.test>\r\n\
                 Reply-To: =?utf-8?Q?J=C3=BCrgen?=\r\n <j@x.test>\r\nSubject: s\r\n",
            ),
            (
                "From: a@x.test\r\nFrom: B <b@x.test>\r\n", // two: one From is left, nobody forgotten
                "From: B <noreply@contoso.test>\r\nReply-To: a@x.test, B <b@x.test>\r\n",
            ),
            (
                "From: ceo@x.test <a@x.test>\r\n",
                "From: \"ceo@x.test\" <noreply@contoso.test>\r\nReply-To: \"ceo@x.test\" <a@x.test>\r\n",
            ),
            ("From: root (Cron Daemon)\r\n", "From: noreply@contoso.test\r\nX-Original-From: root (Cron Daemon)\r\n"),
            ("Subject: s\r\n", "From: noreply@contoso.test\r\nSubject: s\r\n"), // none: one is added
            (" stray\r\nSubject: s\r\n", "From: noreply@contoso.test\r\nSubject: s\r\n"), // must not continue ours
            // The mailbox already, but not for every reader.
            ("From : noreply@contoso.test\r\n", "From: noreply@contoso.test\r\nReply-To: noreply@contoso.test\r\n"),
            (
                "From: noreply@contoso.test (e@x.test)\r\n",
                "From: noreply@contoso.test\r\nReply-To: noreply@contoso.test\r\n",
            ),
            (
                "From: noreply@contoso.test, (e@x.test)\r\n",
                "From: noreply@contoso.test\r\nReply-To: noreply@contoso.test\r\n",
            ),
            ("X: 1\rFrom: e@x.test\r\nA: 1\r\n", "From: noreply@contoso.test\r\nA: 1\r\n"),
            ("From: noreply@contoso.test\r\nSender: x@x.test\r\n", "From: noreply@contoso.test\r\n"),
            (
                "Sender: noreply@contoso.test\r\nFrom: noreply@contoso.test\r\n",
                "Sender: noreply@contoso.test\r\nFrom: noreply@contoso.test\r\n",
            ),
            ("From: noreply@contoso.test\r\n\0From: e@x.test\r\n , f@x.test\r\n", "From: noreply@contoso.test\r\n"),
        ] {
            let header = format!("{header}\r\n");
            let rewritten = rewrite_from(header.as_bytes(), &mailbox());
            assert_eq!(std::str::from_utf8(&rewritten).unwrap(), format!("{expected}\r\n"), "{header:?}");
            assert_eq!(rewrite_from(&rewritten, &mailbox()), rewritten, "twice is once: {header:?}");
        }
    }

    #[test]
    fn keep_drops_only_a_sender_that_differs() {
        for (header, expected) in [
            ("From: a@x.test\r\nSender: b@x.test\r\nTo: c@x.test\r\n", "From: a@x.test\r\nTo: c@x.test\r\n"),
            (
                "From: a@x.test\r\nSender: Us <Noreply@contoso.test>\r\n",
                "From: a@x.test\r\nSender: Us <Noreply@contoso.test>\r\n",
            ),
            ("From: a@x.test\r\nSender: junk\r\n", "From: a@x.test\r\n"),
        ] {
            assert_eq!(std::str::from_utf8(&keep_from(header.as_bytes(), &mailbox())).unwrap(), expected);
        }
        assert!(matches!(keep_from(b"From: a@x.test\r\n\r\n", &mailbox()), Cow::Borrowed(_)));
        assert!(matches!(rewrite_from(b"From: noreply@contoso.test\r\n\r\n", &mailbox()), Cow::Borrowed(_)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_reader_finds_an_originator_that_the_check_does_not(pieces in proptest::collection::vec(prop::sample::select(vec![
            "From", "FROM", "Sender", ":", " ", "\r\n", "\n", "\r", "\0", "\t", "a@x.test", "ceo@z.test", "\"b c\"@x.test", ",", ";", "\"",
            "<", ">", "(", ")", "\\", "Name", ".", "@r.test", "\r\n ", "From: ", "\r\nFrom: "]), 0..24)) {
            let header = pieces.concat();
            let from = parse_from(crate::header::split(header.as_bytes()).0);
            let checked: Vec<String> = from.addresses.iter().map(|address| address.as_str().to_lowercase()).collect();
            // With the body it would have, so that the independent reader stops where the header stops.
            let message = mail_parser::MessageParser::default().parse(header.as_bytes());
            let fields = message.iter().flat_map(mail_parser::Message::headers);
            let found = fields
                .filter(|field| field.name().eq_ignore_ascii_case("from"))
                .filter_map(|field| field.value().as_address())
                .flat_map(|list| list.iter().filter_map(|address| address.address()))
                .filter_map(|text| text.parse::<Address>().ok());
            for address in found {
                let is_known = checked.contains(&address.as_str().to_lowercase());
                prop_assert!(is_known || !from.is_understood, "{address} in {header:?}, checked {checked:?}");
            }
        }

        #[test]
        fn rewritten_mail_is_from_the_mailbox_alone(lines in proptest::collection::vec(prop::sample::select(vec![
            "From: a@x.test\r\n", "from : B <b@x.test>\r\n", "From: junk\r\n", "\0From: e@x.test\r\n", " , f@x.test\r\n",
            "Sender: s@x.test\r\n", "Reply-To: r@x.test\r\n", "Subject: s\r\n", "junk\r\n", "From: \"q@x.test\" <q@y.test>\r\n"]), 0..8)) {
            let header = format!("{}\r\nFrom: body\r\n", lines.concat());
            let rewritten = rewrite_from(header.as_bytes(), &mailbox());
            let from = parse_from(&rewritten);
            prop_assert_eq!(from, HeaderFrom { addresses: vec![mailbox()], is_understood: true });
            prop_assert!(rewritten.ends_with(b"\r\n\r\nFrom: body\r\n"));
            prop_assert_eq!(&rewrite_from(&rewritten, &mailbox()), &rewritten);
        }
    }
}
