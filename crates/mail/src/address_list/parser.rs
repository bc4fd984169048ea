//! The grammar. One pass over the bytes, no recursion, no allocation but the result.

use super::{AddressList, Entry, Mailbox, NotUnderstood};
use crate::Address;

/// Parses the value of a To, Cc, From, … field, folds and all. An empty value is an empty list: real mailers write
/// `Cc:` and mean nobody.
///
/// ```
/// let list = mail::address_list::parse_address_list(br#""Smith, Anna" <anna@x.test>, bob@x.test"#).unwrap();
/// let found: Vec<&str> = list.mailboxes().map(|mailbox| mailbox.address.as_str()).collect();
/// assert_eq!(found, ["anna@x.test", "bob@x.test"]);
/// ```
pub fn parse_address_list(value: &[u8]) -> Result<AddressList, NotUnderstood> {
    let mut parser = Parser { bytes: value, at: 0, solid_end: 0, is_odd: false };
    let mut list = AddressList { entries: Vec::new(), is_plain: true };
    loop {
        match parser.next_element(&mut list.is_plain)? {
            None => return Ok(list),
            Some(b',') => parser.at += 1,
            Some(b';') => return Err(parser.stuck()),
            Some(_) => {
                let entry = parser.entry()?;
                let is_group = matches!(entry, Entry::Group { .. });
                list.entries.push(entry);
                parser.expect_separator(false)?;
                list.is_plain &= !(is_group && parser.is_odd);
            }
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// After the last byte that was no white space.
    solid_end: usize,
    /// Something in the current mailbox may be read differently elsewhere.
    is_odd: bool,
}

/// What stood before `<`, `@` or `:`.
#[derive(Default)]
struct Words {
    first: Option<usize>,
    end: usize,
    /// The words without white space and comments: a local part, if an `@` follows. `None` after two words without a
    /// dot between: a phrase, never a local part.
    local_part: Option<Vec<u8>>,
    last_was_word: bool,
    has_gap: bool,
    has_quotes: bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn stuck(&self) -> NotUnderstood {
        NotUnderstood { offset: self.at }
    }

    fn eat(&mut self, byte: u8) -> Result<(), NotUnderstood> {
        if self.peek() != Some(byte) {
            return Err(self.stuck());
        }
        self.at += 1;
        self.solid_end = self.at;
        Ok(())
    }

    /// Moves to where the next element begins. A comment that stands alone belongs to no mailbox.
    fn next_element(&mut self, list_is_plain: &mut bool) -> Result<Option<u8>, NotUnderstood> {
        self.skip_white();
        let start = self.at;
        self.is_odd = false;
        self.skip_comments()?;
        let next = self.peek();
        if matches!(next, None | Some(b',' | b';')) {
            *list_is_plain &= !self.is_odd;
        } else {
            self.at = start;
            self.is_odd = false;
        }
        Ok(next)
    }

    fn expect_separator(&mut self, in_group: bool) -> Result<(), NotUnderstood> {
        self.skip_comments()?;
        match self.peek() {
            None if !in_group => Ok(()),
            Some(b',') => Ok(()),
            Some(b';') if in_group => Ok(()),
            _ => Err(self.stuck()),
        }
    }

    fn entry(&mut self) -> Result<Entry, NotUnderstood> {
        let start = self.at;
        let words = self.words()?;
        if self.peek() != Some(b':') {
            return self.mailbox(start, words).map(Entry::Mailbox);
        }
        let Some(first) = words.first else { return Err(self.stuck()) };
        if self.is_odd {
            return Err(self.stuck());
        }
        self.eat(b':')?;
        let members = self.members()?;
        self.is_odd = false;
        Ok(Entry::Group { name: first..words.end, members })
    }

    /// The members of a group up to and with its semicolon.
    fn members(&mut self) -> Result<Vec<Mailbox>, NotUnderstood> {
        let mut members = Vec::new();
        let mut is_plain = true;
        loop {
            match self.next_element(&mut is_plain)? {
                Some(b';') if is_plain => {
                    self.eat(b';')?;
                    return Ok(members);
                }
                None | Some(b';') => return Err(self.stuck()),
                Some(b',') => self.at += 1,
                Some(_) => {
                    let start = self.at;
                    let words = self.words()?;
                    let member = self.mailbox(start, words)?;
                    members.push(member);
                    self.expect_separator(true)?;
                }
            }
        }
    }

    /// Words and dots up to `<`, `@` or `:`.
    fn words(&mut self) -> Result<Words, NotUnderstood> {
        let mut words = Words { local_part: Some(Vec::new()), ..Words::default() };
        loop {
            let before = self.at;
            self.skip_comments()?;
            let has_gap = self.at != before && words.first.is_some();
            let start = self.at;
            match self.peek() {
                Some(b'<' | b'@' | b':') => {
                    words.has_gap |= has_gap && self.peek() == Some(b'@');
                    return Ok(words);
                }
                Some(b'"') => {
                    self.skip_quoted()?;
                    words.has_quotes = true;
                }
                Some(b'.') => self.at += 1,
                Some(byte) if is_atom(byte) => self.skip_atom(),
                _ => return Err(self.stuck()),
            }
            self.solid_end = self.at;
            let token = self.bytes.get(start..self.at).unwrap_or_default();
            let is_word = token != b".";
            words.first.get_or_insert(start);
            words.end = self.at;
            words.has_gap |= has_gap;
            words.local_part = words.local_part.filter(|_| !(is_word && words.last_was_word));
            words.last_was_word = is_word;
            if let Some(local) = &mut words.local_part {
                local.extend_from_slice(token);
            }
        }
    }

    /// The rest of a mailbox whose `words` are read; the next byte is `<` or `@`.
    fn mailbox(&mut self, start: usize, words: Words) -> Result<Mailbox, NotUnderstood> {
        let (address, display_name) = if self.peek() == Some(b'<') {
            (self.angle_address()?, words.first.map(|first| first..words.end))
        } else {
            self.is_odd |= words.has_quotes;
            (self.address(words)?, None)
        };
        self.skip_comments()?;
        Ok(Mailbox { address, span: start..self.solid_end, display_name, is_plain: !self.is_odd })
    }

    fn angle_address(&mut self) -> Result<Address, NotUnderstood> {
        self.eat(b'<')?;
        self.skip_inside()?;
        if self.peek() == Some(b'@') {
            self.skip_route()?;
        }
        let words = self.words()?;
        if self.peek() != Some(b'@') {
            return Err(self.stuck());
        }
        let address = self.address(words)?;
        self.skip_inside()?;
        self.eat(b'>')?;
        Ok(address)
    }

    /// `@domain` after the local part in `words`.
    fn address(&mut self, words: Words) -> Result<Address, NotUnderstood> {
        let Some(mut text) = words.local_part else { return Err(self.stuck()) };
        self.is_odd |= words.has_gap;
        self.eat(b'@')?;
        text.push(b'@');
        self.skip_inside()?;
        self.domain(&mut text)?;
        let text = String::from_utf8(text).map_err(|_| self.stuck())?;
        self.is_odd |= text.contains("=?");
        text.parse().map_err(|_| self.stuck())
    }

    fn domain(&mut self, text: &mut Vec<u8>) -> Result<(), NotUnderstood> {
        if self.peek() == Some(b'[') {
            let end = self.find(b']')?;
            text.extend_from_slice(self.bytes.get(self.at..=end).unwrap_or_default());
            self.at = end + 1;
            self.solid_end = self.at;
            return Ok(());
        }
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| is_atom(byte) || byte == b'.') {
                self.at += 1;
            }
            if start == self.at {
                return Err(self.stuck());
            }
            self.solid_end = self.at;
            text.extend_from_slice(self.bytes.get(start..self.at).unwrap_or_default());
            let before = (self.at, self.solid_end, self.is_odd);
            self.skip_comments()?;
            let goes_on = match self.peek() {
                Some(b'.') => true,
                Some(byte) => is_atom(byte) && text.last() == Some(&b'.'),
                None => false,
            };
            if !goes_on {
                // What was skipped stands after the address: the caller judges it.
                (self.at, self.solid_end, self.is_odd) = before;
                return Ok(());
            }
            self.is_odd = true;
        }
    }

    /// `@a.test,@b.test:` before the address (RFC 5322 §4.4): understood and ignored.
    fn skip_route(&mut self) -> Result<(), NotUnderstood> {
        self.is_odd = true;
        let end = self.find(b':')?;
        let route = self.bytes.get(self.at..end).unwrap_or_default();
        if !route.iter().all(|byte| is_atom(*byte) || b"@,.[] \t\r\n".contains(byte)) {
            return Err(self.stuck());
        }
        self.at = end + 1;
        self.skip_inside()
    }

    /// White space and comments where plain addresses have none.
    fn skip_inside(&mut self) -> Result<(), NotUnderstood> {
        let before = self.at;
        self.skip_comments()?;
        self.is_odd |= self.at != before;
        Ok(())
    }

    fn find(&self, byte: u8) -> Result<usize, NotUnderstood> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        memchr::memchr(byte, rest).map(|length| self.at + length).ok_or(self.stuck())
    }

    fn skip_atom(&mut self) {
        while self.peek().is_some_and(is_atom) {
            self.at += 1;
        }
    }

    /// Blanks, tabs and folds. A CR that begins no CRLF is left for the caller to stumble over.
    fn skip_white(&mut self) {
        while let Some(byte) = self.peek() {
            let is_fold = byte == b'\n' || (byte == b'\r' && self.bytes.get(self.at + 1) == Some(&b'\n'));
            if !is_fold && byte != b' ' && byte != b'\t' {
                return;
            }
            self.at += 1;
        }
    }

    fn skip_comments(&mut self) -> Result<(), NotUnderstood> {
        loop {
            self.skip_white();
            if self.peek() != Some(b'(') {
                return Ok(());
            }
            self.skip_comment()?;
            self.solid_end = self.at;
        }
    }

    fn skip_comment(&mut self) -> Result<(), NotUnderstood> {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => self.at += 1,
                b'@' => self.is_odd = true,
                _ => self.refuse_control(byte)?,
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        Err(self.stuck())
    }

    fn skip_quoted(&mut self) -> Result<(), NotUnderstood> {
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    let escaped = self.peek().ok_or(self.stuck())?;
                    if escaped.is_ascii_control() {
                        return Err(self.stuck());
                    }
                }
                _ => self.refuse_control(byte)?,
            }
            self.at += 1;
        }
        Err(self.stuck())
    }

    /// Inside quotes and comments: tabs and folds may stand, NUL, a bare CR and the like may not.
    fn refuse_control(&self, byte: u8) -> Result<(), NotUnderstood> {
        let is_fold = byte == b'\n' || byte == b'\t' || (byte == b'\r' && self.bytes.get(self.at + 1) == Some(&b'\n'));
        if byte.is_ascii_control() && !is_fold { Err(self.stuck()) } else { Ok(()) }
    }
}

/// RFC 5322 §3.2.3 `atext`, with anything beyond ASCII (RFC 6532, and the Latin-1 of old mailers).
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte) || !byte.is_ascii()
}
