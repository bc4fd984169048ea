//! Cookies: the session's token, and the choice of light or dark.

use axum::http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

/// With TLS the prefix makes the browser refuse a cookie that another host or plain http set.
const SECURE_PREFIX: &str = "__Host-";
const SESSION: &str = "postern-session";
const THEME: &str = "postern-theme";

/// The cookies of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// A cookie that is not ASCII is none of ours: another host of the same domain may plant it, and must neither pass
    /// for ours (a browser knows a prefix only at the very start of a name) nor hide ours.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::COOKIE).into_iter().map(HeaderValue::as_bytes);
        let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
        let ours = pairs.filter_map(|pair| str::from_utf8(pair).ok().filter(|pair| pair.is_ascii()));
        let named = ours.filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='));
        Self(named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// One that [`set_cookie`] made.
    pub(crate) fn guarded(&self, name: &str, is_secure: bool) -> Option<&str> {
        self.get(&full_name(name, is_secure)).filter(|value| !value.is_empty())
    }

    pub(crate) fn session(&self, is_secure: bool) -> Option<SecretString> {
        self.guarded(SESSION, is_secure).map(SecretString::from)
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

fn full_name(name: &str, is_secure: bool) -> String {
    if is_secure { format!("{SECURE_PREFIX}{name}") } else { name.to_owned() }
}

/// `Set-Cookie` for a session's token; `None` ends it. `Lax`, not `Strict`: the way back from a sign-in at Microsoft is
/// a navigation from another site.
pub(crate) fn session_cookie(token: Option<&SecretString>, is_secure: bool) -> String {
    let value = token.map_or("", |token| token.expose_secret());
    set_cookie(SESSION, value, token.is_none(), is_secure)
}

/// `Set-Cookie` for a cookie that no script sees; with TLS, under the prefix.
pub(crate) fn set_cookie(name: &str, value: &str, ends: bool, is_secure: bool) -> String {
    let end = if ends { "; Max-Age=0" } else { "" };
    let secure = if is_secure { "; Secure" } else { "" };
    let name = full_name(name, is_secure);
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

    #[test]
    fn what_another_host_plants_neither_passes_for_ours_nor_hides_it() {
        let of = |line: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
            Cookies::of(&headers).session(true).map(|token| token.expose_secret().to_owned())
        };
        // An em space before the name: to the browser no prefix, to a reader that trims all white space ours.
        assert_eq!(of("\u{2003}__Host-postern-session=planted".as_bytes()), None);
        assert_eq!(of("x=\u{1F36A}; __Host-postern-session=ours".as_bytes()).as_deref(), Some("ours"));
        assert_eq!(of(b"x=\xff; __Host-postern-session=ours").as_deref(), Some("ours"));
    }
}
