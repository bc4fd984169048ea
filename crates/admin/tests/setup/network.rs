//! The way out of one connection.

use settings::{ConnectionNetwork, ProxyChoice, ProxyServer};

use crate::gateway::{GRAPH, Gateway, TENANT};

fn server(gateway: &Gateway) -> ProxyServer {
    match gateway.settings().connections.remove(0).network.map(|network| network.proxy) {
        Some(ProxyChoice::Server(server)) => server,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_password_in_the_proxys_address_is_sealed_apart_and_shown_nowhere() {
    let gateway = Gateway::new();
    let with = format!("{TENANT}{GRAPH}proxy = 'http://anna:hunt%40er2@proxy.test:3128'\nno_proxy = ['10.0.0.0/8']");
    let diff = gateway.apply(&with).await;
    let kept = server(&gateway);
    let id = gateway.settings().connections[0].id.0.clone();
    assert_eq!(kept.url.as_str(), "http://anna@proxy.test:3128/");
    assert_eq!(gateway.opened("connection", &id, "proxy_password", &kept.password.unwrap()), "hunt@er2");
    let exported = gateway.export();
    assert!(exported.contains("# proxy_password = { env = \"GRAPH_PROXY_PASSWORD\" }"), "{exported}");
    assert!(!format!("{diff}{exported}").contains("er2"), "{diff}{exported}");
    assert_eq!(gateway.apply(&with).await, "", "the same again changes nothing");
    assert_eq!(gateway.apply(&exported).await, "", "nor does what was exported");
}

#[tokio::test]
async fn a_kept_password_is_for_the_proxy_it_was_entered_for() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}{GRAPH}proxy = 'http://anna@proxy.test:3128'\nproxy_password = 'hunter2'")).await;
    for other in ["http://anna@thief.test:3128", "http://eve@proxy.test:3128", "socks5h://anna@proxy.test:3128"] {
        let refused = gateway.refusal(&format!("{GRAPH}proxy = '{other}'")).await;
        assert_eq!(refused.field, Some("proxy_password"), "{other}");
    }
    gateway.apply(&format!("{GRAPH}proxy = 'http://proxy.test:3128'")).await;
    assert_eq!(server(&gateway).password, None, "without a user there is nothing to say it for");
}

#[tokio::test]
async fn a_connection_can_go_as_the_gateway_goes_or_without_a_proxy() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}{GRAPH}proxy = 'none'")).await;
    let direct = ConnectionNetwork { proxy: ProxyChoice::Direct, ca_bundle_pem: None };
    assert_eq!(gateway.settings().connections[0].network, Some(direct));
    let diff = gateway.apply(&format!("{GRAPH}proxy = 'gateway'")).await;
    assert!(diff.contains("proxy: none -> gateway"), "{diff}");
    assert_eq!(gateway.settings().connections[0].network, None);
}

#[tokio::test]
async fn certificates_are_taken_out_of_a_file_and_nothing_else_is() {
    let gateway = Gateway::new();
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["ca".to_owned()]).unwrap().self_signed(&key).unwrap();
    gateway.write("ca.pem", &format!("noise\n{}{}", key.serialize_pem(), certificate.pem()));
    for way in ["ca_bundle = { file = 'ca.pem' }", "ca_bundle = 'ca.pem'"] {
        gateway.apply(&format!("{TENANT}{GRAPH}{way}")).await;
        let network = gateway.settings().connections[0].network.clone().unwrap();
        let pem = network.ca_bundle_pem.unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE") && !pem.contains("PRIVATE"), "{pem}");
        assert_eq!(gateway.apply(&gateway.export()).await, "");
    }
    gateway.write("key.pem", &key.serialize_pem());
    gateway.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (file, words) in [("key.pem", "no certificate"), ("broken.pem", "cannot be read"), ("absent.pem", "absent.pem")]
    {
        let refused = gateway.refusal(&format!("{GRAPH}ca_bundle = '{file}'")).await;
        assert!(refused.what.contains(words) && refused.field == Some("ca_bundle"), "{}", refused.what);
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let gateway = Gateway::new();
    gateway.apply(TENANT).await;
    for (network, at) in [
        ("proxy = 'proxy.test'", "proxy"),
        ("proxy = 'http://:secret@proxy.test'", "proxy"), // a password of nobody
        ("proxy = 'http://a:one@proxy.test'\nproxy_password = 'two'", "proxy_password"),
        ("proxy = 'none'\nproxy_password = 'two'", "proxy_password"),
        ("no_proxy = ['a.test']", "no_proxy"), // of which proxy?
        ("proxy = 'http://proxy.test'\nno_proxy = ['http://a.test']", "no_proxy"),
    ] {
        assert_eq!(gateway.refusal(&format!("{GRAPH}{network}")).await.field, Some(at), "{network}");
    }
}
