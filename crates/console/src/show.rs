//! Times, sizes and counts in words: in the templates as `{{ at|time }}`-like functions of this module.

use jiff::Timestamp;

/// `2026-11-25 14:03:09`, UTC: the console says so once, and every log has the same.
pub(crate) fn time(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// "3 minutes ago", "in 2 hours"; under a minute in seconds.
pub(crate) fn distance(at: &Timestamp, now: &Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    let words = span(seconds.unsigned_abs());
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {words}"),
        _ => format!("{words} ago"),
    }
}

/// The largest whole unit: "45 seconds", "3 minutes", "2 hours", "5 days".
pub(crate) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// `12 KB`, `3.4 MB`: decimal units, one digit below ten.
pub(crate) fn bytes(count: u64) -> String {
    for (unit, size) in [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)] {
        if count >= size {
            let tenths = count / (size / 10);
            let (whole, tenth) = (tenths / 10, tenths % 10);
            return if whole < 10 { format!("{whole}.{tenth} {unit}") } else { format!("{whole} {unit}") };
        }
    }
    format!("{count} bytes")
}

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_counts_and_distances_read_as_people_say_them() {
        assert_eq!(
            ["0 bytes", "999 bytes", "1.0 KB", "35 MB", "2.5 GB"],
            [0, 999, 1_000, 35_400_000, 2_500_000_000].map(bytes)[..]
        );
        assert_eq!(["7", "1,000", "1,234,567"], [7, 1_000, 1_234_567].map(count)[..]);
        let at = |second| Timestamp::from_second(second).unwrap();
        for (then, words) in [
            (100, "now"),
            (99, "1 second ago"),
            (40, "1 minute ago"),
            (100 + 7_200, "in 2 hours"),
            (100 + 200_000, "in 2 days"),
        ] {
            assert_eq!(distance(&at(then), &at(100)), words, "{then}");
        }
    }
}
