//! XOAUTH2: how a token is said, and what a refusal of it means.

use entra::{Application, Cloud, Credential, Scope, TokenSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A token source whose every token is `token`.
async fn source(token: &str) -> TokenSource {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: url::Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let body = format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{token}"}}"#);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let _read = stream.read(&mut request).await;
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let _sent = stream.write_all(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes()).await;
        }
    });
    let application = Application {
        cloud: Cloud::custom(&base, &base, None).unwrap(),
        tenant_id: "contoso.test".into(),
        client_id: "66666666-7777-8888-9999-000000000000".into(),
        credential: Credential::ClientSecret(SecretString::from("secret")),
    };
    TokenSource::new(Network::default().client().unwrap(), application, &Scope::Exchange).unwrap()
}

async fn bench(peer: &Peer, token: &str) -> Bench {
    let login = Login::Token { user: None, tokens: source(token).await };
    Bench::of(target(peer.port, Security::None, login, &Network::default()), Service::Exchange)
}

const OFFERS: [&str; 2] = ["AUTH LOGIN XOAUTH2", "PIPELINING"];

#[tokio::test]
async fn a_short_token_stands_on_the_line_and_a_long_one_on_a_line_of_its_own() {
    let long = "x".repeat(2_000);
    for (token, script, inline) in
        [("T", Script::new(&OFFERS), true), (long.as_str(), Script::new(&OFFERS).on("AUTH XOAUTH2", "334 "), false)]
    {
        let peer = Peer::start(script).await;
        assert_eq!(bench(&peer, token).await.send(&["a@x.test"]).await.lane, LaneVerdict::Go, "inline: {inline}");
        let response = wire::xoauth2_response("noreply@contoso.test", token);
        peer.heard(|heard| {
            assert!(heard.lines.iter().all(|line| line.len() <= 510 || line == response.as_str()));
            let expected = if inline { format!("AUTH XOAUTH2 {}", response.as_str()) } else { response.to_string() };
            assert!(heard.lines.contains(&expected));
        });
    }
}

#[tokio::test]
async fn a_challenge_with_the_reasons_is_answered_with_an_empty_line_and_the_reply_explained() {
    let script = Script::new(&OFFERS)
        .on("AUTH", "334 eyJzdGF0dXMiOiI0MDAifQ==")
        .on("(empty)", "535 5.7.3 Authentication unsuccessful");
    let peer = Peer::start(script).await;
    let verdict = bench(&peer, "T").await.send(&["a@x.test"]).await;
    assert_eq!((verdict.lane, verdict.outcomes[0]), (LaneVerdict::NeedsAdministrator, RecipientOutcome::Deferred));
    assert!(verdict.explanation.unwrap().fix.contains("SMTP.SendAsApp"));
    peer.heard(|heard| assert_eq!(heard.lines.last().map(String::as_str), Some("")));
}

#[tokio::test]
async fn without_xoauth2_on_offer_no_token_is_said() {
    let peer = Peer::start(Script::new(&["AUTH LOGIN"])).await;
    let verdict = bench(&peer, "T").await.send(&["a@x.test"]).await;
    assert_eq!(verdict.lane, LaneVerdict::NeedsAdministrator);
    assert_eq!(peer.commands("AUTH"), 0);
}

#[tokio::test]
async fn a_token_refused_in_its_old_age_is_replaced_and_a_fresh_one_is_believed() {
    let refusal = "535 5.7.3 Authentication unsuccessful";
    for (waits, spoken, lane) in [(true, 3, LaneVerdict::Go), (false, 2, LaneVerdict::NeedsAdministrator)] {
        let peer = Peer::start(Script::new(&OFFERS).once("AUTH", "235 2.7.0 hello").once("AUTH", refusal)).await;
        let mut bench = bench(&peer, "T").await;
        assert_eq!(bench.send(&["a@x.test"]).await.lane, LaneVerdict::Go);
        bench.transport.pool = super::super::Pool::new(Duration::from_secs(30));
        if waits {
            tokio::time::pause();
            tokio::time::advance(Duration::from_mins(5)).await;
            tokio::time::resume();
        }
        assert_eq!(bench.send(&["a@x.test"]).await.lane, lane, "waits: {waits}");
        assert_eq!(peer.commands("AUTH"), spoken, "waits: {waits}");
    }
}

#[tokio::test]
async fn a_server_of_ones_own_is_told_the_user_of_the_connection_or_the_mailbox() {
    for (named, user) in [(Some("relay"), "relay"), (None, "noreply@contoso.test")] {
        let peer = Peer::start(Script::new(&OFFERS)).await;
        let login = Login::Token { user: named.map(str::to_owned), tokens: source("T").await };
        let target = target(peer.port, Security::None, login, &Network::default());
        let bench = Bench::of(target, Service::SmtpServer);
        assert_eq!(bench.send(&["a@x.test"]).await.lane, LaneVerdict::Go);
        let said = format!("AUTH XOAUTH2 {}", wire::xoauth2_response(user, "T").as_str());
        assert!(peer.heard(|heard| heard.lines.contains(&said)), "as {user}");
    }
}

#[tokio::test]
async fn a_server_that_knows_the_registered_mechanism_alone_is_spoken_to_in_it() {
    let script = Script::new(&["AUTH PLAIN OAUTHBEARER"])
        .on("AUTH", "334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=")
        .on("AQ==", "535 5.7.8 Authentication failed");
    let peer = Peer::start(script).await;
    let login = Login::Token { user: None, tokens: source("T").await };
    let target = target(peer.port, Security::None, login, &Network::default());
    let verdict = Bench::of(target, Service::SmtpServer).send(&["a@x.test"]).await;
    assert_eq!((verdict.lane, verdict.outcomes[0]), (LaneVerdict::NeedsAdministrator, RecipientOutcome::Deferred));
    assert!(verdict.explanation.unwrap().fix.contains("oauth_scope"));
    let said = format!("AUTH OAUTHBEARER {}", wire::oauthbearer_response("noreply@contoso.test", "T").as_str());
    assert!(peer.heard(|heard| heard.lines.contains(&said)));
}
