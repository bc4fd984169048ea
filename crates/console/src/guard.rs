//! Who may see a page or take an action: asked here, once, before the page's own code runs.
//!
//! ```text
//!   request ─► Host known? ─► same origin? (unsafe methods) ─► session ─► role ─► CSRF token ─► fresh? ─► handler
//!                 421              403                        sign-in     403       403      sign in again
//! ```
//!
//! Promise: a handler behind [`Pages::view`] or [`Pages::action`] runs only for a signed-in user with the role named
//! there, and an action only when the request carries the token of that user's session. Which addresses there are, and
//! what each needs, is the list the router is made of (`Pages::list`): one cannot be added without the other.

mod cookie;
mod csrf;
mod headers;
mod origin;
mod visitor;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use settings::Role;

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, error_page};

pub(crate) use cookie::{Cookies, add_cookie, session_cookie, set_cookie};
pub(crate) use csrf::Submitted;
pub(crate) use headers::{MAIL_POLICY, add as add_headers, set_policy};
pub(crate) use visitor::{Visitor, client};

/// What an address asks of whoever comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Signing in itself, and what a browser fetches before.
    Nothing,
    Role(Role),
    /// The role, and a sign-in of the last minutes: secrets are changed here.
    FreshSignIn(Role),
}

/// One address of the console, for tests and for those who audit.
#[derive(Debug, Clone)]
#[cfg_attr(not(test), expect(dead_code, reason = "what serves the addresses is the router beside it"))]
pub(crate) struct Entry {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
}

/// Builds the router and the list of what it serves.
pub(crate) struct Pages {
    console: Console,
    router: Router<Console>,
    pub(crate) list: Vec<Entry>,
}

impl Pages {
    pub(crate) fn new(console: Console) -> Self {
        Self { console, router: Router::new(), list: Vec::new() }
    }

    /// A page or a part of one.
    pub(crate) fn view<H, T>(self, path: &'static str, role: Role, handler: H) -> Self
    where
        H: Handler<T, Console>,
        T: 'static,
    {
        self.add(Method::GET, path, Needs::Role(role), handler)
    }

    /// Something that changes something.
    pub(crate) fn action<H, T>(self, path: &'static str, role: Role, handler: H) -> Self
    where
        H: Handler<T, Console>,
        T: 'static,
    {
        self.add(Method::POST, path, Needs::Role(role), handler)
    }

    /// The form of a sensitive action: who must sign in again does so before typing, not after.
    pub(crate) fn sensitive_view<H, T>(self, path: &'static str, role: Role, handler: H) -> Self
    where
        H: Handler<T, Console>,
        T: 'static,
    {
        self.add(Method::GET, path, Needs::FreshSignIn(role), handler)
    }

    /// An action that reads or writes secrets, or decides who may sign in.
    pub(crate) fn sensitive<H, T>(self, path: &'static str, role: Role, handler: H) -> Self
    where
        H: Handler<T, Console>,
        T: 'static,
    {
        self.add(Method::POST, path, Needs::FreshSignIn(role), handler)
    }

    /// A page for everybody; it must not show anything that is not.
    pub(crate) fn open_view<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Console>,
        T: 'static,
    {
        self.add(Method::GET, path, Needs::Nothing, handler)
    }

    /// An action for everybody, from pages of ours only.
    pub(crate) fn open_action<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Console>,
        T: 'static,
    {
        self.add(Method::POST, path, Needs::Nothing, handler)
    }

    fn add<H, T>(mut self, method: Method, path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Console>,
        T: 'static,
    {
        let routes = if method == Method::GET { get(handler) } else { post(handler) };
        let guarded = routes.layer(from_fn_with_state((self.console.clone(), needs), admit));
        self.router = self.router.route(path, guarded);
        self.list.push(Entry { method, path, needs });
        self
    }

    /// Files that are the same for everybody, and no secret.
    pub(crate) fn files<H, T>(mut self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Console>,
        T: 'static,
    {
        self.router = self.router.route(path, get(handler));
        self
    }

    pub(crate) fn into_router(self) -> Router {
        let router = self.router.fallback(nothing_here).method_not_allowed_fallback(wrong_method);
        let hosts = from_fn_with_state(self.console.clone(), origin::check_host);
        let secure = self.console.is_secure();
        router
            .layer(from_fn_with_state(self.console.clone(), show_errors))
            .layer(hosts)
            .layer(tower_http::compression::CompressionLayer::new())
            .layer(from_fn(move |request, next| headers::add(request, next, secure)))
            .with_state(self.console)
    }
}

async fn nothing_here() -> PageError {
    PageError::new(StatusCode::NOT_FOUND, "There is no such page", "Use the menu to find what you are looking for.")
}

async fn wrong_method() -> PageError {
    let fix = "Open the page and use its buttons.";
    PageError::new(StatusCode::METHOD_NOT_ALLOWED, "This address is not for that", fix)
}

async fn admit(State((console, needs)): State<(Console, Needs)>, mut request: Request, next: Next) -> Response {
    match check(&console, needs, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => *refusal,
    }
}

async fn check(console: &Console, needs: Needs, request: &mut Request) -> Result<(), Box<Response>> {
    let is_action = *request.method() != Method::GET && *request.method() != Method::HEAD;
    if is_action {
        origin::check_same_origin(console, request.headers(), request.uri().path()).map_err(refused)?;
    }
    let role = match needs {
        Needs::Nothing => return Ok(()),
        Needs::Role(role) | Needs::FreshSignIn(role) => role,
    };
    let visitor = visitor::recognise(console, request.headers(), request.uri()).await.map_err(refused)?;
    let Some(visitor) = visitor else { return Err(Box::new(sign_in_first(request))) };
    if !visitor.signed_in.actor.may(role) {
        tracing::warn!(
            event = "page_forbidden",
            actor = visitor.signed_in.actor.name(),
            path = request.uri().path(),
            needed = role.name()
        );
        let what = format!("This needs the role {}", role.name());
        let fix = "Ask an administrator to do it, or to give you the role.";
        return Err(refused(PageError::new(StatusCode::FORBIDDEN, what, fix)));
    }
    if is_action {
        csrf::check(console, &visitor, request).await.map_err(refused)?;
    }
    let is_stale = !visitor.signed_in.is_fresh(console.now());
    if matches!(needs, Needs::FreshSignIn(_)) && is_stale {
        return Err(Box::new(confirm_first(request)));
    }
    request.extensions_mut().insert(visitor);
    Ok(())
}

/// For the API: who came with the console's cookie; `None`: nobody. A request that may change something comes from a page
/// of ours and carries the session's token in the header.
pub(crate) async fn recognise_script(console: &Console, request: &Parts) -> Result<Option<Visitor>, PageError> {
    let visitor = visitor::recognise(console, &request.headers, &request.uri).await?;
    let Some(visitor) = visitor else { return Ok(None) };
    if !request.method.is_safe() {
        origin::check_same_origin(console, &request.headers, request.uri.path())?;
        csrf::check_header(console, &visitor, &request.headers)?;
    }
    Ok(Some(visitor))
}

/// Whether the request was meant for us, by the name it calls us.
pub(crate) fn known_host(console: &Console, request: &Parts) -> Result<(), PageError> {
    origin::known_host(console, &request.headers, &request.uri)
}

#[expect(clippy::unnecessary_box_returns, reason = "an answer is large for the error of a `Result`")]
fn refused(error: PageError) -> Box<Response> {
    Box::new(error.into_response())
}

/// Where somebody wanted to go, as a query parameter: only ever an address of ours.
pub(crate) fn next_parameter(path: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("next={encoded}")
}

/// A path of ours, or the front page: never another host (`//evil`), never a backslash.
pub(crate) fn safe_next(next: Option<&str>) -> String {
    let is_ours = |next: &&str| {
        next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') && !next.chars().any(char::is_control)
    };
    next.filter(is_ours).unwrap_or("/").to_owned()
}

fn sign_in_first(request: &Request) -> Response {
    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
    let target = match *request.method() {
        Method::GET => format!("/sign-in?{}", next_parameter(wanted)),
        _ => "/sign-in".to_owned(),
    };
    // A part of a page cannot become a sign-in page: the whole page must.
    if is_part(request) {
        return (StatusCode::UNAUTHORIZED, [("HX-Redirect", target)]).into_response();
    }
    Redirect::to(&target).into_response()
}

/// The form's own content would be lost by a redirect, so the person is told to confirm and to send it again.
fn confirm_first(request: &Request) -> Response {
    let page = if *request.method() == Method::GET {
        request.uri().path_and_query().map(|wanted| wanted.as_str().to_owned())
    } else {
        let referer = request.headers().get(header::REFERER).and_then(|value| value.to_str().ok());
        referer.and_then(|referer| url::Url::parse(referer).ok()).map(|url| url.path().to_owned())
    };
    let target = format!("/confirm?{}", next_parameter(&safe_next(page.as_deref())));
    if is_part(request) {
        return (StatusCode::UNAUTHORIZED, [("HX-Redirect", target)]).into_response();
    }
    Redirect::to(&target).into_response()
}

pub(crate) fn is_part(request: &Request) -> bool {
    request.headers().contains_key("hx-request")
}

/// Gives an error the look of a page; a part of a page gets the sentence alone.
async fn show_errors(State(console): State<Console>, request: Request, next: Next) -> Response {
    let is_part = is_part(&request);
    let cookies = Cookies::of(request.headers());
    let (headers, uri) = (request.headers().clone(), request.uri().clone());
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<PageError>() else { return response };
    let visitor = visitor::recognise(&console, &headers, &uri).await.ok().flatten();
    let frame = visitor.map(|visitor| Frame::new(&visitor, "Error"));
    let shown = error_page(&error, frame, cookies.theme(), is_part);
    let mut shown = (error.status, shown).into_response();
    std::mem::swap(shown.extensions_mut(), response.extensions_mut());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_page_is_ours_or_the_front_page() {
        for (next, safe) in [
            (Some("/messages?state=failed"), "/messages?state=failed"),
            (Some("//evil.test/"), "/"),      // another host
            (Some("/\\evil.test/"), "/"),     // browsers read a backslash as a slash
            (Some("https://evil.test"), "/"), // another host, plainly
            (Some("/a\r\nSet-Cookie: x"), "/"),
            (Some(""), "/"),
            (None, "/"),
        ] {
            assert_eq!(safe_next(next), safe, "{next:?}");
        }
    }
}
