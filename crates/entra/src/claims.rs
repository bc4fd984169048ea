//! What an access token says about itself, for the question "why was it refused?".
//!
//! Promise: the claims are read, the token is not kept and cannot be had back from them.
//!
//! Never for a security decision: the signature is not checked, and Microsoft calls these tokens opaque to clients. A
//! token without `roles` is legitimate: RBAC for Applications in Exchange grants the right without the claim.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A token is a few kilobytes; the claims of a user in many groups, tens of them.
const MAX_TOKEN_BYTES: usize = 256 * 1024;

/// The claims worth showing an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// Which service the token is for; must be that of the configured cloud.
    pub aud: Option<String>,
    pub iss: Option<String>,
    /// The tenant that issued it.
    pub tid: Option<String>,
    /// The client id; v2.0 tokens call it `azp`.
    #[serde(alias = "azp")]
    pub appid: Option<String>,
    /// What the application was granted (application permission).
    pub roles: Vec<String>,
    /// What the user let the application do, separated by spaces (delegated permission).
    pub scp: Option<String>,
    /// End of validity, seconds since 1970.
    pub exp: Option<i64>,
    #[serde(alias = "unique_name", alias = "preferred_username")]
    pub upn: Option<String>,
    /// `app` or `user`.
    pub idtyp: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// Entra may issue opaque or encrypted tokens at any time; that is no failure of anything but curiosity.
    #[error("the token is not a readable JWT")]
    Opaque,
}

impl Claims {
    /// Decodes, without verifying, the claims of a JWT.
    pub fn decode(token: &str) -> Result<Self, ClaimsError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(ClaimsError::Opaque);
        }
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(ClaimsError::Opaque);
        };
        let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| ClaimsError::Opaque)?;
        let raw: RawClaims = serde_json::from_slice(&json).map_err(|_| ClaimsError::Opaque)?;
        Ok(raw.into())
    }

    /// Whether the token itself carries `permission`, as a role or as a delegated scope.
    pub fn grants(&self, permission: &str) -> bool {
        let in_scope = |scp: &String| scp.split(' ').any(|s| s.eq_ignore_ascii_case(permission));
        self.roles.iter().any(|role| role.eq_ignore_ascii_case(permission)) || self.scp.as_ref().is_some_and(in_scope)
    }
}

/// Claims as they come: every claim may be missing or of an unexpected type, and one odd claim must not hide the rest.
#[derive(Deserialize)]
struct RawClaims {
    #[serde(flatten)]
    all: serde_json::Map<String, serde_json::Value>,
}

impl From<RawClaims> for Claims {
    fn from(raw: RawClaims) -> Self {
        let text = |names: &[&str]| names.iter().find_map(|name| raw.all.get(*name)?.as_str()).map(str::to_owned);
        let roles = raw.all.get("roles").and_then(|v| v.as_array()).into_iter().flatten();
        Self {
            aud: text(&["aud"]),
            iss: text(&["iss"]),
            tid: text(&["tid"]),
            appid: text(&["appid", "azp"]),
            roles: roles.filter_map(|role| role.as_str()).map(str::to_owned).collect(),
            scp: text(&["scp"]),
            exp: raw.all.get("exp").and_then(serde_json::Value::as_i64),
            upn: text(&["upn", "unique_name", "preferred_username"]),
            idtyp: text(&["idtyp"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn claims_are_read_without_the_key() {
        let claims = Claims::decode(&jwt(
            r#"{"aud":"https://graph.microsoft.com","iss":"https://sts.windows.net/t/","tid":"t","appid":"a",
                "roles":["Mail.Send","User.Read.All"],"exp":1700000000,"idtyp":"app"}"#,
        ))
        .unwrap();
        assert_eq!(claims.aud.as_deref(), Some("https://graph.microsoft.com"));
        assert_eq!(claims.exp, Some(1_700_000_000));
        assert!(claims.grants("mail.send"));
        assert!(!claims.grants("Mail.ReadWrite"));
    }

    #[test]
    fn one_odd_claim_does_not_hide_the_others() {
        // `aud` as an array is allowed by RFC 7519 §4.1.3; `roles` absent is RBAC for Applications.
        let claims =
            Claims::decode(&jwt(r#"{"aud":["x"],"azp":"a","unique_name":"u@d.test","scp":"openid Mail.Send"}"#));
        let claims = claims.unwrap();
        assert_eq!((claims.aud.as_deref(), claims.appid.as_deref()), (None, Some("a")));
        assert_eq!(claims.upn.as_deref(), Some("u@d.test"));
        assert!(claims.roles.is_empty());
        assert!(claims.grants("Mail.Send"));
    }

    #[test]
    fn what_is_no_jwt_is_opaque() {
        // Garbage, an encrypted token (five parts), a payload that is no JSON object, and one too large to look at.
        for token in ["", "abc", "a.b.c.d.e", "a.!!!.c", "a.W10.c", &format!("a.{}.c", "A".repeat(MAX_TOKEN_BYTES))] {
            assert_eq!(Claims::decode(token), Err(ClaimsError::Opaque));
        }
    }
}
