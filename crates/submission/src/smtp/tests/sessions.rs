//! What a transcript cannot show: what was stored, what a lost client leaves behind, how replies are written, TLS from
//! the first octet, shutdown.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use mail::{BodyType, DsnReturn};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::super::connection::Connection;
use super::super::session::{Client as Peer, End, Session};
use super::super::{AuthMode, TlsMode};
use super::client::Client;
use super::gate::{Behind, Gate};

const SIGN_IN: &str = "AUTH PLAIN AGVycAByaWdodA==";
const MESSAGE: &str = "From: a@contoso.test\r\nSubject: x\r\n\r\n..dot\r\nlast\r\n.\r\n";

async fn sign_in(client: &mut Client) {
    assert!(client.ask("EHLO client.test").await.starts_with("250 "));
    assert!(client.ask(SIGN_IN).await.starts_with("235 "));
}

/// MAIL, RCPT and DATA.
async fn up_to_data(client: &mut Client) {
    assert!(client.ask("MAIL FROM:<a@contoso.test>").await.starts_with("250 "));
    assert!(client.ask("RCPT TO:<b@x.test>").await.starts_with("250 "));
    assert!(client.ask("DATA").await.starts_with("354 "));
}

#[tokio::test]
async fn what_is_stored_is_what_was_sent() {
    let gate = Gate::open(|_, _| {}).await;
    let mut client = gate.greeted().await;
    sign_in(&mut client).await;
    client.ask("MAIL FROM:<a@contoso.test> BODY=8BITMIME RET=HDRS ENVID=run+2B7").await;
    client.ask("RCPT TO:<b@x.test>").await;
    client.ask("RCPT TO:<B@X.test>").await;
    client.ask("RCPT TO:<c@x.test> NOTIFY=NEVER").await;
    client.ask("DATA").await;
    client.send(MESSAGE).await;
    let reply = client.reply().await;
    let behind = gate.close().await;
    let messages = behind.messages().await;
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(reply, format!("250 2.0.0 Queued as {}", message.id));
    assert_eq!(behind.body(message).await, "From: a@contoso.test\r\nSubject: x\r\n\r\n.dot\r\nlast\r\n");
    let envelope = &message.envelope;
    assert_eq!(envelope.reverse_path.to_string(), "<a@contoso.test>");
    let recipients: Vec<&str> = envelope.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    assert_eq!(recipients, ["b@x.test", "c@x.test"], "a recipient given twice is one");
    assert_eq!((envelope.body, envelope.dsn_return), (BodyType::EightBitMime, Some(DsnReturn::Headers)));
    assert_eq!(envelope.envelope_id.as_deref(), Some("run+7"));
    assert!(envelope.recipients[1].notify.is_some_and(|notify| !notify.failure));
    assert_eq!(message.peer.map(|peer| peer.to_string()).as_deref(), Some("127.0.0.1"));
    assert_eq!(message.account.as_ref().map(|account| account.0.as_str()), Some("a1"));
    let trace = &message.added_header;
    assert!(trace.contains("from client.test ([127.0.0.1])") && trace.contains("by mx.test with ESMTPA"), "{trace}");
}

#[tokio::test]
async fn bare_lf_never_ends_a_normalized_message() {
    let gate = Gate::open(|setup, _| setup.config.line_endings = wire::LineEndings::Normalize).await;
    let mut client = gate.greeted().await;
    sign_in(&mut client).await;
    up_to_data(&mut client).await;
    client.send("From: a@contoso.test\n\none\n.\nMAIL FROM:<evil@x.test>\r\n.\r\n").await;
    assert!(client.reply().await.starts_with("250 2.0.0 Queued as "));
    let behind = gate.close().await;
    let messages = behind.messages().await;
    assert_eq!(messages.len(), 1);
    let body = behind.body(&messages[0]).await;
    assert_eq!(body, "From: a@contoso.test\r\n\r\none\r\n.\r\nMAIL FROM:<evil@x.test>\r\n");
}

#[tokio::test]
async fn tls_from_the_first_octet_is_in_the_trace() {
    let gate = Gate::open(|setup, tls| {
        setup.config.tls = TlsMode::Implicit(Arc::clone(tls));
        setup.config.allow.clear();
    })
    .await;
    let mut client = gate.connect().await.upgrade(&gate.tls).await;
    assert_eq!(client.reply().await, "220 mx.test ESMTP Postern");
    sign_in(&mut client).await;
    up_to_data(&mut client).await;
    client.send(MESSAGE).await;
    assert!(client.reply().await.starts_with("250 "));
    let messages = gate.close().await.messages().await;
    let trace = &messages[0].added_header;
    assert!(trace.contains("ESMTPSA") && trace.contains("TLSv1_3"), "{trace}");
}

#[tokio::test]
async fn a_client_that_talks_plainly_to_tls_harms_nobody() {
    let gate = Gate::open(|setup, tls| setup.config.tls = TlsMode::Implicit(Arc::clone(tls))).await;
    let stream = TcpStream::connect(gate.address).await.unwrap();
    let mut plain = Client::new(stream);
    plain.send("EHLO client.test\r\n").await;
    // The rest is TLS's alert; what counts is that the next client is served.
    let mut client = gate.connect().await.upgrade(&gate.tls).await;
    assert_eq!(client.reply().await, "220 mx.test ESMTP Postern");
}

#[tokio::test]
async fn a_client_lost_in_the_middle_leaves_nothing() {
    let gate = Gate::open(|_, _| {}).await;
    for part in [
        "From: a@contoso.test\r\n\r\nhalf",
        "From: a@contoso.test\r\n\r\nx\r\n.",
        "From: a@contoso.test\r\n\r\nx\r\n.\n",
    ] {
        let mut client = gate.greeted().await;
        sign_in(&mut client).await;
        up_to_data(&mut client).await;
        client.send(part).await;
    }
    assert!(gate.close().await.messages().await.is_empty());
}

#[tokio::test]
async fn a_refused_message_leaves_nothing() {
    let gate = Gate::open(|setup, _| setup.intake.max_message_bytes = 100).await;
    let mut client = gate.greeted().await;
    sign_in(&mut client).await;
    for message in [
        "From: evil@x.test\r\n\r\n.\r\n".to_owned(),
        format!("From: a@contoso.test\r\n\r\n{}\r\n.\r\n", "x".repeat(100)),
    ] {
        up_to_data(&mut client).await;
        client.send(message).await;
        assert!(client.reply().await.starts_with("55"));
    }
    assert!(gate.close().await.messages().await.is_empty());
}

#[tokio::test]
async fn a_header_without_end_is_refused_and_read_over() {
    let gate = Gate::open(|setup, _| setup.intake.max_header_bytes = 1000).await;
    let mut client = gate.greeted().await;
    sign_in(&mut client).await;
    up_to_data(&mut client).await;
    client.send("X: y\r\n".repeat(10_000) + ".\r\n").await;
    assert!(client.reply().await.starts_with("552 5.3.4 The message header"));
    assert_eq!(client.ask("NOOP").await, "250 2.0.0 OK");
}

#[tokio::test]
async fn a_large_message_streams_through_whole() {
    let gate = Gate::open(|_, _| {}).await;
    let mut client = gate.greeted().await;
    sign_in(&mut client).await;
    up_to_data(&mut client).await;
    let body = format!("From: a@contoso.test\r\n\r\n{}", "a line of some length\r\n".repeat(50_000));
    client.send(&body).await;
    client.send(".\r\n").await;
    assert!(client.reply().await.starts_with("250 "));
    let behind = gate.close().await;
    let messages = behind.messages().await;
    assert!(behind.body(&messages[0]).await == body, "the body differs");
}

#[tokio::test]
async fn a_store_that_fails_is_our_fault_and_temporary() {
    let gate = Gate::open(|_, _| {}).await;
    let mut client = gate.greeted().await;
    sign_in(&mut client).await;
    // Where the folder for large bodies was, there is a file now.
    let spool = gate.behind.folder.path().join("spool");
    std::fs::remove_dir_all(&spool).unwrap();
    std::fs::write(&spool, "").unwrap();
    up_to_data(&mut client).await;
    client.send(format!("From: a@contoso.test\r\n\r\n{}.\r\n", "a line of text\r\n".repeat(20_000))).await;
    assert_eq!(client.reply().await, "451 4.3.0 The message could not be stored: try again later");
    up_to_data(&mut client).await;
    client.send(MESSAGE).await;
    assert!(client.reply().await.starts_with("250 2.0.0 Queued as "), "a small one needs no folder");
    assert_eq!(gate.close().await.messages().await.len(), 1);
}

// ---- shutdown

#[tokio::test]
async fn a_shutdown_turns_the_idle_away_and_finishes_what_is_under_way() {
    let gate = Gate::open(|_, _| {}).await;
    let mut idle = gate.greeted().await;
    let mut in_data = gate.greeted().await;
    sign_in(&mut in_data).await;
    up_to_data(&mut in_data).await;
    let mut in_transaction = gate.greeted().await;
    sign_in(&mut in_transaction).await;
    in_transaction.ask("MAIL FROM:<a@contoso.test>").await;
    gate.shutdown.cancel();
    assert_eq!(idle.reply().await, "421 4.3.2 Shutting down; try again later");
    assert_eq!(idle.line().await, None);
    for (client, ahead) in [(&mut in_data, ""), (&mut in_transaction, "RCPT TO:<b@x.test>\r\nDATA\r\n")] {
        if !ahead.is_empty() {
            client.send(ahead).await;
            assert_eq!(client.reply().await, "250 2.1.5 Recipient OK");
            assert!(client.reply().await.starts_with("354 "));
        }
        client.send(MESSAGE).await;
        assert!(client.reply().await.starts_with("250 2.0.0 Queued as "));
        assert_eq!(client.reply().await, "421 4.3.2 Shutting down; try again later");
        assert_eq!(client.line().await, None);
    }
    assert_eq!(gate.close().await.messages().await.len(), 2);
}

#[tokio::test]
async fn a_shutdown_starts_no_further_transaction_even_if_it_was_sent_ahead() {
    let gate = Gate::open(|_, _| {}).await;
    let mut client = gate.greeted().await;
    sign_in(&mut client).await;
    up_to_data(&mut client).await;
    gate.shutdown.cancel();
    client.send(format!("{MESSAGE}MAIL FROM:<a@contoso.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n")).await;
    assert!(client.reply().await.starts_with("250 2.0.0 Queued as "));
    assert_eq!(client.reply().await, "421 4.3.2 Shutting down; try again later");
    assert_eq!(gate.close().await.messages().await.len(), 1);
}

#[tokio::test]
async fn nobody_is_let_in_after_a_shutdown() {
    let gate = Gate::open(|_, _| {}).await;
    let address = gate.address;
    gate.close().await;
    assert!(TcpStream::connect(address).await.is_err());
}

// ---- how replies are written

/// Counts writes and knows the largest.
struct Counting {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.largest.fetch_max(octets.len(), Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn commands_that_came_together_are_answered_in_one_write() {
    let behind = Behind::open(|setup| setup.config.auth = AuthMode::Off).await;
    let (context, writes, largest) = (behind.context(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (near, far) = duplex(64 * 1024);
    let stream = Counting { stream: far, writes: Arc::clone(&writes), largest: Arc::clone(&largest) };
    let session = tokio::spawn(async move {
        let timeout = context.shared.limits.write_timeout;
        let connection = Connection::new(stream, timeout, &CancellationToken::new());
        Session::new(&context, connection, Peer::new([127, 0, 0, 1].into())).greet_and_run().await
    });
    let mut client = Client::new(near);
    client.reply().await;
    client.ask("EHLO client.test").await;
    let before = writes.load(Ordering::SeqCst);
    let group = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<e@f.test>\r\nRSET\r\nNOOP\r\n";
    client.send(group).await;
    for _ in 0..5 {
        assert!(client.reply().await.starts_with("250 "));
    }
    assert_eq!(writes.load(Ordering::SeqCst) - before, 1);
    // A short command with a long answer, as often as fits the buffer: what waits to be written stays bounded.
    client.send("EHLO x\r\n".repeat(1500)).await;
    for _ in 0..1500 {
        client.reply().await;
    }
    assert!(largest.load(Ordering::SeqCst) < 17 * 1024, "{largest:?}");
    client.ask("QUIT").await;
    assert!(matches!(session.await.unwrap(), End::Over));
}

#[tokio::test]
async fn a_line_sent_octet_by_octet_is_one_command() {
    let gate = Gate::open(|_, _| {}).await;
    let mut client = gate.greeted().await;
    for octet in b"NOOP\r\n" {
        client.send([*octet]).await;
    }
    assert_eq!(client.reply().await, "250 2.0.0 OK");
}
