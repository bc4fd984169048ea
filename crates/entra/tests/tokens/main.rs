//! Tokens from a stand-in token endpoint on loopback: what is asked, how often, and what is said when it is refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what stands beside the tests may fail as loudly as they do; clippy knows only the tests themselves"
)]

mod asking;
mod certificate;
mod delegated;
mod far_side;
mod machine;
mod quiet;
mod refusals;
mod signing_in;
mod token_file;

use entra::{Application, Cloud, Credential, Scope, TokenSource};
use secrecy::SecretString;

pub(crate) const SECRET: &str = "s3cr3t~value&with=odd+signs";

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub(crate) fn application(origin: &str, credential: Credential) -> Application {
    let url = url::Url::parse(origin).unwrap();
    Application {
        cloud: Cloud::custom(&url, &url, None).unwrap(),
        tenant_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        client_id: "66666666-7777-8888-9999-000000000000".to_owned(),
        credential,
    }
}

pub(crate) fn secret() -> Credential {
    Credential::ClientSecret(SecretString::from(SECRET))
}

pub(crate) fn source(origin: &str) -> TokenSource {
    TokenSource::new(client(), application(origin, secret()), &Scope::Graph).unwrap()
}

/// The answer that issues `token` for an hour.
pub(crate) fn issue(token: &str) -> far_side::Reply {
    far_side::answer("200 OK", "Content-Type: application/json; charset=utf-8\r\n", &issued_json(token))
}

pub(crate) fn issued_json(token: &str) -> String {
    format!(r#"{{"token_type":"Bearer","expires_in":3600,"ext_expires_in":3600,"access_token":"{token}"}}"#)
}

pub(crate) fn refuse(status: &str, headers: &str, error: &str, number: u32) -> far_side::Reply {
    let body = format!(
        r#"{{"error":"{error}","error_description":"AADSTS{number}: Words of Entra.\r\nTrace ID: t","error_codes":[{number}],
            "timestamp":"2026-11-23 02:35:42Z","trace_id":"trace-1","correlation_id":"correlation-1"}}"#
    );
    let body = body.replace("\r\n", "\\r\\n");
    far_side::answer(status, &format!("Content-Type: application/json\r\n{headers}"), &body)
}
