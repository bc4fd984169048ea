//! The properties of the types a JSON message is made of, as Graph's metadata names them.

use serde_json::{Map, Value};

use super::failure::Failure;

/// A type of `microsoft.graph`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    name: &'static str,
    properties: &'static [&'static str],
}

pub(super) const MESSAGE: Type = Type {
    name: "microsoft.graph.message",
    properties: &[
        "attachments",
        "bccRecipients",
        "body",
        "bodyPreview",
        "categories",
        "ccRecipients",
        "changeKey",
        "conversationId",
        "conversationIndex",
        "createdDateTime",
        "extensions",
        "flag",
        "from",
        "hasAttachments",
        "id",
        "importance",
        "inferenceClassification",
        "internetMessageHeaders",
        "internetMessageId",
        "isDeliveryReceiptRequested",
        "isDraft",
        "isRead",
        "isReadReceiptRequested",
        "lastModifiedDateTime",
        "multiValueExtendedProperties",
        "parentFolderId",
        "receivedDateTime",
        "replyTo",
        "sender",
        "sentDateTime",
        "singleValueExtendedProperties",
        "subject",
        "toRecipients",
        "uniqueBody",
        "webLink",
    ],
};
pub(super) const RECIPIENT: Type = Type { name: "microsoft.graph.recipient", properties: &["emailAddress"] };
pub(super) const EMAIL_ADDRESS: Type = Type { name: "microsoft.graph.emailAddress", properties: &["address", "name"] };
pub(super) const ITEM_BODY: Type = Type { name: "microsoft.graph.itemBody", properties: &["content", "contentType"] };
pub(super) const HEADER: Type = Type { name: "microsoft.graph.internetMessageHeader", properties: &["name", "value"] };
pub(super) const EXTENDED_PROPERTY: Type =
    Type { name: "microsoft.graph.singleValueLegacyExtendedProperty", properties: &["id", "value"] };
pub(super) const FILE_ATTACHMENT: Type = Type {
    name: "microsoft.graph.fileAttachment",
    properties: &[
        "contentBytes",
        "contentId",
        "contentLocation",
        "contentType",
        "id",
        "isInline",
        "lastModifiedDateTime",
        "name",
        "size",
    ],
};
pub(super) const ITEM_ATTACHMENT: Type = Type {
    name: "microsoft.graph.itemAttachment",
    properties: &["contentType", "id", "isInline", "item", "lastModifiedDateTime", "name", "size"],
};

pub(super) const ATTACHMENT_ITEM: Type = Type {
    name: "microsoft.graph.attachmentItem",
    properties: &["attachmentType", "contentId", "contentType", "isInline", "name", "size"],
};

impl Type {
    /// `value` as an object of this type, with no property the type does not have. Annotations (`@odata.type`) pass.
    pub(super) fn read(self, value: &Value) -> Result<&Map<String, Value>, Failure> {
        let object = value.as_object().ok_or_else(|| {
            Failure::body_read(format!("An object of type '{}' was expected in the request payload.", self.name))
        })?;
        let is_unknown = |name: &&String| !name.contains('@') && !self.properties.contains(&name.as_str());
        match object.keys().find(is_unknown) {
            None => Ok(object),
            Some(name) => Err(Failure::body_read(format!(
                "The property '{name}' does not exist on type '{}'. Make sure to only use property names that are \
                 defined by the type.",
                self.name
            ))),
        }
    }
}

/// A string property; null and absent are the same.
pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(name, "Edm.String")),
    }
}

/// A collection property; null and absent are empty.
pub(super) fn list<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(wrong_type(name, "Collection")),
    }
}

/// A Boolean property.
pub(super) fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(wrong_type(name, "Edm.Boolean")),
    }
}

/// A property holds something else than its type.
pub(super) fn wrong_type(name: &str, expected: &str) -> Failure {
    Failure::body_read(format!("Cannot convert the value of '{name}' to the expected type '{expected}'."))
}
