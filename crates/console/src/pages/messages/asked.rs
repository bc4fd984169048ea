//! What the list was asked for, in the address of the page, and the addresses of its neighbours.

use admin::Refused;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use mail::{Address, MessageId};
use serde::Deserialize;
use store::{Filter, MessageState, PageRequest};
use url::form_urlencoded::Serializer;

/// Rows of a page, unless asked for otherwise.
const ROWS: u32 = 50;
const ROWS_CHOICES: [u32; 3] = [50, 100, 200];
/// Pages that *Newer* finds its way back through; from further away it leads to the newest.
const TRAIL_MAX: usize = 40;

/// The quick filters, in their order, with what each finds.
pub(super) const QUICK: [Quick; 4] = [
    Quick { name: "", text: "All", states: &[] },
    Quick { name: "failed", text: "Failed", states: &[MessageState::Failed] },
    Quick {
        name: "unsent",
        text: "Unsent",
        states: &[MessageState::Queued, MessageState::Sending, MessageState::Uncertain, MessageState::Held],
    },
    Quick { name: "sent", text: "Successfully sent", states: &[MessageState::Sent] },
];

/// The filter for what came back after it was sent: no state of its own.
pub(super) const BOUNCED: &str = "bounced";

/// The other states, each by itself.
pub(super) const SINGLE: [MessageState; 6] = [
    MessageState::Queued,
    MessageState::Sending,
    MessageState::Uncertain,
    MessageState::Held,
    MessageState::Cancelled,
    MessageState::Quarantined,
];

#[derive(Debug)]
pub(super) struct Quick {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) states: &'static [MessageState],
}

/// The query of `/messages`. Everything is text, as typed: what is wrong with it is said beside its field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A quick filter's name, a state's, or [`BOUNCED`].
    pub(super) show: String,
    /// Words in sender, recipients, subject, ids.
    pub(super) q: String,
    pub(super) from: String,
    /// One recipient, whole.
    pub(super) to: String,
    pub(super) since: String,
    pub(super) until: String,
    pub(super) rows: String,
    before: String,
    /// The `before` of the pages that led here, oldest first, with commas; `-` is the first page.
    trail: String,
}

impl Asked {
    pub(super) fn of_query(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "show" => &mut asked.show,
                "q" => &mut asked.q,
                "from" => &mut asked.from,
                "to" => &mut asked.to,
                "since" => &mut asked.since,
                "until" => &mut asked.until,
                "rows" => &mut asked.rows,
                "before" => &mut asked.before,
                "trail" => &mut asked.trail,
                _ => continue,
            };
            *field = value.into_owned();
        }
        asked
    }

    /// What is looked for, or which field cannot be understood.
    pub(super) fn filter(&self) -> Result<Filter, Refused> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let time = |text: &str, field| text_time(text).map_err(|()| bad_time(field));
        let recipient = match self.to.trim() {
            "" => None,
            to => Some(to.parse::<Address>().map_err(|_| {
                let fix = "Give the whole address, or look for a part of it in the first field.";
                Refused::new("this is not a mail address", fix).at("to")
            })?),
        };
        Ok(Filter {
            states: self.states(),
            text: text(&self.q),
            sender: text(&self.from),
            recipient,
            since: time(&self.since, "since")?,
            until: time(&self.until, "until")?,
            bounced: self.show == BOUNCED,
            ..Filter::default()
        })
    }

    fn states(&self) -> Vec<MessageState> {
        let quick = QUICK.iter().find(|quick| quick.name == self.show);
        match quick {
            Some(quick) => quick.states.to_vec(),
            None => MessageState::from_name(&self.show).into_iter().collect(),
        }
    }

    pub(super) fn rows(&self) -> u32 {
        self.rows.parse().ok().filter(|rows| ROWS_CHOICES.contains(rows)).unwrap_or(ROWS)
    }

    pub(super) fn page(&self) -> PageRequest {
        PageRequest { before: self.before.parse().ok(), limit: self.rows() }
    }

    pub(super) fn is_first_page(&self) -> bool {
        self.before.is_empty()
    }

    /// Something besides the quick filter narrows the list.
    pub(super) fn is_search(&self) -> bool {
        [&self.q, &self.from, &self.to, &self.since, &self.until].into_iter().any(|field| !field.trim().is_empty())
    }

    /// `/messages?…` with what differs from the plain list.
    pub(super) fn href(&self) -> String {
        match self.query() {
            query if query.is_empty() => "/messages".to_owned(),
            query => format!("/messages?{query}"),
        }
    }

    pub(super) fn query(&self) -> String {
        let fields = [
            ("show", &self.show),
            ("q", &self.q),
            ("from", &self.from),
            ("to", &self.to),
            ("since", &self.since),
            ("until", &self.until),
            ("rows", &self.rows),
            ("before", &self.before),
            ("trail", &self.trail),
        ];
        let mut query = Serializer::new(String::new());
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.finish()
    }

    /// The same search, among other states, from the newest on.
    pub(super) fn showing(&self, show: &str) -> Self {
        Self { show: show.to_owned(), before: String::new(), trail: String::new(), ..self.clone() }
    }

    pub(super) fn older(&self, next: MessageId) -> Self {
        let here = if self.before.is_empty() { "-" } else { &self.before };
        let mut trail: Vec<&str> = self.trail.split(',').filter(|step| !step.is_empty()).collect();
        trail.push(here);
        let kept = trail.get(trail.len().saturating_sub(TRAIL_MAX)..).unwrap_or_default();
        Self { before: next.to_string(), trail: kept.join(","), ..self.clone() }
    }

    /// `None`: these are the newest.
    pub(super) fn newer(&self) -> Option<Self> {
        if self.is_first_page() {
            return None;
        }
        let (trail, before) = self.trail.rsplit_once(',').unwrap_or(("", &self.trail));
        let before = before.trim_matches('-').to_owned();
        Some(Self { before, trail: trail.to_owned(), ..self.clone() })
    }
}

fn bad_time(field: &'static str) -> Refused {
    Refused::new("this is not a time", "Give a date, or date and time: 2026-11-25 14:03 (UTC).").at(field)
}

/// UTC, to the day or finer, as a browser's field for times gives it or as people type it.
fn text_time(text: &str) -> Result<Option<Timestamp>, ()> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)));
    let zoned = civil.and_then(|civil| civil.to_zoned_datetime(TimeZone::UTC)).map_err(|_| ())?;
    Ok(Some(zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::of_query(query)
    }

    #[test]
    fn the_quick_filters_find_what_they_are_called() {
        for (query, states) in [
            ("", vec![]),
            ("show=failed", vec![MessageState::Failed]),
            ("show=sent", vec![MessageState::Sent]),
            ("show=cancelled", vec![MessageState::Cancelled]),
            ("show=nonsense", vec![]),
        ] {
            assert_eq!(asked(query).filter().unwrap().states, states, "{query}");
        }
        let bounced = asked("show=bounced").filter().unwrap();
        assert!(bounced.bounced && bounced.states.is_empty() && !asked("show=sent").filter().unwrap().bounced);
        let unsent = asked("show=unsent").filter().unwrap().states;
        assert!(MessageState::ALL.iter().all(|state| {
            let is_over = state.is_settled() || *state == MessageState::Quarantined;
            unsent.contains(state) != is_over
        }));
    }

    #[test]
    fn a_field_that_cannot_be_understood_is_named() {
        for (query, field) in [
            ("to=karl", Some("to")),
            ("since=yesterday", Some("since")),
            ("until=2026-13-01", Some("until")),
            ("to=a@b.test&since=2026-11-25&until=2026-11-25T14:03&q=%20", None),
        ] {
            assert_eq!(asked(query).filter().err().and_then(|refused| refused.field), field, "{query}");
        }
        let filter = asked("since=2026-11-25T14:03&q=%20&from=+erp+").filter().unwrap();
        assert_eq!(filter.since, Some("2026-11-25T14:03:00Z".parse().unwrap()));
        assert_eq!((filter.text, filter.sender.as_deref()), (None, Some("erp")));
    }

    #[test]
    fn older_and_newer_lead_there_and_back() {
        let ids: Vec<MessageId> = (1..4).map(|number| MessageId::new(number, 0)).collect();
        let first = asked("show=failed&q=a%26b");
        let second = first.older(ids[0]);
        let third = second.older(ids[1]);
        assert_eq!(third.page().before, Some(ids[1]));
        assert_eq!(Asked::of_query(&third.query()), third, "an address holds it all");
        assert_eq!(third.newer(), Some(second));
        assert_eq!(third.newer().and_then(|page| page.newer()), Some(first.clone()));
        assert_eq!(first.newer(), None);
        assert_eq!(asked(&format!("before={}", ids[0])).newer(), Some(Asked::default()), "without a trail: the newest");
        assert_eq!(third.showing("").page().before, None);
    }

    #[test]
    fn the_way_back_has_an_end() {
        let mut page = Asked::default();
        (1..500).for_each(|number| page = page.older(MessageId::new(number, 0)));
        assert!(page.query().len() < 1_500, "{}", page.query().len());
    }

    #[test]
    fn a_page_has_one_of_the_lengths_offered() {
        for (query, rows) in [("", 50), ("rows=200", 200), ("rows=100000", 50), ("rows=x", 50)] {
            assert_eq!(asked(query).rows(), rows, "{query}");
        }
    }
}
