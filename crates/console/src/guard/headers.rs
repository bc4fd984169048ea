//! What every answer tells the browser about itself.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Nothing from elsewhere, no inline script or style, no frame around us. `data:` images are in Tabler's style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// For mail shown as HTML: no script, no form, no link out of its frame, nothing loaded but what is in it.
pub(crate) const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                                      form-action 'none'; frame-ancestors 'self'; base-uri 'none'";

/// Replaces the policy of the pages by one for what is shown in a frame of ours.
pub(crate) fn set_policy(headers: &mut HeaderMap, policy: &'static str) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
}

/// The length of a compressed answer tells whether what another site put into the address is like a secret on the page
/// (BREACH): answers to links from elsewhere are not compressed.
fn leave_whole_for_others(headers: &mut HeaderMap) {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        headers.remove(header::ACCEPT_ENCODING);
    }
}

pub(crate) async fn add(mut request: Request, next: Next, is_secure: bool) -> Response {
    leave_whole_for_others(request.headers_mut());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let defaults = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // What `frame-ancestors` says, for browsers that do not know it.
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with that, browsers send `Origin: null`, and we could not tell our own pages.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
        ),
        // A link in a mail or a log must not tell a name server that somebody looked.
        (HeaderName::from_static("x-dns-prefetch-control"), "off"),
        // What a page shows is for who is signed in now.
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}
