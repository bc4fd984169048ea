//! The files that pages refer to: our own, and those that `make assets` brought from npm. All are in the binary.

use std::fmt::Write as _;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "assets/"]
#[exclude = "vendor/installed-lock.json"]
struct Assets;

/// An address that changes with the file, so that browsers may keep what they got for ever.
pub(crate) fn url(name: &str) -> String {
    let version = Assets::get(name).map(|file| file.metadata.sha256_hash());
    let mut url = format!("/assets/{name}?v=");
    for byte in version.iter().flatten().take(6) {
        // Writing to a String cannot fail.
        let _ = write!(url, "{byte:02x}");
    }
    url
}

pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let Some(file) = Assets::get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, file.data).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_a_page_names_is_there_and_its_address_changes_with_it() {
        for name in [
            "console.css",
            "console.js",
            "charts.js",
            "theme.js",
            "vendor/htmx.min.js",
            "vendor/icons.svg",
            "vendor/tabler.min.css",
            "vendor/uPlot.iife.min.js",
            "vendor/uPlot.min.css",
        ] {
            assert!(url(name).rsplit_once("?v=").is_some_and(|(_, version)| version.len() == 12), "{name}");
        }
        assert_eq!(url("nothing.css"), "/assets/nothing.css?v=");
    }
}
