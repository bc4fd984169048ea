//! From path segments to an operation on a mailbox.
//!
//! Promise: each segment is percent-decoded exactly once and never again; names of operations compare without case.

use super::failure::Failure;
use crate::exchange::decode_segment;

/// Whose mailbox a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MailboxKey {
    Me,
    /// The key as the client means it, decoded.
    User(String),
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    SendMail,
    /// `messages`, and what lies below it.
    Drafts(DraftPath),
    /// The messages of the Inbox, and a message as MIME.
    Inbox(InboxPath),
    /// Calendars, batches: part of Graph, not of this tenant.
    Other(String),
}

/// What is read of an Inbox; ids compare with case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InboxPath {
    Messages,
    Mime(String),
}

/// What lies below `messages`; ids compare with case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DraftPath {
    All,
    One(String),
    Attachments(String),
    UploadSessions(String),
    Send(String),
}

/// Reads the segments after the version.
pub(crate) fn read(segments: &[&str]) -> Result<(MailboxKey, Operation), Failure> {
    let mut decoded = Vec::with_capacity(segments.len());
    for segment in segments {
        decoded.push(decode_segment(segment).ok_or_else(|| Failure::new(400, "BadRequest", "Invalid URL encoding."))?);
    }
    let names: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match names.as_slice() {
        [me, rest @ ..] if me.eq_ignore_ascii_case("me") => Ok((MailboxKey::Me, operation(rest)?)),
        [users, key, rest @ ..] if users.eq_ignore_ascii_case("users") && !key.is_empty() => {
            Ok((MailboxKey::User((*key).to_owned()), operation(rest)?))
        }
        [users, rest @ ..] => match key_in_parentheses(users) {
            Some(key) => Ok((MailboxKey::User(key), operation(rest)?)),
            None => Err(unknown_segment(users)),
        },
        [] => Err(unknown_segment("")),
    }
}

/// The key of `users('key')`; a quote inside it is doubled, as `OData` writes it.
fn key_in_parentheses(segment: &str) -> Option<String> {
    let (name, rest) = segment.split_once('(')?;
    let key = rest.strip_prefix('\'')?.strip_suffix("')")?;
    let is_users = name.eq_ignore_ascii_case("users") && !key.is_empty();
    is_users.then(|| key.replace("''", "'"))
}

fn operation(segments: &[&str]) -> Result<Operation, Failure> {
    const OTHERS: [&str; 4] = ["mailFolders", "events", "contacts", "calendar"];
    match segments {
        [folders, inbox, name]
            if folders.eq_ignore_ascii_case("mailFolders")
                && inbox.eq_ignore_ascii_case("inbox")
                && name.eq_ignore_ascii_case("messages") =>
        {
            Ok(Operation::Inbox(InboxPath::Messages))
        }
        // Drafts made in their folder by its well-known name are the same drafts.
        [folders, drafts, name, rest @ ..]
            if folders.eq_ignore_ascii_case("mailFolders")
                && drafts.eq_ignore_ascii_case("drafts")
                && name.eq_ignore_ascii_case("messages") =>
        {
            Ok(Operation::Drafts(draft_path(rest)?))
        }
        [name, id, value] if name.eq_ignore_ascii_case("messages") && *value == "$value" => {
            Ok(Operation::Inbox(InboxPath::Mime((*id).to_owned())))
        }
        [name, rest @ ..] if name.eq_ignore_ascii_case("messages") => Ok(Operation::Drafts(draft_path(rest)?)),
        [] => Ok(Operation::Other(String::new())),
        [name] if name.eq_ignore_ascii_case("sendMail") || name.eq_ignore_ascii_case("microsoft.graph.sendMail") => {
            Ok(Operation::SendMail)
        }
        [name, ..] if OTHERS.iter().any(|other| other.eq_ignore_ascii_case(name)) => {
            Ok(Operation::Other((*name).to_owned()))
        }
        [name, ..] if name.eq_ignore_ascii_case("sendMail") => {
            Err(unknown_segment(segments.get(1).copied().unwrap_or("")))
        }
        [name, ..] => Err(unknown_segment(name)),
    }
}

fn draft_path(segments: &[&str]) -> Result<DraftPath, Failure> {
    let is = |name: &str, wanted: &str| {
        name.eq_ignore_ascii_case(wanted) || name.eq_ignore_ascii_case(&format!("microsoft.graph.{wanted}"))
    };
    match segments {
        [] => Ok(DraftPath::All),
        [id] => Ok(DraftPath::One((*id).to_owned())),
        [id, name] if is(name, "attachments") => Ok(DraftPath::Attachments((*id).to_owned())),
        [id, name] if is(name, "send") => Ok(DraftPath::Send((*id).to_owned())),
        [id, name, action] if is(name, "attachments") && is(action, "createUploadSession") => {
            Ok(DraftPath::UploadSessions((*id).to_owned()))
        }
        [_, name, ..] => Err(unknown_segment(name)),
    }
}

fn unknown_segment(segment: &str) -> Failure {
    Failure::new(400, "BadRequest", format!("Resource not found for the segment '{segment}'."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> Option<String> {
        let segments: Vec<&str> = path.split('/').collect();
        match read(&segments) {
            Ok((MailboxKey::User(key), Operation::SendMail)) => Some(key),
            _ => None,
        }
    }

    #[test]
    fn a_key_is_one_segment_decoded_once() {
        let rows = [
            ("users/a@b.test/sendMail", Some("a@b.test"), "the plain case"),
            ("users/a%40b.test/sendMail", Some("a@b.test"), "the SDKs encode the @"),
            ("Users/a@b.test/sendmail", Some("a@b.test"), "segments compare without case"),
            ("users('a@b.test')/sendMail", Some("a@b.test"), "OData's form"),
            ("users('o''neil@b.test')/sendMail", Some("o'neil@b.test"), "a doubled quote is one"),
            ("users(%27$a@b.test%27)/sendMail", Some("$a@b.test"), "the form a leading dollar needs"),
            ("users/a%252fb@c.test/sendMail", Some("a%2fb@c.test"), "decoded once, not twice"),
            ("users/a%2f..%2f..%2fx%3fy%23z@d/sendMail", Some("a/../../x?y#z@d"), "an encoded slash divides nothing"),
            ("users/a+b@c.test/sendMail", Some("a+b@c.test"), "a plus is a plus in a path"),
            ("users/a/b/sendMail", None, "a bare slash divides"),
            ("users//sendMail", None, "an empty key is none"),
            ("users/%ff/sendMail", None, "not UTF-8"),
            ("people/a@b.test/sendMail", None, "no such collection"),
            ("users/a@b.test/sendMail/x", None, "nothing below sendMail"),
        ];
        for (path, expected, reason) in rows {
            assert_eq!(key(path).as_deref(), expected, "{path}: {reason}");
        }
    }

    #[test]
    fn what_lies_below_messages_is_told_apart() {
        let id = || "AAMk=".to_owned();
        let rows = [
            ("messages", Some(DraftPath::All)),
            ("Messages/AAMk=", Some(DraftPath::One(id()))),
            ("messages/AAMk%3D/attachments", Some(DraftPath::Attachments(id()))),
            ("messages/AAMk=/attachments/createUploadSession", Some(DraftPath::UploadSessions(id()))),
            ("messages/AAMk=/microsoft.graph.send", Some(DraftPath::Send(id()))),
            ("mailFolders/Drafts/messages", Some(DraftPath::All)),
            ("mailFolders/drafts/messages/AAMk=", Some(DraftPath::One(id()))),
            ("messages/AAMk=/forward", None),
        ];
        for (path, expected) in rows {
            let segments: Vec<&str> = ["users", "a@b.test"].into_iter().chain(path.split('/')).collect();
            let found = read(&segments).ok().map(|(_, operation)| operation);
            assert_eq!(found, expected.map(Operation::Drafts), "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_key_survives_being_one_encoded_segment(key in "[^']{1,40}") {
            let encoded = percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC).to_string();
            let expected = (MailboxKey::User(key), Operation::SendMail);
            proptest::prop_assert_eq!(read(&["users", &encoded, "sendMail"]), Ok(expected));
        }
    }
}
