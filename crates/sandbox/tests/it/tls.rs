//! HTTPS, on the same port as HTTP or on its own, and the way a sandbox ends.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use sandbox::{Config, Fault, FaultKind, Running, Sandbox, Tls};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::*;

async fn start_tls(config: Config) -> Running {
    Sandbox::start(config, ([127, 0, 0, 1], 0).into(), Some(Tls::self_signed(&[]).unwrap())).await.unwrap()
}

async fn connect(addr: SocketAddr, ca: &str, name: &'static str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(addr).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), stream).await
}

const DOCUMENT: &str = "/contoso.test/v2.0/.well-known/openid-configuration";

#[tokio::test]
async fn one_port_speaks_both_and_its_authority_can_be_trusted() {
    let running = start_tls(Config::default()).await;
    assert_eq!(running.base_url, format!("https://localhost:{}", running.addr.port()));
    for name in ["localhost", "127.0.0.1", "::1"] {
        let stream = connect(running.addr, running.ca_pem().unwrap(), name).await.unwrap();
        let document = request_on(stream, "GET", DOCUMENT, &[], b"").await.json();
        assert!(document["issuer"].as_str().unwrap().starts_with("https://localhost/"), "{name}");
    }
    let plain = get(&running, DOCUMENT).await.json();
    assert!(plain["issuer"].as_str().unwrap().starts_with("http://localhost/"));
}

#[tokio::test]
async fn plain_http_can_be_refused() {
    let mut config = Config::default();
    config.listener.plain_http = false;
    let running = start_tls(config).await;
    let stream = TcpStream::connect(running.addr).await.unwrap();
    let refused = tokio::spawn(request_on(stream, "GET", DOCUMENT, &[], b""));
    assert!(refused.await.is_err(), "closed without an answer");
}

#[tokio::test]
async fn https_can_have_a_port_of_its_own() {
    let mut config = Config::default();
    config.listener.https_listen = Some(([127, 0, 0, 1], 0).into());
    let running = start_tls(config).await;
    let https = running.https_addr.unwrap();
    assert_ne!(https, running.addr);
    let ca = running.ca_pem().unwrap();
    assert!(connect(running.addr, ca, "localhost").await.is_err());
    let stream = connect(https, ca, "localhost").await.unwrap();
    assert_eq!(request_on(stream, "GET", DOCUMENT, &[], b"").await.status, 200);
    assert_eq!(get(&running, DOCUMENT).await.status, 200);
}

#[tokio::test]
async fn a_given_certificate_is_shown() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["mail.test".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let tls = Tls::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let running = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), Some(tls)).await.unwrap();
    assert!(running.ca_pem().is_none());
    assert!(connect(running.addr, &pem, "mail.test").await.is_ok());
    assert!(Tls::from_pem(b"", key.serialize_pem().as_bytes()).is_err());
}

#[tokio::test]
async fn a_reset_cuts_tls_as_well() {
    let running = start_tls(Config::default()).await;
    running.add_fault(Fault::new(FaultKind::ResetBeforeBody));
    let mut stream = connect(running.addr, running.ca_pem().unwrap(), "localhost").await.unwrap();
    stream.write_all(head("POST", SEND, &[], 10).as_bytes()).await.unwrap();
    let end = read_reply(&mut stream).await.unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn run_ends_when_it_is_told_to() {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let wait = async {
        let _ = told.await;
    };
    let run = tokio::spawn(sandbox::run(Config::default(), ([127, 0, 0, 1], 0).into(), None, wait));
    tell.send(()).unwrap();
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn after_shutdown_the_port_is_free() {
    let running = start().await;
    let addr = running.addr;
    running.shutdown().await;
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_lets_a_request_finish() {
    use tokio::io::AsyncReadExt as _;
    let running = start().await;
    let mut idle = TcpStream::connect(running.addr).await.unwrap();
    idle.write_all(b"GET /style.css HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    let token = token(&running).await;
    let mut slow = Fault::new(FaultKind::Slow);
    slow.delay_ms = 300;
    running.add_fault(slow);
    let mut busy = TcpStream::connect(running.addr).await.unwrap();
    let bearer = format!("Bearer {token}");
    let body = b"VG86IHhAZXhhbXBsZS50ZXN0DQoNCmhp";
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain"), ("Expect", "100-continue")];
    busy.write_all(head("POST", SEND, &headers, body.len()).as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    busy.read_exact(&mut interim).await.unwrap();
    busy.write_all(body).await.unwrap();

    let answered = tokio::spawn(async move { read_reply(&mut busy).await.unwrap().status });
    running.shutdown().await;
    assert_eq!(answered.await.unwrap(), 202);
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
}
