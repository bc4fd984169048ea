//! What a client says to prove who it is: XOAUTH2, and the LOGIN that is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `user=NAME ^A auth=Bearer TOKEN ^A ^A`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) user: String,
    pub(super) token: String,
}

/// Reads the initial response. `None`: it is not XOAUTH2.
pub(super) fn read(response: &str) -> Option<Bearer> {
    let text = String::from_utf8(STANDARD.decode(response.trim()).ok()?).ok()?;
    let fields = text.strip_suffix("\x01\x01")?;
    let (user, token) = fields.split_once('\x01')?;
    let (user, token) = (user.strip_prefix("user=")?, token.strip_prefix("auth=Bearer ")?);
    let is_sound = !user.is_empty() && !token.is_empty() && !token.contains('\x01');
    is_sound.then(|| Bearer { user: user.to_owned(), token: token.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_form_is_understood() {
        for (text, is_understood) in [
            ("user=a@b.test\x01auth=Bearer T\x01\x01", true),
            ("user=a@b.test\x01auth=Bearer T\x01", false), // one control-A short
            ("user=\x01auth=Bearer T\x01\x01", false),
            ("user=a@b.test\x01auth=Bearer \x01\x01", false),
            ("n,a=a@b.test,\x01auth=Bearer T\x01\x01", false), // OAUTHBEARER
        ] {
            assert_eq!(read(&STANDARD.encode(text)).is_some(), is_understood, "{text:?}");
        }
        assert_eq!(read("not base64!"), None);
    }
}
