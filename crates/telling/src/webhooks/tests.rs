use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay::Backoff;
use secrecy::SecretString;
use serde_json::Value;
use settings::News;
use store::{RecipientOutcome, SecretField, SettingsChange, Store as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::news;
use crate::testing::World;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const DAY: i64 = 24 * 3_600;

/// What a receiver got.
#[derive(Debug)]
struct Call {
    head: String,
    body: Vec<u8>,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).unwrap().1
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn subject(&self) -> String {
        self.json()["data"]["subject"].as_str().unwrap().to_owned()
    }
}

/// Answers with what it is told, then with 204; `0` is no answer at all.
struct Receiver {
    url: String,
    calls: mpsc::UnboundedReceiver<Call>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Receiver {
    async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?secret=of-the-receiver", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let (heard, calls) = mpsc::unbounded_channel();
        let scripted = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&scripted), heard.clone()));
            }
        });
        Self { url, calls, answers }
    }

    async fn next(&mut self) -> Call {
        tokio::time::timeout(Duration::from_secs(20), self.calls.recv()).await.expect("no call came").unwrap()
    }

    fn will_answer(&self, answers: &[&'static str]) {
        self.answers.lock().unwrap().extend(answers);
    }
}

async fn answer(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    heard: mpsc::UnboundedSender<Call>,
) {
    let mut read = Vec::new();
    let call = loop {
        let mut chunk = [0; 4_096];
        let count = stream.read(&mut chunk).await.unwrap();
        read.extend_from_slice(&chunk[..count]);
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let call = Call { head, body: read[end + 4..].to_vec() };
        if call.body.len() == call.header("content-length").parse::<usize>().unwrap() {
            break call;
        }
    };
    let status = answers.lock().unwrap().pop_front().unwrap_or("204 No Content");
    heard.send(call).unwrap();
    if status == "0" {
        // Holds the connection until the other end gives up.
        let _ = stream.read(&mut [0; 1]).await;
        return;
    }
    let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(reply.as_bytes()).await.unwrap();
}

async fn world() -> World {
    let mut world = World::new().await;
    let quick = Duration::from_millis(1);
    world.shared.config.limits.webhook_backoff = Backoff { first: quick, cap: quick };
    world
}

async fn put(world: &World, name: &str, url: &str, events: &[News]) {
    let place = SecretField::new("webhook", name, "secret");
    let secret = world.store.key_ring().seal(&place, &SecretString::from(SECRET)).unwrap();
    let (id, url) = (WebhookId(name.into()), url.parse().unwrap());
    let webhook = Webhook { id, name: name.into(), url, secret, events: events.to_vec(), disabled: false };
    world.change(vec![SettingsChange::PutWebhook(webhook)]).await;
}

async fn start(world: &World) -> JoinHandle<()> {
    tokio::spawn(Webhooks::open(world.shared.clone()).await.unwrap().run())
}

/// Until the webhook `one` stands like that.
async fn stands(world: &World, wanted: impl Fn(&Progress) -> bool) {
    while !wanted(&progress::load(&*world.store, &WebhookId("one".into())).await.unwrap()) {
        tokio::task::yield_now().await;
    }
}

/// A message of this subject that is sent.
async fn send(world: &World, subject: &str) {
    world.queue(|message| message.subject = Some(subject.to_owned())).await;
    world.end("main", &[RecipientOutcome::Accepted, RecipientOutcome::Accepted]).await;
}

#[tokio::test]
async fn news_comes_in_order_and_signed() {
    let (world, mut receiver) = (world().await, Receiver::start(&[]).await);
    put(&world, "one", &receiver.url, &[]).await;
    start(&world).await;
    for subject in ["a", "b", "c"] {
        send(&world, subject).await;
    }
    let mut ids = Vec::new();
    for subject in ["a", "b", "c"] {
        let call = receiver.next().await;
        assert!(call.head.starts_with("POST /hook?secret=of-the-receiver HTTP/1.1\r\n"), "{}", call.head);
        assert_eq!(call.header("content-type"), "application/json");
        let (id, second) = (call.header("webhook-id"), call.header("webhook-timestamp").parse().unwrap());
        let signed = sign(&SecretString::from(SECRET), id, second, &call.body).unwrap();
        assert_eq!(call.header("webhook-signature"), signed);
        assert_eq!(second, world.now().as_second());
        ids.push(id.to_owned());
        let told = call.json();
        assert_eq!(told["type"], "message.sent");
        assert_eq!((&told["data"]["subject"], &told["data"]["status"]), (&subject.into(), &"sent".into()));
        assert_eq!(told["data"]["recipients"][1]["address"], "eve@x.test");
        assert_eq!(told["data"]["connection"], "main");
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn what_was_not_taken_comes_again_under_its_id_before_anything_else() {
    let answers = ["500 Internal Server Error", "302 Found\r\nLocation: /elsewhere", "429 Too Many Requests"];
    let (world, mut receiver) = (world().await, Receiver::start(&answers).await);
    put(&world, "one", &receiver.url, &[]).await;
    start(&world).await;
    send(&world, "first").await;
    send(&world, "second").await;
    let first = receiver.next().await;
    for _ in 0..3 {
        let again = receiver.next().await;
        assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
        assert!(again.head.starts_with("POST /hook"), "a redirect is not followed: {}", again.head);
    }
    assert_eq!(receiver.next().await.subject(), "second");
}

#[tokio::test]
async fn only_what_was_asked_for_is_told_and_only_from_then_on() {
    let (world, mut receiver) = (world().await, Receiver::start(&[]).await);
    start(&world).await;
    send(&world, "before the webhook was").await;
    put(&world, "one", &receiver.url, &[News::Failed]).await;
    while world.store.kept("webhook/one").await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    send(&world, "not asked for").await;
    world.queue(|_| {}).await;
    let refused = RecipientOutcome::Refused(mail::EnhancedStatus::permanent(1, 1));
    world.end("main", &[RecipientOutcome::Accepted, refused]).await;
    let told = receiver.next().await.json();
    assert_eq!(told["type"], "message.failed");
    assert_eq!(
        told["data"]["recipients"][1],
        serde_json::json!({"address": "eve@x.test", "status": "failed", "code": "5.1.1"})
    );
    assert_eq!(told["data"]["error"]["what"], "Graph refused it.");
}

#[tokio::test]
async fn neither_our_own_letters_nor_mail_for_later_is_news() {
    let (world, mut receiver) = (world().await, Receiver::start(&[]).await);
    put(&world, "one", &receiver.url, &[]).await;
    start(&world).await;
    world.queue(|message| message.via = store::Via::Gateway).await;
    world.end("main", &[RecipientOutcome::Accepted, RecipientOutcome::Accepted]).await;
    let tomorrow = world.now() + jiff::SignedDuration::from_hours(24);
    world.queue(|message| message.send_at = Some(tomorrow)).await;
    world.pass(5 * 3_600);
    crate::delays::note_delayed(&*world.store, world.now()).await.unwrap();
    world.queue(|message| message.subject = Some("late".into())).await;
    world.pass(5 * 3_600);
    crate::delays::note_delayed(&*world.store, world.now()).await.unwrap();
    let told = receiver.next().await.json();
    assert_eq!((&told["type"], &told["data"]["subject"]), (&"message.delayed".into(), &"late".into()));
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_switched_off() {
    let (world, mut receiver) = (world().await, Receiver::start(&["410 Gone"]).await);
    put(&world, "one", &receiver.url, &[]).await;
    start(&world).await;
    let mut settings = world.store.settings();
    send(&world, "first").await;
    receiver.next().await;
    settings.wait_for(|settings| settings.webhooks[0].disabled).await.unwrap();
    let audit = world.store.audit(None, 1).await.unwrap();
    assert_eq!(audit[0].entry.action, "webhook_switched_off");
}

#[tokio::test]
async fn a_slow_receiver_holds_up_nobody() {
    let (world, mut slow, mut quick) = (world().await, Receiver::start(&["0"]).await, Receiver::start(&[]).await);
    put(&world, "slow", &slow.url, &[]).await;
    put(&world, "quick", &quick.url, &[]).await;
    start(&world).await;
    for subject in ["a", "b", "c"] {
        send(&world, subject).await;
    }
    slow.next().await;
    for subject in ["a", "b", "c"] {
        assert_eq!(quick.next().await.subject(), subject);
    }
}

#[tokio::test]
async fn after_a_day_news_is_dropped_and_newer_news_still_comes() {
    let failing = "503 Service Unavailable";
    let (mut world, mut receiver) = (world().await, Receiver::start(&[failing, failing, failing]).await);
    // So that the clock can be moved between two calls.
    let slow = Duration::from_millis(300);
    world.shared.config.limits.webhook_backoff = Backoff { first: slow, cap: slow };
    put(&world, "one", &receiver.url, &[]).await;
    start(&world).await;
    send(&world, "tried").await;
    send(&world, "never tried").await;
    receiver.next().await;
    stands(&world, |progress| progress.failures == 1).await;
    world.pass(DAY + 1);
    assert_eq!(receiver.next().await.subject(), "tried");
    stands(&world, |progress| progress.dropped == 2).await;
    send(&world, "fresh").await;
    assert_eq!(receiver.next().await.subject(), "fresh", "what was too old is not even tried");
    assert_eq!(receiver.next().await.subject(), "fresh", "it is still failing: the same again");
    stands(&world, |progress| *progress == Progress::default()).await;
}

#[tokio::test]
async fn a_new_process_goes_on_where_the_old_one_was() {
    let (world, mut receiver) = (world().await, Receiver::start(&["500 Internal Server Error", "0"]).await);
    put(&world, "one", &receiver.url, &[]).await;
    let old = start(&world).await;
    send(&world, "first").await;
    let call = receiver.next().await;
    receiver.next().await;
    old.abort();
    let _cancelled = old.await;
    send(&world, "while nobody ran").await;
    start(&world).await;
    assert_eq!(receiver.next().await.header("webhook-id"), call.header("webhook-id"));
    assert_eq!(receiver.next().await.subject(), "while nobody ran");
}

#[tokio::test]
async fn alarms_are_told_as_well() {
    let (world, mut receiver) = (world().await, Receiver::start(&[]).await);
    receiver.will_answer(&["500 Internal Server Error"]);
    put(&world, "one", &receiver.url, &[News::AlarmRaised]).await;
    start(&world).await;
    let store = &*world.store;
    for (name, kind) in [("x:cleared", News::AlarmCleared), ("y:raised", News::AlarmRaised)] {
        news::add(store, name.into(), kind, world.now(), serde_json::json!({"alarm": "queue_age"})).await.unwrap();
    }
    world.shared.alarm_news.send_replace(());
    for _ in 0..2 {
        let call = receiver.next().await;
        assert_eq!((call.header("webhook-id"), &call.json()["type"]), ("y:raised", &"alarm.raised".into()));
    }
}
