//! Cookies: the session's token, and the choice of light or dark.

use axum::http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

/// With TLS the prefix makes the browser refuse a cookie that another host or plain http set.
const SECURE_SESSION: &str = "__Host-postern-session";
const SESSION: &str = "postern-session";
const THEME: &str = "postern-theme";

/// The cookies of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cookies(Vec<(String, String)>);

impl Cookies {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn session(&self, is_secure: bool) -> Option<SecretString> {
        self.get(session_name(is_secure)).filter(|value| !value.is_empty()).map(SecretString::from)
    }

    /// `light`, `dark`, or nothing: as the system has it.
    pub(crate) fn theme(&self) -> &'static str {
        match self.get(THEME) {
            Some("light") => "light",
            Some("dark") => "dark",
            _ => "",
        }
    }
}

fn session_name(is_secure: bool) -> &'static str {
    if is_secure { SECURE_SESSION } else { SESSION }
}

/// `Set-Cookie` for a session's token; `None` ends it. `Lax`, not `Strict`: the way back from a sign-in at Microsoft is
/// a navigation from another site.
pub(crate) fn session_cookie(token: Option<&SecretString>, is_secure: bool) -> String {
    let name = session_name(is_secure);
    let value = token.map_or("", |token| token.expose_secret());
    set_cookie(name, value, token.is_none(), is_secure)
}

pub(crate) fn set_cookie(name: &str, value: &str, ends: bool, is_secure: bool) -> String {
    let end = if ends { "; Max-Age=0" } else { "" };
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{end}")
}

/// Adds the cookie to a response.
pub(crate) fn add_cookie(headers: &mut HeaderMap, cookie: &str) {
    match HeaderValue::from_str(cookie) {
        Ok(value) => drop(headers.append(header::SET_COOKIE, value)),
        Err(error) => tracing::error!(event = "cookie_not_set", %error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_tls_only_this_host_over_tls_can_set_or_see_the_session() {
        let token = SecretString::from("t0ken");
        let secure = session_cookie(Some(&token), true);
        assert_eq!(secure, "__Host-postern-session=t0ken; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(session_cookie(None, false), "postern-session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn a_plain_cookie_does_not_pass_for_a_secure_one() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; postern-session=planted"));
        headers.append(header::COOKIE, HeaderValue::from_static("postern-theme=dark"));
        let cookies = Cookies::of(&headers);
        assert!(cookies.session(true).is_none());
        assert_eq!(cookies.session(false).unwrap().expose_secret(), "planted");
        assert_eq!(cookies.theme(), "dark");
    }
}
