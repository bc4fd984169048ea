//! Holds answers and requests against the description: as much of JSON Schema as the description uses.
//!
//! Stricter than JSON Schema: a member that is not described is a fault, and so is a keyword that is not known here,
//! so that nothing passes because nobody looked.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

const KEYWORDS: [&str; 13] = [
    "$ref",
    "additionalProperties",
    "allOf",
    "description",
    "enum",
    "format",
    "items",
    "minimum",
    "oneOf",
    "properties",
    "propertyNames",
    "required",
    "type",
];
/// Headers that mean something in this API; others (`content-length` and the like) are HTTP's.
const HEADERS: [&str; 4] = ["location", "idempotent-replayed", "retry-after", "www-authenticate"];

pub(in crate::http) struct Described(pub(in crate::http) Value);

impl Described {
    pub(in crate::http) fn new() -> Self {
        let world = crate::test_world::World::new(crate::intake::Limits::default());
        let calls = crate::http::calls(world.intake.clone(), crate::http::HttpLimits::default());
        Self(serde_json::to_value(calls.get_openapi()).unwrap())
    }

    pub(in crate::http) fn schema(&self, name: &str) -> &Value {
        self.0.pointer(&format!("/components/schemas/{name}")).unwrap_or_else(|| panic!("no schema {name}"))
    }

    /// What is wrong with an answer to a call.
    pub(in crate::http) fn answer(
        &self,
        (method, path): (&Method, &str),
        (status, headers, body): (StatusCode, &HeaderMap, &str),
    ) -> Result<(), String> {
        let path = path.strip_prefix("/api/v1/messages/").map_or(path, |_| "/api/v1/messages/{id}");
        let call = &self.0["paths"][path][method.as_str().to_ascii_lowercase()];
        let response = call["responses"].get(status.as_str()).ok_or_else(|| format!("{status} is not described"))?;
        let described: BTreeSet<String> =
            response["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_ascii_lowercase()).collect();
        if let Some(name) = HEADERS.iter().find(|name| headers.contains_key(**name) && !described.contains(**name)) {
            return Err(format!("the header {name} of {status} is not described"));
        }
        let media_type = headers["content-type"].to_str().unwrap();
        let content = response["content"].get(media_type).ok_or_else(|| format!("{media_type} is not described"))?;
        self.value(&content["schema"], &serde_json::from_str(body).unwrap())
    }

    /// What is wrong with a value.
    pub(in crate::http) fn value(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let keywords = schema.as_object().ok_or("no schema")?;
        if let Some(unknown) = keywords.keys().find(|keyword| !KEYWORDS.contains(&keyword.as_str())) {
            return Err(format!("the keyword {unknown} is not looked at"));
        }
        if let Some(target) = schema.get("$ref") {
            return self.value(self.target(target), value);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let fitting = choices.iter().filter(|choice| self.value(choice, value).is_ok()).count();
            return if fitting == 1 { Ok(()) } else { Err(format!("{value} is {fitting} of {choices:?}")) };
        }
        if schema["enum"].as_array().is_some_and(|names| !names.contains(value)) {
            return Err(format!("{value} is none of {}", schema["enum"]));
        }
        if schema.get("type").is_some_and(|types| !is_of_type(types, value)) {
            return Err(format!("{value} is no {}", schema["type"]));
        }
        if schema["format"] == "date-time" && value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_err()) {
            return Err(format!("{value} is no time"));
        }
        match value {
            // Without a type it may be anything.
            Value::Array(items) if schema.get("type").is_some() => {
                items.iter().try_for_each(|item| self.value(&schema["items"], item))
            }
            Value::Object(members) => self.members(schema, members),
            _ => Ok(()),
        }
    }

    fn members(&self, schema: &Value, members: &serde_json::Map<String, Value>) -> Result<(), String> {
        let (properties, required) = self.properties(schema);
        if let Some(missing) = required.iter().find(|name| !members.contains_key(**name)) {
            return Err(format!("{missing} is missing"));
        }
        let is_anything = properties.is_empty() && schema.get("additionalProperties").is_none();
        for (name, value) in members.iter().filter(|_| !is_anything) {
            let further = schema.get("additionalProperties").filter(|further| further.is_object());
            let schema = properties.get(name.as_str()).copied().or(further);
            let schema = schema.ok_or_else(|| format!("{name} is not described"))?;
            self.value(schema, value).map_err(|fault| format!("{name}: {fault}"))?;
        }
        Ok(())
    }

    /// Members by name and which of them are required, those of all parts together.
    pub(in crate::http) fn properties<'a>(
        &'a self,
        schema: &'a Value,
    ) -> (BTreeMap<&'a str, &'a Value>, BTreeSet<&'a str>) {
        if let Some(target) = schema.get("$ref") {
            return self.properties(self.target(target));
        }
        let mut properties: BTreeMap<&str, &Value> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.as_str(), schema))
            .collect();
        let mut required: BTreeSet<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let (more, needed) = self.properties(part);
            properties.extend(more);
            required.extend(needed);
        }
        (properties, required)
    }

    fn target(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.0.pointer(pointer)).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }
}

fn is_of_type(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known here"),
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}
