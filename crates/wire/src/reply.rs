//! Replies: what a server says ([`Reply`], written) and what a client hears ([`ServerReply`], parsed).
//!
//! Invariant of [`Reply`]: its class exists once, so the code and the enhanced status code agree, and its text is
//! printable ASCII without line breaks, so nothing quoted in it can forge another reply.

use std::borrow::Cow;

use mail::{Class, EnhancedStatus};

/// RFC 5321 §4.5.3.1.5 allows 512 octets a reply line; code, status code and CRLF fit in the rest.
const MAX_TEXT_OCTETS: usize = 480;

/// One reply, of one line or more.
///
/// ```
/// use mail::EnhancedStatus;
/// let reply = wire::Reply::new(51, EnhancedStatus::transient(3, 0), "Try again\r\n250 forged");
/// let mut out = Vec::new();
/// reply.write_to(&mut out);
/// assert_eq!(out, b"451 4.3.0 Try again  250 forged\r\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    first_digit: u8,
    last_digits: u8,
    status: Option<EnhancedStatus>,
    text: Cow<'static, str>,
    more: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A reply whose first digit is the class of `status`: `new(50, EnhancedStatus::permanent(7, 1), …)` is `550 5.7.1`.
    pub fn new(last_digits: u8, status: EnhancedStatus, text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(status.class.digit(), last_digits, Some(status), text.into())
    }

    /// A 2yz without enhanced status code: greeting and answers to HELO and EHLO have none (RFC 2034 §4).
    pub fn success(last_digits: u8, text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Class::Success.digit(), last_digits, None, text.into())
    }

    /// A 3yz: 354 asks for the message, 334 for the next AUTH response.
    pub fn intermediate(last_digits: u8, text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(3, last_digits, None, text.into())
    }

    fn of(first_digit: u8, last_digits: u8, status: Option<EnhancedStatus>, text: Cow<'static, str>) -> Self {
        Self { first_digit, last_digits: last_digits.min(99), status, text: printable(text), more: Vec::new() }
    }

    /// The same reply with one more line.
    #[must_use]
    pub fn and_line(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.more.push(printable(text.into()));
        self
    }

    pub fn code(&self) -> u16 {
        u16::from(self.first_digit) * 100 + u16::from(self.last_digits)
    }

    pub fn status(&self) -> Option<EnhancedStatus> {
        self.status
    }

    /// The first line, without codes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True for 4yz and 5yz.
    pub fn is_refusal(&self) -> bool {
        self.first_digit >= 4
    }

    /// Appends the reply as it goes over the wire. A text too long for a line goes on in the next.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut lines =
            std::iter::once(&self.text).chain(&self.more).flat_map(|text| wrapped(text.as_ref())).peekable();
        while let Some(line) = lines.next() {
            self.write_line(line, lines.peek().is_none(), out);
        }
    }

    fn write_line(&self, line: &str, is_last: bool, out: &mut Vec<u8>) {
        let separator = if is_last { b' ' } else { b'-' };
        let (tens, ones) = (self.last_digits / 10, self.last_digits % 10);
        out.extend_from_slice(&[b'0' + self.first_digit, b'0' + tens, b'0' + ones, separator]);
        if let Some(status) = self.status {
            out.extend_from_slice(status.to_string().as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// `text` with everything but printable ASCII replaced; as it is when there is nothing to replace.
fn printable(text: Cow<'static, str>) -> Cow<'static, str> {
    let replacement = |c: char| match c {
        ' '..='~' => c,
        _ if c.is_control() => ' ',
        _ => '?',
    };
    if text.bytes().all(|octet| (b' '..=b'~').contains(&octet)) {
        text
    } else {
        Cow::Owned(text.chars().map(replacement).collect())
    }
}

/// The pieces of a (printable, thus ASCII) text that fit a line each, cut at blanks where there are any.
fn wrapped(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest.take()?;
        let Some((head, _)) = current.split_at_checked(MAX_TEXT_OCTETS).filter(|(_, tail)| !tail.is_empty()) else {
            return Some(current);
        };
        let cut = head.rfind(' ').filter(|at| *at > 0).unwrap_or(head.len());
        let (line, tail) = current.split_at_checked(cut)?;
        rest = Some(tail.trim_start());
        Some(line)
    })
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReply {
    /// 200 to 599.
    pub code: u16,
    /// As the server gave it; `None` when it gave none, or one of another class than its code.
    pub status: Option<EnhancedStatus>,
    /// The text of each line without code and status code. Hostile: control characters are gone, nothing else is.
    pub lines: Vec<String>,
}

/// What a client does about a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Positive,
    Intermediate,
    Transient,
    Permanent,
}

impl ServerReply {
    pub fn severity(&self) -> Severity {
        match self.code {
            ..300 => Severity::Positive,
            300..400 => Severity::Intermediate,
            400..500 => Severity::Transient,
            _ => Severity::Permanent,
        }
    }

    /// All lines in one.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    #[error("the server's answer is not an SMTP reply")]
    NotSmtp,
    #[error("the server's reply is longer than {MAX_REPLY_OCTETS} octets")]
    TooLong,
}

/// A whole reply of a sane server fits; what does not is an attack on memory.
const MAX_REPLY_OCTETS: usize = 64 * 1024;

/// Reads one reply from the front of `input`: the reply and how many octets it took, or `None` when more must be read.
///
/// A bare LF ends a line as well as CRLF: the server's own replies are all there is in this direction.
pub fn parse_reply(input: &[u8]) -> Result<Option<(ServerReply, usize)>, ReplyError> {
    let mut reply = ServerReply { code: 0, status: None, lines: Vec::new() };
    let mut consumed = 0;
    loop {
        let rest = input.get(consumed..).unwrap_or_default();
        let Some(newline) = memchr::memchr(b'\n', rest) else {
            return if input.len() > MAX_REPLY_OCTETS { Err(ReplyError::TooLong) } else { Ok(None) };
        };
        let line = rest.get(..newline).unwrap_or_default();
        consumed += newline + 1;
        if consumed > MAX_REPLY_OCTETS {
            return Err(ReplyError::TooLong);
        }
        let (code, is_last, text) = parse_reply_line(line.strip_suffix(b"\r").unwrap_or(line))?;
        let is_first = reply.lines.is_empty();
        if !is_first && code != reply.code {
            return Err(ReplyError::NotSmtp);
        }
        let (status, text) = split_status(code, &text);
        if is_first {
            reply.code = code;
            reply.status = status;
        }
        reply.lines.push(text.to_owned());
        if is_last {
            return Ok(Some((reply, consumed)));
        }
    }
}

fn parse_reply_line(line: &[u8]) -> Result<(u16, bool, String), ReplyError> {
    let (code, rest) = line.split_at_checked(3).ok_or(ReplyError::NotSmtp)?;
    let code = std::str::from_utf8(code)
        .ok()
        .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|code| code.parse::<u16>().ok())
        .filter(|code| (200..600).contains(code))
        .ok_or(ReplyError::NotSmtp)?;
    let (is_last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return Err(ReplyError::NotSmtp),
    };
    let text = String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Ok((code, is_last, text))
}

/// The enhanced status code at the front of `text`, if it is there and of the class of `code`, and the text behind it.
fn split_status(code: u16, text: &str) -> (Option<EnhancedStatus>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = word.splitn(3, '.').map(|number| number.parse::<u16>().ok().filter(|n| *n < 1000));
    let (Some(Some(class)), Some(Some(subject)), Some(Some(detail))) = (numbers.next(), numbers.next(), numbers.next())
    else {
        return (None, text);
    };
    let class = match (class, code / 100) {
        (2, 2) => Class::Success,
        (4, 4) => Class::Transient,
        (5, 5) => Class::Permanent,
        _ => return (None, text),
    };
    (Some(EnhancedStatus::new(class, subject, detail)), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn replies_are_written_as_the_rfc_has_them() {
        for (reply, wire) in [
            (Reply::success(20, "mx.test ESMTP"), "220 mx.test ESMTP\r\n"),
            (Reply::new(5, EnhancedStatus::new(Class::Success, 0, 0), "x"), "205 2.0.0 x\r\n"), // a leading zero
            (Reply::intermediate(34, ""), "334 \r\n"), // an empty challenge keeps its blank
            (Reply::new(50, EnhancedStatus::permanent(7, 1), "no"), "550 5.7.1 no\r\n"),
            (Reply::success(50, "a").and_line("B").and_line("C"), "250-a\r\n250-B\r\n250 C\r\n"),
            (Reply::new(52, EnhancedStatus::transient(4, 5), "a").and_line("b"), "452-4.4.5 a\r\n452 4.4.5 b\r\n"),
        ] {
            assert_eq!(written(&reply), wire);
        }
    }

    #[test]
    fn nothing_in_a_text_can_break_the_line() {
        let reply = Reply::success(50, "a\r\n250 b\0\tü".to_owned()).and_line("c\nd".to_owned());
        assert_eq!(written(&reply), "250-a  250 b  ?\r\n250 c d\r\n");
    }

    #[test]
    fn a_long_text_goes_on_in_further_lines_of_512_octets_at_most() {
        for text in ["word ".repeat(300), "x".repeat(1500)] {
            let wire = written(&Reply::new(54, EnhancedStatus::permanent(3, 0), text.clone()));
            let lines: Vec<&str> = wire.split_terminator("\r\n").collect();
            assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= 510), "{wire}");
            assert!(lines.iter().rev().skip(1).all(|line| line.starts_with("554-5.3.0 ")));
            assert!(lines.last().unwrap().starts_with("554 5.3.0 "));
            let (parsed, consumed) = parse_reply(wire.as_bytes()).unwrap().unwrap();
            assert_eq!(consumed, wire.len());
            assert_eq!(parsed.lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }

    #[test]
    fn a_servers_reply_is_understood() {
        for (input, code, status, lines) in [
            ("250 ok\r\nrest", 250, None, vec!["ok"]),
            ("250\r\n", 250, None, vec![""]), // no text at all
            ("250 2.1.0 ok\r\n", 250, Some("2.1.0"), vec!["ok"]),
            ("250-a\r\n250-SIZE 5\r\n250 DSN\r\n", 250, None, vec!["a", "SIZE 5", "DSN"]),
            ("432 4.3.2 STOREDRV\r\n", 432, Some("4.3.2"), vec!["STOREDRV"]),
            ("451 5.3.0 x\r\n", 451, None, vec!["5.3.0 x"]), // the code wins, the text stays whole
            ("550-5.7.1 a\r\n550 5.7.1 b\r\n", 550, Some("5.7.1"), vec!["a", "b"]),
            ("535 5.7.139 x\r\n", 535, Some("5.7.139"), vec!["x"]),
            ("250 ok\n", 250, None, vec!["ok"]), // a server that ends lines with LF
            ("550 1.2.3.4 is listed\r\n", 550, None, vec!["1.2.3.4 is listed"]), // an IP address is no status
        ] {
            let (reply, _) = parse_reply(input.as_bytes()).unwrap().unwrap();
            assert_eq!(reply.code, code, "{input}");
            assert_eq!(reply.status.map(|status| status.to_string()).as_deref(), status, "{input}");
            assert_eq!(reply.lines, lines, "{input}");
        }
    }

    #[test]
    fn a_reply_is_incomplete_until_its_last_line_is_whole() {
        let wire = b"250-a\r\n250-b\r\n250 c\r\n";
        for length in 0..wire.len() {
            assert_eq!(parse_reply(&wire[..length]), Ok(None), "{length}");
        }
        assert_eq!(parse_reply(wire).unwrap().unwrap().1, wire.len());
    }

    #[test]
    fn what_is_not_smtp_is_refused_and_never_grows() {
        for input in
            ["HTTP/1.1 400\r\n", "99 x\r\n", "+50 x\r\n", "700 x\r\n", "250-a\r\n251 b\r\n", "250_x\r\n", "\r\n"]
        {
            assert_eq!(parse_reply(input.as_bytes()), Err(ReplyError::NotSmtp), "{input}");
        }
        assert_eq!(parse_reply(&vec![b'2'; MAX_REPLY_OCTETS + 1]), Err(ReplyError::TooLong));
        assert_eq!(parse_reply("250-x\r\n".repeat(10_000).as_bytes()), Err(ReplyError::TooLong));
    }
}
