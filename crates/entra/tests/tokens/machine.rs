//! Tokens of the machine's own identity: virtual machine, App Service, Azure Arc.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra::{Application, Credential, IdentityHost, Scope, TokenSource, Who};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::far_side::{FarSide, Reply, answer};
use crate::{application, client};

const JSON: &str = "Content-Type: application/json\r\n";
/// As the metadata service writes it: every number a string.
const TOKEN: &str = r#"{"access_token":"T","refresh_token":"","expires_in":"3599","expires_on":"4102444800",
    "not_before":"1","resource":"r","token_type":"Bearer"}"#;

fn source(far_origin: &str, host: IdentityHost, client_id: &str) -> TokenSource {
    let application =
        Application { client_id: client_id.to_owned(), ..application(far_origin, Credential::ManagedIdentity(host)) };
    TokenSource::new(client(), application, &Scope::Graph).unwrap()
}

fn imds(far: &FarSide, client_id: &str) -> TokenSource {
    source(&far.origin, IdentityHost::Imds { origin: far.origin.clone() }, client_id)
}

fn path_and_query(line: &str) -> (String, Vec<(String, String)>) {
    let url = url::Url::parse(&format!("http://host{}", line.split(' ').nth(1).unwrap())).unwrap();
    (url.path().to_owned(), url.query_pairs().into_owned().collect())
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_virtual_machine_asks_the_metadata_service_as_it_wants_to_be_asked() {
    let mut far = FarSide::start(|_| answer("200 OK", JSON, TOKEN)).await;
    for client_id in ["", "22222222-0000-0000-0000-000000000000"] {
        assert_eq!(imds(&far, client_id).token().await.unwrap().expose(), "T");
        let seen = far.next().await;
        assert!(seen.line.starts_with("GET "), "{}", seen.line);
        assert_eq!(seen.header("metadata"), Some("true"));
        // The service refuses what came by a proxy.
        assert_eq!(seen.header("x-forwarded-for"), None);
        let (path, query) = path_and_query(&seen.line);
        assert_eq!(path, "/metadata/identity/oauth2/token");
        let mut expected = vec![pair("api-version", "2018-02-01"), pair("resource", &far.origin)];
        if !client_id.is_empty() {
            expected.push(pair("client_id", client_id));
        }
        assert_eq!(query, expected);
    }
}

#[tokio::test]
async fn the_machines_token_for_exchange_is_one_of_exchange() {
    let mut far = FarSide::start(|_| answer("200 OK", JSON, TOKEN)).await;
    let host = IdentityHost::Imds { origin: far.origin.clone() };
    let application = application(&far.origin, Credential::ManagedIdentity(host));
    TokenSource::new(client(), application, &Scope::Exchange).unwrap().token().await.unwrap();
    let (_, query) = path_and_query(&far.next().await.line);
    assert!(query.contains(&pair("resource", "https://outlook.office365.com")), "{query:?}");
}

#[tokio::test]
async fn app_service_is_shown_its_header() {
    let mut far = FarSide::start(|_| answer("200 OK", JSON, r#"{"access_token":"T","expires_on":"4102444800"}"#)).await;
    let endpoint = format!("{}/msi/token?flavour=1", far.origin).parse().unwrap();
    let host = IdentityHost::AppService { endpoint, header: SecretString::from("the-header") };
    assert_eq!(source(&far.origin, host, "").token().await.unwrap().expose(), "T");
    let seen = far.next().await;
    assert_eq!((seen.header("x-identity-header"), seen.header("metadata")), (Some("the-header"), None));
    let (path, query) = path_and_query(&seen.line);
    assert_eq!(path, "/msi/token");
    assert!(query.contains(&pair("flavour", "1")) && query.contains(&pair("api-version", "2019-08-01")), "{query:?}");
}

/// Names `key` to whoever shows nothing.
async fn arc(key: &Path) -> FarSide {
    let challenge = format!("{JSON}WWW-Authenticate: Basic realm={}\r\n", key.display());
    FarSide::start(move |seen| match seen.header("authorization") {
        Some("Basic the key") => answer("200 OK", JSON, TOKEN),
        Some(_) => answer("401 Unauthorized", JSON, r#"{"error":{"message":"wrong key"}}"#),
        None => answer("401 Unauthorized", &challenge, "{}"),
    })
    .await
}

fn arc_source(far: &FarSide, folder: &Path, client_id: &str) -> TokenSource {
    let endpoint = format!("{}/metadata/identity/oauth2/token", far.origin).parse().unwrap();
    source(&far.origin, IdentityHost::Arc { endpoint, key_folder: folder.to_owned() }, client_id)
}

#[tokio::test]
async fn azure_arc_is_shown_the_file_it_names_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("1.key");
    std::fs::write(&key, "the key").unwrap();
    let mut far = arc(&key).await;
    assert_eq!(arc_source(&far, folder.path(), "").token().await.unwrap().expose(), "T");
    let (first, second) = (far.next().await, far.next().await);
    assert_eq!((first.header("metadata"), second.header("metadata")), (Some("true"), Some("true")));
    assert!(path_and_query(&second.line).1.contains(&pair("api-version", "2020-06-01")));

    let elsewhere = tempfile::tempdir().unwrap();
    let error = arc_source(&far, elsewhere.path(), "").token().await.unwrap_err();
    far.next().await;
    assert_eq!(far.waiting(), 0, "nothing was shown");
    assert!(!error.is_transient() && error.explanation().why.contains("none of the agent's keys"), "{error}");
}

#[tokio::test]
async fn an_arc_agent_that_gives_another_identity_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("1.key");
    std::fs::write(&key, "the key").unwrap();
    let far = arc(&key).await;
    let error = arc_source(&far, folder.path(), "22222222-0000-0000-0000-000000000000").token().await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("another identity"), "{error}");
}

#[tokio::test]
async fn a_passing_trouble_of_the_metadata_service_is_waited_out() {
    for status in ["404 Not Found", "410 Gone", "429 Too Many Requests", "500 Internal Server Error"] {
        let count = AtomicUsize::new(0);
        let mut far = FarSide::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => answer(status, JSON, "{}"),
            _ => answer("200 OK", JSON, TOKEN),
        })
        .await;
        let source = imds(&far, "");
        let asking = tokio::spawn(async move { source.token().await });
        far.next().await;
        // The clock runs ahead by itself whenever nothing else can happen.
        tokio::time::pause();
        assert_eq!(asking.await.unwrap().unwrap().expose(), "T", "{status}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_trouble_that_does_not_pass_is_given_up_after_five_tries() {
    let mut far = FarSide::start(|_| answer("410 Gone", JSON, "{}")).await;
    let source = imds(&far, "");
    let asking = tokio::spawn(async move { source.token().await });
    far.next().await;
    tokio::time::pause();
    let error = asking.await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(far.waiting(), 4);
    assert_eq!(error.explanation().who, Who::Nobody);
}

#[tokio::test]
async fn a_machine_without_an_identity_and_one_without_the_service_are_told_apart() {
    let body = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let mut far = FarSide::start(move |_| answer("400 Bad Request", JSON, body)).await;
    let error = imds(&far, "").token().await.unwrap_err();
    assert!(!error.is_transient());
    let explanation = error.explanation();
    assert!(
        explanation.why.contains("Identity not found") && explanation.fix.contains("system-assigned"),
        "{explanation}"
    );
    assert_eq!(explanation.who, Who::EntraAdministrator);
    far.next().await;
    assert_eq!(far.waiting(), 0, "not asked again");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let began = tokio::time::Instant::now();
    let error = source(&origin, IdentityHost::Imds { origin: origin.clone() }, "").token().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "told at once");
    assert!(!error.is_transient() && error.explanation().fix.contains("Azure alone"), "{error}");
}

#[tokio::test]
async fn what_is_no_token_is_no_token() {
    let table: [fn() -> Reply; 3] = [
        || answer("200 OK", "Content-Type: text/html\r\n", "<html>hello</html>"),
        || answer("200 OK", JSON, r#"{"access_token":"eyJ"}"#),
        || Reply::Close,
    ];
    for script in table {
        let far = FarSide::start(move |_| script()).await;
        let error = imds(&far, "").token().await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("eyJ"), "{error:?}");
    }
}

#[test]
fn nobody_signs_in_to_a_machine() {
    let host = IdentityHost::Imds { origin: "http://127.0.0.1:1".to_owned() };
    let machine = application("http://127.0.0.1:1", Credential::ManagedIdentity(host));
    let error = entra::DelegatedSignIn::new(client(), machine, entra::MailScope::default()).unwrap_err();
    assert!(error.to_string().contains("no users"), "{error}");
}
