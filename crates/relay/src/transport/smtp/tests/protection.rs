//! TLS and passwords: what is said to whom.

use tokio_rustls::TlsAcceptor;

use super::*;

fn certified() -> (TlsAcceptor, Network) {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let network = Network { ca_bundle_pem: Some(certified.cert.pem().into_bytes()), ..Network::default() };
    (TlsAcceptor::from(Arc::new(config)), network)
}

fn password() -> Login {
    Login::Password { user: "erp".into(), password: SecretString::from("s3cret") }
}

#[tokio::test]
async fn tls_protects_the_password_and_only_a_known_authority_is_trusted() {
    for implicit in [false, true] {
        let (acceptor, network) = certified();
        let offers: &[&str] = if implicit { &["AUTH PLAIN"] } else { &["STARTTLS", "AUTH PLAIN"] };
        let peer = Peer::start(Script { tls: Some(acceptor), implicit, ..Script::new(offers) }).await;
        let security = if implicit { Security::Implicit } else { Security::StartTls };
        let known = Bench::of(target(peer.port, security, password(), &network), Service::SmtpServer);
        assert_eq!(known.send(&["a@x.test"]).await.lane, LaneVerdict::Go, "implicit: {implicit}");
        assert_eq!(peer.commands("AUTH PLAIN AGVycABzM2NyZXQ="), 1);

        let stranger = Bench::of(target(peer.port, security, password(), &Network::default()), Service::SmtpServer);
        let verdict = stranger.send(&["a@x.test"]).await;
        assert_eq!(verdict.outcomes, [RecipientOutcome::Deferred]);
        assert!(verdict.explanation.unwrap().what.starts_with("No TLS with localhost"));
        assert_eq!(peer.commands("AUTH"), 1, "nothing is said to a stranger");
    }
}

#[tokio::test]
async fn no_starttls_no_mail_and_nothing_said_before_tls_counts() {
    for (script, words) in [
        (Script::new(&["AUTH PLAIN"]), "does not offer STARTTLS"), // stripped by somebody between
        (Script::new(&["STARTTLS"]).on("STARTTLS", "454 4.7.0 not now"), "put off us at STARTTLS"),
        (Script::new(&["STARTTLS"]).on("STARTTLS", "220 go\r\n250 injected"), "tampered"),
    ] {
        let peer = Peer::start(script).await;
        let bench =
            Bench::of(target(peer.port, Security::StartTls, password(), &Network::default()), Service::SmtpServer);
        let verdict = bench.send(&["a@x.test"]).await;
        let explanation = verdict.explanation.unwrap();
        assert!(explanation.what.contains(words), "{}", explanation.what);
        assert_eq!((peer.commands("AUTH"), peer.commands("MAIL")), (0, 0));
    }
}

#[tokio::test]
async fn passwords_are_said_by_plain_or_login_and_a_refusal_stops_the_lane() {
    for (offers, script_reply, lane, spoken) in [
        (&["AUTH LOGIN PLAIN"][..], None, LaneVerdict::Go, "AUTH PLAIN AGVycABzM2NyZXQ="),
        (&["AUTH=LOGIN"], Some(("AUTH LOGIN", "334 VXNlcm5hbWU6")), LaneVerdict::Go, "czNjcmV0"),
        (&["AUTH PLAIN"], Some(("AUTH", "535 5.7.8 wrong")), LaneVerdict::NeedsAdministrator, "AUTH PLAIN"),
        (&["AUTH PLAIN"], Some(("AUTH", "454 4.7.0 later")), LaneVerdict::Throttled(None), "AUTH PLAIN"),
        (&["AUTH GSSAPI"], None, LaneVerdict::NeedsAdministrator, "EHLO"),
        (&[], None, LaneVerdict::NeedsAdministrator, "EHLO"),
    ] {
        let mut script = Script::new(offers);
        if let Some((command, reply)) = script_reply {
            script = script.on(command, reply).on("ZXJw", "334 UGFzc3dvcmQ6");
        }
        let peer = Peer::start(script).await;
        let bench = Bench::of(target(peer.port, Security::None, password(), &Network::default()), Service::SmtpServer);
        let verdict = bench.send(&["a@x.test"]).await;
        assert_eq!(verdict.lane, lane, "{offers:?}");
        assert!(peer.commands(spoken) == 1, "{offers:?}");
        assert!(!format!("{verdict:?}").contains("s3cret"));
    }
}
