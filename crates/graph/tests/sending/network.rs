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
async fn a_proxy_that_refuses_leaves_nothing_sent_and_is_named_with_its_answer_and_the_cure() {
    let tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    for (status, why, fix, who) in [
        ("407 Proxy Authentication Required", "user name and password", "[proxy]", Who::GatewayAdministrator),
        ("403 Forbidden", "does not allow connections to localhost", "Allow CONNECT", Who::NetworkAdministrator),
        ("503 Service Unavailable", "could not connect to localhost", "resolve", Who::NetworkAdministrator),
    ] {
        let (host, _asked) = proxy(status).await;
        let mail = mail_through(&tenant.far.origin, &front.origin, through(&host, &front).client().unwrap());
        let error = mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Transient { retry_after: None });
        let words = error.explanation();
        assert_eq!(words.who, who, "{words}");
        assert!(words.why.contains(why) && words.why.contains(status) && words.why.contains(&host), "{words}");
        assert!(words.fix.contains(fix), "{words}");
        assert!(!words.to_string().contains("p@ss") && !words.to_string().contains("p%40ss"), "{words}");
        // The token comes first, and its failure is told as well.
        let through_it = mail_through(&front.origin, &front.origin, through(&host, &front).client().unwrap());
        let token = through_it.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err().explanation();
        assert!(token.why.contains(why) && token.fix == words.fix && token.who == who, "{token}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_and_not_the_host_behind_it() {
    let tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let mail = mail_through(&tenant.far.origin, &front.origin, through(&host, &front).client().unwrap());
    let words = mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err().explanation();
    assert!(words.why.contains(&format!("the proxy {host} cannot be reached")), "{words}");
    assert!(words.why.contains("refused") && words.fix.contains(&host), "{words}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told_as_that() {
    // A label longer than 63 octets cannot be asked for, so no resolver is.
    let name = format!("{}.invalid", "x".repeat(64));
    let error = Network::default().client().unwrap().get(format!("https://{name}")).send().await.unwrap_err();
    let obstacle = graph::Obstacle::of(&error);
    assert!(obstacle.why.contains(&format!("the name {name} cannot be resolved")), "{obstacle:?}");
    assert!(obstacle.fix.contains("resolver"), "{obstacle:?}");
}

#[tokio::test]
async fn a_proxy_spoken_to_in_tls_carries_http_and_smtp_and_is_held_to_its_certificate() {
    let mut tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    let (host, mut asked) = proxy("200 OK").await;
    let before_it = tls_in_front_of(&host).await;
    let url = format!("https://gate:secret@{}", before_it.origin.trim_start_matches("https://"));
    let bundle = format!("{}{}", front.authority_pem, before_it.authority_pem);
    let network = Network {
        proxy: Some(Url::parse(&url).unwrap()),
        ca_bundle_pem: Some(bundle.into_bytes()),
        ..Network::default()
    };
    let mail = mail_through(&front.origin, &front.origin, network.client().unwrap());
    mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap();
    tenant.next().await;
    assert!(asked.recv().await.unwrap().starts_with("CONNECT localhost:"));

    let port: u16 = front.origin.rsplit(':').next().unwrap().parse().unwrap();
    let wait = std::time::Duration::from_secs(20);
    network.way_to("localhost").unwrap().dial("localhost", port, wait).await.unwrap();
    // Another authority than the proxy's: the proxy is to blame, not the host behind it.
    let stranger = Network { ca_bundle_pem: Some(front.authority_pem.clone().into_bytes()), ..network.clone() };
    let shown = before_it.origin.trim_start_matches("https://").to_owned();
    let error = stranger.client().unwrap().get(&front.origin).send().await.unwrap_err();
    for words in [
        graph::Obstacle::of(&error).why,
        stranger.way_to("localhost").unwrap().dial("localhost", port, wait).await.unwrap_err().to_string(),
    ] {
        assert!(words.contains(&format!("the certificate of {shown} is not trusted")), "{words}");
    }
}

/// A SOCKS 5 server that notes whom it is asked to connect to and by whom, and says `reply` to it (0: connected).
async fn socks(reply: u8, password: &'static str) -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (sender, asked) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                near.read_u8().await.ok()?;
                let mut methods = vec![0; usize::from(near.read_u8().await.ok()?)];
                near.read_exact(&mut methods).await.ok()?;
                if !methods.contains(&2) {
                    return near.write_all(&[5, 0xff]).await.ok();
                }
                near.write_all(&[5, 2]).await.ok()?;
                near.read_u8().await.ok()?;
                let mut login = Vec::new();
                for _ in 0..2 {
                    let mut field = vec![0; usize::from(near.read_u8().await.ok()?)];
                    near.read_exact(&mut field).await.ok()?;
                    login.push(String::from_utf8(field).ok()?);
                }
                let is_right = login == ["gate", password];
                near.write_all(&[1, u8::from(!is_right)]).await.ok()?;
                if !is_right {
                    return None;
                }
                let mut request = [0; 5];
                near.read_exact(&mut request).await.ok()?;
                assert_eq!(&request[..4], [5, 1, 0, 3], "CONNECT to a name");
                let mut name = vec![0; usize::from(request[4])];
                near.read_exact(&mut name).await.ok()?;
                let port = near.read_u16().await.ok()?;
                let _ = sender.send(format!("{}:{port}", String::from_utf8(name).ok()?));
                near.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
                if reply != 0 {
                    return None;
                }
                let mut far = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
                copy_bidirectional(&mut near, &mut far).await.ok().map(drop)
            });
        }
    });
    (host, asked)
}

fn through_socks(scheme: &str, host: &str, front: &Front) -> Network {
    Network {
        proxy: Some(Url::parse(&format!("{scheme}://gate:p%40ss%3Aw%2Frd%2541@{host}")).unwrap()),
        ca_bundle_pem: Some(front.authority_pem.clone().into_bytes()),
        ..Network::default()
    }
}

#[tokio::test]
async fn a_socks_server_carries_everything_and_resolves_the_names() {
    let tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    let (host, mut asked) = socks(0, "p@ss:w/rd%41").await;
    for scheme in ["socks5h", "socks5"] {
        let network = through_socks(scheme, &host, &front);
        let mail = mail_through(&front.origin, &front.origin, network.client().unwrap());
        mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap();
        let authority = front.origin.trim_start_matches("https://");
        assert_eq!(asked.recv().await.unwrap(), authority, "a name, not an address");
        let port: u16 = authority.rsplit(':').next().unwrap().parse().unwrap();
        let way = network.way_to("localhost").unwrap();
        way.dial("localhost", port, std::time::Duration::from_secs(20)).await.unwrap();
        assert_eq!(asked.recv().await.unwrap(), authority, "SMTP goes the same way");
        while asked.try_recv().is_ok() {}
    }
}

#[tokio::test]
async fn what_a_socks_server_refuses_is_told_with_its_cure() {
    let tenant = Tenant::start(|_| accept()).await;
    let front = tls_in_front_of(&tenant.far.origin).await;
    for (reply, password, why, fix) in [
        (2, "p@ss:w/rd%41", "does not allow connections to localhost", "Allow"),
        (4, "p@ss:w/rd%41", "could not connect to localhost", "resolve"),
        (0, "another", "does not accept the user name and password", "Correct user name and password"),
    ] {
        let (host, _asked) = socks(reply, password).await;
        let network = through_socks("socks5h", &host, &front);
        let error = network.client().unwrap().get(&front.origin).send().await.unwrap_err();
        let obstacle = graph::Obstacle::of(&error);
        assert!(obstacle.why.contains(why) && obstacle.why.contains(&host), "{obstacle:?}");
        assert!(obstacle.fix.contains(fix), "{obstacle:?}");
    }
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
    let words = error.explanation();
    assert!(words.why.contains("the certificate of localhost is not trusted"), "{words}");
    assert!(words.fix.contains("ca_bundle"), "{words}");
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
        (proxy("socks4://127.0.0.1:1080"), NetworkError::Proxy),
        (proxy("mailto:a@b"), NetworkError::Proxy),
        (bundle(b""), NetworkError::CaBundle),
        (bundle(b"not a certificate"), NetworkError::CaBundle),
    ];
    for (network, error) in table {
        assert_eq!(network.check().err(), Some(error.clone()), "{network:?}");
        assert_eq!(network.client().err(), Some(error), "{network:?}");
    }
    let slip = Network { no_proxy: vec!["ok.test".into(), "mail.test:25".into()], ..Network::default() };
    assert_eq!(slip.check(), Err(NetworkError::NoProxy("mail.test:25".into())));
    assert_eq!(Network::default().check(), Ok(()));
}
