//! Setup Authentication of a Service Connection: by the application itself, or by a person who signs in once.

pub(super) mod callback;
pub(super) mod device;
pub(super) mod scoping;
pub(super) mod sign_in;
pub(super) mod test;

use admin::{ConnectionSummary, GrantSummary, Refused, SmtpServerView};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use settings::Permission;
use url::Url;

use super::connections::{connection, used_by};
use super::message::ExplanationView;
use super::tenants;
use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::show;

use test::TestView;

/// Whether a connection can prove who it is, in words.
pub(super) struct AuthenticationState {
    pub(super) class: &'static str,
    pub(super) words: String,
    /// Mail can leave by it, as far as can be told without asking Microsoft.
    pub(super) is_set_up: bool,
}

impl AuthenticationState {
    pub(super) async fn of(
        console: &Console,
        visitor: &Visitor,
        connection: &ConnectionSummary,
    ) -> Result<Self, PageError> {
        if let Some(server) = &connection.smtp_server {
            return Ok(Self::of_server(server));
        }
        if connection.permission == Permission::Delegated {
            let grant = admin::grant_of(console.store(), visitor.actor(), &connection.id).await?;
            return Ok(Self::of_grant(grant.as_ref()));
        }
        let tenants = admin::list_tenants(console.store(), visitor.actor())?;
        let tenant = tenants.into_iter().find(|tenant| Some(&tenant.name) == connection.tenant.as_ref());
        Ok(tenant.map_or_else(Self::missing, |tenant| Self::of_row(&tenants::Row::of(tenant, console.now()))))
    }

    fn of_server(server: &SmtpServerView) -> Self {
        let words = match &server.username {
            Some(username) if server.oauth_scope.is_some() => format!("signs in as {username}, by token"),
            Some(username) => format!("signs in as {username}"),
            None => "no authentication".to_owned(),
        };
        Self { class: "state-ok", words, is_set_up: true }
    }

    fn of_grant(grant: Option<&GrantSummary>) -> Self {
        let state = |class, words| Self { class, words, is_set_up: class == "state-ok" };
        match grant {
            None => state("state-warn", "nobody has signed in yet".to_owned()),
            Some(GrantSummary { dead: Some(why), .. }) => state("state-fail", format!("ended: {}", why.what)),
            Some(grant) => state("state-ok", format!("signed in as {}", grant.user)),
        }
    }

    fn of_row(row: &tenants::Row) -> Self {
        if row.tenant.credential.is_none() {
            return Self::missing();
        }
        match &row.expiry {
            Some((class, words)) => Self {
                class,
                words: format!("{}, {}", row.credential, until(words)),
                is_set_up: *class != "state-fail",
            },
            None => Self { class: "state-ok", words: row.credential.to_owned(), is_set_up: true },
        }
    }

    fn missing() -> Self {
        Self { class: "state-fail", words: "no credential yet".to_owned(), is_set_up: false }
    }
}

fn until(words: &str) -> String {
    if words.starts_with("expired") { words.to_owned() } else { format!("until {words}") }
}

#[derive(Template)]
#[template(path = "authentication/page.html")]
struct AuthenticationPage {
    frame: Frame,
    connection: ConnectionSummary,
    is_delegated: bool,
    state: AuthenticationState,
    used_by: String,
    /// The tenant, for connections that have one.
    row: Option<tenants::Row>,
    redirect_uri: Url,
    /// For administrators of connections without a person.
    consent_url: Option<Url>,
    grant: Option<GrantView>,
    test: Option<TestView>,
    /// For the mailboxes that were asked about.
    script: Option<Result<String, Refused>>,
    mailboxes: String,
}

/// Who signed in, and whether that still holds.
struct GrantView {
    user: String,
    scopes: String,
    signed_in: String,
    refreshed: String,
    dead: Option<ExplanationView>,
}

impl GrantView {
    fn of(grant: GrantSummary, now: Timestamp) -> Self {
        Self {
            scopes: grant.scopes.join(", "),
            signed_in: when(grant.signed_in_at, now),
            refreshed: when(grant.refreshed_at, now),
            dead: grant.dead.as_ref().map(ExplanationView::of),
            user: grant.user,
        }
    }
}

/// What a request brings to the page besides its address.
#[derive(Default)]
struct Extra {
    test: Option<TestView>,
    script: Option<Result<String, Refused>>,
    mailboxes: String,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    authentication_page(&console, &visitor, &id, Extra::default()).await
}

async fn authentication_page(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    extra: Extra,
) -> Result<Response, PageError> {
    let (store, actor) = (console.store(), visitor.actor());
    let connection = connection(console, visitor, id)?;
    let state = AuthenticationState::of(console, visitor, &connection).await?;
    let all = admin::list_tenants(store, actor)?;
    let tenant = all.into_iter().find(|tenant| Some(&tenant.name) == connection.tenant.as_ref());
    let grant = admin::grant_of(store, actor, id).await?.map(|grant| GrantView::of(grant, console.now()));
    let redirect_uri = redirect_uri(console);
    // Who may not change settings is not shown the link, and a tenant without an endpoint has none.
    let consent_url = admin::admin_consent_url(store, actor, id, &redirect_uri, &callback::consent_state(id)).ok();
    page(&AuthenticationPage {
        frame: Frame::new(visitor, "Setup Authentication"),
        is_delegated: connection.permission == Permission::Delegated,
        state,
        used_by: used_by(&connection),
        row: tenant.map(|tenant| tenants::Row::of(tenant, console.now())),
        redirect_uri,
        consent_url,
        grant,
        test: extra.test,
        script: extra.script,
        mailboxes: extra.mailboxes,
        connection,
    })
}

/// Where Microsoft sends browsers back to.
fn redirect_uri(console: &Console) -> Url {
    console.config.address("/oauth/callback")
}

/// "2026-11-25 14:03:09 (3 minutes ago)"
fn when(at: Timestamp, now: Timestamp) -> String {
    format!("{} UTC ({})", show::time(&at), show::distance(&at, &now))
}
