//! The API's description of itself, OpenAPI 3.1: `GET /api/openapi.json`.
//!
//! Answers are described by the very types that are serialised. Those in `described` stand in the description for types of the
//! crates below, which do not know about HTTP; the tests hold them against what those accept and write.

mod described;

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{Problem, read, submit};

pub(super) use described::{
    DateTime, EventView, ExplanationView, MessageRequest, MessageStatus, PriorityName, RecipientStatusName, WayIn,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Postern",
        description = "Hand in mail and see what became of it. Errors are problem documents (RFC 9457) whose `detail` \
                       says what to do.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(submit::submit_message, read::show_message, read::list_messages),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security(("token" = []))
)]
pub(super) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let scheme = scheme.description(Some("The token of a submission account")).build();
        if let Some(components) = &mut openapi.components {
            components.add_security_scheme("token", SecurityScheme::Http(scheme));
        }
    }
}

/// Needs no token: it says nothing about this gateway.
pub(super) async fn show() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mail::compose::ComposeMessage;
    use serde_json::{Value, json};
    use store::MessageState;

    use super::*;

    fn description() -> Value {
        serde_json::to_value(Description::openapi()).unwrap()
    }

    fn properties(description: &Value, schema: &str) -> BTreeSet<String> {
        let schema = &description["components"]["schemas"][schema];
        let parts = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
        let mut names = BTreeSet::new();
        for part in parts {
            match part["$ref"].as_str() {
                Some(reference) => names.extend(properties(description, reference.rsplit('/').next().unwrap())),
                None => {
                    names.extend(part["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
                }
            }
        }
        names
    }

    /// The names that serde lists when it meets one that is not among them.
    fn fields_of_compose(json: &Value) -> BTreeSet<String> {
        let error = serde_json::from_value::<ComposeMessage>(json.clone()).unwrap_err().to_string();
        let listed = error.split("expected one of ").nth(1).unwrap_or_else(|| panic!("{error}"));
        listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_request_described_is_the_request_understood() {
        let description = description();
        assert_eq!(properties(&description, "MessageRequest"), fields_of_compose(&json!({ "?": 1 })));
        let attachment = json!({ "from": "a@x.test", "attachments": [{ "?": 1 }] });
        assert_eq!(properties(&description, "AttachmentRequest"), fields_of_compose(&attachment));
    }

    #[test]
    fn the_states_described_are_the_states_there_are() {
        let described = &description()["components"]["schemas"]["MessageStatus"]["enum"];
        let names = MessageState::ALL.map(MessageState::name);
        assert_eq!(*described, json!(names));
    }

    #[test]
    fn answers_have_the_fields_described() {
        let description = description();
        let snapshots = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/snapshots/");
        for (snapshot, schema) in [("listed", "MessagePage"), ("shown", "MessageView")] {
            let file = format!("{snapshots}submission__http__tests__{snapshot}.snap");
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
            let answer: Value = serde_json::from_str(&text[text.find("\n{").unwrap()..]).unwrap();
            let body = answer.get("body").unwrap_or(&answer);
            let given: BTreeSet<String> = body.as_object().unwrap().keys().cloned().collect();
            assert_eq!(given, properties(&description, schema), "{snapshot}");
        }
    }
}
