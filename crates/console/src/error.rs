//! What a page says when it cannot be what was asked for.

use admin::AdminError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Shown by the guard, in the frame of the pages: it knows who is there.
#[derive(Debug, Clone)]
pub(crate) struct PageError {
    pub(crate) status: StatusCode,
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl PageError {
    pub(crate) fn new(status: StatusCode, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status, what: what.into(), fix: fix.into() }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        let fix = "It may have been deleted. Go back to the list to see what there is.";
        Self::new(StatusCode::NOT_FOUND, format!("This {what} does not exist"), fix)
    }

    pub(crate) fn bad_request(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, "Go back to the page and try again.")
    }
}

impl From<AdminError> for PageError {
    fn from(error: AdminError) -> Self {
        let status = match &error {
            AdminError::Forbidden { .. } | AdminError::StaleSignIn => StatusCode::FORBIDDEN,
            AdminError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            AdminError::Store(store::StoreError::NotFound { .. }) => StatusCode::NOT_FOUND,
            AdminError::Store(store::StoreError::Conflict { .. } | store::StoreError::SettingsChanged { .. }) => {
                StatusCode::CONFLICT
            }
            AdminError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(event = "page_failed", %error);
        }
        Self { status, what: sentence(&error.to_string()), fix: error.fix() }
    }
}

impl From<store::StoreError> for PageError {
    fn from(error: store::StoreError) -> Self {
        AdminError::from(error).into()
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        tracing::error!(event = "page_failed", %error);
        let fix = "This is a mistake of Postern: please report it with the server's log.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made", fix)
    }
}

/// Words of an error as a sentence of a page: it begins with a capital letter.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
