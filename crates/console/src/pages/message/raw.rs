//! A message as a file.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::parse_id;
use crate::Console;
use crate::error::PageError;
use crate::guard::Visitor;

/// Streamed: never whole in memory. Always a download, never shown by the browser.
pub(in crate::pages) async fn download(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let (message, body) = admin::export_message(console.store(), visitor.actor(), id).await?;
    let header = std::io::Cursor::new(message.added_header.into_bytes());
    let whole = Body::from_stream(ReaderStream::new(header.chain(body)));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{id}.eml\""));
    let disposition = disposition.map_err(|_| PageError::not_found("message"))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("message/rfc822")),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, whole).into_response())
}
