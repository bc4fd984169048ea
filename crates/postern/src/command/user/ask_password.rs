//! Reading a password: from the terminal without echo, or from standard input.

use std::io::{BufRead as _, Read as _};

use secrecy::SecretString;

use crate::terminal::Failure;

/// Longer than any password may be.
const MAX_BYTES: u64 = 4096;

pub(super) fn ask_password(from_stdin: bool) -> Result<SecretString, Failure> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().take(MAX_BYTES).read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned().into());
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|_| {
            Failure::usage(
                "there is no terminal to ask for the password on",
                "Give it with --password-stdin, or let one be made with --generate-password.",
            )
        })
    };
    let password = ask("Password: ")?;
    if password != ask("The same again: ")? {
        return Err(Failure::new("the two are not the same; nothing was changed", "Run it again."));
    }
    Ok(password.into())
}
