//! Settings → Edit Global System Settings → Emails: what makes a Service Connection the system's way out.

use admin::{AdminError, EmailsEntry, EmailsView, Refused};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use settings::{ConnectionType, FromPolicy};

use super::{VIEWS, View};
use crate::Console;
use crate::error::PageError;
use crate::form::{Choice, Field, FormView, fallback_field, lines, optional};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "settings/emails.html")]
struct EmailsPage {
    frame: Frame,
    form: FormView,
    views: &'static [View],
    here: &'static str,
    /// Why mail would wait now.
    problem: Option<String>,
    /// There are no connections to choose from.
    has_no_connection: bool,
    /// Whom a test message is proposed to go to.
    mailbox: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::pages) struct EmailsForm {
    enabled: String,
    smtp_authentication: String,
    modern_authentication: String,
    mailbox: String,
    service_connection: String,
    connection_type: String,
    from_policy: String,
    fallback: String,
    hold_all: String,
    redirect_all_to: String,
    version: Option<u64>,
}

const ON: &str = "on";

impl EmailsForm {
    fn of(view: &EmailsView, version: u64) -> Self {
        let check = |is_on: bool| if is_on { ON } else { "" }.to_owned();
        let connection_type = match view.connection_type {
            ConnectionType::Graph => "graph",
            ConnectionType::Smtp => "smtp",
        };
        let from_policy = match view.from_policy {
            FromPolicy::Keep => "keep",
            FromPolicy::Rewrite => "rewrite",
        };
        Self {
            enabled: check(view.enabled),
            smtp_authentication: check(view.smtp_authentication),
            modern_authentication: check(view.modern_authentication),
            mailbox: view.mailbox.clone().unwrap_or_default(),
            service_connection: view.service_connection.clone().unwrap_or_default(),
            connection_type: connection_type.to_owned(),
            from_policy: from_policy.to_owned(),
            fallback: view.fallback.join("\n"),
            hold_all: check(view.hold_all),
            redirect_all_to: view.redirect_all_to.clone().unwrap_or_default(),
            version: Some(version),
        }
    }

    fn entry(&self) -> EmailsEntry {
        EmailsEntry {
            enabled: self.enabled == ON,
            smtp_authentication: self.smtp_authentication == ON,
            modern_authentication: self.modern_authentication == ON,
            mailbox: optional(&self.mailbox),
            service_connection: optional(&self.service_connection),
            connection_type: self.connection_type(),
            from_policy: if self.from_policy == "keep" { FromPolicy::Keep } else { FromPolicy::Rewrite },
            fallback: lines(&self.fallback),
            hold_all: self.hold_all == ON,
            redirect_all_to: optional(&self.redirect_all_to),
        }
    }

    fn is_modern(&self) -> bool {
        self.smtp_authentication == ON && self.modern_authentication == ON
    }

    /// The choice is one of Modern Authentication; what signs in with a password, or not at all, speaks SMTP.
    fn connection_type(&self) -> ConnectionType {
        if self.is_modern() && self.connection_type != "smtp" { ConnectionType::Graph } else { ConnectionType::Smtp }
    }

    fn view(&self, connections: &[String]) -> FormView {
        let enabled = |field: Field| field.shown_when("enabled", &[ON]);
        let authenticated = |field: Field| enabled(field).shown_when("smtp_authentication", &[ON]);
        let modern = |field: Field| authenticated(field).shown_when("modern_authentication", &[ON]);
        let types = vec![Choice::new("graph", "Microsoft Graph"), Choice::new("smtp", "SMTP")];
        let policies = vec![
            Choice::new("rewrite", "Rewrite: the mailbox becomes From, the original Reply-To"),
            Choice::new("keep", "Keep: the mailbox needs Send As for every other address"),
        ];
        let fields = vec![
            Field::check("enabled", "Enabled", self.enabled == ON).hint("Mail is sent. While it is off, mail waits."),
            enabled(Field::check("smtp_authentication", "Enable SMTP Authentication", self.smtp_authentication == ON)),
            authenticated(Field::check(
                "modern_authentication",
                "Modern Authentication (OAuth 2.0)",
                self.modern_authentication == ON,
            )),
            enabled(Field::email("mailbox", "Mailbox Email Address", &self.mailbox))
                .hint("An active mailbox, of the tenant if there is one; mail leaves from it."),
            enabled(Field::select(
                "service_connection",
                "Service Connection",
                &self.service_connection,
                connection_choices(connections),
            ))
            .hint("Without Modern Authentication: one of the service SMTP Server."),
            modern(Field::select("connection_type", "SMTP Server Connection Type", &self.connection_type, types)),
            enabled(Field::select("from_policy", "From of messages", &self.from_policy, policies)),
            enabled(fallback_field(&self.fallback, connections)),
            enabled(Field::section("Testing environment")),
            enabled(Field::check("hold_all", "Hold all messages", self.hold_all == ON))
                .hint("Each message is held as it arrives, and leaves only when somebody releases it."),
            enabled(Field::email("redirect_all_to", "Redirect all messages to", &self.redirect_all_to))
                .hint("Whoever a message is for, it goes to this address alone. Left empty: to its recipients."),
        ];
        FormView::new("/settings", "/", fields).at_version(self.version)
    }
}

fn connection_choices(connections: &[String]) -> Vec<Choice> {
    let known = connections.iter().map(|name| Choice::new(name, name));
    [Choice::new("", "Choose one")].into_iter().chain(known).collect()
}

fn emails_page(
    console: &Console,
    visitor: &Visitor,
    values: &EmailsForm,
    refused: Option<Refused>,
) -> Result<Response, PageError> {
    let (store, actor) = (console.store(), visitor.actor());
    let connections: Vec<String> = admin::list_connections(store, actor)?.into_iter().map(|it| it.name).collect();
    let stored = admin::find_emails(store, actor)?;
    page(&EmailsPage {
        frame: Frame::new(visitor, "Edit Global System Settings"),
        form: values.view(&connections).with_problem(refused),
        views: VIEWS,
        here: "Emails",
        problem: stored.problem.map(|problem| crate::error::sentence(&problem)),
        has_no_connection: connections.is_empty(),
        mailbox: stored.mailbox.unwrap_or_default(),
    })
}

pub(in crate::pages) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let stored = admin::find_emails(console.store(), visitor.actor())?;
    let version = admin::settings_version(console.store(), visitor.actor())?;
    emails_page(&console, &visitor, &EmailsForm::of(&stored, version), None)
}

pub(in crate::pages) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<EmailsForm>,
) -> Result<Response, PageError> {
    let (store, actor, now) = (console.store(), visitor.actor(), console.now());
    match admin::update_emails(store, actor, &values.entry(), values.version, now).await {
        Ok(saved) => {
            let done = if saved.diff.is_empty() { "unchanged" } else { "saved" };
            Ok(Redirect::to(&format!("/settings?done={done}")).into_response())
        }
        Err(AdminError::Refused(refused)) => {
            let shown = emails_page(&console, &visitor, &values, Some(in_words_of_the_page(&values, refused)))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// The setup file calls the choices by other names, and so does the refusal. Without Modern Authentication the type is no
/// choice, so that the connection is at fault.
fn in_words_of_the_page(values: &EmailsForm, refused: Refused) -> Refused {
    if refused.field != Some("connection_type") {
        return refused;
    }
    if !values.is_modern() {
        let fix = "Choose one of the service SMTP Server, or tick Modern Authentication (OAuth 2.0).";
        return Refused::new("this connection needs Modern Authentication", fix).at("service_connection");
    }
    let fix = "Choose Microsoft Graph for a connection of Microsoft Entra ID Graph API, SMTP for the others.";
    Refused::new("this type does not fit the chosen Service Connection", fix).at("connection_type")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_when(form: &FormView, name: &str) -> String {
        form.fields.iter().find(|field| field.name == name).map(Field::condition).unwrap()
    }

    #[test]
    fn each_field_is_shown_once_the_choices_before_it_make_it_apply() {
        let form = EmailsForm::default().view(&[]);
        for (field, condition) in [
            ("enabled", ""),
            ("smtp_authentication", "enabled=on"),
            ("modern_authentication", "enabled=on;smtp_authentication=on"),
            ("mailbox", "enabled=on"), // a server that asks for a password, or for nothing, has one, too
            ("service_connection", "enabled=on"),
            ("connection_type", "enabled=on;smtp_authentication=on;modern_authentication=on"),
        ] {
            assert_eq!(shown_when(&form, field), condition, "{field}");
        }
    }

    #[test]
    fn an_unchecked_box_is_off_and_an_empty_field_is_nothing() {
        let entry = EmailsForm { mailbox: " ".into(), ..EmailsForm::default() }.entry();
        assert!(!entry.enabled && entry.mailbox.is_none() && entry.service_connection.is_none());
        let entry = EmailsForm { enabled: ON.into(), connection_type: "graph".into(), ..EmailsForm::default() }.entry();
        assert!(entry.enabled && entry.connection_type == ConnectionType::Smtp, "without Modern Authentication");
        let modern = EmailsForm {
            smtp_authentication: ON.into(),
            modern_authentication: ON.into(),
            connection_type: "graph".into(),
            fallback: "Own, Inc.\n\nOther".into(),
            ..EmailsForm::default()
        };
        let entry = modern.entry();
        assert_eq!(
            (entry.connection_type, entry.fallback),
            (ConnectionType::Graph, vec!["Own, Inc.".into(), "Other".into()])
        );
    }
}
