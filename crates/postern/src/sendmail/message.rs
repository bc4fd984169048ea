//! From options and the beginning of standard input to an envelope and a header that is complete.
//!
//! Bcc fields never go on: whoever they name is in the envelope (`-t`) or was meant to stay unseen. A From that is
//! missing is added, as every submission agent does (RFC 6409 §8.1).

use std::io::Read;

use mail::address_list::{format_mailbox, parse_address_list};
use mail::header::{Field, fields};
use mail::{Address, BodyType, Envelope, Recipient, ReversePath};

use super::exit::{Status, Trouble};
use super::input::Input;
use super::local_user::LocalUser;
use super::options::Options;
use crate::config::Config;

/// Headers of real mail stay far below this; the intake has its own, smaller limit for the result.
const MAX_HEAD_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Prepared {
    pub envelope: Envelope,
    /// The header with the blank line, and the first body line if it was read already. The rest is still to be read.
    pub head: Vec<u8>,
}

/// Reads the header and decides who sends to whom.
pub(super) fn prepare(options: &Options, config: &Config, input: &mut Input<impl Read>) -> Result<Prepared, Trouble> {
    let (header, first_body_line) = read_header(input)?;
    let domain = config.hostname();
    let user = LocalUser::current();
    let sender = sender(options, &user, &domain)?;
    let envelope = envelope(options, &header, sender.clone(), &domain)?;
    let mut head = Vec::with_capacity(header.len() + 256);
    if !fields(&header).any(|field| field.is("from")) {
        let address = sender.address().cloned().map_or_else(|| local_address(&user.login, &domain), Ok)?;
        let name = options.full_name.clone().or_else(|| std::env::var("NAME").ok()).or(user.full_name);
        head.extend_from_slice(format!("From: {}\r\n", format_mailbox(name.as_deref(), &address)).as_bytes());
    }
    append_without_bcc(&mut head, &header);
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(&first_body_line);
    Ok(Prepared { envelope, head })
}

/// The header block without its blank line, in CRLF, and a line that turned out to belong to the body already.
fn read_header(input: &mut Input<impl Read>) -> Result<(Vec<u8>, Vec<u8>), Trouble> {
    let mut header = Vec::new();
    while let Some(line) = input.next_line()? {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            return Ok((header, Vec::new()));
        }
        // What mailbox files put before each message.
        if header.is_empty() && (text.starts_with(b"From ") || text.starts_with(b">From ")) {
            continue;
        }
        let continues = !header.is_empty() && text.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        if !continues && !is_field(text) {
            return Ok((header, line.to_vec()));
        }
        header.extend_from_slice(text);
        header.extend_from_slice(b"\r\n");
        if header.len() > MAX_HEAD_BYTES {
            return Err(Trouble::new(Status::Data, "the header is too long", "Is the blank line after it missing?"));
        }
    }
    Ok((header, Vec::new()))
}

/// `Name:` with a name of printable characters, blanks before the colon tolerated.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

fn append_without_bcc(head: &mut Vec<u8>, header: &[u8]) {
    let mut kept = 0;
    for field in fields(header).filter(|field| is_bcc(field)) {
        head.extend_from_slice(header.get(kept..field.span.start).unwrap_or_default());
        kept = field.span.end;
    }
    head.extend_from_slice(header.get(kept..).unwrap_or_default());
}

fn is_bcc(field: &Field<'_>) -> bool {
    field.is("bcc") || field.is("resent-bcc")
}

fn sender(options: &Options, user: &LocalUser, domain: &str) -> Result<ReversePath, Trouble> {
    match options.sender.as_deref().map(str::trim) {
        None => Ok(local_address(&user.login, domain)?.into()),
        Some("" | "<>") => Ok(ReversePath::Null),
        Some(text) => {
            // Some scripts pass a whole mailbox: `Name <a@b>`.
            let address = match (text.rfind('<'), text.rfind('>')) {
                (Some(open), Some(close)) if open < close => text.get(open + 1..close).unwrap_or(text),
                _ => text,
            };
            qualified(address, domain)
                .map(ReversePath::from)
                .ok_or_else(|| Trouble::usage(format!("-f {text}: not an address")))
        }
    }
}

fn envelope(options: &Options, header: &[u8], sender: ReversePath, domain: &str) -> Result<Envelope, Trouble> {
    let mut envelope = Envelope::new(sender);
    for operand in &options.recipients {
        add(&mut envelope, options, operand.as_bytes(), domain, "the command line")?;
    }
    if options.recipients_from_header {
        let resent =
            fields(header).any(|field| field.is("resent-to") || field.is("resent-cc") || field.is("resent-bcc"));
        let names = if resent { ["resent-to", "resent-cc", "resent-bcc"] } else { ["to", "cc", "bcc"] };
        for field in fields(header).filter(|field| names.iter().any(|name| field.is(name))) {
            let name = String::from_utf8_lossy(field.name).into_owned();
            add(&mut envelope, options, field.value, domain, &name)?;
        }
    }
    if envelope.recipients.is_empty() {
        let what =
            if options.recipients_from_header { "the header names no recipient" } else { "no recipient is given" };
        return Err(Trouble::new(Status::Usage, what, "Name recipients, or give -t and a To, Cc or Bcc field."));
    }
    envelope.body = options.body.unwrap_or(BodyType::EightBitMime);
    envelope.smtputf8 = envelope.recipients.iter().any(|recipient| !recipient.address.is_ascii());
    envelope.dsn_return = options.dsn_return;
    envelope.envelope_id.clone_from(&options.envelope_id);
    Ok(envelope)
}

/// Adds what a list names. A bare name is a user of this machine.
fn add(envelope: &mut Envelope, options: &Options, list: &[u8], domain: &str, place: &str) -> Result<(), Trouble> {
    let shown = || String::from_utf8_lossy(list).trim().to_owned();
    if shown().is_empty() {
        return Ok(());
    }
    let addresses: Vec<Address> = match parse_address_list(list) {
        Ok(list) => list.mailboxes().map(|mailbox| mailbox.address.clone()).collect(),
        Err(_) => shown()
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| {
                let item = item.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(item);
                qualified(item, domain).ok_or_else(|| {
                    Trouble::new(
                        Status::NoUser,
                        format!("'{item}' in {place} is not an address"),
                        "Write it as user@example.org. Nothing was queued.",
                    )
                })
            })
            .collect::<Result<_, _>>()?,
    };
    for address in addresses {
        envelope.add(Recipient { notify: options.notify, ..Recipient::from(address) });
    }
    Ok(())
}

/// The address, with this machine's domain if it has none.
fn qualified(text: &str, domain: &str) -> Option<Address> {
    if text.contains('@') { text.parse().ok() } else { format!("{text}@{domain}").parse().ok() }
}

fn local_address(login: &str, domain: &str) -> Result<Address, Trouble> {
    qualified(login, domain).ok_or_else(|| {
        Trouble::new(
            Status::Config,
            format!("'{login}@{domain}' is no sender's address"),
            "Give -f, or set hostname in postern.toml.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sendmail::options::parse;

    fn prepared(call: &str, text: &str) -> Result<Prepared, Trouble> {
        let options = parse("sendmail", call.split_whitespace().map(Into::into).collect()).unwrap();
        let config = Config { hostname: Some("host.test".to_owned()), ..Config::default() };
        prepare(&options, &config, &mut Input::new(text.as_bytes(), true))
    }

    fn recipients(prepared: &Prepared) -> String {
        prepared.envelope.recipients.iter().map(|r| r.address.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn head(prepared: &Prepared) -> String {
        String::from_utf8(prepared.head.clone()).unwrap()
    }

    #[test]
    fn recipients_come_from_arguments_and_with_t_from_the_header_too() {
        let text = "From: me@x.test\nTo: A <a@x.test>,\n b@x.test\nCc: team:c@x.test,A@X.test;\nBcc: d@x.test\n\nhi\n";
        for (call, expected) in [
            ("-t", "a@x.test b@x.test c@x.test d@x.test"), // folded, a group, Bcc; nobody twice
            ("-t e@x.test", "e@x.test a@x.test b@x.test c@x.test d@x.test"), // arguments are added
            ("e@x.test", "e@x.test"),                      // the header is only text
            ("root,e@x.test", "root@host.test e@x.test"),
        ] {
            assert_eq!(recipients(&prepared(call, text).unwrap()), expected, "{call}");
        }
    }

    #[test]
    fn resent_fields_take_the_place_of_the_originals() {
        let text = "From: me@x.test\nTo: a@x.test\nResent-To: b@x.test\n\n";
        assert_eq!(recipients(&prepared("-t", text).unwrap()), "b@x.test");
    }

    #[test]
    fn bcc_is_removed_with_its_folds_and_nothing_else_is() {
        let text = "From: me@x.test\nBcc: a@x.test,\n\tb@x.test\nSubject: s\nBCC : c@x.test\nTo: d@x.test\n\nhi\n";
        assert_eq!(head(&prepared("-t", text).unwrap()), "From: me@x.test\r\nSubject: s\r\nTo: d@x.test\r\n\r\n");
    }

    #[test]
    fn a_missing_from_is_added() {
        for (call, from) in [
            ("-f app@x.test -F Shop a@x.test", "From: Shop <app@x.test>\r\n"),
            ("-f app -F Shop a@x.test", "From: Shop <app@host.test>\r\n"), // a local sender gets the machine's name
        ] {
            let prepared = prepared(call, "Subject: s\n\nhi\n").unwrap();
            assert!(head(&prepared).starts_with(from), "{call}: {}", head(&prepared));
        }
        let local = head(&prepared("a@x.test", "Subject: s\n\nhi\n").unwrap());
        assert!(local.starts_with("From: ") && local.contains("@host.test"), "{local}");
        let kept = head(&prepared("-F Shop a@x.test", "From: me@x.test\n\n").unwrap());
        assert_eq!(kept, "From: me@x.test\r\n\r\n"); // -F does not change one that is there
    }

    #[test]
    fn the_senders_address_is_taken_as_scripts_give_it() {
        for (given, expected) in [("<>", "<>"), ("app@x.test", "<app@x.test>"), ("<app@x.test>", "<app@x.test>")] {
            let prepared = prepared(&format!("-f {given} a@x.test"), "From: m@x.test\n\n").unwrap();
            assert_eq!(prepared.envelope.reverse_path.to_string(), expected);
        }
    }

    #[test]
    fn text_without_a_header_becomes_the_body() {
        let prepared = prepared("-f m@x.test -F N a@x.test", "Hello there\nmore\n").unwrap();
        assert_eq!(head(&prepared), "From: N <m@x.test>\r\n\r\nHello there\n");
        let mbox = super::tests::prepared("a@x.test", "From me Mon Jan 1 00:00:00 2024\nFrom: m@x.test\n\n").unwrap();
        assert_eq!(head(&mbox), "From: m@x.test\r\n\r\n"); // the line of mailbox files is dropped
    }

    #[test]
    fn nobody_to_send_to_or_a_broken_address_has_its_own_status() {
        for (call, text, code) in [
            ("", "To: a@x.test\n\n", 64), // no -t
            ("-t", "Subject: s\n\n", 64), // -t without recipients
            ("a@b@c..d", "From: m@x.test\n\n", 67),
            ("-t", "To: <a@-x>\n\n", 67),
            ("-f a..@-x a@x.test", "\n", 64),
        ] {
            assert_eq!(prepared(call, text).unwrap_err().status.code(), code, "{call} {text}");
        }
    }
}
