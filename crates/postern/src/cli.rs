//! The command line: what can be said, and to which command it goes.
//!
//! `sendmail`'s options are not of this grammar and have their own reader (`crate::sendmail`).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::command;
use crate::sendmail;
use crate::terminal::{Failure, STATUS_USAGE, complain};

#[derive(Debug, Parser)]
#[command(
    name = "postern",
    version,
    about = "Takes mail over SMTP, HTTP and sendmail, and sends it through Microsoft Graph",
    after_help = "\
Examples:
  postern demo                              see all of it work, without an account anywhere
  postern apply setup.toml --dry-run        what a setup file would change
  postern apply setup.toml                  change it, also while the server runs
  postern serve                             run the gateway
  postern doctor --send-to me@example.org   what is wrong, and who must mend it
  postern queue list --state failed         what did not go out, and why

Exit status: 0 done; 1 failed, with the reason on standard error; 2 wrong usage.
The configuration (postern.toml) is described in docs/configuration.md.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration and the data are; the same for every command, before or after its name.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    /// Configuration file [default: ./postern.toml, else /etc/postern/postern.toml, else none]
    #[arg(long, global = true, value_name = "FILE", env = "POSTERN_CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder of queue and settings, instead of the configuration's
    #[arg(long, global = true, value_name = "DIR", env = "POSTERN_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until SIGTERM or Ctrl-C
    Serve,
    /// Run everything at once against a sandbox tenant, and send a few messages through it
    Demo(command::demo::Options),
    /// Run a stand-in Microsoft 365 tenant: Entra ID, Graph and mailboxes to look into
    Sandbox(command::sandbox::Options),
    /// Bring the settings to what a setup file says; idempotent; prints the difference
    Apply(command::apply::Options),
    /// Write the settings as a setup file, secrets left out
    Export(command::export::Options),
    /// Check the way of a message from the configuration to Microsoft
    Doctor(command::doctor::Options),
    /// Hand in a message
    Send(command::send::Options),
    /// Hand in a message as sendmail does (-t -i -f -F -r -bs -bp ...); also under the name `sendmail`
    #[command(disable_help_flag = true)]
    Sendmail {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Look at messages and decide about them
    #[command(subcommand)]
    Queue(command::queue::Command),
    /// Look at service connections and test them
    #[command(subcommand)]
    Connection(command::connection::Command),
    /// People who may sign in to the console
    #[command(subcommand)]
    User(command::user::Command),
    /// Tokens for programs that administer Postern over the HTTP API
    #[command(subcommand)]
    Token(command::token::Command),
    /// Look at the configuration file
    #[command(subcommand)]
    Config(command::config::Command),
}

/// Runs what the arguments ask for.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    if let Some((name, options)) = sendmail_call(&arguments) {
        return sendmail::run(&name, options);
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // To a closed terminal nothing can be said; the status still tells.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(STATUS_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match command::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { what, fix, status }) => {
            if !what.is_empty() {
                complain(format!("postern: {what}\n  {fix}"));
            }
            ExitCode::from(status)
        }
    }
}

/// The options of a call that speaks sendmail's language: by the program's name, or by the command after it. Global
/// options in front of the command go along.
fn sendmail_call(arguments: &[OsString]) -> Option<(String, Vec<OsString>)> {
    let (program, rest) = arguments.split_first()?;
    let name = Path::new(program).file_name().and_then(OsStr::to_str)?;
    if matches!(name, "sendmail" | "mailq" | "newaliases") {
        return Some((name.to_owned(), rest.to_vec()));
    }
    let mut options = Vec::new();
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_str()?;
        match text {
            "sendmail" => {
                options.extend(rest.cloned());
                return Some((text.to_owned(), options));
            }
            "--config" | "--data-dir" => {
                options.push(argument.clone());
                options.push(rest.next()?.clone());
            }
            _ if text.starts_with("--config=") || text.starts_with("--data-dir=") => options.push(argument.clone()),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_call_in_sendmails_language_is_known_by_its_name_or_its_command() {
        for (arguments, expected) in [
            ("/usr/sbin/sendmail -t -i", Some("sendmail -t -i")),
            ("mailq", Some("mailq")),
            ("/opt/postern sendmail -t", Some("sendmail -t")),
            ("postern --data-dir /d --config=/c sendmail -t", Some("sendmail --data-dir /d --config=/c -t")),
            ("postern queue list", None),
            ("postern send --subject sendmail", None), // the word as a value is no command
            ("postern --data-dir sendmail queue list", None),
        ] {
            let arguments: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
            let found = sendmail_call(&arguments).map(|(name, options)| {
                let options = options.iter().map(|option| option.to_str().unwrap());
                std::iter::once(name.as_str()).chain(options).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{arguments:?}");
        }
    }

    #[test]
    fn the_place_is_given_before_or_after_the_command() {
        for arguments in [["postern", "--data-dir", "/d", "serve"], ["postern", "serve", "--data-dir", "/d"]] {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert_eq!(cli.place.data_dir.as_deref(), Some(Path::new("/d")));
        }
    }
}
