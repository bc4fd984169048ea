//! The `Retry-After` header, as Microsoft's services write it.

use std::time::Duration;

use jiff::Timestamp;

/// Reads seconds, also with a fraction (seen from Graph: `2.128`), or an HTTP date (RFC 9110 §10.2.3). A date in the past
/// is no wait. What is neither is `None`: the caller's own back-off applies.
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_fractions_and_dates_are_read() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let table: &[(&str, Option<u64>)] = &[
            ("3", Some(3000)),
            (" 2.128 ", Some(2128)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37_000)),
            // The date is over: no wait.
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            // Neither: a negative number, infinity, text, nothing.
            ("-1", None),
            ("inf", None),
            ("NaN", None),
            ("1e300", None),
            ("soon", None),
            ("", None),
        ];
        for (value, millis) in table {
            assert_eq!(parse_retry_after(value, now), millis.map(Duration::from_millis), "{value}");
        }
    }
}
