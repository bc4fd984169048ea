//! The doctor as a page: every finding with its fix and who must do it.
//!
//! Its checks ask Microsoft and may take many seconds, so the page is there at once and the findings follow. Without a
//! test message they change nothing and are looked at like any part of a page; a test message is an action.

use admin::{Check, CheckStatus, DoctorRequest, Refused};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use mail::Address;
use serde::Deserialize;

use crate::Console;
use crate::error::{PageError, sentence};
use crate::form::optional;
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};
use crate::pages::messages::foreign;
use crate::show;

/// What upstreams say in a finding is cut here.
const FINDING_MAX_CHARS: usize = 1_000;
const REPORT_MAX_CHARS: usize = 100_000;

/// The form of the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    connection: String,
    send_to: String,
}

impl Asked {
    fn test_address(&self) -> Result<Option<Address>, Refused> {
        let text = optional(&self.send_to);
        text.map(|text| text.parse()).transpose().map_err(|_| {
            Refused::new("this is not a mail address", "Give the whole address, or leave it empty.").at("send_to")
        })
    }
}

struct Finding {
    name: &'static str,
    class: &'static str,
    status: &'static str,
    found: String,
    fix: String,
    who: String,
}

struct Findings {
    all: Vec<Finding>,
    summary: String,
    at: String,
    /// For the button that copies it.
    report: String,
}

#[derive(Template)]
#[template(path = "doctor.html")]
struct DoctorPage {
    frame: Frame,
    connections: Vec<String>,
    asked: Asked,
    problem: Option<Refused>,
    /// `None`: they follow.
    findings: Option<Findings>,
    query: String,
}

#[derive(Template)]
#[template(path = "doctor_findings.html")]
struct FindingsPart {
    findings: Findings,
}

/// The page at once.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    doctor_page(&console, &visitor, asked, None, None)
}

/// The findings, without a test message.
pub(super) async fn findings(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let asked = Asked { send_to: String::new(), ..asked };
    run(&console, &visitor, asked, &headers).await
}

/// The findings, and a test message if there is an address for it.
pub(super) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    headers: HeaderMap,
    Submitted(asked): Submitted<Asked>,
) -> Result<Response, PageError> {
    run(&console, &visitor, asked, &headers).await
}

async fn run(console: &Console, visitor: &Visitor, asked: Asked, headers: &HeaderMap) -> Result<Response, PageError> {
    let is_part = headers.contains_key("hx-request");
    let send_to = match asked.test_address() {
        Ok(send_to) => send_to,
        Err(refused) if is_part => {
            return Err(PageError::bad_request(sentence(&refused.what)));
        }
        Err(refused) => return doctor_page(console, visitor, asked, Some(refused), None),
    };
    let request = DoctorRequest {
        connection: optional(&asked.connection),
        send_to,
        send_from: None,
        network: console.config.network.clone(),
        data_dir: console.config.data_dir.clone(),
        configuration: console.config.configuration.clone(),
        now: console.now(),
    };
    let checks = admin::doctor(&console.store, visitor.actor(), &request).await?;
    let findings = described(&checks, &show::time(&console.now()));
    if is_part {
        return page(&FindingsPart { findings });
    }
    doctor_page(console, visitor, asked, None, Some(findings))
}

fn doctor_page(
    console: &Console,
    visitor: &Visitor,
    asked: Asked,
    problem: Option<Refused>,
    findings: Option<Findings>,
) -> Result<Response, PageError> {
    let connections = admin::list_connections(console.store(), visitor.actor())?;
    let query =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("connection", &asked.connection).finish();
    page(&DoctorPage {
        frame: Frame::new(visitor, "Doctor"),
        connections: connections.into_iter().map(|connection| connection.name).collect(),
        asked,
        problem,
        findings,
        query,
    })
}

fn described(checks: &[Check], at: &str) -> Findings {
    let line = |text: &str| foreign::line(text, FINDING_MAX_CHARS);
    let all = checks.iter().map(|check| {
        let (class, status) = match check.status {
            CheckStatus::Ok => ("state-ok", "Well"),
            CheckStatus::Warn => ("state-warn", "Look at it"),
            CheckStatus::Fail => ("state-fail", "Broken"),
        };
        Finding {
            name: check.title(),
            class,
            status,
            found: sentence(&line(&check.found)),
            fix: line(&check.fix),
            who: line(&check.who),
        }
    });
    let all: Vec<Finding> = all.collect();
    Findings {
        summary: summary(checks),
        at: at.to_owned(),
        report: foreign::lines(&admin::report(checks), REPORT_MAX_CHARS),
        all,
    }
}

fn summary(checks: &[Check]) -> String {
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    match (count(CheckStatus::Fail), count(CheckStatus::Warn)) {
        (0, 0) => "All is well.".to_owned(),
        (0, 1) => "One thing to look at.".to_owned(),
        (0, warned) => format!("{warned} things to look at."),
        (1, 0) => "One thing is broken.".to_owned(),
        (failed, 0) => format!("{failed} things are broken."),
        (failed, warned) => format!("Broken: {failed}. To look at: {warned}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: CheckStatus) -> Check {
        let (fix, who) = ("Do it.".to_owned(), "you".to_owned());
        Check { name: "token_claims", status, found: "it is\u{202E} so".to_owned(), fix, who }
    }

    #[test]
    fn findings_add_up_to_one_sentence() {
        use CheckStatus::{Fail, Ok, Warn};
        for (statuses, words) in [
            (vec![Ok, Ok], "All is well."),
            (vec![Ok, Warn], "One thing to look at."),
            (vec![Fail], "One thing is broken."),
            (vec![Fail, Fail, Warn], "Broken: 2. To look at: 1."),
        ] {
            assert_eq!(summary(&statuses.into_iter().map(check).collect::<Vec<_>>()), words);
        }
    }
}
