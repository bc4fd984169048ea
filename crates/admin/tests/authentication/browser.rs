//! A browser of the simplest kind: it keeps cookies, fills in forms and follows nothing by itself.

use std::collections::HashMap;

use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use url::Url;

pub(crate) struct Browser {
    http: reqwest::Client,
    cookies: HashMap<String, String>,
}

/// What came back, and from where.
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) text: String,
    location: Option<String>,
}

impl Page {
    /// The parameters of the address it sends the browser to, which must begin with `address`.
    pub(crate) fn sent_back_to(&self, address: &Url) -> HashMap<String, String> {
        let location = self.location.as_ref().unwrap_or_else(|| panic!("{}: {}", self.status, self.text));
        assert!(location.starts_with(&format!("{address}?")), "{location}");
        Url::parse(location).unwrap().query_pairs().into_owned().collect()
    }

    /// The AADSTS number that it shows.
    pub(crate) fn number(&self) -> String {
        let after = self.text.split("AADSTS").nth(1).unwrap_or_else(|| panic!("no number: {}", self.text));
        after.chars().take_while(char::is_ascii_digit).collect()
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&#34;", "\"").replace("&#60;", "<").replace("&#62;", ">")
}

impl Browser {
    pub(crate) fn new() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, cookies: HashMap::new() }
    }

    pub(crate) async fn get(&mut self, url: &Url) -> Page {
        self.go(self.http.get(url.clone()), url).await
    }

    /// Fills in and sends the form of `page`.
    pub(crate) async fn submit(&mut self, page: &Page, filled: &[(&str, &str)]) -> Page {
        let form = page.text.split("<form ").nth(1).unwrap_or_else(|| panic!("no form: {}", page.text));
        let action = page.url.join(&unescaped(attribute(form, "action").unwrap())).unwrap();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for hidden in form.split("<input type=\"hidden\" ").skip(1) {
            body.append_pair(attribute(hidden, "name").unwrap(), &unescaped(attribute(hidden, "value").unwrap()));
        }
        body.extend_pairs(filled);
        let request = self.http.post(action.clone()).body(body.finish());
        self.go(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"), &action).await
    }

    /// Signs in at the page that asks for it; `name`'s password is `name-password`.
    pub(crate) async fn sign_in(&mut self, page: &Page, name: &str) -> Page {
        assert!(page.text.contains("name=\"password\""), "{}", page.text);
        let (user, password) = (format!("{name}@contoso.test"), format!("{name}-password"));
        self.submit(page, &[("username", &user), ("password", &password)]).await
    }

    /// Opens the page, signs in and accepts.
    pub(crate) async fn accept(&mut self, url: &Url, name: &str) -> Page {
        let page = self.get(url).await;
        let page = self.sign_in(&page, name).await;
        if page.location.is_some() { page } else { self.submit(&page, &[("answer", "accept")]).await }
    }

    /// Enters the code of a device, signs in and answers.
    pub(crate) async fn enter_code(&mut self, page: &Url, code: &str, name: &str, answer: &str) -> Page {
        let page = self.get(page).await;
        let page = self.submit(&page, &[("user_code", code)]).await;
        let page = self.sign_in(&page, name).await;
        self.submit(&page, &[("answer", answer)]).await
    }

    async fn go(&mut self, request: reqwest::RequestBuilder, url: &Url) -> Page {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers().get(LOCATION).map(|it| it.to_str().unwrap().to_owned());
        Page { url: url.clone(), status: answer.status().as_u16(), location, text: answer.text().await.unwrap() }
    }
}
