//! What Entra ID says when it refuses: the JSON error body of the token endpoint.
//!
//! Promise: any JSON object is read; fields that are missing or odd are left out rather than losing the rest.

use std::fmt;

use oauth2::ErrorResponse;
use serde::{Deserialize, Serialize};

/// The error body of RFC 6749 §5.2 with Microsoft's additions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    /// What decisions are made on.
    pub(crate) error: String,
    pub(crate) error_description: String,
    /// AADSTS numbers, the most telling first.
    pub(crate) error_codes: Vec<u32>,
    pub(crate) trace_id: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) timestamp: Option<String>,
}

impl ErrorResponse for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.sentence())
    }
}

/// A sentence for an administrator, not a page.
const MAX_SENTENCE_CHARS: usize = 400;

impl Refusal {
    /// The AADSTS number; some refusals carry it in the text alone.
    pub(crate) fn aadsts(&self) -> Option<u32> {
        self.error_codes.first().copied().or_else(|| {
            let (_, after) = self.error_description.split_once("AADSTS")?;
            let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        })
    }

    /// Entra's own words without the trace ids that follow them on lines of their own, and without control characters.
    pub(crate) fn sentence(&self) -> String {
        let text = self.error_description.split(['\r', '\n']).next().unwrap_or_default();
        let text = text.split(" Trace ID:").next().unwrap_or(text);
        text.chars().filter(|c| !c.is_control()).take(MAX_SENTENCE_CHARS).collect::<String>().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_in_the_list_or_else_in_the_text() {
        let in_list = Refusal { error_codes: vec![7_000_222, 1], ..Refusal::default() };
        assert_eq!(in_list.aadsts(), Some(7_000_222));
        let description = "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x".to_owned();
        let in_text = Refusal { error_description: description, ..Refusal::default() };
        assert_eq!(in_text.aadsts(), Some(7_000_215));
        assert_eq!(in_text.sentence(), "AADSTS7000215: Invalid client secret provided.");
        let on_one_line = "AADSTS1: Words. Trace ID: x Correlation ID: y".to_owned();
        let on_one_line = Refusal { error_description: on_one_line, ..Refusal::default() };
        assert_eq!(on_one_line.sentence(), "AADSTS1: Words.");
        assert_eq!(Refusal::default().aadsts(), None);
    }
}
