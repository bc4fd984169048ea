//! What went through, in steps wide enough to be seen: as numbers for the picture, and as one sentence for those who do
//! not see it.

use jiff::Timestamp;
use serde::Serialize;
use store::HistoryPoint;

use crate::show;

/// How far back the picture goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Day,
    Week,
}

impl Range {
    pub(super) fn of_name(name: Option<&str>) -> Self {
        if name == Some("7d") { Self::Week } else { Self::Day }
    }

    pub(super) fn href(self) -> &'static str {
        match self {
            Self::Day => "/",
            Self::Week => "/?range=7d",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Day => "the last 24 hours",
            Self::Week => "the last 7 days",
        }
    }

    /// About a hundred steps each, of whole history steps.
    fn step_seconds(self) -> i64 {
        match self {
            Self::Day => 900,
            Self::Week => 7_200,
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
        }
    }

    /// Where the first step begins.
    pub(super) fn since(self, now: Timestamp) -> Timestamp {
        let step = self.step_seconds();
        let first = (now.as_second() - self.seconds()).div_euclid(step) * step + step;
        Timestamp::from_second(first).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// For charts.js.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Drawn {
    at: Vec<i64>,
    series: [Series; 3],
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Series {
    name: &'static str,
    /// Of Tabler's palette.
    color: &'static str,
    values: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Chart {
    /// JSON without `<`, so that it cannot end the element it stands in.
    pub(super) json: String,
    pub(super) sentence: String,
    pub(super) is_empty: bool,
}

impl Chart {
    pub(super) fn of(history: &[HistoryPoint], range: Range, now: Timestamp) -> Self {
        let drawn = drawn(history, range, now);
        let total = |index: usize| drawn.series.get(index).map_or(0, |series| series.values.iter().sum::<u64>());
        let (sent, failed) = (show::count(total(0)), show::count(total(1)));
        let sentence = format!("{sent} sent and {failed} failed in {}.", range.text());
        let json = serde_json::to_string(&drawn).unwrap_or_default().replace('<', "\\u003c");
        Self { json, sentence, is_empty: history.is_empty() }
    }
}

fn drawn(history: &[HistoryPoint], range: Range, now: Timestamp) -> Drawn {
    let (step, first) = (range.step_seconds(), range.since(now).as_second());
    let mut points = history.iter().filter(|point| point.at.as_second() >= first).peekable();
    let (mut at, mut sent, mut failed, mut waiting) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // What waits stays what it was until something happens.
    let mut last_waiting = 0;
    let mut begin = first;
    while begin <= now.as_second() {
        let (mut sent_now, mut failed_now) = (0, 0);
        while let Some(point) = points.next_if(|point| point.at.as_second() < begin + step) {
            sent_now += point.sent;
            failed_now += point.failed;
            last_waiting = point.waiting;
        }
        at.push(begin);
        sent.push(sent_now);
        failed.push(failed_now);
        waiting.push(last_waiting);
        begin += step;
    }
    let series = |name, color, values| Series { name, color, values };
    Drawn {
        at,
        series: [series("Sent", "green", sent), series("Failed", "red", failed), series("Waiting", "blue", waiting)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(second: i64, sent: u64, failed: u64, waiting: u64) -> HistoryPoint {
        HistoryPoint { at: Timestamp::from_second(second).unwrap(), accepted: 0, sent, failed, waiting }
    }

    #[test]
    fn steps_are_added_up_and_what_waits_is_carried_on() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let first = Range::Day.since(now).as_second();
        let history = [
            point(first - 300, 50, 0, 9),
            point(first, 1, 0, 4),
            point(first + 300, 2, 1, 3),
            point(first + 1_800, 5, 0, 0),
        ];
        let drawn = drawn(&history, Range::Day, now);
        let firsts = |index: usize| drawn.series[index].values[..3].to_vec();
        assert_eq!((firsts(0), firsts(1), firsts(2)), (vec![3, 0, 5], vec![1, 0, 0], vec![3, 3, 0]));
        assert_eq!(drawn.at.len(), 96);
        assert!(drawn.at.last().is_some_and(|last| now.as_second() - last < 900));
    }

    #[test]
    fn those_who_do_not_see_the_picture_hear_its_sum() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let chart = Chart::of(&[point(999_999_900, 1_200, 3, 0)], Range::Week, now);
        assert_eq!(chart.sentence, "1,200 sent and 3 failed in the last 7 days.");
        assert!(!chart.is_empty);
    }
}
