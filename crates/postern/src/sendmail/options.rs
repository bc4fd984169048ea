//! sendmail's options, read as sendmail reads them: letters may be joined, values may be joined to their letter, and
//! operands may stand between options.
//!
//! What a script asks of another sendmail (delivery modes, error modes, queue intervals) is understood and means
//! nothing here; what would mean something and is not understood is an error of usage.

use std::ffi::OsString;
use std::path::PathBuf;

use mail::{BodyType, DsnNotify, DsnReturn};

use super::exit::Trouble;
use crate::config::Source;

pub(super) const HELP: &str = "\
Usage: sendmail [OPTIONS] [RECIPIENT...] < message

Queues the message on standard input. Status 0: it is durably queued.

  -t               recipients from To, Cc and Bcc too
  -i, -oi          a line with a single dot is text
  -f, -r ADDRESS   sender of the envelope (<> for none)
  -F NAME          full name for a From that is missing
  -bs              speak SMTP on standard input and output
  -bp              list the queue
  -B TYPE          7BIT or 8BITMIME
  -N WHEN          never, or success, failure, delay: when a report is wanted
  -R WHAT          full or hdrs: what a report brings back
  -V ID            envelope id for reports
  -v               say the id
  -C FILE          configuration file (also --config FILE), --data-dir DIR
  -q..., -o..., -O..., -e..., -d..., -X FILE, -h N, -L TAG, -p P, -m, -n, -U, -G   accepted

When the data folder cannot be opened, POSTERN_URL and POSTERN_TOKEN name a server to hand the message to.
Status: 64 usage, 65 data, 67 no such recipient, 69 refused, 75 try later, 77 not allowed, 78 configuration.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Deliver,
    Smtp,
    ListQueue,
    Nothing,
    Help,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    pub mode: Mode,
    /// `-t`
    pub recipients_from_header: bool,
    /// `-i`
    pub dot_is_text: bool,
    /// `-f` or `-r`, as given; empty or `<>`: none.
    pub sender: Option<String>,
    pub full_name: Option<String>,
    pub recipients: Vec<String>,
    pub body: Option<BodyType>,
    pub notify: Option<DsnNotify>,
    pub dsn_return: Option<DsnReturn>,
    pub envelope_id: Option<String>,
    pub verbose: bool,
    pub config: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub source: Source,
}

impl Options {
    fn new() -> Self {
        Self {
            mode: Mode::Deliver,
            recipients_from_header: false,
            dot_is_text: false,
            sender: None,
            full_name: None,
            recipients: Vec::new(),
            body: None,
            notify: None,
            dsn_return: None,
            envelope_id: None,
            verbose: false,
            config: std::env::var_os("POSTERN_CONFIG").map(PathBuf::from),
            data_dir: std::env::var_os("POSTERN_DATA_DIR").map(PathBuf::from),
            source: Source::SystemOnly,
        }
    }
}

/// Reads the arguments after the program's name.
pub(super) fn parse(name: &str, arguments: Vec<OsString>) -> Result<Options, Trouble> {
    let mut options = Options::new();
    match name {
        "mailq" => options.mode = Mode::ListQueue,
        "newaliases" => options.mode = Mode::Nothing,
        _ => {}
    }
    let mut texts = Vec::new();
    for argument in arguments {
        let text =
            argument.into_string().map_err(|bad| Trouble::usage(format!("{} is not UTF-8", bad.to_string_lossy())))?;
        texts.push(text);
    }
    let mut rest = texts.into_iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            options.recipients.extend(rest);
            break;
        }
        if let Some(long) = argument.strip_prefix("--") {
            long_option(&mut options, long, &mut rest)?;
        } else if argument.len() > 1 && argument.starts_with('-') {
            letters(&mut options, argument.get(1..).unwrap_or_default(), &mut rest)?;
        } else {
            options.recipients.push(argument);
        }
    }
    Ok(options)
}

/// Our own options, and those of msmtp that replace letters.
fn long_option(options: &mut Options, long: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), Trouble> {
    let (name, joined) = match long.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (long, None),
    };
    let mut value = || {
        let missing = || Trouble::usage(format!("--{name} needs a value"));
        joined.clone().or_else(|| rest.next()).ok_or_else(missing)
    };
    match name {
        "help" => options.mode = Mode::Help,
        "config" => options.config = Some(value()?.into()),
        "data-dir" => options.data_dir = Some(value()?.into()),
        "from" => options.sender = Some(value()?),
        "read-recipients" => options.recipients_from_header = true,
        "read-envelope-from" => {} // the header's From is used when no -f is given
        "verbose" => options.verbose = true,
        _ => return Err(Trouble::usage(format!("the option --{name} is not known"))),
    }
    Ok(())
}

/// Letters whose value must follow, joined or as the next argument.
const WITH_VALUE: &str = "ABbCDeFfhLMNOopRrVX";
/// Letters whose value, if any, is joined: `-q30m`, `-d0.1`.
const WITH_JOINED_VALUE: &str = "dq";
/// Letters that stand alone.
const ALONE: &str = "ciGImnstTUvx";

fn letters(options: &mut Options, text: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), Trouble> {
    let mut text = text;
    while let Some(letter) = text.chars().next() {
        text = text.get(letter.len_utf8()..).unwrap_or_default();
        if WITH_VALUE.contains(letter) {
            let value = if text.is_empty() { rest.next() } else { Some(text.to_owned()) };
            return match value {
                Some(value) => with_value(options, letter, value),
                None if letter == 'h' => {
                    options.mode = Mode::Help;
                    Ok(())
                }
                None => Err(Trouble::usage(format!("-{letter} needs a value"))),
            };
        }
        if WITH_JOINED_VALUE.contains(letter) {
            if letter == 'q' {
                options.mode = Mode::Nothing;
            }
            return Ok(());
        }
        if !ALONE.contains(letter) {
            return Err(Trouble::usage(format!("the option -{letter} is not known")));
        }
        match letter {
            'i' => options.dot_is_text = true,
            't' => options.recipients_from_header = true,
            'v' => options.verbose = true,
            _ => {}
        }
    }
    Ok(())
}

fn with_value(options: &mut Options, letter: char, value: String) -> Result<(), Trouble> {
    match letter {
        'f' | 'r' => options.sender = Some(value),
        'F' => options.full_name = Some(value),
        'b' => options.mode = mode(&value)?,
        'C' => options.config = Some(value.into()),
        'B' => options.body = body_type(&value)?,
        'N' => options.notify = Some(notify(&value)?),
        'R' => options.dsn_return = Some(dsn_return(&value)?),
        'V' => options.envelope_id = Some(value),
        'o' if value == "i" => options.dot_is_text = true,
        'O' if value.replace(' ', "").eq_ignore_ascii_case("IgnoreDots=true") => options.dot_is_text = true,
        // Delivery, error and logging modes of another sendmail.
        _ => {}
    }
    Ok(())
}

fn mode(value: &str) -> Result<Mode, Trouble> {
    match value {
        "m" | "a" => Ok(Mode::Deliver),
        "s" => Ok(Mode::Smtp),
        "p" => Ok(Mode::ListQueue),
        "i" | "h" | "H" => Ok(Mode::Nothing),
        "d" | "D" => Err(Trouble::new(super::Status::Usage, "-bd: this sendmail is no daemon", "Run 'postern serve'.")),
        _ => Err(Trouble::usage(format!("-b{value} is not known"))),
    }
}

fn body_type(value: &str) -> Result<Option<BodyType>, Trouble> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(Some(BodyType::SevenBit)),
        "8BITMIME" => Ok(Some(BodyType::EightBitMime)),
        _ => Err(Trouble::usage(format!("-B {value}: there are 7BIT and 8BITMIME"))),
    }
}

fn notify(value: &str) -> Result<DsnNotify, Trouble> {
    let mut notify = DsnNotify { success: false, failure: false, delay: false };
    for word in value.split(',') {
        match word.trim().to_ascii_lowercase().as_str() {
            "never" if value.eq_ignore_ascii_case("never") => {}
            "success" => notify.success = true,
            "failure" => notify.failure = true,
            "delay" => notify.delay = true,
            _ => return Err(Trouble::usage(format!("-N {value}: never, or some of success,failure,delay"))),
        }
    }
    Ok(notify)
}

fn dsn_return(value: &str) -> Result<DsnReturn, Trouble> {
    match value.to_ascii_lowercase().as_str() {
        "full" => Ok(DsnReturn::Full),
        "hdrs" => Ok(DsnReturn::Headers),
        _ => Err(Trouble::usage(format!("-R {value}: there are full and hdrs"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Options {
        parse("sendmail", line.split_whitespace().map(|word| OsString::from(word.replace('_', " "))).collect()).unwrap()
    }

    #[test]
    fn every_mailers_call_is_understood() {
        // Columns: the call; -t; -i; sender; full name; recipients.
        for (call, t, i, sender, name, to) in [
            ("-t -i", true, true, None, None, ""),                            // PHP mail()
            ("-t -i -fwww@x.test", true, true, Some("www@x.test"), None, ""), // PHP with mail.force_extra_parameters
            ("-i -f git@x.test a@b.test c@d.test", false, true, Some("git@x.test"), None, "a@b.test c@d.test"), // git send-email
            ("-oem -oi -f me@x.test -- a@b.test", false, true, Some("me@x.test"), None, "a@b.test"),            // mutt
            ("-oem -oi -N failure,delay -R hdrs -- a@b.test", false, true, None, None, "a@b.test"), // mutt with DSN
            ("-i -r me@x.test -- a@b.test", false, true, Some("me@x.test"), None, "a@b.test"),      // s-nail
            ("-i -m -t", true, true, None, None, ""),                                               // mailx
            ("-FCronDaemon -i -B8BITMIME -oem root", false, true, None, Some("CronDaemon"), "root"), // cron
            ("-t", true, false, None, None, ""),                                                    // logwatch
            ("-t -oi -oem", true, true, None, None, ""),                                            // Perl MIME::Lite
            ("-i -t", true, true, None, None, ""),                                                  // Rails before 7
            ("-i -f a@x.test -- b@x.test", false, true, Some("a@x.test"), None, "b@x.test"),        // Rails from 7
            ("-ti", true, true, None, None, ""),                                                    // joined
            ("-tif a@x.test", true, true, Some("a@x.test"), None, ""), // joined, the last with a value
            ("-odi -oi -t", true, true, None, None, ""),               // deliver at once, as fortune asks
            ("-odb -oeq a@x.test", false, false, None, None, "a@x.test"),
            ("-oep -em -e m a@x.test", false, false, None, None, "a@x.test"), // error modes, joined and apart
            ("-O DeliveryMode=b -O IgnoreDots=true a@x.test", false, true, None, None, "a@x.test"),
            ("-F Anna_B -f a@x.test r@x.test", false, false, Some("a@x.test"), Some("Anna B"), "r@x.test"),
            ("a@x.test -f b@x.test", false, false, Some("b@x.test"), None, "a@x.test"), // options after operands
            ("-X /tmp/log -L tag -p UUCP -h 3 -U -G -n a@x.test", false, false, None, None, "a@x.test"),
            ("-d0.1 a@x.test", false, false, None, None, "a@x.test"),
            ("-f <> a@x.test", false, false, Some("<>"), None, "a@x.test"),
            ("--read-recipients --from=a@x.test", true, false, Some("a@x.test"), None, ""), // msmtp
            ("-- -t@x.test", false, false, None, None, "-t@x.test"), // after -- nothing is an option
        ] {
            let options = parsed(call);
            assert_eq!(options.mode, Mode::Deliver, "{call}");
            assert_eq!((options.recipients_from_header, options.dot_is_text), (t, i), "{call}");
            assert_eq!((options.sender.as_deref(), options.full_name.as_deref()), (sender, name), "{call}");
            assert_eq!(options.recipients.join(" "), to, "{call}");
        }
    }

    #[test]
    fn modes_are_told_apart() {
        for (call, mode) in [
            ("-bm a@x.test", Mode::Deliver),
            ("-bs", Mode::Smtp),
            ("-bp", Mode::ListQueue),
            ("-bi", Mode::Nothing),
            ("-q", Mode::Nothing), // the server needs no push
            ("-q30m", Mode::Nothing),
            ("-qf", Mode::Nothing),
            ("--help", Mode::Help),
            ("-h", Mode::Help), // without its number
        ] {
            assert_eq!(parsed(call).mode, mode, "{call}");
        }
        assert_eq!(parse("mailq", vec![]).unwrap().mode, Mode::ListQueue);
        assert_eq!(parse("newaliases", vec![]).unwrap().mode, Mode::Nothing);
    }

    #[test]
    fn reports_are_asked_for() {
        let options = parsed("-N success,delay -R full -V id7 -B 8bitmime a@x.test");
        assert_eq!(options.notify, Some(DsnNotify { success: true, failure: false, delay: true }));
        assert_eq!((options.dsn_return, options.body), (Some(DsnReturn::Full), Some(BodyType::EightBitMime)));
        assert_eq!(options.envelope_id.as_deref(), Some("id7"));
        assert_eq!(parsed("-N never x").notify, Some(DsnNotify { success: false, failure: false, delay: false }));
    }

    #[test]
    fn what_is_not_understood_is_an_error_of_usage() {
        for call in ["-Z", "--frobnicate", "-bd", "-bv", "-f", "-B 9BIT", "-N never,success", "-R all"] {
            let words = call.split_whitespace().map(OsString::from).collect();
            assert_eq!(parse("sendmail", words).unwrap_err().status.code(), 64, "{call}");
        }
    }
}
