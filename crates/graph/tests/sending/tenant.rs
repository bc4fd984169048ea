//! A tenant of one far side: it issues tokens by itself, and answers a send as the test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use entra::{Application, Cloud, Credential, Scope, TokenSource};
use graph::{Accepted, GraphError, GraphMail, MailboxSegment, Network};
use secrecy::SecretString;
use url::Url;

use crate::far_side::{FarSide, Reply, Seen, answer};

pub(crate) const MESSAGE: &[u8] = b"From: relay@contoso.test\r\nTo: ops@contoso.test\r\n\r\nHello.\r\n";

pub(crate) struct Tenant {
    pub(crate) far: FarSide,
    pub(crate) mail: GraphMail,
    tokens_issued: Arc<AtomicUsize>,
}

impl Tenant {
    /// `script` answers everything but token requests.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let tokens_issued = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&tokens_issued);
        let far = FarSide::start(move |seen| {
            if is_token_request(seen) { issue(counter.fetch_add(1, Ordering::SeqCst)) } else { script(seen) }
        })
        .await;
        let mail = mail_through(&far.origin, &far.origin, client());
        Self { far, mail, tokens_issued }
    }

    /// Answers the sends one after the other; the last answer is for all that follow.
    pub(crate) async fn answering(replies: Vec<fn() -> Reply>) -> Self {
        let count = AtomicUsize::new(0);
        Self::start(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            replies[number.min(replies.len() - 1)]()
        })
        .await
    }

    pub(crate) async fn send(&self) -> Result<Accepted, GraphError> {
        self.mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await
    }

    /// The next request that is not for a token.
    pub(crate) async fn next(&mut self) -> Seen {
        loop {
            let seen = self.far.next().await;
            if !is_token_request(&seen) {
                return seen;
            }
        }
    }

    pub(crate) fn tokens_issued(&self) -> usize {
        self.tokens_issued.load(Ordering::SeqCst)
    }
}

pub(crate) fn client() -> reqwest::Client {
    Network::default().client().unwrap()
}

/// Signs in at one origin and sends to another.
pub(crate) fn mail_through(login: &str, graph: &str, http: reqwest::Client) -> GraphMail {
    let cloud = Cloud::custom(&Url::parse(login).unwrap(), &Url::parse(graph).unwrap(), None).unwrap();
    let root = cloud.graph.clone();
    let application = Application {
        cloud,
        tenant_id: "contoso.test".to_owned(),
        client_id: "66666666-7777-8888-9999-000000000000".to_owned(),
        credential: Credential::ClientSecret(SecretString::from("s3cr3t")),
    };
    GraphMail::new(http.clone(), root, TokenSource::new(http, application, &Scope::Graph).unwrap())
}

pub(crate) fn relay() -> MailboxSegment {
    MailboxSegment::new("relay@contoso.test").unwrap()
}

pub(crate) fn is_token_request(seen: &Seen) -> bool {
    seen.line.contains("/oauth2/v2.0/token")
}

/// A token as Entra makes them, the `number`-th.
pub(crate) fn token(number: usize) -> String {
    let claims = r#"{"aud":"https://wrong.example.test","tid":"tenant-7","appid":"app-8","roles":["User.Read.All"]}"#;
    format!("eyJhbGciOiJub25lIn0.{}.signature{number}", URL_SAFE_NO_PAD.encode(claims))
}

pub(crate) fn issue(number: usize) -> Reply {
    let body = format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{}"}}"#, token(number));
    answer("200 OK", "Content-Type: application/json\r\n", &body)
}

pub(crate) fn accept() -> Reply {
    answer("202 Accepted", "request-id: graph-1\r\nDate: Mon, 23 Nov 2026 02:35:42 GMT\r\n", "")
}

/// A refusal in Graph's shape.
pub(crate) fn refuse(status: &str, headers: &str, code: &str, message: &str) -> Reply {
    let error = serde_json::json!({"error": {"code": code, "message": message,
        "innerError": {"date": "2026-11-23T02:35:42", "request-id": "graph-2"}}});
    let headers = format!("Content-Type: application/json\r\nrequest-id: graph-2\r\n{headers}");
    answer(status, &headers, &error.to_string())
}

/// The message a request carried.
pub(crate) fn message_of(seen: &Seen) -> Vec<u8> {
    STANDARD.decode(&seen.body).unwrap()
}
