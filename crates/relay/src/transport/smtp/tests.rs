//! Dialogs with a scripted server: what each reply, and each silence, means for recipients and lane.

mod offers;
mod peer;
mod protection;
mod sentences;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mail::{Address, EnhancedStatus, Envelope, MessageId, ReversePath};
use secrecy::SecretString;
use settings::{Connection, ConnectionId, FromPolicy, RoutedTo, Security, Service};
use store::model::ModelStore;
use store::{Claim, NewMessage, NodeId, Priority, RecipientOutcome, Store, Via};

use super::SmtpTransport;
use super::session::{Login, Target};
use crate::{Delivery, LaneVerdict, Network, Transport as _, Verdict};
use peer::{CUT, Peer, Script};

const MESSAGE: &[u8] =
    b"From: ERP <erp@contoso.test>\r\nTo: everybody@x.test\r\nBcc: hidden@x.test\r\nSubject: hi\r\n\r\n.dot\r\nhi\r\n";
const LEFT: &[u8] =
    b"Received: by test\r\nFrom: ERP <erp@contoso.test>\r\nTo: everybody@x.test\r\nSubject: hi\r\n\r\n.dot\r\nhi\r\n";
const ALL: [&str; 5] = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 1000000"];

struct Bench {
    store: Arc<dyn Store>,
    transport: SmtpTransport,
    policy: FromPolicy,
}

fn target(port: u16, security: Security, login: Login, network: &Network) -> Target {
    let deadlines = super::deadlines::Deadlines { command: Duration::from_secs(20), ..Default::default() };
    Target {
        host: "localhost".into(),
        port,
        security,
        login,
        way: network.way_to("localhost").unwrap(),
        tls: network.tls().unwrap(),
        hostname: Some("gateway.test".into()),
        deadlines,
    }
}

fn connection(service: Service) -> Connection {
    Connection::new(ConnectionId("c".into()), "Smarthost", service)
}

impl Bench {
    fn of(target: Target, service: Service) -> Self {
        let transport = SmtpTransport::new(target, connection(service), Duration::from_secs(30));
        Self { store: Arc::new(ModelStore::default()), transport, policy: FromPolicy::Keep }
    }

    fn plain(peer: &Peer) -> Self {
        Self::of(target(peer.port, Security::None, Login::None, &Network::default()), Service::SmtpServer)
    }

    async fn claim(&self, raw: &[u8], envelope: Envelope) -> Claim {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut body = self.store.stage_body().await.unwrap();
        body.write(raw).await.unwrap();
        let message = NewMessage {
            id: MessageId::new(u64::try_from(now.as_millisecond()).unwrap(), rand::random()),
            envelope,
            body: body.finish().await.unwrap(),
            added_header: "Received: by test\r\n".into(),
            header_from: None,
            subject: None,
            internet_message_id: None,
            routed_to: Some(RoutedTo {
                connection: ConnectionId("c".into()),
                mailbox: "noreply@contoso.test".parse().unwrap(),
            }),
            hold: None,
            priority: Priority::Normal,
            send_at: None,
            received_at: now,
            expires_at: now + SignedDuration::from_hours(48),
            account: None,
            via: Via::Smtp,
            peer: None,
            idempotency: None,
            metadata: None,
        };
        self.store.enqueue(message).await.unwrap();
        let lane = self.store.lanes_with_work().await.unwrap().remove(0).id;
        let until = now + SignedDuration::from_mins(1);
        let lease = self.store.lease_lane(lane, &NodeId("n".into()), None, until, now).await.unwrap().unwrap();
        self.store.claim(&lease, 1, 500, now).await.unwrap().remove(0)
    }

    async fn send_as(&self, raw: &[u8], envelope: Envelope) -> Verdict {
        let claim = self.claim(raw, envelope).await;
        self.transport.deliver(Delivery { claim: &claim, store: &self.store, from_policy: self.policy }).await
    }

    async fn send(&self, recipients: &[&str]) -> Verdict {
        self.send_as(MESSAGE, envelope(recipients)).await
    }
}

fn envelope(recipients: &[&str]) -> Envelope {
    let mut envelope = Envelope::new("erp@contoso.test".parse::<Address>().unwrap());
    recipients.iter().for_each(|to| envelope.add(to.parse::<Address>().unwrap()));
    envelope
}

fn refused(subject: u16, detail: u16) -> RecipientOutcome {
    RecipientOutcome::Refused(EnhancedStatus::permanent(subject, detail))
}

#[tokio::test]
async fn the_envelope_and_the_bytes_arrive_as_they_are_and_bcc_does_not() {
    for offers in [&ALL[..], &[]] {
        let peer = Peer::start(Script::new(offers)).await;
        let bench = Bench::plain(&peer);
        let verdict = bench.send(&["a@x.test", "b@x.test"]).await;
        assert_eq!(verdict.outcomes, [RecipientOutcome::Accepted; 2]);
        assert_eq!(verdict.lane, LaneVerdict::Go);
        assert_eq!(verdict.request_id.as_deref(), Some("250 2.0.0 queued as 7"));
        peer.heard(|heard| {
            assert_eq!(heard.messages, [LEFT]);
            assert_eq!(heard.lines[0], "EHLO gateway.test");
            assert!(heard.lines[1].starts_with("MAIL FROM:<erp@contoso.test>"), "{:?}", heard.lines);
            assert_eq!(heard.lines[2..], ["RCPT TO:<a@x.test>", "RCPT TO:<b@x.test>", "DATA"]);
            assert_eq!(heard.lines[1].contains(&format!(" SIZE={}", LEFT.len())), !offers.is_empty());
        });
    }
}

#[tokio::test]
async fn a_null_reverse_path_stays_null_and_the_policy_rewrites_the_header_alone() {
    let peer = Peer::start(Script::new(&ALL)).await;
    let bench = Bench { policy: FromPolicy::Rewrite, ..Bench::plain(&peer) };
    bench.send_as(MESSAGE, Envelope { reverse_path: ReversePath::Null, ..envelope(&["a@x.test"]) }).await;
    bench.send(&["a@x.test"]).await;
    peer.heard(|heard| {
        let mail: Vec<&String> = heard.lines.iter().filter(|line| line.starts_with("MAIL")).collect();
        assert!(mail[0].starts_with("MAIL FROM:<> ") && mail[1].starts_with("MAIL FROM:<erp@contoso.test> "));
        let text = String::from_utf8_lossy(&heard.messages[1]);
        assert!(text.contains("From: ERP <noreply@contoso.test>\r\nReply-To: ERP <erp@contoso.test>\r\n"), "{text}");
    });
}

#[tokio::test]
async fn exchange_is_told_the_mailbox_as_sender_where_from_is_rewritten() {
    let peer = Peer::start(Script::new(&ALL)).await;
    let target = target(peer.port, Security::None, Login::None, &Network::default());
    let bench = Bench { policy: FromPolicy::Rewrite, ..Bench::of(target, Service::Exchange) };
    bench.send(&["a@x.test"]).await;
    assert_eq!(peer.commands("MAIL FROM:<noreply@contoso.test>"), 1);
}

/// What a reply at a step means, whether the server pipelines or not.
#[tokio::test]
async fn every_reply_at_every_step_has_its_meaning() {
    use LaneVerdict::{Go, MessageOnly, NeedsAdministrator, Throttled};
    use RecipientOutcome::{Accepted, Deferred, Uncertain};
    let rests = Throttled(None);
    let table: Vec<(&str, &str, [RecipientOutcome; 2], LaneVerdict)> = vec![
        ("connect", "554 5.3.2 not you", [Deferred; 2], NeedsAdministrator),
        ("connect", "421 4.3.2 busy", [Deferred; 2], rests),
        ("connect", CUT, [Deferred; 2], rests),
        ("connect", "HTTP/1.1 400 Bad Request", [Deferred; 2], rests),
        ("EHLO", "550 5.7.1 your name", [Deferred; 2], NeedsAdministrator),
        ("EHLO", "451 4.3.0 later", [Deferred; 2], rests),
        ("EHLO", CUT, [Deferred; 2], rests),
        ("MAIL", "550 5.7.1 sender", [refused(7, 1); 2], MessageOnly),
        ("MAIL", "553 sender", [refused(0, 0); 2], MessageOnly), // no status code of its own
        ("MAIL", "530 5.7.0 authenticate", [Deferred; 2], NeedsAdministrator),
        ("MAIL", "450 4.1.8 who is that", [Deferred; 2], MessageOnly),
        ("MAIL", "452 4.3.1 disk full", [Deferred; 2], rests), // the system, not the message
        ("MAIL", "421 4.3.2 shutting down", [Deferred; 2], rests),
        ("MAIL", CUT, [Deferred; 2], rests),
        ("RCPT TO:<b", "550 5.1.1 unknown", [Accepted, refused(1, 1)], Go),
        ("RCPT TO:<a", "550 5.1.1 unknown", [refused(1, 1), Accepted], Go),
        ("RCPT TO:<b", "450 4.2.1 greylisted", [Accepted, Deferred], Go),
        ("RCPT TO:<b", "552 too many", [Accepted, Deferred], Go), // RFC 5321 §4.5.3.1.10
        ("RCPT", "550 5.1.1 unknown", [refused(1, 1); 2], MessageOnly),
        ("RCPT", "450 4.2.0 greylisted", [Deferred; 2], MessageOnly),
        ("RCPT TO:<b", "421 4.7.0 enough", [Deferred; 2], rests),
        ("RCPT TO:<b", CUT, [Deferred; 2], rests),
        ("DATA", "554 5.7.1 no", [refused(7, 1); 2], MessageOnly),
        ("DATA", "451 4.3.0 later", [Deferred; 2], rests),
        ("DATA", CUT, [Deferred; 2], rests),
        ("body", CUT, [Uncertain; 2], rests), // small messages leave with their end: it may have arrived
        (".", "250 ok", [Accepted; 2], Go),
        (".", "554 5.6.0 content", [refused(6, 0); 2], MessageOnly),
        (".", "450 4.7.1 content", [Deferred; 2], MessageOnly),
        (".", "421 4.3.0 disk", [Deferred; 2], rests), // said no: not uncertain
        (".", CUT, [Uncertain; 2], rests),
        (".", "whatever", [Uncertain; 2], rests), // an answer nobody understands
    ];
    for (step, reply, outcomes, lane) in table {
        for offers in [&ALL[..], &[]] {
            let peer = Peer::start(Script::new(offers).on(step, reply)).await;
            let verdict = Bench::plain(&peer).send(&["a@x.test", "b@x.test"]).await;
            assert_eq!(verdict.outcomes, outcomes, "{step}: {reply:?} {offers:?}");
            assert_eq!(verdict.lane, lane, "{step}: {reply:?} {offers:?}");
            let fine = verdict.outcomes.iter().all(|outcome| *outcome == Accepted);
            assert_eq!(verdict.explanation.is_none(), fine, "{step}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_message_cut_before_its_end_is_deferred_however_large() {
    let peer = Peer::start(Script::new(&ALL).on("body", CUT)).await;
    let mut raw = MESSAGE.to_vec();
    raw.extend(b"0123456789\r\n".repeat(60_000));
    let verdict = Bench::plain(&peer).send_as(&raw, envelope(&["a@x.test"])).await;
    assert_eq!(verdict.outcomes, [RecipientOutcome::Deferred]);
}

#[tokio::test]
async fn one_session_carries_many_messages_and_a_broken_one_is_replaced_unnoticed() {
    let peer = Peer::start(Script::new(&ALL)).await;
    let bench = Bench::plain(&peer);
    for _ in 0..5 {
        assert_eq!(bench.send(&["a@x.test"]).await.lane, LaneVerdict::Go);
    }
    peer.heard(|heard| assert_eq!((heard.connections, heard.messages.len()), (1, 5)));

    let script = Script::new(&ALL).once("MAIL FROM:<>", "421 4.4.2 idle for too long");
    let peer = Peer::start(script).await;
    let bench = Bench::plain(&peer);
    bench.send(&["a@x.test"]).await;
    let second = bench.send_as(MESSAGE, Envelope { reverse_path: ReversePath::Null, ..envelope(&["a@x.test"]) }).await;
    assert_eq!(second.outcomes, [RecipientOutcome::Accepted], "the 421 was about the session, not the message");
    peer.heard(|heard| assert_eq!((heard.connections, heard.messages.len()), (2, 2)));
}

#[tokio::test]
async fn a_session_is_reset_after_a_refusal_and_given_up_after_messages_enough() {
    let peer = Peer::start(Script::new(&ALL).once("MAIL", "550 5.7.1 no").once(".", "554 5.6.0 no")).await;
    let bench = Bench::plain(&peer);
    for accepted in [false, false, true] {
        let verdict = bench.send(&["a@x.test"]).await;
        assert_eq!(verdict.outcomes == [RecipientOutcome::Accepted], accepted);
    }
    assert_eq!((peer.commands("RSET"), peer.heard(|heard| heard.connections)), (2, 1));
    for _ in 0..120 {
        bench.send(&["a@x.test"]).await;
    }
    assert_eq!(peer.heard(|heard| heard.connections), 2);
}

#[tokio::test]
async fn hundreds_of_recipients_are_each_asked_for_once() {
    for offers in [&ALL[..], &[]] {
        let peer = Peer::start(Script::new(offers).on("RCPT TO:<r77@", "550 5.1.1 no")).await;
        let all: Vec<String> = (0..230).map(|n| format!("r{n}@x.test")).collect();
        let verdict = Bench::plain(&peer).send(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert_eq!(peer.commands("RCPT"), 230);
        let refused: Vec<usize> = verdict
            .outcomes
            .iter()
            .enumerate()
            .filter_map(|(at, it)| matches!(it, RecipientOutcome::Refused(_)).then_some(at))
            .collect();
        assert_eq!((refused, verdict.outcomes.len()), (vec![77], 230));
    }
}

#[tokio::test]
async fn recipients_beyond_what_the_server_takes_at_once_go_again_at_once() {
    for reply in ["452 4.5.3 too many recipients", "452 too many", "552 too many"] {
        let peer = Peer::start(Script::new(&ALL).once("RCPT TO:<b@", reply)).await;
        let verdict = Bench::plain(&peer).send(&["a@x.test", "b@x.test"]).await;
        assert_eq!(verdict.outcomes, [RecipientOutcome::Accepted, RecipientOutcome::Deferred], "{reply}");
        assert!(verdict.retry_at_once, "{reply}");
    }
}

#[tokio::test]
async fn idle_sessions_are_ended_politely_and_not_used_again() {
    let peer = Peer::start(Script::new(&ALL)).await;
    let mut bench = Bench::plain(&peer);
    bench.transport.pool = super::Pool::new(Duration::from_millis(40));
    bench.send(&["a@x.test"]).await;
    let gone = async {
        while peer.commands("QUIT") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.expect("the idle session is ended");
    bench.send(&["a@x.test"]).await;
    assert_eq!(peer.heard(|heard| heard.connections), 2);
}

#[tokio::test]
async fn the_whole_session_goes_through_the_proxy() {
    let peer = Peer::start(Script::new(&ALL)).await;
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap()).parse().unwrap();
    let network = Network { proxy: Some(url), ..Network::default() };
    let port = peer.port;
    let asked = tokio::spawn(async move {
        let (mut inside, _) = proxy.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(tokio::io::AsyncReadExt::read_u8(&mut inside).await.unwrap());
        }
        tokio::io::AsyncWriteExt::write_all(&mut inside, b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        // Where the name leads is the proxy's to know.
        let mut outside = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inside, &mut outside).await });
        String::from_utf8(request).unwrap()
    });
    let mut target = target(25, Security::None, Login::None, &network);
    target.host = "only-the-proxy-knows.test".into();
    target.way = network.way_to(&target.host).unwrap();
    let verdict = Bench::of(target, Service::SmtpServer).send(&["a@x.test"]).await;
    assert_eq!(verdict.outcomes, [RecipientOutcome::Accepted]);
    assert!(asked.await.unwrap().starts_with("CONNECT only-the-proxy-knows.test:25 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_its_answer_and_the_cure() {
    for (answer, why, fix) in [
        ("407 Proxy Authentication Required", "wants a user name and password", "[proxy]"),
        ("403 Forbidden", "does not allow connections to localhost:25", "Allow CONNECT to localhost:25"),
    ] {
        let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = proxy.local_addr().unwrap();
        let url = format!("http://{address}").parse().unwrap();
        let network = Network { proxy: Some(url), ..Network::default() };
        tokio::spawn(async move {
            let (mut inside, _) = proxy.accept().await.unwrap();
            let reply = format!("HTTP/1.1 {answer}\r\n\r\n");
            tokio::io::AsyncWriteExt::write_all(&mut inside, reply.as_bytes()).await.unwrap();
            tokio::io::copy(&mut inside, &mut tokio::io::sink()).await
        });
        let target = target(25, Security::None, Login::None, &network);
        let verdict = Bench::of(target, Service::SmtpServer).send(&["a@x.test"]).await;
        assert_eq!(verdict.outcomes, [RecipientOutcome::Deferred], "nobody has said no to the message");
        let words = verdict.explanation.unwrap();
        assert_eq!(words.what, "localhost:25 cannot be reached.");
        assert!(words.why.contains(&address.to_string()) && words.why.contains(why), "{words:?}");
        assert!(words.why.contains(answer) && words.fix.contains(fix), "{words:?}");
    }
}
