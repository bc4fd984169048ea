//! The form of a webhook.

use std::collections::BTreeMap;

use admin::{Refused, SecretValue, WebhookEntry, WebhookView};
use secrecy::SecretString;
use serde::Deserialize;
use settings::News;

use crate::form::{Choice, Field, FormView};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct WebhookForm {
    pub(super) name: String,
    url: String,
    secret: String,
    /// [`ALL`] or [`SOME`].
    tells: String,
    disabled: String,
    pub(super) version: Option<u64>,
    /// The boxes of single events, by the name of the event.
    #[serde(flatten)]
    events: BTreeMap<String, String>,
}

const ON: &str = "on";
const ALL: &str = "all";
const SOME: &str = "some";

impl WebhookForm {
    pub(super) fn empty(version: u64) -> Self {
        Self { tells: ALL.to_owned(), version: Some(version), ..Self::default() }
    }

    pub(super) fn of(known: &WebhookView, version: u64) -> Self {
        Self {
            name: known.name.clone(),
            url: known.url.clone(),
            secret: String::new(),
            tells: if known.events.is_empty() { ALL } else { SOME }.to_owned(),
            disabled: if known.disabled { ON } else { "" }.to_owned(),
            version: Some(version),
            events: known.events.iter().map(|news| (news.name().to_owned(), ON.to_owned())).collect(),
        }
    }

    pub(super) fn entry(&self) -> Result<WebhookEntry, Refused> {
        let chosen = News::ALL.into_iter().filter(|news| self.has(*news)).map(|news| news.name().to_owned());
        let events: Vec<String> = if self.tells == SOME { chosen.collect() } else { Vec::new() };
        if self.tells == SOME && events.is_empty() {
            return Err(Refused::new("nothing is chosen to be told", "Choose an event, or everything.").at("tells"));
        }
        let secret = self.secret.trim();
        Ok(WebhookEntry {
            name: self.name.trim().to_owned(),
            url: self.url.trim().to_owned(),
            secret: (!secret.is_empty()).then(|| SecretValue::from(SecretString::from(secret))),
            events,
            disabled: self.disabled == ON,
        })
    }

    fn has(&self, news: News) -> bool {
        self.events.get(news.name()).is_some_and(|value| value == ON)
    }

    pub(super) fn view(&self, known: Option<&WebhookView>) -> FormView {
        let action = known.map_or_else(
            || "/settings/webhooks/add".to_owned(),
            |known| format!("/settings/webhooks/{}/edit", known.id),
        );
        let tells = vec![Choice::new(ALL, "Everything"), Choice::new(SOME, "Only what is ticked")];
        let event = |news: News| Field::check(news.name(), label(news), self.has(news)).shown_when("tells", &[SOME]);
        let mut fields = vec![
            Field::text("name", "Name", &self.name).required(),
            Field::text("url", "URL", &self.url)
                .required()
                .hint("https://; plain http is for loopback addresses. Each call is a POST of JSON, signed as Standard Webhooks says."),
            Field::secret("secret", "Secret", known.is_some())
                .hint("whsec_ and a key in base64. Left empty for a new webhook: one is made, and shown once."),
            Field::select("tells", "Is told of", &self.tells, tells),
        ];
        fields.extend(News::ALL.map(event));
        fields.push(Field::check("disabled", "Disabled", self.disabled == ON).hint("It is told nothing meanwhile."));
        FormView::new(action, "/settings/webhooks", fields).at_version(self.version)
    }
}

fn label(news: News) -> &'static str {
    match news {
        News::Sent => "A message was sent",
        News::Failed => "A message failed for good",
        News::Delayed => "A message is delayed",
        News::Uncertain => "It is uncertain whether a message left",
        News::Bounced => "A sent message bounced",
        News::Quarantined => "A message was quarantined",
        News::AlarmRaised => "An alarm was raised",
        News::AlarmCleared => "An alarm is over",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(tells: &str, events: &[&str]) -> WebhookForm {
        let events = events.iter().map(|name| ((*name).to_owned(), ON.to_owned())).collect();
        WebhookForm { tells: tells.into(), events, ..WebhookForm::default() }
    }

    #[test]
    fn everything_is_no_list_and_nothing_is_refused() {
        assert_eq!(typed(ALL, &["message.sent"]).entry().unwrap().events, Vec::<String>::new());
        let some = typed(SOME, &["alarm.raised", "message.sent", "csrf"]);
        assert_eq!(some.entry().unwrap().events, ["message.sent", "alarm.raised"]);
        assert_eq!(typed(SOME, &[]).entry().unwrap_err().field, Some("tells"));
    }

    #[test]
    fn a_secret_never_comes_back_in_the_form() {
        let typed = WebhookForm { secret: "whsec_x".into(), ..typed(ALL, &[]) };
        assert!(typed.view(None).fields.iter().all(|field| !field.value.contains("whsec_")));
    }
}
