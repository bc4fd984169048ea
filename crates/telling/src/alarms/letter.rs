//! An alarm as a letter.

use jiff::Timestamp;
use mail::trace::date_time;
use mail::{Address, MessageId};

use super::Condition;
use super::raised::Raised;

pub(super) struct Text<'a> {
    pub(super) raised: &'a Raised,
    /// Since when its reason is away.
    pub(super) over: Option<Timestamp>,
    pub(super) from: &'a Address,
    pub(super) to: &'a [Address],
    pub(super) host: &'a str,
}

impl Text<'_> {
    pub(super) fn subject(&self) -> String {
        let Condition { kind, name, .. } = &self.raised.condition;
        let mark = if self.over.is_some() { "over" } else { "alarm" };
        one_line(&format!("[Postern {mark}] {}: {name}", kind.title()))
    }

    pub(super) fn message_id(&self, id: MessageId) -> String {
        format!("<{id}@{}>", one_line(self.host))
    }

    pub(super) fn to_mime(&self, id: MessageId, at: Timestamp) -> Vec<u8> {
        let to: Vec<String> = self.to.iter().map(|address| format!("<{address}>")).collect();
        let body = self.body();
        let encoding = if body.is_ascii() { "7bit" } else { "8bit" };
        format!(
            "From: Postern <{}>\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: {}\r\nAuto-Submitted: auto-generated\r\n\
             X-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{body}",
            self.from,
            to.join(",\r\n "),
            encoded(&self.subject()),
            date_time(at),
            self.message_id(id),
        )
        .into_bytes()
    }

    fn body(&self) -> String {
        let Condition { what, why, fix, who, .. } = &self.raised.condition;
        let mut lines = vec![what.clone()];
        lines.extend([why].into_iter().filter(|text| !text.is_empty()).cloned());
        if let Some(at) = self.over {
            lines.push(format!("It is over since {}.", date_time(at)));
        } else {
            lines.extend([fix].into_iter().filter(|text| !text.is_empty()).map(|fix| format!("What to do: {fix}")));
            lines.extend([who].into_iter().filter(|text| !text.is_empty()).map(|who| format!("Who: {who}")));
        }
        lines.push(format!("Raised {} by Postern at {}.", date_time(self.raised.since), self.host));
        let wrapped: Vec<String> = lines.iter().map(|line| wrapped(line)).collect();
        wrapped.join("\r\n")
    }
}

fn one_line(text: &str) -> String {
    let shown: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// RFC 2047, where it is needed: words of at most 45 octets each.
fn encoded(text: &str) -> String {
    use base64::Engine as _;
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words: Vec<String> = vec![String::new()];
    for c in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= 45 => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let encode = |word: &String| format!("=?utf-8?B?{}?=", base64::engine::general_purpose::STANDARD.encode(word));
    words.iter().map(encode).collect::<Vec<_>>().join("\r\n ")
}

/// Lines of at most 74 characters where words allow it.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in one_paragraph(text).split(' ') {
        if length > 0 && length + 1 + word.chars().count() > 74 {
            out.push_str("\r\n");
            length = 0;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += word.chars().count();
    }
    out.push_str("\r\n");
    out
}

fn one_paragraph(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().map(|word| word.chars().take(300).collect::<String>()).collect::<Vec<_>>().join(" ")
}
