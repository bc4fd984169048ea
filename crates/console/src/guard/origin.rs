//! Whether a request was meant for us and made by a page of ours.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::Console;
use crate::error::PageError;

/// A name that is not ours is an attack (DNS rebinding) or a proxy that was not told `public_url`.
pub(super) async fn check_host(State(console): State<Console>, request: Request, next: Next) -> Response {
    match known_host(&console, request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

pub(super) fn known_host(console: &Console, headers: &HeaderMap, uri: &Uri) -> Result<(), PageError> {
    let host = host_of(headers, uri);
    if host.as_deref().is_some_and(|host| is_ours(console, host)) {
        return Ok(());
    }
    tracing::warn!(event = "host_refused", host = host.as_deref().unwrap_or_default());
    let what = format!("This server is not called {}", host.as_deref().unwrap_or("that"));
    let fix = "Set public_url in postern.toml to the address that browsers use.";
    Err(PageError::new(StatusCode::MISDIRECTED_REQUEST, what, fix))
}

fn host_of(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let by_header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    by_header.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str)).map(str::to_lowercase)
}

fn is_ours(console: &Console, host: &str) -> bool {
    authority(&console.config.public_url).is_some_and(|ours| ours == host)
        || console.config.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
}

/// `host`, or `host:port` where the port is not the scheme's own: what browsers send in `Host`.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?.to_lowercase();
    Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// `Sec-Fetch-Site` where the browser sends it, else `Origin`. A client that sends neither is no browser and has no
/// cookies that somebody else's page could borrow; it still needs the session's token.
pub(super) fn check_same_origin(console: &Console, headers: &HeaderMap, path: &str) -> Result<(), PageError> {
    let allowed = match text(headers, "sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        None => match text(headers, "origin") {
            Some(origin) => {
                let origin = Url::parse(origin).ok().filter(|origin| is_our_scheme(console, origin));
                origin.and_then(|origin| authority(&origin)).is_some_and(|origin| is_ours(console, &origin))
            }
            None => true,
        },
    };
    if allowed {
        return Ok(());
    }
    tracing::warn!(event = "cross_site_refused", path);
    let what = "The request comes from a page of another site";
    Err(PageError::new(StatusCode::FORBIDDEN, what, "Open the console itself and do it there."))
}

/// Whoever sits between us and a browser can make pages of plain http in our name.
fn is_our_scheme(console: &Console, origin: &Url) -> bool {
    origin.scheme() == "https" || !console.is_secure()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
