//! Integration → Submission accounts: who may hand mail in.

pub(super) mod edit;
mod form;
mod secret;

use admin::AccountView;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::show;

struct Row {
    account: AccountView,
    ways: &'static str,
    senders: String,
    networks: String,
    rate: String,
    last: Option<String>,
}

impl Row {
    fn of(account: AccountView, now: Timestamp) -> Self {
        let ways = match (account.has_password, account.has_token) {
            (true, true) => "password (SMTP), API token (HTTP)",
            (true, false) => "password (SMTP)",
            (false, true) => "API token (HTTP)",
            (false, false) => "",
        };
        let or = |list: &[String], all: &str| if list.is_empty() { all.to_owned() } else { list.join(", ") };
        Self {
            ways,
            senders: or(&account.allowed_senders, "any sender"),
            networks: or(&account.networks, "any network"),
            rate: account.messages_per_minute.map_or_else(|| "no limit".to_owned(), |it| show::count(it.into())),
            last: account.last_submission.map(|at| show::distance(&at, &now)),
            account,
        }
    }
}

#[derive(Template)]
#[template(path = "integration/accounts.html")]
struct AccountsPage {
    frame: Frame,
    accounts: Vec<Row>,
}

#[derive(Template)]
#[template(path = "integration/account.html")]
struct AccountPage {
    frame: Frame,
    row: Row,
    pointing: Pointing,
}

/// How a client is pointed at this gateway.
pub(super) struct Pointing {
    pub(super) host: String,
    /// Port and transport security of each SMTP listener, in words.
    pub(super) listeners: Vec<String>,
    pub(super) api: String,
}

impl Pointing {
    pub(super) fn of(console: &Console) -> Self {
        let public = &console.config.public_url;
        Self {
            host: public.host_str().unwrap_or_default().to_owned(),
            listeners: console.config.smtp.iter().map(|it| format!("{}, {}", it.listen.port(), it.tls)).collect(),
            api: console.config.address("/api/v1/messages").to_string(),
        }
    }
}

/// By id; a page that is not there where it is not.
async fn account(console: &Console, visitor: &Visitor, id: &str) -> Result<AccountView, PageError> {
    let all = admin::list_accounts(console.store(), visitor.actor()).await?;
    all.into_iter().find(|account| account.id == id).ok_or_else(|| PageError::not_found("submission account"))
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let accounts = admin::list_accounts(console.store(), visitor.actor()).await?;
    let accounts = accounts.into_iter().map(|account| Row::of(account, console.now())).collect();
    page(&AccountsPage { frame: Frame::new(&visitor, "Submission accounts"), accounts })
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let row = Row::of(account(&console, &visitor, &id).await?, console.now());
    let frame = Frame::new(&visitor, row.account.name.clone());
    page(&AccountPage { frame, row, pointing: Pointing::of(&console) })
}
