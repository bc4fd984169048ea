//! What is in a message: header, text, HTML in a frame that can do nothing, and the names of what is attached.
//!
//! Looking at other people's mail is an act of its own: it has its own address, and `admin` writes it down.

use admin::Preview;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::parse_id;
use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::{MAIL_POLICY, Visitor, set_policy};
use crate::pages::messages::foreign;
use crate::show;

/// Of one header field, and of the text: enough to see what it is. The whole is in the exported message.
const HEADER_MAX_CHARS: usize = 2_000;
const TEXT_MAX_CHARS: usize = 100_000;

struct AttachmentView {
    name: String,
    kind: String,
    size: String,
}

struct Content {
    id: String,
    headers: Vec<(String, String)>,
    text: Option<String>,
    has_html: bool,
    attachments: Vec<AttachmentView>,
    /// What was left out, in sentences.
    cut: Vec<String>,
}

#[derive(Template)]
#[template(path = "message_content.html")]
struct ContentPage {
    frame: Frame,
    content: Content,
}

#[derive(Template)]
#[template(path = "message_content_part.html")]
struct ContentPart {
    content: Content,
}

pub(in crate::pages) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let preview = admin::preview(console.store(), visitor.actor(), id, console.now()).await?;
    let content = content(id.to_string(), &preview);
    if headers.contains_key("hx-request") {
        return page(&ContentPart { content });
    }
    page(&ContentPage { frame: Frame::new(&visitor, "Content"), content })
}

fn content(id: String, preview: &Preview) -> Content {
    let attachments = preview.attachments.iter().map(|attachment| AttachmentView {
        name: foreign::line(attachment.name.as_deref().unwrap_or("(no name)"), foreign::LINE_MAX_CHARS),
        kind: foreign::line(&attachment.content_type, foreign::LINE_MAX_CHARS),
        size: show::bytes(u64::try_from(attachment.size_bytes).unwrap_or(u64::MAX)),
    });
    let headers = preview
        .headers
        .iter()
        .map(|(name, value)| (foreign::line(name, foreign::LINE_MAX_CHARS), foreign::line(value, HEADER_MAX_CHARS)));
    Content {
        id,
        headers: headers.collect(),
        text: preview.text.as_deref().map(|text| foreign::lines(text, TEXT_MAX_CHARS)),
        has_html: preview.html.is_some(),
        attachments: attachments.collect(),
        cut: preview.cut.clone(),
    }
}

/// For the frame alone, under a policy of its own: no script runs, nothing is loaded, no form is sent, no link leads out.
pub(in crate::pages) async fn html(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let preview = admin::preview(console.store(), visitor.actor(), id, console.now()).await?;
    let html = preview.html.ok_or_else(|| PageError::not_found("part of the message"))?;
    let html = without_hints(&html);
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    set_policy(response.headers_mut(), MAIL_POLICY);
    Ok(response)
}

/// `link` may ask the browser to look up a name or to open a connection, and `meta` and `base` to go or to point elsewhere:
/// no policy forbids the first, and a sender would see that somebody looks. Without its name an element means nothing.
fn without_hints(html: &str) -> String {
    let mut harmless = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        harmless.push_str(before);
        harmless.push('<');
        let begins = |name: &str| after.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if ["link", "meta", "base"].into_iter().any(begins) {
            harmless.push_str("not-");
        }
        rest = after;
    }
    harmless.push_str(rest);
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_connections_unasked_loses_its_name() {
        for (html, harmless) in [
            ("<p>a < b</p>", "<p>a < b</p>"),
            ("<LiNk rel=preconnect href=//x>", "<not-LiNk rel=preconnect href=//x>"),
            ("<<meta x><base>", "<<not-meta x><not-base>"),
            ("lone <", "lone <"),
            ("<é", "<é"),
        ] {
            assert_eq!(without_hints(html), harmless);
        }
    }
}
