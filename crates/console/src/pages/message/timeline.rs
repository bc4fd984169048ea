//! The *History* of a message: arrival, attempts and events in one order.

use std::collections::HashMap;

use jiff::Timestamp;
use settings::Settings;
use store::{Attempt, Event, Explanation, MessageDetail, RecipientOutcome};

use crate::pages::messages::foreign;
use crate::{error::sentence, show};

/// Recipients of an attempt that are named one by one.
const MAX_NAMED: usize = 20;

/// One entry, newest first.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: String,
    pub(super) ago: String,
    /// A class for its mark: `state-ok` and the like.
    pub(super) mark: &'static str,
    pub(super) title: String,
    /// Who did it, if somebody did.
    pub(super) actor: Option<String>,
    pub(super) detail: String,
    pub(super) attempt: Option<AttemptView>,
}

#[derive(Debug)]
pub(super) struct AttemptView {
    /// For the button that copies the request-id.
    pub(super) element: String,
    pub(super) connection: String,
    pub(super) mailbox: String,
    /// Empty while under way.
    pub(super) duration: String,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) more_outcomes: usize,
    pub(super) explanation: Option<ExplanationView>,
    pub(super) request_id: Option<String>,
}

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) address: String,
    pub(super) words: String,
}

/// An error as the page shows it: what upstreams say is foreign text.
#[derive(Debug)]
pub(in crate::pages) struct ExplanationView {
    pub(in crate::pages) what: String,
    pub(in crate::pages) why: String,
    pub(in crate::pages) fix: String,
    pub(in crate::pages) who: String,
    pub(in crate::pages) code: Option<String>,
    /// Where what is to be done is done: address and words.
    pub(in crate::pages) place: Option<(String, String)>,
}

impl ExplanationView {
    pub(in crate::pages) fn of(explanation: &Explanation) -> Self {
        const MAX_CHARS: usize = 1_000;
        let line = |text: &str| foreign::line(text, MAX_CHARS);
        Self {
            what: line(&explanation.what),
            why: sentence(&line(&explanation.why)),
            fix: line(&explanation.fix),
            who: line(&explanation.who),
            code: explanation.code.as_deref().map(line),
            place: None,
        }
    }

    /// What Entra refuses is mended in the tenant: its secret, its ids.
    pub(in crate::pages) fn at_tenant(self, tenant: Option<(&str, &str)>) -> Self {
        let is_entras = self.code.as_ref().is_some_and(|code| code.starts_with("AADSTS"));
        let place = tenant.filter(|_| is_entras);
        let place = place.map(|(id, name)| (format!("/integration/tenants/{id}/edit"), format!("Edit tenant {name}")));
        Self { place, ..self }
    }
}

pub(super) fn steps(detail: &MessageDetail, settings: &Settings, now: Timestamp) -> Vec<Step> {
    let names: HashMap<_, _> = settings.connections.iter().map(|it| (&it.id, it.name.as_str())).collect();
    let mut steps: Vec<(Timestamp, Step)> = Vec::new();
    let message = &detail.message;
    let arrived = message.received_at;
    steps.push((arrived, plain(arrived, now, "state-queued", "Received".to_owned(), String::new())));
    for attempt in &detail.attempts {
        let connection = names.get(&attempt.connection).copied();
        let connection = connection.unwrap_or("a connection that was removed");
        steps.push((attempt.started_at, attempt_step(attempt, connection, now)));
    }
    steps.extend(detail.events.iter().map(|event| (event.at, event_step(event, now))));
    // Equal times stay in this order: it arrived before anything else happened.
    steps.sort_by_key(|(at, _)| *at);
    steps.into_iter().rev().map(|(_, step)| step).collect()
}

fn plain(at: Timestamp, now: Timestamp, mark: &'static str, title: String, detail: String) -> Step {
    let ago = show::distance(&at, &now);
    Step { at: show::time(&at), ago, mark, title, actor: None, detail, attempt: None }
}

fn event_step(event: &Event, now: Timestamp) -> Step {
    let title = sentence(&event.kind.replace('_', " "));
    let detail = foreign::line(event.detail.as_deref().unwrap_or_default(), 1_000);
    let mark = if event.kind == "bounced" { "state-failed" } else { "state-warn" };
    let mut step = plain(event.at, now, mark, title, detail);
    step.actor = Some(foreign::line(&event.actor, foreign::LINE_MAX_CHARS));
    step
}

fn attempt_step(attempt: &Attempt, connection: &str, now: Timestamp) -> Step {
    let (mark, title) = attempt_words(attempt);
    let mut step = plain(attempt.started_at, now, mark, title.to_owned(), String::new());
    let outcomes = attempt.recipients.iter().zip(&attempt.outcomes);
    step.attempt = Some(AttemptView {
        element: format!("request-{}", attempt.id.0),
        connection: connection.to_owned(),
        mailbox: foreign::line(attempt.mailbox.as_str(), foreign::LINE_MAX_CHARS),
        duration: attempt.ended_at.map(|end| duration(attempt.started_at, end)).unwrap_or_default(),
        outcomes: outcomes
            .take(MAX_NAMED)
            .map(|(address, outcome)| Outcome {
                address: foreign::line(address.as_str(), foreign::LINE_MAX_CHARS),
                words: outcome_words(*outcome),
            })
            .collect(),
        more_outcomes: attempt.outcomes.len().saturating_sub(MAX_NAMED),
        explanation: attempt.explanation.as_ref().map(ExplanationView::of),
        request_id: attempt.request_id.as_deref().map(|id| foreign::line(id, foreign::LINE_MAX_CHARS)),
    });
    step
}

/// What an attempt came to as a whole: the worst of its recipients names it.
fn attempt_words(attempt: &Attempt) -> (&'static str, &'static str) {
    use RecipientOutcome as O;
    let any = |wanted: fn(&O) -> bool| attempt.outcomes.iter().any(wanted);
    if attempt.ended_at.is_none() {
        ("state-sending", "Attempt: no answer yet")
    } else if any(|outcome| matches!(outcome, O::Uncertain)) {
        ("state-uncertain", "Attempt: the answer was lost, it may have been delivered")
    } else if any(|outcome| matches!(outcome, O::Refused(_))) {
        ("state-failed", "Attempt: refused")
    } else if any(|outcome| matches!(outcome, O::Deferred)) {
        ("state-warn", "Attempt: not sent yet, to be tried again")
    } else {
        ("state-sent", "Attempt: accepted")
    }
}

fn outcome_words(outcome: RecipientOutcome) -> String {
    match outcome {
        RecipientOutcome::Accepted => "accepted".to_owned(),
        RecipientOutcome::Deferred => "to be tried again".to_owned(),
        RecipientOutcome::Refused(status) => format!("refused, {status}"),
        RecipientOutcome::Uncertain => "may have been delivered".to_owned(),
    }
}

/// "340 ms", "2.1 s", from a minute on "3 minutes".
fn duration(start: Timestamp, end: Timestamp) -> String {
    let milliseconds = end.duration_since(start).as_millis().max(0);
    let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => show::span(milliseconds / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_entra_refuses_leads_to_the_tenant_and_nothing_else_does() {
        let of = |code: &str| {
            let error = Explanation {
                what: "No".into(),
                why: String::new(),
                fix: "Enter another secret here.".into(),
                who: "you".into(),
                code: Some(code.into()),
            };
            ExplanationView::of(&error).at_tenant(Some(("t1", "Contoso"))).place
        };
        let place = ("/integration/tenants/t1/edit".to_owned(), "Edit tenant Contoso".to_owned());
        assert_eq!(of("AADSTS7000215"), Some(place));
        assert_eq!(of("ErrorInvalidUser"), None);
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let start = Timestamp::UNIX_EPOCH;
        for (milliseconds, words) in [(0, "0 ms"), (340, "340 ms"), (2_150, "2.1 s"), (190_000, "3 minutes")] {
            let end = Timestamp::from_millisecond(milliseconds).unwrap();
            assert_eq!(duration(start, end), words);
        }
        assert_eq!(duration(Timestamp::from_second(1).unwrap(), start), "0 ms", "a clock that was set back");
    }

    #[test]
    fn an_attempt_is_called_by_the_worst_that_came_of_it() {
        use RecipientOutcome as O;
        let refused = O::Refused(mail::EnhancedStatus::permanent(1, 1));
        for (outcomes, title) in [
            (vec![O::Accepted], "Attempt: accepted"),
            (vec![O::Accepted, O::Deferred], "Attempt: not sent yet, to be tried again"),
            (vec![O::Deferred, refused], "Attempt: refused"),
            (vec![refused, O::Uncertain], "Attempt: the answer was lost, it may have been delivered"),
        ] {
            let attempt = Attempt {
                id: store::AttemptId(1),
                connection: settings::ConnectionId("c".to_owned()),
                mailbox: "a@b.test".parse().unwrap(),
                recipients: Vec::new(),
                started_at: Timestamp::UNIX_EPOCH,
                ended_at: Some(Timestamp::UNIX_EPOCH),
                outcomes,
                explanation: None,
                request_id: None,
            };
            assert_eq!(attempt_words(&attempt).1, title);
        }
    }
}
