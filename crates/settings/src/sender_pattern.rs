//! Patterns over sender addresses: `anna@contoso.test`, `*@contoso.test`, `*@*.contoso.test`, `*`.

use std::fmt;
use std::str::FromStr;

use mail::Address;
use serde::{Deserialize, Serialize};

/// `*` stands for any run of characters, also in the domain; letter case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SenderPattern(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sender pattern is an address in which '*' stands for anything, as in '*@contoso.test'")]
pub struct SenderPatternError;

impl SenderPattern {
    pub fn matches(&self, address: &Address) -> bool {
        let text: Vec<char> = address.as_str().to_lowercase().chars().collect();
        let pattern: Vec<char> = self.0.to_lowercase().chars().collect();
        glob(&pattern, &text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Linear-time glob: on a mismatch, resume after the last star with one more character swallowed.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut resume: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            resume = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p) == text.get(t) {
            p += 1;
            t += 1;
        } else if let Some((star, swallowed)) = resume {
            p = star;
            t = swallowed + 1;
            resume = Some((star, t));
        } else {
            return false;
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

impl FromStr for SenderPattern {
    type Err = SenderPatternError;
    fn from_str(text: &str) -> Result<Self, SenderPatternError> {
        let sound = !text.is_empty()
            && !text.chars().any(|c| c.is_control() || c.is_whitespace())
            && (text == "*" || text.contains('@'));
        if sound { Ok(Self(text.to_owned())) } else { Err(SenderPatternError) }
    }
}

impl TryFrom<String> for SenderPattern {
    type Error = SenderPatternError;
    fn try_from(text: String) -> Result<Self, SenderPatternError> {
        text.parse()
    }
}

impl From<SenderPattern> for String {
    fn from(pattern: SenderPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stands_for_anything_and_case_does_not_matter() {
        for (pattern, address, matches) in [
            ("*", "a@b.test", true),
            ("*@contoso.test", "Anna@CONTOSO.test", true),
            ("*@contoso.test", "anna@evil.test", false),
            ("*@contoso.test", "anna@contoso.test.evil.test", false), // anchored at the end
            ("*@*.contoso.test", "a@hr.contoso.test", true),
            ("*@*.contoso.test", "a@contoso.test", false),
            ("app-*@contoso.test", "app-7@contoso.test", true),
            ("anna@contoso.test", "hanna@contoso.test", false), // anchored at the start
        ] {
            let pattern: SenderPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&address.parse().unwrap()), matches, "{pattern} {address}");
        }
    }

    #[test]
    fn what_cannot_match_an_address_is_refused() {
        for text in ["", "contoso.test", "a b@c", "a@b\n"] {
            assert!(text.parse::<SenderPattern>().is_err(), "{text:?}");
        }
    }
}
