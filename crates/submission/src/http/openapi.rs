//! The API's description of itself, OpenAPI 3.1: `GET /api/openapi.json`.
//!
//! Promise: it is no other API than the one that is served. Calls and their descriptions are one list (`super::calls`),
//! answers are described by the very types that are serialised, and every answer that a test of this API gets is held
//! against it. The types in `described` stand for types of the crates below, which do not know about HTTP; the tests
//! hold them against what those accept and write. It needs no token, for it says nothing about this gateway.

mod described;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod validation;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::Problem;

pub use described::{AnyCall, DateTime, ExplanationView, MessageStatus, PriorityName, RawMessage, WayIn};
pub(super) use described::{EventView, MessageRequest, OutcomeName, RecipientStatusName};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Postern",
        description = "Hand in mail and see what became of it. Errors are problem documents (RFC 9457) whose `detail` \
                       says what to do.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security(("token" = []))
)]
pub(super) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let scheme =
            scheme.description(Some("The token of a submission account, or of an administrator's API")).build();
        if let Some(components) = &mut openapi.components {
            components.add_security_scheme("token", SecurityScheme::Http(scheme));
        }
    }
}
