//! The form of a route.

use admin::{Refused, RouteEntry, RouteView};
use serde::Deserialize;

use crate::form::{Choice, Field, FormView, fallback_field, lines};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct RouteForm {
    name: String,
    sender: String,
    service_connection: String,
    /// `sender` or `address`.
    mailbox_of: String,
    mailbox: String,
    fallback: String,
    pub(super) version: Option<u64>,
}

const SENDER: &str = "sender";
const ADDRESS: &str = "address";

impl RouteForm {
    pub(super) fn empty(version: u64) -> Self {
        Self { mailbox_of: ADDRESS.to_owned(), version: Some(version), ..Self::default() }
    }

    pub(super) fn of(known: &RouteView, version: u64) -> Self {
        let is_sender = known.mailbox == SENDER;
        Self {
            name: known.name.clone(),
            sender: known.sender.clone(),
            service_connection: known.service_connection.clone(),
            mailbox_of: if is_sender { SENDER } else { ADDRESS }.to_owned(),
            mailbox: if is_sender { String::new() } else { known.mailbox.clone() },
            fallback: known.fallback.join("\n"),
            version: Some(version),
        }
    }

    pub(super) fn entry(&self) -> Result<RouteEntry, Refused> {
        let sender = self.sender.trim().parse().map_err(|error| {
            Refused::new(format!("the pattern cannot be read: {error}"), "Write *@example.org, or one address.")
                .at("sender")
        })?;
        let mailbox = if self.mailbox_of == SENDER { SENDER } else { self.mailbox.trim() };
        Ok(RouteEntry {
            name: self.name.trim().to_owned(),
            sender,
            service_connection: self.service_connection.clone(),
            mailbox: mailbox.to_owned(),
            fallback: lines(&self.fallback),
        })
    }

    pub(super) fn view(&self, known: Option<&RouteView>, connections: &[String]) -> FormView {
        let action = known.map_or_else(
            || "/integration/routes/add".to_owned(),
            |known| format!("/integration/routes/{}/edit", known.id),
        );
        let mailboxes = vec![Choice::new(ADDRESS, "One mailbox"), Choice::new(SENDER, "The sender's own mailbox")];
        let choices = connections.iter().map(|name| Choice::new(name, name)).collect();
        let fields = vec![
            Field::text("name", "Name", &self.name).required(),
            Field::text("sender", "Sender", &self.sender)
                .required()
                .hint("*@hr.example.org, or one address; compared with the message's From."),
            Field::select("service_connection", "Service Connection", &self.service_connection, choices),
            Field::select("mailbox_of", "Send from", &self.mailbox_of, mailboxes),
            Field::email("mailbox", "Mailbox Email Address", &self.mailbox).shown_when("mailbox_of", &[ADDRESS]),
            fallback_field(&self.fallback, connections),
        ];
        FormView::new(action, "/integration/routes", fields).at_version(self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_senders_own_mailbox_is_a_choice_of_its_own() {
        let form = RouteForm { sender: "*@a.test".into(), mailbox: "x@a.test".into(), ..RouteForm::empty(1) };
        assert_eq!(form.entry().unwrap().mailbox, "x@a.test");
        assert_eq!(RouteForm { mailbox_of: SENDER.into(), ..form }.entry().unwrap().mailbox, "sender");
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_refused_at_its_field() {
        let form = RouteForm { sender: "a.test".into(), ..RouteForm::empty(1) };
        assert_eq!(form.entry().unwrap_err().field, Some("sender"));
    }
}
