//! Secrets of an account that Postern made: shown once, when they are made.

use askama::Template;
use secrecy::{ExposeSecret as _, SecretString};

use super::Pointing;
use crate::frame::Frame;
use crate::guard::Visitor;

/// What was made, and for whom.
pub(super) struct Made {
    pub(super) account: String,
    pub(super) id: String,
    pub(super) password: Option<SecretString>,
    pub(super) token: Option<SecretString>,
}

#[derive(Template)]
#[template(path = "integration/account_secret.html")]
pub(super) struct SecretPage {
    frame: Frame,
    account_name: String,
    id: String,
    password: Option<String>,
    token: Option<String>,
    pointing: Pointing,
}

pub(super) fn shown_once(visitor: &Visitor, made: Made, pointing: Pointing) -> SecretPage {
    let exposed = |secret: Option<SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
    SecretPage {
        frame: Frame::new(visitor, format!("{} can hand mail in", made.account)),
        account_name: made.account,
        id: made.id,
        password: exposed(made.password),
        token: exposed(made.token),
        pointing,
    }
}
