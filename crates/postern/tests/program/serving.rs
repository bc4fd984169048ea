//! `postern serve`: whole ways of messages, health, and the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use sandbox::{Config, Running, Sandbox};

use crate::support::{Place, Server, http, sandbox_setup};

/// Everything is on this machine; a slow one gets time.
const PATIENCE: Duration = Duration::from_secs(30);

async fn sandbox() -> Running {
    Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap()
}

async fn delivered(tenant: &Running, count: u64) {
    tokio::time::timeout(PATIENCE, tenant.wait_for_deliveries(count)).await.expect("delivered in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_of_every_way_in_leaves_through_graph_with_settings_applied_while_it_serves() {
    let tenant = sandbox().await;
    let place = Place::new();
    let server = Server::start(&place, "");
    let mail = b"From: m@x.test\nSubject: from sendmail\n\nhi\n";
    place.run_with(&["sendmail", "-f", "m@x.test", "anna@contoso.test"], mail).ok();
    // Nothing has a way yet; another process gives it one.
    place.apply(&sandbox_setup(&tenant.base_url)).ok();
    delivered(&tenant, 1).await;

    let answer = http(
        server.http,
        "POST /api/v1/messages HTTP/1.1\r\nAuthorization: Bearer erp-token\r\nContent-Type: application/json",
        r#"{"from":"m@x.test","to":"ben@contoso.test","subject":"from http","text":"hi"}"#,
    );
    assert_eq!(answer.0, 202, "{answer:?}");
    let dialog = "EHLO me\r\nAUTH PLAIN AGVycABlcnAtcGFzc3dvcmQ=\r\nMAIL FROM:<m@x.test>\r\nRCPT TO:<anna@contoso.test>\r\n\
                  DATA\r\nSubject: from smtp\r\n\r\nhi\r\n.\r\nQUIT\r\n";
    let mut stream = TcpStream::connect(server.smtp[0]).unwrap();
    stream.write_all(dialog.as_bytes()).unwrap();
    let mut transcript = String::new();
    stream.read_to_string(&mut transcript).unwrap();
    assert!(transcript.contains("250 2.0.0 Queued as"), "{transcript}");
    delivered(&tenant, 3).await;

    let mut subjects: Vec<String> = tenant.deliveries().iter().filter_map(|it| it.subject.clone()).collect();
    subjects.sort();
    assert_eq!(subjects, ["from http", "from sendmail", "from smtp"]);
    assert!(tenant.deliveries().iter().all(|it| it.mailbox == "noreply@contoso.test"));
    let doctor = place.run(&["doctor", "--send-to", "anna@contoso.test", "--json"]).ok();
    assert_eq!(doctor.json()["ok"], true, "{doctor:?}");
    let test = place.run(&["connection", "test", "Contoso Graph"]).ok().stdout;
    assert!(test.contains("Mail.Send"), "{test}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_mended_by_another_process_takes_effect_at_once() {
    let tenant = sandbox().await;
    let place = Place::new();
    place.apply(&sandbox_setup(&tenant.base_url).replace("sandbox-secret", "wrong")).ok();
    let _server = Server::start(&place, "");
    place.run(&["send", "--from", "m@x.test", "--to", "anna@contoso.test", "--subject", "s", "--text", "x"]).ok();
    let test = place.run(&["connection", "test", "Contoso Graph"]);
    assert!(test.status == 1 && test.stderr.contains("AADSTS7000215"), "{test:?}");
    let listed = place.run(&["queue", "list", "--json"]).ok().json();
    let shown = place.run(&["queue", "show", listed["messages"][0]["id"].as_str().unwrap()]).ok().stdout;
    assert!(shown.contains("route       noreply@contoso.test"), "{shown}");
    let doctor = place.run(&["doctor"]);
    assert!(doctor.status == 1 && doctor.stdout.contains("FAIL  token"), "{doctor:?}");
    place.apply(&sandbox_setup(&tenant.base_url)).ok();
    delivered(&tenant, 1).await;
}

#[test]
fn health_readiness_and_figures_are_answered() {
    let place = Place::new();
    place.run(&["send", "--from", "m@x.test", "--to", "a@x.test", "--subject", "s", "--text", "x"]).ok();
    let server = Server::start(&place, "");
    assert_eq!(http(server.http, "GET /healthz HTTP/1.1", "").0, 200);
    let (status, ready) = http(server.http, "GET /readyz HTTP/1.1", "");
    assert!(status == 200 && ready.contains("\"ready\":true"), "{ready}");
    let (_, metrics) = http(server.http, "GET /metrics HTTP/1.1", "");
    for line in ["postern_queue_messages{state=\"queued\"} 1", "postern_queue_oldest_seconds "] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert_eq!(http(server.http, "GET / HTTP/1.1", "").0, 303, "to signing in");
    assert_eq!(http(server.http, "GET /nowhere HTTP/1.1", "").0, 404);
}

#[test]
fn a_disk_without_room_is_not_ready() {
    let place = Place::new();
    let server = Server::start(&place, "[limits]\nmin_free_bytes = 9000000000000000000\n");
    let (status, ready) = http(server.http, "GET /readyz HTTP/1.1", "");
    assert!(status == 503 && ready.contains("min_free_bytes"), "{status} {ready}");
    assert_eq!(http(server.http, "GET /healthz HTTP/1.1", "").0, 200, "alive all the same");
}

#[test]
fn a_data_folder_has_one_server() {
    let place = Place::new();
    let _server = Server::start(&place, "");
    let second = place.run(&["serve", "--config", "serve.toml"]);
    assert_eq!(second.status, 1, "{second:?}");
    assert!(second.stderr.contains("another Postern server"), "{second:?}");
}

#[test]
fn sigterm_ends_it_in_order_and_a_client_hears_421() {
    let place = Place::new();
    let mut server = Server::start(&place, "");
    let mut idle = TcpStream::connect(server.smtp[0]).unwrap();
    let mut banner = [0; 4];
    idle.read_exact(&mut banner).unwrap();
    server.signal(Signal::TERM);
    let mut farewell = String::new();
    idle.read_to_string(&mut farewell).unwrap();
    assert!(farewell.contains("421 4.3.2"), "{farewell}");
    server.wait_for("server_stopped");
    assert_eq!(server.wait(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_spoken_with_the_certificate_that_is_in_the_file_now() {
    let place = Place::new();
    let renew = |place: &Place| {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        place.write("chain.pem", &pair.cert.pem());
        place.write("key.pem", &pair.signing_key.serialize_pem());
        pair.cert.pem()
    };
    let first = renew(&place);
    let files = "tls_cert = 'chain.pem'\ntls_key = 'key.pem'\n";
    let mut server = Server::start(&place, &format!("[http]\nlisten = '127.0.0.1:0'\n{files}"));
    let url = format!("https://localhost:{}/healthz", server.http.port());
    let trusting =
        |pem: &str| relay::Network { ca_bundle_pem: Some(pem.as_bytes().to_vec()), ..relay::Network::default() };
    let get =
        async |pem: &str| trusting(pem).client().unwrap().get(&url).send().await.map(|answer| answer.status().as_u16());
    assert_eq!(get(&first).await.unwrap(), 200);
    let second = renew(&place);
    server.signal(Signal::HUP);
    server.wait_for("certificate_reloaded");
    assert_eq!(get(&second).await.unwrap(), 200);
    assert!(get(&first).await.is_err(), "the old certificate is not shown any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_failed_is_explained_in_words_and_in_json() {
    let tenant = sandbox().await;
    let place = Place::new();
    place.apply(&sandbox_setup(&tenant.base_url).replace("noreply@contoso.test", "ghost@contoso.test")).ok();
    let mut server = Server::start(&place, "");
    let arguments =
        ["send", "--from", "m@x.test", "--to", "anna@contoso.test", "--subject", "s", "--text", "x", "--json"];
    let sent = place.run(&arguments).ok().json();
    let failed = server.wait_for("attempt_failed");
    assert_eq!(failed["message_id"], sent["id"]);
    let id = sent["id"].as_str().unwrap();
    let shown = place.run(&["queue", "show", id]).ok().stdout;
    for words in ["attempt  ", "request-id", "ghost@contoso.test", "[ErrorInvalidUser]", "to do  "] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(place.run(&["queue", "show", id, "--json"]).ok().json()["attempts"].as_array().unwrap().len(), 1);
}

/// What a client hears that says all this at once and then waits for the end.
fn smtp_dialog(address: std::net::SocketAddr, said: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    heard
}

#[test]
fn the_configurations_limits_and_listeners_are_the_servers() {
    let place = Place::new();
    let listener = "[[smtp]]\nlisten = '127.0.0.1:0'\nauth = 'off'\n";
    let server = Server::start(
        &place,
        &format!(
            "[limits]\nmax_message_bytes = 1000\nmax_recipients = 1\nqueue_lifetime = '1h'\n\
             {listener}{listener}line_endings = 'normalize'\n[[smtp]]\nlisten = '127.0.0.1:0'\nauth = 'off'\nallow = ['192.0.2.0/24']\n"
        ),
    );
    let (strict, lenient, closed) = (server.smtp[0], server.smtp[1], server.smtp[2]);
    let heard = smtp_dialog(strict, "EHLO me\r\nQUIT\r\n");
    assert!(heard.starts_with("220 host.test") && heard.contains("SIZE 1000"), "{heard}");
    let two = "EHLO me\r\nMAIL FROM:<m@x.test>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nQUIT\r\n";
    assert!(smtp_dialog(strict, two).contains("452 4.5.3"), "one recipient is the limit");
    let bare = "EHLO me\r\nMAIL FROM:<m@x.test>\r\nRCPT TO:<a@x.test>\r\nDATA\r\nSubject: bare\n\nhi\r\n.\r\nQUIT\r\n";
    assert!(!smtp_dialog(strict, bare).contains("Queued"), "a bare LF is refused");
    assert!(smtp_dialog(lenient, bare).contains("Queued"), "or mended, as the listener says");
    assert!(smtp_dialog(closed, "").starts_with('5'), "not an allowed network");

    let message = &place.messages()[0];
    let time = |field: &str| message[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(time("expires_at").as_second() - time("received_at").as_second(), 3600);
}

#[test]
fn one_address_has_no_more_sessions_than_configured() {
    let place = Place::new();
    let server = Server::start(&place, "[limits]\nconnections_per_ip = 1\n");
    let mut first = TcpStream::connect(server.smtp[0]).unwrap();
    first.read_exact(&mut [0; 4]).unwrap();
    assert!(smtp_dialog(server.smtp[0], "").starts_with("421"));
}

#[tokio::test]
async fn smtp_is_spoken_over_tls_where_the_listener_says_so() {
    use tokio::io::AsyncReadExt;
    let place = Place::new();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    place.write("chain.pem", &pair.cert.pem());
    place.write("key.pem", &pair.signing_key.serialize_pem());
    let listener = |tls: &str| {
        format!("[[smtp]]\nlisten = '127.0.0.1:0'\ntls = '{tls}'\ntls_cert = 'chain.pem'\ntls_key = 'key.pem'\n")
    };
    let server = Server::start(&place, &(listener("starttls") + &listener("implicit")));
    assert!(smtp_dialog(server.smtp[0], "EHLO me\r\nQUIT\r\n").contains("STARTTLS"));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(server.smtp[1]).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let mut banner = [0; 13];
    stream.read_exact(&mut banner).await.unwrap();
    assert_eq!(&banner, b"220 host.test");
}
