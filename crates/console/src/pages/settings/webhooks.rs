//! Settings → Edit Global System Settings → Webhooks: who is told of news over HTTP.

pub(in crate::pages) mod edit;
mod form;
pub(in crate::pages) mod secret;
pub(in crate::pages) mod test;

use admin::WebhookView;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{VIEWS, View};
use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;

use test::TestView;

struct Row {
    webhook: WebhookView,
    events: String,
}

#[derive(Template)]
#[template(path = "settings/webhooks.html")]
struct WebhooksPage {
    frame: Frame,
    views: &'static [View],
    here: &'static str,
    webhooks: Vec<Row>,
    /// What came of the one that was just called.
    test: Option<TestView>,
}

pub(in crate::pages) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    list_page(&console, &visitor, None)
}

fn list_page(console: &Console, visitor: &Visitor, test: Option<TestView>) -> Result<Response, PageError> {
    let row = |webhook: WebhookView| {
        let names: Vec<&str> = webhook.events.iter().map(|news| news.name()).collect();
        Row { events: if names.is_empty() { "everything".to_owned() } else { names.join(", ") }, webhook }
    };
    page(&WebhooksPage {
        frame: Frame::new(visitor, "Edit Global System Settings"),
        views: VIEWS,
        here: "Webhooks",
        webhooks: admin::list_webhooks(console.store(), visitor.actor())?.into_iter().map(row).collect(),
        test,
    })
}

/// By id; a page that is not there where it is not.
fn webhook(console: &Console, visitor: &Visitor, id: &str) -> Result<WebhookView, PageError> {
    let all = admin::list_webhooks(console.store(), visitor.actor())?;
    all.into_iter().find(|webhook| webhook.id == id).ok_or_else(|| PageError::not_found("webhook"))
}
