//! A browser of the simplest kind: it keeps one cookie jar, reads a form's hidden fields and follows nothing by itself.

use std::collections::HashMap;

use sandbox::Running;
use serde_json::Value;

use crate::client::*;

pub(crate) const CALLBACK: &str = "http://127.0.0.1:8080/oauth/callback";
pub(crate) const DEVICE_CLIENT: &str = "66666666-7777-8888-9999-000000000001";
pub(crate) const MAIL_SCOPES: &str = "https://graph.microsoft.com/Mail.Send offline_access openid profile email";

/// Parameters to change; an empty value takes one away.
pub(crate) type Changes<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct Browser<'a> {
    running: &'a Running,
    cookies: HashMap<String, String>,
}

/// Pairs as a query string or form.
pub(crate) fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The parameters of the address a reply redirects to.
pub(crate) fn redirected(reply: &Reply) -> HashMap<String, String> {
    assert_eq!(reply.status, 302, "{}", reply.text());
    let location = url::Url::parse(reply.header("location").unwrap()).unwrap();
    location.query_pairs().into_owned().collect()
}

/// The AADSTS number a page shows.
pub(crate) fn shown_number(reply: &Reply) -> String {
    let text = reply.text();
    let after = text.split("AADSTS").nth(1).unwrap_or_else(|| panic!("no number: {text}"));
    after.chars().take_while(char::is_ascii_digit).collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&#34;", "\"").replace("&#60;", "<").replace("&#62;", ">")
}

impl<'a> Browser<'a> {
    pub(crate) fn new(running: &'a Running) -> Self {
        Self { running, cookies: HashMap::new() }
    }

    pub(crate) fn forget(&mut self) {
        self.cookies.clear();
    }

    pub(crate) async fn get(&mut self, target: &str) -> Reply {
        self.go("GET", target, "").await
    }

    async fn go(&mut self, method: &str, target: &str, body: &str) -> Reply {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let headers = [("Cookie", cookies.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        let reply = request(self.running.addr, method, target, &headers, body.as_bytes()).await;
        for (name, value) in &reply.headers {
            if name == "set-cookie" {
                let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// Fills in and sends the form of `page`.
    pub(crate) async fn submit(&mut self, page: &Reply, filled: &[(&str, &str)]) -> Reply {
        let text = page.text();
        let form = text.split("<form ").nth(1).unwrap_or_else(|| panic!("no form: {text}"));
        let action = unescaped(attribute(form, "action").unwrap());
        let hidden = form.split("<input type=\"hidden\" ").skip(1);
        let hidden: Vec<(String, String)> = hidden
            .map(|tag| (attribute(tag, "name").unwrap().to_owned(), unescaped(attribute(tag, "value").unwrap())))
            .collect();
        let mut pairs: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.extend(filled);
        self.go("POST", &action, &encoded(&pairs)).await
    }

    pub(crate) async fn sign_in(&mut self, page: &Reply, user: &str, password: &str) -> Reply {
        assert!(page.text().contains("name=\"password\""), "{}", page.text());
        self.submit(page, &[("username", user), ("password", password)]).await
    }

    /// Signs in as anna, accepts, and returns where that led.
    pub(crate) async fn accept_as_anna(&mut self, target: &str) -> Reply {
        let page = self.get(target).await;
        let page = self.sign_in(&page, "anna@contoso.test", "anna-password").await;
        if page.status == 302 { page } else { self.submit(&page, &[("answer", "accept")]).await }
    }
}

/// The address of the sign-in page with these parameters changed; an empty value takes one away.
pub(crate) fn authorize_with(changes: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("response_mode", "query"),
        ("scope", MAIL_SCOPES),
        ("state", "the state &=?"),
        ("nonce", "the-nonce"),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    format!("/{TENANT}/oauth2/v2.0/authorize?{}", encoded(&pairs))
}

pub(crate) fn authorize() -> String {
    authorize_with(&[])
}

/// A code for anna.
pub(crate) async fn code_for(running: &Running, target: &str) -> String {
    redirected(&Browser::new(running).accept_as_anna(target).await)["code"].clone()
}

pub(crate) async fn redeem_with(running: &Running, code: &str, changes: &[(&str, &str)]) -> Reply {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("client_secret", "sandbox-secret"),
        ("redirect_uri", CALLBACK),
        ("code", code),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    ask_token(running, TENANT, &pairs).await
}

pub(crate) async fn refresh_with(running: &Running, token: &str, changes: &[(&str, &str)]) -> Reply {
    let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", token), ("code", ""), ("redirect_uri", "")];
    all.extend(changes);
    redeem_with(running, "", &all).await
}

/// The tokens anna's sign-in brings.
pub(crate) async fn tokens_of_anna(running: &Running) -> Value {
    let code = code_for(running, &authorize()).await;
    let reply = redeem_with(running, &code, &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

pub(crate) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}"))
}

/// A JSON order to the sandbox itself.
pub(crate) async fn order(running: &Running, target: &str, body: &Value) -> Reply {
    let headers = [("Content-Type", "application/json")];
    request(running.addr, "POST", target, &headers, body.to_string().as_bytes()).await
}

pub(crate) async fn advance(running: &Running, seconds: u64) {
    let reply = order(running, "/sandbox/api/clock", &serde_json::json!({ "advance_seconds": seconds })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
