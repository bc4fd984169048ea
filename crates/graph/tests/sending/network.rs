//! The way the bytes take: proxy, certificates, and nothing of the environment.

use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use graph::{FailureClass, Network, NetworkError, Who};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::tenant::{MESSAGE, Tenant, accept, mail_through, relay, token};

/// TLS in front of a far side, with a certificate of an authority of its own for `localhost`.
struct Front {
    origin: String,
    authority_pem: String,
}

async fn tls_in_front_of(origin: &str) -> Front {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = origin.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut near = acceptor.accept(stream).await.ok()?;
                let mut far = TcpStream::connect(behind).await.ok()?;
                copy_bidirectional(&mut near, &mut far).await.ok()
            });
        }
    });
    Front { origin: format!("https://localhost:{port}"), authority_pem: certified.cert.pem() }
}

/// A proxy that notes what it is asked in clear, and tunnels to loopback if `status` is 200.
async fn proxy(status: &'static str) -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (sender, asked) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(near.read_u8().await.ok()?);
                }
                let head = String::from_utf8(head).ok()?;
                let port = head.split(' ').nth(1)?.rsplit(':').next()?.to_owned();
                let _ = sender.send(head);
                near.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.ok()?;
                if !status.starts_with("200") {
                    return None;
                }
                let mut far = TcpStream::connect(format!("127.0.0.1:{port}")).await.ok()?;
                copy_bidirectional(&mut near, &mut far).await.ok()
            });
        }
    });
    (host, asked)
}

fn through(proxy: &str, front: &Front) -> Network {
    Network {
        // A password with every character that a URL or a header could trip over.
        proxy: Some(Url::parse(&format!("http://gate:p%40ss%3Aw%2Frd%2541@{proxy}")).unwrap()),
        ca_bundle_pem: Some(front.authority_pem.clone().into_bytes()),
        ..Network::default()
    }
}

#[tokio::test]
async fn https_crosses_the_proxy_through_connect_and_nothing_else_is_shown_to_it() {
    let mut tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    let (host, mut asked) = proxy("200 Connection established").await;
    let network = through(&host, &front);
    let mail = mail_through(&front.origin, &front.origin, network.client().unwrap());
    mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap();
    assert!(tenant.next().await.line.starts_with("POST /v1.0/users/"), "origin form, as without a proxy");
    let authority = front.origin.trim_start_matches("https://");
    let credentials = STANDARD.encode("gate:p@ss:w/rd%41");
    let mut tunnels = 0;
    while let Ok(head) = asked.try_recv() {
        tunnels += 1;
        assert!(head.starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n")), "{head}");
        let authorization = head.lines().filter_map(|line| line.split_once(": Basic ")).map(|(_, value)| value);
        assert_eq!(authorization.collect::<Vec<_>>(), [credentials.as_str()], "{head}");
        assert!(!head.contains(&token(0)) && !head.contains("s3cr3t"), "{head}");
    }
    assert!(tunnels > 0, "the proxy was not used");
    assert!(!format!("{network:?}").contains("p%40ss"), "{network:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_leaves_nothing_sent() {
    let tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    let (host, _asked) = proxy("407 Proxy Authentication Required").await;
    let mail = mail_through(&tenant.far.origin, &front.origin, through(&host, &front).client().unwrap());
    let error = mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Transient { retry_after: None });
    assert_eq!(error.explanation().who, Who::NetworkAdministrator);
    assert!(error.to_string().to_lowercase().contains("proxy"), "{error}");
}

#[tokio::test]
async fn a_host_named_as_exception_is_reached_without_the_proxy() {
    let tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    let (host, mut asked) = proxy("407 Proxy Authentication Required").await;
    let network = Network { no_proxy: vec!["example.test".into(), "localhost".into()], ..through(&host, &front) };
    let mail = mail_through(&front.origin, &front.origin, network.client().unwrap());
    mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap();
    assert!(asked.try_recv().is_err(), "the proxy was asked");
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_gets_nothing() {
    let tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    let mail = mail_through(&tenant.far.origin, &front.origin, Network::default().client().unwrap());
    let error = mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Transient { retry_after: None });
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(tenant.far.waiting(), 1, "the token's request and no other");
}

#[tokio::test]
async fn the_environment_has_no_say() {
    const NAMES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    const MARK: &str = "POSTERN_TEST_WITH_PROXY_VARIABLES";
    if std::env::var_os(MARK).is_none() {
        // The same test again, in a process whose environment names a proxy that is not there.
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "network::the_environment_has_no_say"]).env(MARK, "1");
        let status = again.envs(NAMES.map(|name| (name, "http://127.0.0.1:1"))).output().unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
        return;
    }
    let tenant = Tenant::start(|_| accept()).await;
    tenant.send().await.unwrap();
    let front = tls_in_front_of(&tenant.far.origin).await;
    let network = Network { ca_bundle_pem: Some(front.authority_pem.clone().into_bytes()), ..Network::default() };
    let mail = mail_through(&front.origin, &front.origin, network.client().unwrap());
    mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap();
}

#[test]
fn settings_that_make_no_sense_are_refused_when_they_are_entered() {
    let proxy = |url: &str| Network { proxy: Some(Url::parse(url).unwrap()), ..Network::default() };
    let bundle = |pem: &[u8]| Network { ca_bundle_pem: Some(pem.to_vec()), ..Network::default() };
    let table = [
        // SOCKS comes with a feature of its own; until then it must not be taken for HTTP.
        (proxy("socks5://127.0.0.1:1080"), NetworkError::Proxy),
        (proxy("mailto:a@b"), NetworkError::Proxy),
        (bundle(b""), NetworkError::CaBundle),
        (bundle(b"not a certificate"), NetworkError::CaBundle),
    ];
    for (network, error) in table {
        assert_eq!(network.client().err(), Some(error), "{network:?}");
    }
}
