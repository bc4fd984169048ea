//! AUTH PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), the server's side of the exchange (RFC 4954).
//!
//! Promise: what was decoded on the way is wiped; the password leaves in a [`SecretString`] and appears in no error.
//!
//! Left to others: whether AUTH may be used at all, and whether the password is right.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail::EnhancedStatus;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::Reply;

/// Padding left out, or bits left over, is what home-made clients send; neither is ambiguous.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// `Username:` and `Password:`, the prompts clients of LOGIN look for.
const USER_PROMPT: &str = "VXNlcm5hbWU6";
const PASSWORD_PROMPT: &str = "UGFzc3dvcmQ6";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
}

impl Mechanism {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [("PLAIN", Self::Plain), ("LOGIN", Self::Login)]
            .into_iter()
            .find_map(|(known, mechanism)| known.eq_ignore_ascii_case(name).then_some(mechanism))
    }
}

/// Who the client says it is.
#[derive(Debug)]
pub struct Credentials {
    /// Whom it wants to act as; empty: itself.
    pub authzid: String,
    pub user: String,
    pub password: SecretString,
}

/// One exchange under way.
#[derive(Debug)]
pub struct Sasl(State);

#[derive(Debug)]
enum State {
    Plain,
    LoginUser,
    LoginPassword { user: String },
}

#[derive(Debug)]
pub enum SaslStep {
    /// The text of a 334; the client's next line goes to [`Sasl::respond`].
    Challenge(Sasl, &'static str),
    Done(Credentials),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    #[error("Authentication cancelled")]
    Cancelled,
    #[error("The authentication response is not base64")]
    NotBase64,
    #[error("The authentication response is not what the mechanism asks for")]
    Malformed,
}

impl SaslError {
    /// 501 as RFC 4954 §4 has it.
    pub fn reply(&self) -> Reply {
        let status = match self {
            Self::Cancelled => EnhancedStatus::permanent(7, 0),
            Self::NotBase64 | Self::Malformed => EnhancedStatus::permanent(5, 2),
        };
        Reply::new(1, status, self.to_string())
    }
}

impl Sasl {
    /// Starts an exchange with what came on the AUTH line.
    pub fn start(mechanism: Mechanism, initial_response: Option<&str>) -> Result<SaslStep, SaslError> {
        let (sasl, prompt) = match mechanism {
            Mechanism::Plain => (Self(State::Plain), ""),
            Mechanism::Login => (Self(State::LoginUser), USER_PROMPT),
        };
        match initial_response {
            None => Ok(SaslStep::Challenge(sasl, prompt)),
            Some("=") => sasl.respond(b""),
            Some(response) => sasl.respond(response.as_bytes()),
        }
    }

    /// Takes the client's line that answers a challenge, without its line end.
    pub fn respond(self, line: &[u8]) -> Result<SaslStep, SaslError> {
        let line = line.trim_ascii();
        if line == b"*" {
            return Err(SaslError::Cancelled);
        }
        let response = Zeroizing::new(BASE64.decode(line).map_err(|_| SaslError::NotBase64)?);
        let response = std::str::from_utf8(&response).map_err(|_| SaslError::Malformed)?;
        match self.0 {
            State::Plain => parse_plain(response).map(SaslStep::Done),
            State::LoginUser if is_name(response) => {
                Ok(SaslStep::Challenge(Self(State::LoginPassword { user: response.to_owned() }), PASSWORD_PROMPT))
            }
            State::LoginUser => Err(SaslError::Malformed),
            State::LoginPassword { user } => {
                Ok(SaslStep::Done(Credentials { authzid: String::new(), user, password: response.into() }))
            }
        }
    }
}

/// `authzid NUL authcid NUL password`.
fn parse_plain(response: &str) -> Result<Credentials, SaslError> {
    let mut parts = response.split('\0');
    let (Some(authzid), Some(user), Some(password), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SaslError::Malformed);
    };
    if !is_name(user) || authzid.chars().any(char::is_control) {
        return Err(SaslError::Malformed);
    }
    Ok(Credentials { authzid: authzid.to_owned(), user: user.to_owned(), password: password.into() })
}

/// Names go into logs and records.
fn is_name(user: &str) -> bool {
    !user.is_empty() && !user.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use secrecy::ExposeSecret;

    use super::*;

    fn encoded(text: &str) -> String {
        BASE64_STANDARD.encode(text)
    }

    fn done(step: Result<SaslStep, SaslError>) -> (String, String, String) {
        match step {
            Ok(SaslStep::Done(it)) => (it.authzid, it.user, it.password.expose_secret().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    fn challenge(step: Result<SaslStep, SaslError>, prompt: &str) -> Sasl {
        match step {
            Ok(SaslStep::Challenge(sasl, text)) if text == prompt => sasl,
            other => panic!("{other:?}"),
        }
    }

    fn named(user: &str, password: &str) -> (String, String, String) {
        (String::new(), user.to_owned(), password.to_owned())
    }

    #[test]
    fn plain_works_in_one_step_and_in_two() {
        let response = encoded("\0erp\0s3cret");
        assert_eq!(done(Sasl::start(Mechanism::Plain, Some(&response))), named("erp", "s3cret"));
        let sasl = challenge(Sasl::start(Mechanism::Plain, None), "");
        assert_eq!(done(sasl.respond(response.as_bytes())), named("erp", "s3cret"));
        let acting = Sasl::start(Mechanism::Plain, Some(&encoded("boss\0erp\0x")));
        assert_eq!(done(acting).0, "boss");
    }

    #[test]
    fn login_works_with_prompts_and_with_the_user_inline() {
        let sasl = challenge(Sasl::start(Mechanism::Login, None), "VXNlcm5hbWU6");
        let sasl = challenge(sasl.respond(encoded("erp").as_bytes()), "UGFzc3dvcmQ6");
        assert_eq!(done(sasl.respond(encoded("pässword").as_bytes())), named("erp", "pässword"));
        let sasl = challenge(Sasl::start(Mechanism::Login, Some(&encoded("erp"))), "UGFzc3dvcmQ6");
        assert_eq!(done(sasl.respond(b"")), named("erp", ""), "an empty password is wrong, not malformed");
    }

    #[test]
    fn missing_padding_is_forgiven() {
        let response = encoded("\0erp\0s3cret");
        assert!(response.ends_with('='), "{response}");
        assert_eq!(done(Sasl::start(Mechanism::Plain, Some(response.trim_end_matches('=')))), named("erp", "s3cret"));
    }

    #[test]
    fn what_is_not_an_exchange_is_refused() {
        for (mechanism, response, error) in [
            (Mechanism::Plain, "*".to_owned(), SaslError::Cancelled),
            (Mechanism::Login, "*".to_owned(), SaslError::Cancelled),
            (Mechanism::Plain, "!!!".to_owned(), SaslError::NotBase64),
            (Mechanism::Plain, "=".to_owned(), SaslError::Malformed), // an empty response
            (Mechanism::Plain, encoded("erp\0s3cret"), SaslError::Malformed), // one NUL
            (Mechanism::Plain, encoded("\0a\0b\0c"), SaslError::Malformed), // three: which is the password?
            (Mechanism::Plain, encoded("\0\0b"), SaslError::Malformed), // nobody
            (Mechanism::Plain, encoded("\0a\r\nb\0c"), SaslError::Malformed), // a line break for the log
            (Mechanism::Plain, BASE64_STANDARD.encode(b"\0\xff\0c"), SaslError::Malformed),
            (Mechanism::Login, encoded("a\nb"), SaslError::Malformed),
            (Mechanism::Login, "=".to_owned(), SaslError::Malformed),
        ] {
            assert_eq!(Sasl::start(mechanism, Some(&response)).map(|_| ()), Err(error), "{response}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let Ok(SaslStep::Done(credentials)) = Sasl::start(Mechanism::Plain, Some(&encoded("\0erp\0s3cret"))) else {
            panic!()
        };
        assert!(!format!("{credentials:?}").contains("s3cret"));
    }

    #[test]
    fn the_reply_to_a_cancelled_exchange_is_501() {
        assert_eq!(SaslError::Cancelled.reply().code(), 501);
        assert_eq!(SaslError::NotBase64.reply().status().unwrap().to_string(), "5.5.2");
    }
}
