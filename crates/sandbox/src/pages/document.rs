//! A page on its way out, under a policy that lets it load nothing but the style sheet.

use askama::Template;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use crate::exchange::{reply, set_header};

/// Where a page's forms may lead.
#[derive(Debug)]
pub(crate) enum Forms {
    None,
    /// To this server, and from there by redirect to `targets`. A browser applies the policy of the page to every
    /// redirect that answers its form, so the address of the client must be named before it is gone to.
    SelfAnd {
        targets: Vec<String>,
    },
}

/// Renders a page.
pub(crate) fn document(status: StatusCode, page: &impl Template, forms: &Forms) -> Response<Full<Bytes>> {
    match page.render() {
        Ok(text) => {
            let mut response = reply(status, "text/html; charset=utf-8", text);
            let form_action = match forms {
                Forms::None => "'none'".to_owned(),
                Forms::SelfAnd { targets } => format!("'self' {}", targets.join(" ")),
            };
            let policy = format!(
                "default-src 'none'; style-src 'self'; base-uri 'none'; form-action {}; frame-ancestors 'none'",
                form_action.trim_end()
            );
            set_header(&mut response, "content-security-policy", &policy);
            set_header(&mut response, "x-content-type-options", "nosniff");
            set_header(&mut response, "referrer-policy", "no-referrer");
            response
        }
        Err(error) => {
            tracing::error!(event = "sandbox.page_failed", %error);
            reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the page could not be made")
        }
    }
}
