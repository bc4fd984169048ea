//! A browser as the console meets it: cookies, and the headers that browsers send by themselves.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use store::Store as _;
use tower::ServiceExt as _;

use super::world::{HOST, World, secret};

#[derive(Clone)]
pub(super) struct Browser {
    router: Router,
    is_secure: bool,
    cookies: Vec<(String, String)>,
    /// What the forms of its session carry.
    pub(super) csrf: String,
}

/// One request on its way.
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) form: Vec<(String, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn location(&self) -> &str {
        self.header("location")
    }

    pub(super) fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

pub(super) fn get(path: impl Into<String>) -> Asked {
    Asked { method: "GET", path: path.into(), form: Vec::new(), headers: Vec::new() }
}

pub(super) fn post(path: impl Into<String>, form: &[(&str, &str)]) -> Asked {
    let form = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Asked { method: "POST", path: path.into(), form, headers: Vec::new() }
}

impl Asked {
    /// A second one of the same name replaces the first, and those that a browser sends by itself.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Browser {
    pub(super) fn new(router: Router, is_secure: bool) -> Self {
        Self { router, is_secure, cookies: Vec::new(), csrf: String::new() }
    }

    pub(super) fn with_session(mut self, token: &SecretString, csrf: String) -> Self {
        let prefix = if self.is_secure { "__Host-" } else { "" };
        self.set(&format!("{prefix}postern-session"), token.expose_secret());
        self.csrf = csrf;
        self
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What names its session to people.
    pub(super) fn session_id(&self, world: &World) -> String {
        let (_, token) = &self.cookies[0];
        world.store.key_ring().token_digest(&secret(token)).unwrap()[..16].to_owned()
    }

    /// Exactly this, and the cookies.
    pub(super) async fn send(&mut self, asked: Asked) -> Answer {
        let mut request = Request::builder().method(asked.method).uri(&asked.path);
        if !asked.headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, HOST);
        }
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let body = if asked.method == "POST" {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(asked.form).finish()
        } else {
            String::new()
        };
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream of news has no end.
        let is_stream = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let body = if is_stream { bytes::Bytes::new() } else { body.collect().await.unwrap().to_bytes() };
        let answer =
            Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() };
        for line in answer.set_cookies() {
            let (name, rest) = line.split_once('=').unwrap();
            self.set(name, rest.split(';').next().unwrap());
        }
        answer
    }

    pub(super) async fn get(&mut self, path: impl Into<String>) -> Answer {
        self.send(get(path)).await
    }

    /// From a page of its session.
    pub(super) async fn post(&mut self, path: impl Into<String>, form: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        self.send(post(path, form).field("csrf", &csrf).with("sec-fetch-site", "same-origin")).await
    }

    /// Looks at a page, and knows the token of its forms from then on.
    pub(super) async fn learn(&mut self, path: &str) -> Answer {
        let answer = self.get(path).await;
        let marker = "data-csrf=\"";
        let begin = answer.body.find(marker).expect("a page of a session") + marker.len();
        self.csrf = answer.body[begin..].split('"').next().unwrap().to_owned();
        answer
    }
}
