//! Limits over several sessions, and deadlines on a moved clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::connection::Connection;
use super::super::listener::Context;
use super::super::session::{Client as Peer, Session};
use super::super::{AuthMode, ListenError, SmtpLimits};
use super::client::Client;
use super::gate::{Behind, Gate};

#[tokio::test]
async fn one_address_gets_its_share_of_connections_and_no_more() {
    let gate = Gate::open(|setup, _| setup.smtp.connections_per_ip = 2).await;
    let first = gate.greeted().await;
    let mut second = gate.greeted().await;
    let mut third = gate.connect().await;
    assert_eq!(third.reply().await, "421 4.7.0 Too many connections from your address; try again later");
    assert_eq!(third.line().await, None);
    second.ask("QUIT").await;
    assert_eq!(second.line().await, None);
    // The place is free once the session's task has ended, which the client cannot see: ask until it is.
    while gate.connect().await.reply().await.starts_with("421 ") {}
    drop(first);
}

#[tokio::test]
async fn the_server_takes_so_many_connections_and_no_more() {
    let gate = Gate::open(|setup, _| setup.smtp.connections = 1).await;
    let _first = gate.greeted().await;
    assert_eq!(gate.connect().await.reply().await, "421 4.3.2 Too many connections; try again later");
}

#[tokio::test]
async fn an_account_takes_so_many_connections_and_no_more() {
    let gate = Gate::open(|setup, _| setup.smtp.connections_per_account = 1).await;
    let (mut first, mut second) = (gate.greeted().await, gate.greeted().await);
    for (client, expected) in [(&mut first, "235 "), (&mut second, "421 4.7.0 Too many connections of this account")] {
        client.ask("EHLO client.test").await;
        assert!(client.ask("AUTH PLAIN AGVycAByaWdodA==").await.starts_with(expected));
    }
}

#[tokio::test]
async fn failed_logins_shut_a_user_out_and_successes_do_not_count() {
    let gate = Gate::open(|setup, _| setup.smtp.login_failures_per_user = 2).await;
    for (password, expected) in [
        ("cmlnaHQ=", "235 "), // right, more often than failures are allowed
        ("cmlnaHQ=", "235 "),
        ("cmlnaHQ=", "235 "),
        ("d3Jvbmc=", "535 5.7.8"),
        ("cmlnaHQ=", "235 "),
        ("d3Jvbmc=", "535 5.7.8"),
        ("cmlnaHQ=", "421 4.7.0 Too many failed logins"), // now even the right one, for a while
    ] {
        let mut client = gate.greeted().await;
        client.ask("EHLO client.test").await;
        let mut reply = client.ask("AUTH LOGIN ZXJw").await;
        if reply.starts_with("334 ") {
            reply = client.ask(password).await;
        }
        assert!(reply.starts_with(expected), "{reply}");
    }
}

#[tokio::test]
async fn an_address_that_tries_many_names_may_not_even_ask() {
    let gate = Gate::open(|setup, _| {
        setup.smtp.login_failures_per_ip = 2;
        setup.smtp.login_failures_per_session = 10;
    })
    .await;
    let mut client = gate.greeted().await;
    client.ask("EHLO client.test").await;
    for name in ["AUTH PLAIN AGEAeA==", "AUTH PLAIN AGIAeA=="] {
        assert!(client.ask(name).await.starts_with("535 5.7.8"));
    }
    assert_eq!(client.ask("AUTH LOGIN").await, "421 4.7.0 Too many failed logins; try again later");
}

#[tokio::test]
async fn an_open_relay_is_not_opened() {
    let behind = Behind::open(|_| {}).await;
    let mut config = behind.context().config.clone();
    config.auth = AuthMode::Off;
    config.allow = vec!["0.0.0.0/0".parse().unwrap()];
    assert!(matches!(behind.server.bind(config).await, Err(ListenError::Config(_))));
}

// ---- deadlines

/// A session on a pipe; the clock moves by itself when everybody waits.
async fn on_a_pipe(set_up: impl FnOnce(&mut SmtpLimits)) -> (Behind, Client, JoinHandle<()>) {
    let (near, far) = duplex(4096);
    let behind = Behind::open(|setup| {
        setup.config.auth = AuthMode::Off;
        set_up(&mut setup.smtp);
    })
    .await;
    // From here on nothing but the session and its client is waited for, so the clock only moves when both wait.
    tokio::time::pause();
    let session = tokio::spawn(serve(behind.context(), far));
    let mut client = Client::new(near);
    client.reply().await;
    client.ask("EHLO client.test").await;
    (behind, client, session)
}

async fn serve(context: Arc<Context>, stream: DuplexStream) {
    let timeout = context.shared.limits.write_timeout;
    let connection = Connection::new(stream, timeout, &CancellationToken::new());
    Session::new(&context, connection, Peer::new([127, 0, 0, 1].into())).greet_and_run().await;
}

#[tokio::test]
async fn a_silent_client_is_let_go() {
    let (_behind, mut client, session) = on_a_pipe(|_| {}).await;
    let start = Instant::now();
    session.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5 * 60);
    assert_eq!(client.reply().await, "421 4.4.2 Timed out waiting for you");
    assert_eq!(client.line().await, None);
}

#[tokio::test]
async fn octets_that_make_no_line_do_not_buy_time() {
    let (_behind, mut client, session) = on_a_pipe(|_| {}).await;
    let start = Instant::now();
    let dripping = async {
        let mut ticks = tokio::time::interval(Duration::from_mins(2));
        loop {
            ticks.tick().await;
            client.send("N").await;
        }
    };
    tokio::select! {
        ended = session => ended.unwrap(),
        () = dripping => {}
    }
    assert_eq!(start.elapsed().as_secs(), 5 * 60);
}

async fn up_to_data(client: &mut Client) {
    client.ask("MAIL FROM:<a@b.test>").await;
    client.ask("RCPT TO:<c@d.test>").await;
    assert!(client.ask("DATA").await.starts_with("354 "));
}

#[tokio::test]
async fn a_message_that_stops_coming_is_given_up() {
    let (behind, mut client, session) = on_a_pipe(|_| {}).await;
    up_to_data(&mut client).await;
    client.send("From: a@b.test\r\n").await;
    let start = Instant::now();
    session.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 3 * 60);
    assert_eq!(client.reply().await, "421 4.4.2 Timed out waiting for you");
    assert!(behind.messages().await.is_empty());
}

#[tokio::test]
async fn a_message_that_drips_is_given_up_in_the_end() {
    let (behind, mut client, session) = on_a_pipe(|_| {}).await;
    up_to_data(&mut client).await;
    let start = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_mins(1));
    for _ in 0..10 {
        ticks.tick().await;
        client.send("x").await;
    }
    session.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10 * 60);
    assert!(behind.messages().await.is_empty());
}

#[tokio::test]
async fn a_client_that_never_reads_is_let_go() {
    let behind = Behind::open(|setup| {
        setup.config.auth = AuthMode::Off;
        setup.smtp.commands_between_messages = u32::MAX;
    })
    .await;
    let (mut near, far) = duplex(1024);
    tokio::time::pause();
    let session = tokio::spawn(serve(behind.context(), far));
    let start = Instant::now();
    let talk = tokio::spawn(async move {
        while near.write_all(b"NOOP\r\n").await.is_ok() {}
        let mut said = Vec::new();
        near.read_to_end(&mut said).await.unwrap();
        said.len()
    });
    session.await.unwrap();
    let waited = start.elapsed();
    assert!((300..=305).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(talk.await.unwrap(), 1024, "no more than the pipe holds was ever written");
}

#[tokio::test]
async fn an_old_session_ends_between_messages() {
    let (_behind, mut client, session) = on_a_pipe(|limits| limits.session_timeout = Duration::from_secs(100)).await;
    client.ask("MAIL FROM:<a@b.test>").await;
    tokio::time::advance(Duration::from_secs(101)).await;
    assert_eq!(client.ask("NOOP").await, "250 2.0.0 OK", "not in a transaction");
    assert_eq!(client.ask("RSET").await, "250 2.0.0 OK");
    assert_eq!(client.ask("NOOP").await, "421 4.4.2 This session is old; connect again");
    session.await.unwrap();
}
