//! One command line as a [`Command`], or the exact refusal.
//!
//! Lenient where real clients need it: any letter case, blanks around the colon of `MAIL FROM :`, a path without angle
//! brackets, a source route (dropped, RFC 5321 §4.1.1.3), blanks at the end. Strict where safety needs it: no control
//! character anywhere, no parameter that was not understood, no path that is not an address.

use mail::{Address, AddressError, BodyType, Class, DsnReturn, EnhancedStatus, Recipient, ReversePath};

use crate::{Mechanism, Reply, parameters};

/// RFC 5321 §4.5.3.1.2; the name goes into the Received field.
const MAX_CLIENT_NAME_OCTETS: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// The name the client gives itself: not checked, without control characters or blanks.
    Ehlo(&'a str),
    Helo(&'a str),
    Mail(MailCommand),
    Rcpt(Recipient),
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Expn,
    Help,
    StartTls,
    /// The initial response is base64, `=` for an empty one (RFC 4954 §4).
    Auth {
        mechanism: Mechanism,
        initial_response: Option<&'a str>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailCommand {
    pub reverse_path: ReversePath,
    /// SIZE: how many octets the client is going to send (RFC 1870).
    pub size: Option<u64>,
    pub body: BodyType,
    pub smtputf8: bool,
    pub dsn_return: Option<DsnReturn>,
    pub envelope_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("Command not recognized")]
    Unknown,
    /// A browser was made to talk to us; whatever follows is not mail.
    #[error("This is an SMTP server, not a web server")]
    ForeignProtocol,
    #[error("BDAT is not offered; use DATA")]
    Bdat,
    #[error("Commands cannot hold control characters")]
    ControlCharacter,
    #[error("Commands are ASCII, or UTF-8 where SMTPUTF8 allows it")]
    NotUtf8,
    #[error("Syntax: {0}")]
    Usage(&'static str),
    #[error("Sender address: {0}")]
    Sender(AddressError),
    #[error("Recipient address: {0}")]
    Recipient(AddressError),
    #[error("The sender address is not ASCII: give SMTPUTF8 with MAIL")]
    NeedsSmtpUtf8,
    #[error("Parameter {0} is not supported")]
    UnknownParameter(String),
    #[error("Parameter {0} has no usable value, or was given twice")]
    ParameterValue(&'static str),
    #[error("Authentication mechanism not offered; use PLAIN or LOGIN")]
    Mechanism,
}

impl CommandError {
    /// What the client is told.
    pub fn reply(&self) -> Reply {
        let (last_digits, subject, detail) = match self {
            Self::ForeignProtocol => {
                return Reply::new(21, EnhancedStatus::new(Class::Transient, 7, 0), self.to_string());
            }
            Self::Unknown => (0, 5, 1),
            Self::Bdat => (2, 5, 1),
            Self::ControlCharacter | Self::NotUtf8 => (0, 5, 2),
            Self::Usage(_) | Self::ParameterValue(_) => (1, 5, 4),
            Self::Sender(_) => (1, 1, 7),
            Self::Recipient(_) => (1, 1, 3),
            Self::NeedsSmtpUtf8 => (53, 6, 7),
            Self::UnknownParameter(_) => (55, 5, 4),
            Self::Mechanism => (4, 5, 4),
        };
        Reply::new(last_digits, EnhancedStatus::permanent(subject, detail), self.to_string())
    }
}

/// Understands one line, given without its line end.
///
/// ```
/// use wire::{Command, parse_command};
/// assert!(matches!(parse_command(b"ehlo client.test"), Ok(Command::Ehlo("client.test"))));
/// assert!(matches!(parse_command(b"MAIL from: <>"), Ok(Command::Mail(mail)) if mail.reverse_path.is_null()));
/// assert_eq!(parse_command(b"RCPT TO:<>").unwrap_err().reply().code(), 501);
/// ```
pub fn parse_command(line: &[u8]) -> Result<Command<'_>, CommandError> {
    let line = std::str::from_utf8(line).map_err(|_| CommandError::NotUtf8)?.trim_end_matches([' ', '\t']);
    if line.bytes().any(|octet| octet.is_ascii_control() && octet != b'\t') {
        return Err(CommandError::ControlCharacter);
    }
    let (verb, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim_start_matches([' ', '\t']);
    let mut upper = [0; 8];
    let Some(letters) = upper.get_mut(..verb.len()) else {
        return Err(CommandError::Unknown);
    };
    letters.copy_from_slice(verb.as_bytes());
    letters.make_ascii_uppercase();
    match &*letters {
        b"EHLO" => client_name(argument, "EHLO hostname").map(Command::Ehlo),
        b"HELO" => client_name(argument, "HELO hostname").map(Command::Helo),
        b"MAIL" => parse_mail(argument).map(Command::Mail),
        b"RCPT" => parse_rcpt(argument).map(Command::Rcpt),
        b"DATA" => alone(argument, Command::Data, "DATA"),
        b"RSET" => alone(argument, Command::Rset, "RSET"),
        b"QUIT" => alone(argument, Command::Quit, "QUIT"),
        b"STARTTLS" => alone(argument, Command::StartTls, "STARTTLS"),
        b"NOOP" => Ok(Command::Noop),
        b"VRFY" => Ok(Command::Vrfy),
        b"EXPN" => Ok(Command::Expn),
        b"HELP" => Ok(Command::Help),
        b"AUTH" => parse_auth(argument),
        b"BDAT" => Err(CommandError::Bdat),
        b"GET" | b"POST" | b"PUT" | b"HEAD" | b"CONNECT" | b"OPTIONS" => Err(CommandError::ForeignProtocol),
        _ => Err(CommandError::Unknown),
    }
}

fn alone<'a>(argument: &str, command: Command<'a>, usage: &'static str) -> Result<Command<'a>, CommandError> {
    if argument.is_empty() { Ok(command) } else { Err(CommandError::Usage(usage)) }
}

/// The first word: names such as `my pc` exist, and what follows would only confuse the Received field.
fn client_name<'a>(argument: &'a str, usage: &'static str) -> Result<&'a str, CommandError> {
    let name = argument.split_whitespace().next().unwrap_or_default();
    let sound = (1..=MAX_CLIENT_NAME_OCTETS).contains(&name.len()) && !name.chars().any(char::is_control);
    if sound { Ok(name) } else { Err(CommandError::Usage(usage)) }
}

fn parse_mail(argument: &str) -> Result<MailCommand, CommandError> {
    const USAGE: CommandError = CommandError::Usage("MAIL FROM:<address> [parameters]");
    let (path, parameters) = after_keyword(argument, "FROM").and_then(split_path).ok_or(USAGE)?;
    let reverse_path = match path {
        Path { text: "", is_bracketed: true } => ReversePath::Null,
        Path { text: "", is_bracketed: false } => return Err(USAGE),
        Path { text, .. } => text.parse::<Address>().map_err(CommandError::Sender)?.into(),
    };
    let command = parameters::mail_command(reverse_path, parameters)?;
    if !command.smtputf8 && command.reverse_path.address().is_some_and(|address| !address.is_ascii()) {
        return Err(CommandError::NeedsSmtpUtf8);
    }
    Ok(command)
}

fn parse_rcpt(argument: &str) -> Result<Recipient, CommandError> {
    const USAGE: CommandError = CommandError::Usage("RCPT TO:<address> [parameters]");
    let (path, parameters) = after_keyword(argument, "TO").and_then(split_path).ok_or(USAGE)?;
    if path.text.is_empty() && !path.is_bracketed {
        return Err(USAGE);
    }
    let address: Address = path.text.parse().map_err(CommandError::Recipient)?;
    let mut recipient = Recipient::from(address);
    parameters::add_recipient_parameters(&mut recipient, parameters)?;
    Ok(recipient)
}

/// What stands behind `KEYWORD :`.
fn after_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    let rest = rest.trim_start().strip_prefix(':')?;
    word.eq_ignore_ascii_case(keyword).then(|| rest.trim_start())
}

struct Path<'a> {
    text: &'a str,
    is_bracketed: bool,
}

/// The path, without brackets and source route, and the parameters behind it.
fn split_path(text: &str) -> Option<(Path<'_>, &str)> {
    let Some(inside) = text.strip_prefix('<') else {
        let end = end_outside_quotes(text, ' ').unwrap_or(text.len());
        let (path, parameters) = text.split_at_checked(end)?;
        return Some((Path { text: path, is_bracketed: false }, parameters));
    };
    let (path, rest) = inside.split_at_checked(end_outside_quotes(inside, '>')?)?;
    let parameters = rest.strip_prefix('>')?;
    if !parameters.is_empty() && !parameters.starts_with([' ', '\t']) {
        return None;
    }
    let path = path.trim();
    let path = if path.starts_with('@') { path.split_once(':')?.1 } else { path };
    Some((Path { text: path, is_bracketed: true }, parameters))
}

/// Where `end` first stands outside a quoted string.
fn end_outside_quotes(text: &str, end: char) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if c == end && !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

fn parse_auth(argument: &str) -> Result<Command<'_>, CommandError> {
    let mut words = argument.split([' ', '\t']).filter(|word| !word.is_empty());
    let (Some(name), initial_response, None) = (words.next(), words.next(), words.next()) else {
        return Err(CommandError::Usage("AUTH mechanism [initial-response]"));
    };
    let mechanism = Mechanism::named(name).ok_or(CommandError::Mechanism)?;
    Ok(Command::Auth { mechanism, initial_response })
}

#[cfg(test)]
mod tests;
