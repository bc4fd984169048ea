//! What the list finds, all of it, as a file for spreadsheets.

use std::io;

use admin::Actor;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use mail::MessageId;
use store::Filter;

use super::asked::Asked;
use crate::Console;
use crate::error::PageError;
use crate::guard::Visitor;

/// The file as far as it was sent.
struct Export {
    console: Console,
    actor: Actor,
    filter: Filter,
    /// Where the next piece begins; `None`: at the newest.
    before: Option<MessageId>,
    is_over: bool,
}

/// Piece by piece, as fast as the browser takes it: a million messages never lie in memory.
pub(in crate::pages) async fn download(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let asked = Asked::of_query(&query.unwrap_or_default());
    let filter = asked.filter().map_err(|refused| PageError::bad_request(crate::error::sentence(&refused.what)))?;
    let actor = visitor.actor().clone();
    let export = Export { console, actor, filter, before: None, is_over: false };
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next().await?;
        Ok::<_, io::Error>(piece.map(|text| (text, export)))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"messages.csv\""),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

impl Export {
    async fn next(&mut self) -> io::Result<Option<String>> {
        if self.is_over {
            return Ok(None);
        }
        let piece = admin::export_list(self.console.store(), &self.actor, &self.filter, self.before).await;
        // A file that breaks off is seen to be broken: the browser says so.
        let piece = piece.map_err(|error| {
            tracing::error!(event = "list_export_failed", %error);
            io::Error::other(error)
        })?;
        self.is_over = piece.next.is_none();
        self.before = piece.next;
        Ok(Some(piece.text))
    }
}
