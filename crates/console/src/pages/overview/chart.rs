//! What went through: as numbers for the picture, and as one sentence for those who do not see it.

use admin::Overview;
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
}

/// For charts.js.
#[derive(Debug, Serialize)]
struct Drawn {
    at: Vec<i64>,
    series: [Series; 3],
}

#[derive(Debug, Serialize)]
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
    pub(super) fn of(overview: &Overview, range: Range) -> Self {
        match range {
            Range::Day => Self::of_points(&overview.last_day, range),
            Range::Week => Self::of_points(&overview.last_week, range),
        }
    }

    fn of_points(points: &[HistoryPoint], range: Range) -> Self {
        let values = |of: fn(&HistoryPoint) -> u64| points.iter().map(of).collect::<Vec<u64>>();
        let (sent, failed, waiting) = (values(|it| it.sent), values(|it| it.failed), values(|it| it.waiting));
        let total = |values: &[u64]| show::count(values.iter().sum());
        let sentence = format!("{} sent and {} failed in {}.", total(&sent), total(&failed), range.text());
        let is_empty = [&sent, &failed, &waiting].into_iter().flatten().all(|value| *value == 0);
        let series = |name, color, values| Series { name, color, values };
        let drawn = Drawn {
            at: points.iter().map(|point| point.at.as_second()).collect(),
            series: [
                series("Sent", "green", sent),
                series("Failed", "red", failed),
                series("Waiting", "blue", waiting),
            ],
        };
        let json = serde_json::to_string(&drawn).unwrap_or_default().replace('<', "\\u003c");
        Self { json, sentence, is_empty }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn those_who_do_not_see_the_picture_hear_its_sum() {
        let point = |second, sent, failed, waiting| HistoryPoint {
            at: Timestamp::from_second(second).unwrap(),
            accepted: 0,
            sent,
            failed,
            waiting,
        };
        let chart = Chart::of_points(&[point(900, 1_200, 3, 0), point(1_800, 34, 0, 7)], Range::Week);
        assert_eq!(chart.sentence, "1,234 sent and 3 failed in the last 7 days.");
        assert!(
            chart.json.contains(r#""at":[900,1800]"#) && chart.json.contains(r#""values":[0,7]"#),
            "{}",
            chart.json
        );
        assert!(!chart.is_empty && Chart::of_points(&[point(900, 0, 0, 0)], Range::Day).is_empty);
    }
}
