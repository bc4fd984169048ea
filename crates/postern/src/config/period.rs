//! Spans of time as people write them in a configuration: `90s`, `30m`, `48h`, `30d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A whole number of seconds, written with the largest unit that divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Period {
    seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a span of time: write a number and s, m, h or d, as in \"48h\"")]
pub(crate) struct PeriodError(String);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Ten years; more is a slip of the hand, and would overflow calendars further down.
const MAX_SECONDS: u64 = 3650 * DAY;

impl Period {
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self { seconds }
    }
    pub(crate) const fn hours(hours: u64) -> Self {
        Self { seconds: hours * HOUR }
    }
    pub(crate) const fn days(days: u64) -> Self {
        Self { seconds: days * DAY }
    }
    pub(crate) fn as_duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let wrong = || PeriodError(text.to_owned());
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match text.strip_prefix(digits).map(str::trim) {
            Some("s") => 1,
            Some("m") => MINUTE,
            Some("h") => HOUR,
            Some("d") => DAY,
            _ => return Err(wrong()),
        };
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= MAX_SECONDS).ok_or_else(wrong)?;
        Ok(Self { seconds })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")]
            .into_iter()
            .find(|(unit, _)| self.seconds > 0 && self.seconds.is_multiple_of(*unit))
            .unwrap_or((1, "s"));
        write!(f, "{}{name}", self.seconds / unit)
    }
}

impl TryFrom<String> for Period {
    type Error = PeriodError;
    fn try_from(text: String) -> Result<Self, PeriodError> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, seconds, shown) in [
            ("90s", 90, "90s"),
            ("0s", 0, "0s"), // nothing is kept, nothing is waited for
            ("30m", 1800, "30m"),
            ("48h", 172_800, "2d"), // the largest unit that divides it
            ("30 d", 2_592_000, "30d"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.seconds, period.to_string().as_str()), (seconds, shown), "{text}");
            assert_eq!(shown.parse::<Period>().unwrap(), period);
        }
    }

    #[test]
    fn what_is_not_a_span_is_refused() {
        for text in ["", "48", "h", "-1h", "1.5h", "48 hours", "99999999999999999999d", "4000d"] {
            assert!(text.parse::<Period>().is_err(), "{text:?}");
        }
    }
}
