//! The client's side: what a server offers, commands as they go over the wire, and the message with its dots stuffed.
//!
//! Invariant: the writer owns line endings. Whatever goes in, every CR and LF that comes out is part of a CRLF, and
//! `CRLF . CRLF` comes out once, at the end. What the server does not offer is not asked of it.

use mail::{BodyType, DsnNotify, DsnReturn, Envelope, Recipient};

use crate::{ServerReply, xtext};

/// A service extension we know how to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    Size,
    EightBitMime,
    SmtpUtf8,
    Pipelining,
    Dsn,
    EnhancedStatusCodes,
    StartTls,
}

/// What the reply to EHLO offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    extensions: Vec<Extension>,
    /// With SIZE; `None`: no fixed limit, or none told (RFC 1870 §4).
    pub max_message_bytes: Option<u64>,
    /// Mechanism names in upper case.
    pub auth: Vec<String>,
}

impl Capabilities {
    /// Reads the reply to EHLO. Its first line is a greeting.
    pub fn from_reply(reply: &ServerReply) -> Self {
        let mut offered = Self::default();
        for line in reply.lines.iter().skip(1) {
            // `AUTH=LOGIN` is what servers for the oldest clients say.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "SIZE" => {
                    offered.extensions.push(Extension::Size);
                    offered.max_message_bytes = words.next().and_then(|word| word.parse().ok()).filter(|max| *max > 0);
                }
                "8BITMIME" => offered.extensions.push(Extension::EightBitMime),
                "SMTPUTF8" => offered.extensions.push(Extension::SmtpUtf8),
                "PIPELINING" => offered.extensions.push(Extension::Pipelining),
                "DSN" => offered.extensions.push(Extension::Dsn),
                "ENHANCEDSTATUSCODES" => offered.extensions.push(Extension::EnhancedStatusCodes),
                "STARTTLS" => offered.extensions.push(Extension::StartTls),
                "AUTH" => offered.add_mechanisms(words),
                _ => {}
            }
        }
        offered
    }

    pub fn offers(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }

    fn add_mechanisms<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names.map(str::to_ascii_uppercase) {
            if !self.auth.contains(&name) {
                self.auth.push(name);
            }
        }
    }
}

/// `EHLO` with our name.
pub fn ehlo_line(hostname: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"EHLO ");
    push_word(hostname, out);
    out.extend_from_slice(b"\r\n");
}

/// `HELO`, for a server that does not know EHLO (RFC 5321 §3.2).
pub fn helo_line(hostname: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HELO ");
    push_word(hostname, out);
    out.extend_from_slice(b"\r\n");
}

/// `AUTH` with a mechanism and, if given, the initial response in base64.
pub fn auth_line(mechanism: &str, initial_response: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"AUTH ");
    push_word(mechanism, out);
    if let Some(response) = initial_response {
        out.push(b' ');
        push_word(if response.is_empty() { "=" } else { response }, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// `MAIL` for `envelope`, with the parameters the server offers. `size`: octets of the message.
pub fn mail_line(envelope: &Envelope, size: Option<u64>, offered: &Capabilities, out: &mut Vec<u8>) {
    out.extend_from_slice(b"MAIL FROM:");
    out.extend_from_slice(envelope.reverse_path.to_string().as_bytes());
    if let Some(size) = size.filter(|_| offered.offers(Extension::Size)) {
        out.extend_from_slice(format!(" SIZE={size}").as_bytes());
    }
    if offered.offers(Extension::EightBitMime) && envelope.body == BodyType::EightBitMime {
        out.extend_from_slice(b" BODY=8BITMIME");
    }
    if offered.offers(Extension::SmtpUtf8) && envelope.smtputf8 {
        out.extend_from_slice(b" SMTPUTF8");
    }
    if offered.offers(Extension::Dsn) {
        match envelope.dsn_return {
            Some(DsnReturn::Full) => out.extend_from_slice(b" RET=FULL"),
            Some(DsnReturn::Headers) => out.extend_from_slice(b" RET=HDRS"),
            None => {}
        }
        if let Some(id) = &envelope.envelope_id {
            out.extend_from_slice(b" ENVID=");
            xtext::encode(id, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// `RCPT` for one recipient, with the parameters the server offers.
pub fn rcpt_line(recipient: &Recipient, offered: &Capabilities, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("RCPT TO:<{}>", recipient.address).as_bytes());
    if offered.offers(Extension::Dsn) {
        if let Some(notify) = recipient.notify {
            out.extend_from_slice(b" NOTIFY=");
            out.extend_from_slice(notify_words(notify).as_bytes());
        }
        if let Some((kind, address)) = recipient.original_recipient.as_deref().and_then(|it| it.split_once(';')) {
            out.extend_from_slice(b" ORCPT=");
            push_word(kind, out);
            out.push(b';');
            push_original_address(kind, address, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn notify_words(notify: DsnNotify) -> String {
    let words = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let asked: Vec<&str> = words.into_iter().filter_map(|(asked, word)| asked.then_some(word)).collect();
    if asked.is_empty() { "NEVER".to_owned() } else { asked.join(",") }
}

/// utf-8 addresses have an encoding of their own (RFC 6533 §3).
fn push_original_address(kind: &str, address: &str, out: &mut Vec<u8>) {
    if !kind.eq_ignore_ascii_case("utf-8") {
        return xtext::encode(address, out);
    }
    for c in address.chars() {
        if ('!'..='~').contains(&c) && !"\\+=".contains(c) {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            out.extend_from_slice(format!("\\x{{{:X}}}", u32::from(c)).as_bytes());
        }
    }
}

/// A word that is not ours: what could end it, or the line, is left out.
fn push_word(word: &str, out: &mut Vec<u8>) {
    out.extend(word.bytes().filter(|octet| !octet.is_ascii_control() && *octet != b' '));
}

/// Writes a message behind `354`: dots stuffed, line ends made CRLF, the end in its place.
#[derive(Debug, Default)]
pub struct DotStuffer {
    state: Written,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Written {
    #[default]
    LineEnd,
    /// A CR whose LF may be the next octet; nothing of it has been written.
    Cr,
    Inside,
}

impl DotStuffer {
    /// Appends the next octets of the message to `out`.
    pub fn push(&mut self, content: &[u8], out: &mut Vec<u8>) {
        let mut rest = content;
        while let Some((&octet, behind)) = rest.split_first() {
            if self.state == Written::Cr {
                out.extend_from_slice(b"\r\n");
                self.state = Written::LineEnd;
                if octet == b'\n' {
                    rest = behind;
                    continue;
                }
            }
            if self.state == Written::LineEnd && octet == b'.' {
                out.push(b'.');
            }
            let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            let (line, ending) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            out.extend_from_slice(line);
            (self.state, rest) = match ending {
                [] => (Written::Inside, ending),
                [b'\r', behind @ ..] => (Written::Cr, behind),
                [_, behind @ ..] => {
                    out.extend_from_slice(b"\r\n");
                    (Written::LineEnd, behind)
                }
            };
        }
    }

    /// Ends the message, and its last line if that has no end.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.state != Written::LineEnd {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Command, parse_command, parse_reply};

    const EVERYTHING: &str = "250-mx.test\r\n250-SIZE 1000\r\n250-8bitmime\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250-DSN\r\n\
        250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n250-AUTH PLAIN xoauth2\r\n250 AUTH=LOGIN PLAIN\r\n";

    fn offered(wire: &str) -> Capabilities {
        Capabilities::from_reply(&parse_reply(wire.as_bytes()).unwrap().unwrap().0)
    }

    #[test]
    fn capabilities_are_read_in_any_case_and_the_greeting_is_none() {
        let all = offered(EVERYTHING);
        assert_eq!(all.max_message_bytes, Some(1000));
        for extension in [
            Extension::Size,
            Extension::EightBitMime,
            Extension::SmtpUtf8,
            Extension::Pipelining,
            Extension::Dsn,
            Extension::EnhancedStatusCodes,
            Extension::StartTls,
        ] {
            assert!(all.offers(extension), "{extension:?}");
        }
        assert_eq!(all.auth, ["PLAIN", "XOAUTH2", "LOGIN"]);
        assert_eq!(offered("250 STARTTLS\r\n"), Capabilities::default(), "a host of that name");
        for unlimited in ["250-x\r\n250 SIZE\r\n", "250-x\r\n250 SIZE 0\r\n"] {
            assert!(offered(unlimited).offers(Extension::Size));
            assert_eq!(offered(unlimited).max_message_bytes, None);
        }
    }

    fn envelope() -> Envelope {
        let mut envelope = Envelope::new("a@b.test".parse::<mail::Address>().unwrap());
        envelope.body = BodyType::EightBitMime;
        envelope.smtputf8 = true;
        envelope.dsn_return = Some(DsnReturn::Headers);
        envelope.envelope_id = Some("x y+z".to_owned());
        envelope.recipients.push(Recipient {
            address: "ü@d.test".parse().unwrap(),
            notify: Some(DsnNotify { success: true, failure: false, delay: true }),
            original_recipient: Some("utf-8;ü+@d.test".to_owned()),
        });
        envelope
    }

    fn line(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_the_server_offers_is_asked_for_and_nothing_else() {
        let (envelope, all, nothing) = (envelope(), offered(EVERYTHING), Capabilities::default());
        let recipient = &envelope.recipients[0];
        assert_eq!(
            line(|out| mail_line(&envelope, Some(7), &all, out)),
            "MAIL FROM:<a@b.test> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+20y+2Bz\r\n"
        );
        assert_eq!(line(|out| mail_line(&envelope, Some(7), &nothing, out)), "MAIL FROM:<a@b.test>\r\n");
        assert_eq!(
            line(|out| rcpt_line(recipient, &all, out)),
            "RCPT TO:<ü@d.test> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\\x{FC}\\x{2B}@d.test\r\n"
        );
        assert_eq!(line(|out| rcpt_line(recipient, &nothing, out)), "RCPT TO:<ü@d.test>\r\n");
        assert_eq!(line(|out| mail_line(&Envelope::default(), None, &all, out)), "MAIL FROM:<>\r\n");
    }

    #[test]
    fn what_we_write_our_own_parser_understands() {
        let (envelope, all) = (envelope(), offered(EVERYTHING));
        let mail = line(|out| mail_line(&envelope, Some(7), &all, out));
        let Ok(Command::Mail(parsed)) = parse_command(mail.trim_end().as_bytes()) else { panic!("{mail}") };
        assert_eq!(parsed.envelope_id, envelope.envelope_id);
        let rcpt = line(|out| rcpt_line(&envelope.recipients[0], &all, out));
        assert_eq!(parse_command(rcpt.trim_end().as_bytes()), Ok(Command::Rcpt(envelope.recipients[0].clone())));
    }

    #[test]
    fn a_word_from_outside_cannot_end_the_line() {
        assert_eq!(line(|out| ehlo_line("a\r\nMAIL FROM:<>", out)), "EHLO aMAILFROM:<>\r\n");
        assert_eq!(line(|out| helo_line("a\r\nRSET", out)), "HELO aRSET\r\n");
        assert_eq!(line(|out| auth_line("XOAUTH2", Some("abc"), out)), "AUTH XOAUTH2 abc\r\n");
        assert_eq!(line(|out| auth_line("PLAIN", Some(""), out)), "AUTH PLAIN =\r\n");
        assert_eq!(line(|out| auth_line("PLAIN", None, out)), "AUTH PLAIN\r\n");
    }

    fn stuffed(pieces: &[&str]) -> String {
        let mut stuffer = DotStuffer::default();
        line(|out| {
            for piece in pieces {
                stuffer.push(piece.as_bytes(), out);
            }
            stuffer.finish(out);
        })
    }

    #[test]
    fn dots_are_stuffed_and_line_ends_mended_wherever_the_pieces_are_cut() {
        for (message, wire) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"), // the last line gets its end
            (".\r\n", "..\r\n.\r\n"),
            ("a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n"),
            ("a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"), // an end to somebody else
            ("a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\r\n.", "a\r\n\r\n..\r\n.\r\n"),
            ("a.b\r\n", "a.b\r\n.\r\n"),
        ] {
            assert_eq!(stuffed(&[message]), wire, "{message:?}");
            for at in 0..=message.len() {
                assert_eq!(stuffed(&[&message[..at], &message[at..]]), wire, "{message:?} cut at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_end_comes_out_once_and_last(message in "[.x\r\n]{0,40}") {
            let wire = format!("\r\n{}", stuffed(&[&message]));
            prop_assert_eq!(wire.find("\r\n.\r\n"), Some(wire.len() - 5));
            prop_assert!(!wire.replace("\r\n", "").contains(['\r', '\n']));
        }
    }
}
