//! The parameters behind the path of MAIL and RCPT: SIZE, BODY, SMTPUTF8, RET, ENVID, AUTH, NOTIFY, ORCPT.
//!
//! Invariant: a parameter that was not understood is refused, for the client relies on what it asked for; one given
//! twice is refused, for two readers could choose differently.

use mail::{BodyType, DsnNotify, DsnReturn, Recipient, ReversePath};

use crate::{CommandError, MailCommand, xtext};

/// RFC 3461 §4.4.
const MAX_ENVELOPE_ID_OCTETS: usize = 100;
/// RFC 3461 §4.2.
const MAX_ORIGINAL_RECIPIENT_OCTETS: usize = 500;
/// RFC 1870 §3: at most 20 digits.
const MAX_SIZE_DIGITS: usize = 20;

pub(crate) fn mail_command(reverse_path: ReversePath, parameters: &str) -> Result<MailCommand, CommandError> {
    let mut command = MailCommand { reverse_path, ..MailCommand::default() };
    let mut seen = Seen::default();
    for (keyword, value) in split(parameters) {
        let name = seen.once(keyword, &["SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"])?;
        let bad = CommandError::ParameterValue(name);
        match (name, value) {
            ("SIZE", Some(digits)) => command.size = Some(parse_size(digits).ok_or(bad)?),
            ("BODY", Some(body)) => command.body = parse_body(body).ok_or(bad)?,
            ("SMTPUTF8", None) => command.smtputf8 = true,
            ("RET", Some(part)) => command.dsn_return = Some(parse_return(part).ok_or(bad)?),
            ("ENVID", Some(id)) if !id.is_empty() && id.len() <= MAX_ENVELOPE_ID_OCTETS => {
                command.envelope_id = Some(xtext::decode(id).ok_or(bad)?);
            }
            // Who submitted it elsewhere is a claim we neither trust nor pass on (RFC 4954 §5), but it must be sound.
            ("AUTH", Some(mailbox)) => _ = xtext::decode(mailbox).ok_or(bad)?,
            _ => return Err(bad),
        }
    }
    Ok(command)
}

pub(crate) fn add_recipient_parameters(recipient: &mut Recipient, parameters: &str) -> Result<(), CommandError> {
    let mut seen = Seen::default();
    for (keyword, value) in split(parameters) {
        let name = seen.once(keyword, &["NOTIFY", "ORCPT"])?;
        let bad = CommandError::ParameterValue(name);
        match (name, value) {
            ("NOTIFY", Some(when)) => recipient.notify = Some(parse_notify(when).ok_or(bad)?),
            ("ORCPT", Some(original)) => recipient.original_recipient = Some(parse_original(original).ok_or(bad)?),
            _ => return Err(bad),
        }
    }
    Ok(())
}

/// `KEYWORD` and `KEYWORD=value`, apart by any number of blanks.
fn split(parameters: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    parameters.split([' ', '\t']).filter(|word| !word.is_empty()).map(|word| match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (word, None),
    })
}

#[derive(Default)]
struct Seen(Vec<&'static str>);

impl Seen {
    /// The known name of `keyword`, the first time it is met.
    fn once(&mut self, keyword: &str, known: &[&'static str]) -> Result<&'static str, CommandError> {
        let name = known.iter().find(|name| name.eq_ignore_ascii_case(keyword));
        let name = *name.ok_or_else(|| CommandError::UnknownParameter(keyword.chars().take(40).collect()))?;
        if self.0.contains(&name) {
            return Err(CommandError::ParameterValue(name));
        }
        self.0.push(name);
        Ok(name)
    }
}

/// More than fits a `u64` is more than anybody takes, not a mistake in the command.
fn parse_size(digits: &str) -> Option<u64> {
    let sound = (1..=MAX_SIZE_DIGITS).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    sound.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn parse_body(body: &str) -> Option<BodyType> {
    [("7BIT", BodyType::SevenBit), ("8BITMIME", BodyType::EightBitMime)]
        .into_iter()
        .find_map(|(name, body_type)| name.eq_ignore_ascii_case(body).then_some(body_type))
}

fn parse_return(part: &str) -> Option<DsnReturn> {
    [("FULL", DsnReturn::Full), ("HDRS", DsnReturn::Headers)]
        .into_iter()
        .find_map(|(name, dsn_return)| name.eq_ignore_ascii_case(part).then_some(dsn_return))
}

/// `NEVER`, or a list without it (RFC 3461 §4.1).
fn parse_notify(when: &str) -> Option<DsnNotify> {
    let mut notify = DsnNotify { success: false, failure: false, delay: false };
    if when.eq_ignore_ascii_case("NEVER") {
        return Some(notify);
    }
    for word in when.split(',') {
        match word {
            _ if word.eq_ignore_ascii_case("SUCCESS") => notify.success = true,
            _ if word.eq_ignore_ascii_case("FAILURE") => notify.failure = true,
            _ if word.eq_ignore_ascii_case("DELAY") => notify.delay = true,
            _ => return None,
        }
    }
    Some(notify)
}

/// `type;address` with the address decoded.
fn parse_original(original: &str) -> Option<String> {
    let (kind, address) = original.split_once(';')?;
    let is_atom = !kind.is_empty() && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    if !is_atom || address.is_empty() || original.len() > MAX_ORIGINAL_RECIPIENT_OCTETS {
        return None;
    }
    let address =
        if kind.eq_ignore_ascii_case("utf-8") { xtext::decode_unitext(address) } else { xtext::decode(address) };
    Some(format!("{kind};{}", address?))
}
