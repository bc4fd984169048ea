//! Users, API tokens, the OpenID provider.

use serde::{Deserialize, Serialize};
use submission::http::DateTime;
use utoipa::ToSchema;

use super::SecretText;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum RoleName {
    Viewer,
    Operator,
    Administrator,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UserList {
    users: Vec<UserView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UserView {
    id: String,
    name: String,
    role: RoleName,
    disabled: bool,
    has_password: bool,
    has_second_factor: bool,
    /// Issuer of the OpenID provider they come from.
    #[schema(required)]
    openid_issuer: Option<String>,
    created_at: DateTime,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AddedUser {
    user: UserView,
    /// In this one answer; null if a password was given.
    #[schema(required)]
    generated_password: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UserEntry {
    name: String,
    role: RoleName,
    /// One is made if it is left out.
    password: Option<SecretText>,
}

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UserChange {
    role: Option<RoleName>,
    disabled: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PasswordEntry {
    /// One is made if it is left out.
    password: Option<SecretText>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PasswordReset {
    /// In this one answer; null if a password was given.
    #[schema(required)]
    generated_password: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TokenList {
    tokens: Vec<TokenView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TokenView {
    id: String,
    /// The audit log calls it `token:` and this.
    name: String,
    role: RoleName,
    created_at: DateTime,
    #[schema(required)]
    expires_at: Option<DateTime>,
    expired: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct CreatedToken {
    id: String,
    name: String,
    role: RoleName,
    created_at: DateTime,
    #[schema(required)]
    expires_at: Option<DateTime>,
    expired: bool,
    /// `postern_…`, in this one answer.
    token: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TokenEntry {
    name: String,
    role: RoleName,
    expires_at: Option<DateTime>,
}

/// How people sign in; null: with passwords alone.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SignInSettings {
    #[schema(required)]
    openid: Option<OpenIdProvider>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct OpenIdProvider {
    name: String,
    #[schema(format = "uri")]
    issuer: String,
    client_id: String,
    has_client_secret: bool,
    groups_claim: String,
    groups: Vec<GroupRole>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in crate::api) struct GroupRole {
    /// As the claim has it.
    group: String,
    role: RoleName,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct OpenIdEntry {
    name: String,
    /// https, or plain http on a loopback address.
    #[schema(format = "uri")]
    issuer: String,
    client_id: String,
    /// Stays as it is if left out.
    client_secret: Option<SecretText>,
    /// `groups` if left out.
    #[serde(default)]
    groups_claim: String,
    groups: Vec<GroupRole>,
}
