//! Settings → Edit Global System Settings → Notices: who is told by mail, and when an alarm is raised.

use admin::{AdminError, AlarmsEntry, NoticesEntry, NoticesView, Refused};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{VIEWS, View};
use crate::Console;
use crate::error::PageError;
use crate::form::{Choice, Field, FormView, list, number, optional};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "settings/notices.html")]
struct NoticesPage {
    frame: Frame,
    form: FormView,
    views: &'static [View],
    here: &'static str,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct NoticesForm {
    failures: String,
    delay_after_minutes: String,
    to: String,
    connection: String,
    mailbox: String,
    queue_age_minutes: String,
    expiry_days: String,
    version: Option<u64>,
}

const ON: &str = "on";

impl NoticesForm {
    fn of(view: NoticesView, version: u64) -> Self {
        let alarms = view.alarms;
        let delay = Some(view.delay_after_minutes).filter(|minutes| *minutes > 0);
        Self {
            failures: if view.failures { ON } else { "" }.to_owned(),
            delay_after_minutes: delay.map(|minutes| minutes.to_string()).unwrap_or_default(),
            to: alarms.to.join("\n"),
            connection: alarms.connection.unwrap_or_default(),
            mailbox: alarms.mailbox.unwrap_or_default(),
            queue_age_minutes: alarms.queue_age_minutes.to_string(),
            expiry_days: alarms.expiry_days.to_string(),
            version: Some(version),
        }
    }

    /// A number left empty is its default; the delay left empty is no notice.
    fn entry(&self) -> Result<NoticesEntry, Refused> {
        let usual = AlarmsEntry::default();
        Ok(NoticesEntry {
            failures: self.failures == ON,
            delay_after_minutes: number(&self.delay_after_minutes, "delay_after_minutes")?.unwrap_or(0),
            alarms: AlarmsEntry {
                to: list(&self.to),
                connection: optional(&self.connection),
                mailbox: optional(&self.mailbox),
                queue_age_minutes: number(&self.queue_age_minutes, "queue_age_minutes")?
                    .unwrap_or(usual.queue_age_minutes),
                expiry_days: number(&self.expiry_days, "expiry_days")?.unwrap_or(usual.expiry_days),
            },
        })
    }

    fn view(&self, connections: &[String]) -> FormView {
        let known = connections.iter().map(|name| Choice::new(name, name));
        let connections = [Choice::new("", "As the Emails settings say")].into_iter().chain(known).collect();
        let fields = vec![
            Field::section("To the senders of messages"),
            Field::check("failures", "Tell senders what failed for good", self.failures == ON)
                .hint("By a delivery status notification, unless the sender asked for none."),
            Field::number("delay_after_minutes", "Tell senders of delays after, in minutes", &self.delay_after_minutes)
                .hint("Once for each message. Left empty: never."),
            Field::section("Alarms, to those who run Postern"),
            Field::lines("to", "Recipients", &self.to, 2)
                .hint("Addresses, one to a line. Left empty: nobody gets mail; webhooks are told all the same."),
            Field::select("connection", "Service Connection", &self.connection, connections)
                .hint("Best one that does not break together with the others."),
            Field::email("mailbox", "Mailbox Email Address", &self.mailbox)
                .hint("Alarms leave from it. Left empty: that of the Emails settings."),
            Field::number("queue_age_minutes", "When mail is due for longer than, in minutes", &self.queue_age_minutes),
            Field::number("expiry_days", "When a secret or certificate ends within, in days", &self.expiry_days),
        ];
        FormView::new("/settings/notices", "/settings", fields).at_version(self.version)
    }
}

fn notices_page(
    console: &Console,
    visitor: &Visitor,
    values: &NoticesForm,
    refused: Option<Refused>,
) -> Result<Response, PageError> {
    let connections = admin::list_connections(console.store(), visitor.actor())?;
    let names: Vec<String> = connections.into_iter().map(|it| it.name).collect();
    let form = values.view(&names).with_problem(refused);
    page(&NoticesPage {
        frame: Frame::new(visitor, "Edit Global System Settings"),
        form,
        views: VIEWS,
        here: "Notices",
    })
}

pub(in crate::pages) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let stored = admin::find_notices(console.store(), visitor.actor())?;
    let version = admin::settings_version(console.store(), visitor.actor())?;
    notices_page(&console, &visitor, &NoticesForm::of(stored, version), None)
}

pub(in crate::pages) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<NoticesForm>,
) -> Result<Response, PageError> {
    let saved = match values.entry() {
        Ok(entry) => {
            admin::update_notices(console.store(), visitor.actor(), &entry, values.version, console.now()).await
        }
        Err(refused) => Err(refused.into()),
    };
    match saved {
        Ok(saved) => {
            let done = if saved.diff.is_empty() { "unchanged" } else { "saved" };
            Ok(Redirect::to(&format!("/settings/notices?done={done}")).into_response())
        }
        Err(AdminError::Refused(refused)) => {
            let shown = notices_page(&console, &visitor, &values, Some(refused))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_delay_is_no_notice_and_an_empty_limit_is_the_usual_one() {
        let entry = NoticesForm { to: "a@x.test, b@x.test".into(), ..NoticesForm::default() }.entry().unwrap();
        assert_eq!((entry.failures, entry.delay_after_minutes, entry.alarms.to.len()), (false, 0, 2));
        assert_eq!(entry.alarms.queue_age_minutes, AlarmsEntry::default().queue_age_minutes);
        let wrong = NoticesForm { expiry_days: "soon".into(), ..NoticesForm::default() };
        assert_eq!(wrong.entry().unwrap_err().field, Some("expiry_days"));
    }
}
