//! AUTH, the client's side: what PLAIN (RFC 4616), LOGIN and XOAUTH2 answer, in base64.
//!
//! Promise: what holds a secret is wiped when it is dropped.
//!
//! Left to others: which mechanism is used, and whether the line it travels in is protected.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// RFC 5321 §4.5.3.1.4: a command line with its CRLF. An initial response that does not fit goes in a line of its own,
/// as the answer to an empty challenge (RFC 4954 §4).
const MAX_COMMAND_OCTETS: usize = 512;

/// `NUL user NUL password`.
pub fn plain_response(user: &str, password: &SecretString) -> Zeroizing<String> {
    encoded(&Zeroizing::new(format!("\0{user}\0{}", password.expose_secret())))
}

/// The two answers of LOGIN, in order.
pub fn login_responses(user: &str, password: &SecretString) -> [Zeroizing<String>; 2] {
    [encoded(user), encoded(password.expose_secret())]
}

/// `user=` and `auth=Bearer`, apart by control-A: Google's and Microsoft's way to say a bearer token.
pub fn xoauth2_response(user: &str, token: &str) -> Zeroizing<String> {
    encoded(&Zeroizing::new(format!("user={user}\x01auth=Bearer {token}\x01\x01")))
}

/// The same by RFC 7628, with the user as authorization identity.
pub fn oauthbearer_response(user: &str, token: &str) -> Zeroizing<String> {
    // RFC 5801 §4: these two are the syntax's own.
    let user = user.replace('=', "=3D").replace(',', "=2C");
    encoded(&Zeroizing::new(format!("n,a={user},\x01auth=Bearer {token}\x01\x01")))
}

/// Whether the AUTH line may carry the initial response.
pub fn fits_auth_line(mechanism: &str, initial_response: &str) -> bool {
    "AUTH  \r\n".len() + mechanism.len() + initial_response.len() <= MAX_COMMAND_OCTETS
}

fn encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(BASE64_STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mechanism, Sasl, SaslStep, auth_line};

    fn password() -> SecretString {
        "pässword".to_owned().into()
    }

    #[test]
    fn our_own_server_understands_plain_and_login() {
        let Ok(SaslStep::Done(plain)) = Sasl::start(Mechanism::Plain, Some(&plain_response("erp", &password()))) else {
            panic!()
        };
        assert_eq!((plain.user.as_str(), plain.password.expose_secret()), ("erp", "pässword"));
        let [user, secret] = login_responses("erp", &password());
        let Ok(SaslStep::Challenge(sasl, _)) = Sasl::start(Mechanism::Login, Some(&user)) else { panic!() };
        let Ok(SaslStep::Done(login)) = sasl.respond(secret.as_bytes()) else { panic!() };
        assert_eq!((login.user.as_str(), login.password.expose_secret()), ("erp", "pässword"));
    }

    #[test]
    fn xoauth2_is_as_microsoft_documents_it() {
        // The example of "Authenticate an IMAP, POP or SMTP connection using OAuth".
        let token = "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA";
        assert_eq!(
            xoauth2_response("test@contoso.onmicrosoft.com", token).as_str(),
            "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ=="
        );
    }

    #[test]
    fn oauthbearer_is_as_the_rfc_has_it() {
        let response = oauthbearer_response("us=er,x@b.test", "T");
        let text = BASE64_STANDARD.decode(response.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "n,a=us=3Der=2Cx@b.test,\x01auth=Bearer T\x01\x01");
    }

    #[test]
    fn an_initial_response_stays_in_the_line_up_to_512_octets() {
        for (octets, fits) in [(0, true), (498, false), (497, true)] {
            let response = "x".repeat(octets);
            let mut line = Vec::new();
            auth_line("XOAUTH2", Some(&response), &mut line);
            assert_eq!(fits_auth_line("XOAUTH2", &response), fits, "{octets}");
            assert_eq!(line.len() <= 512, fits, "{octets}");
        }
    }
}
