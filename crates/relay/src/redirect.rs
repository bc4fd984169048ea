//! A testing environment's redirection: whoever a message is for, it is sent to one address alone.
//!
//! Promise: a transport that carries a redirected claim finds no other address in it than the one mail is redirected to, so
//! none can mail anybody else, on whatever way. What becomes of that one copy holds for every recipient of the attempt.
//!
//! Left to others: whether mail is redirected (`settings::Emails::redirect_all_to`).

use mail::{Address, DsnNotify, Recipient};
use store::Claim;

use crate::Verdict;

/// The field that tells who would have got the message.
const FIELD: &str = "X-Postern-Original-Recipients";

/// The same attempt, for `to` instead of its recipients, who are named in a header field.
pub(crate) fn redirected(claim: &Claim, to: &Address) -> Claim {
    let mut redirected = claim.clone();
    let field = original_recipients(claim.addresses());
    redirected.message.added_header.push_str(&field);
    // The real sender must not hear of it, either.
    let notify = Some(DsnNotify { success: false, failure: false, delay: false });
    redirected.message.envelope.recipients = vec![Recipient { notify, ..Recipient::from(to.clone()) }];
    redirected.recipients = vec![0];
    redirected
}

/// What became of the one copy, for each of `count` recipients.
pub(crate) fn for_all(mut verdict: Verdict, count: usize) -> Verdict {
    if let Some(outcome) = verdict.outcomes.first().copied() {
        verdict.outcomes = vec![outcome; count];
    }
    verdict
}

/// One address a line. Letters beyond ASCII are escaped: a field that nobody is mailed by must not need SMTPUTF8.
fn original_recipients<'a>(addresses: impl Iterator<Item = &'a Address>) -> String {
    let shown = addresses.map(|address| address.as_str().chars().map(ascii).collect::<String>());
    format!("{FIELD}: {}\r\n", shown.collect::<Vec<_>>().join(",\r\n "))
}

fn ascii(letter: char) -> String {
    if letter.is_ascii() { letter.to_string() } else { letter.escape_unicode().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_names_everybody_in_ascii_one_a_line() {
        let addresses: Vec<Address> = ["a@x.test", "j\u{fc}rgen@x.test"].map(|it| it.parse().unwrap()).into();
        let field = original_recipients(addresses.iter());
        assert_eq!(field, "X-Postern-Original-Recipients: a@x.test,\r\n j\\u{fc}rgen@x.test\r\n");
    }
}
