//! What went wrong with a call, as a problem document.

use admin::{AdminError, Refused};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use store::StoreError;
use submission::http::Problem;

use crate::Console;
use crate::error::{PageError, sentence};

/// A store does not mend in a second.
const RETRY_AFTER_TROUBLE_SECONDS: u64 = 60;

#[derive(Debug)]
pub(super) struct ApiError(Problem);

impl ApiError {
    pub(super) fn not_found(what: &str) -> Self {
        let detail = format!("There is no such {what} (any more): list those there are");
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail).into()
    }

    /// What was asked can be read, and cannot be done; `fix` says what would help.
    pub(super) fn refused(refused: &Refused) -> Self {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", said(&refused.what, &refused.fix));
        refused.field.map_or(problem.clone(), |field| problem.at(field)).into()
    }
}

/// What came of a change that was decided on a version of the settings: refused because they are no longer that.
pub(super) fn decided<T>(
    console: &Console,
    version: Option<u64>,
    result: Result<T, AdminError>,
) -> Result<T, ApiError> {
    result.map_err(|error| match error {
        AdminError::Refused(refused)
            if version.is_some_and(|version| version != console.store().settings().borrow().version) =>
        {
            let detail = said(&refused.what, &refused.fix);
            Problem::new(StatusCode::CONFLICT, "changed_meanwhile", detail).into()
        }
        error => error.into(),
    })
}

fn said(what: &str, fix: &str) -> String {
    format!("{}. {fix}", sentence(what).trim_end_matches('.'))
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let problem = |status, code| Problem::new(status, code, said(&error.to_string(), &error.fix()));
        match &error {
            AdminError::Forbidden { .. } => problem(StatusCode::FORBIDDEN, "forbidden").into(),
            AdminError::StaleSignIn => problem(StatusCode::FORBIDDEN, "stale_sign_in").into(),
            AdminError::Refused(refused) => Self::refused(refused),
            AdminError::Store(StoreError::NotFound { .. }) => problem(StatusCode::NOT_FOUND, "not_found").into(),
            AdminError::Store(StoreError::Conflict { .. }) => problem(StatusCode::CONFLICT, "conflict").into(),
            AdminError::Store(StoreError::SettingsChanged { .. }) => {
                problem(StatusCode::CONFLICT, "changed_meanwhile").into()
            }
            AdminError::Store(_) => {
                tracing::error!(event = "api_failed", %error);
                let problem = problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
                problem.retry_after(RETRY_AFTER_TROUBLE_SECONDS).into()
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        AdminError::from(error).into()
    }
}

/// The guard's refusals are the same for pages and calls.
impl From<PageError> for ApiError {
    fn from(error: PageError) -> Self {
        let code = match error.status {
            StatusCode::MISDIRECTED_REQUEST => "unknown_host",
            StatusCode::FORBIDDEN => "forbidden",
            _ => "unavailable",
        };
        Problem::new(error.status, code, said(&error.what, &error.fix)).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
