//! Prints how long the console's questions take: `console FOLDER fill MESSAGES`, then `console FOLDER ask`.
//!
//! `fill` hands in messages of the last ninety days as they come from a dozen programs, and delivers nearly all: through
//! the store's own methods, many at a time. `ask` opens that folder in a process of its own, as a restarted gateway
//! does, and asks each question several times; the first time is said by itself, for then nothing is in the caches.
#![allow(clippy::print_stdout)] // printing is what it is for

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, EnhancedStatus, Envelope, MessageId};
use settings::{AccountId, ConnectionId, RoutedTo};
use store::sqlite::SqliteStore;
use store::{
    AttemptReport, Claim, Explanation, Filter, Lane, MessageState as S, NewMessage, NodeId, Operation, PageRequest,
    Priority, RecipientOutcome, StagedBody, Store, Via,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const DAYS: i64 = 90;
const TASKS: u64 = 200;
const LANES: u64 = 60;
const CUSTOMERS: u64 = 30_000;
const TIMES: usize = 7;
const PROGRAMS: [&str; 6] = ["erp", "gitlab", "monitoring", "shop", "printer", "tickets"];
const SUBJECTS: [&str; 6] = [
    "Invoice {} from Contoso",
    "Merge request !{} was approved",
    "RECOVERED: disk usage on host-{}",
    "Your order {} has been shipped",
    "Scan no. {}",
    "[Ticket {}] Störung im Lager",
];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [folder, "fill", messages] => runtime.block_on(fill(Path::new(folder), messages.parse()?)),
        [folder, "ask"] => runtime.block_on(ask(Path::new(folder))),
        _ => Err("usage: console FOLDER fill MESSAGES, or console FOLDER ask".into()),
    }
}

async fn fill(folder: &Path, messages: u64) -> Outcome<()> {
    let store = Arc::new(SqliteStore::open(folder)?);
    let (next, began, now) = (Arc::new(AtomicU64::new(0)), Instant::now(), Timestamp::now());
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (store, next) = (Arc::clone(&store), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= messages {
                        return Outcome::Ok(());
                    }
                    store.enqueue(message(number, messages, now)?).await?;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    println!("  {messages} messages handed in within {:.0?}", began.elapsed());
    let began = Instant::now();
    for lane in store.lanes_with_work().await? {
        deliver(&store, &lane, now).await?;
    }
    println!("  delivered within {:.0?}", began.elapsed());
    let began = Instant::now();
    store.index_words().await?;
    println!("  the rest of the index of words within {:.0?}", began.elapsed());
    Ok(())
}

/// A number that looks random and is the same in every run.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 31;
    mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
}

fn message(number: u64, messages: u64, now: Timestamp) -> Outcome<NewMessage> {
    let chance = mixed(number);
    let program = usize::try_from(chance % 6)?;
    let (name, subject) = (PROGRAMS.get(program).ok_or("no program")?, SUBJECTS.get(program).ok_or("no subject")?);
    let age = SignedDuration::from_hours(DAYS * 24).as_millis() * i128::from(messages - number) / i128::from(messages);
    let received_at = now - SignedDuration::from_millis(age.try_into()?);
    let sender: Address = format!("{name}@contoso.test").parse()?;
    let mut envelope = Envelope::new(sender.clone());
    envelope.add(format!("customer{}@example.test", chance / 7 % CUSTOMERS).parse::<Address>()?);
    if chance.is_multiple_of(10) {
        envelope.add("archive@contoso.test".parse::<Address>()?);
    }
    let rare = if number == messages / 3 { " zebra" } else { "" };
    Ok(NewMessage {
        id: MessageId::new(received_at.as_millisecond().try_into()?, u128::from(chance) << 20),
        envelope,
        body: StagedBody::inline(Bytes::from_static(&[b'x'; 400])).ok_or("the body is too large")?,
        added_header: "Received: from app.contoso.test (192.0.2.7) by postern with ESMTP\r\n".into(),
        header_from: Some(sender),
        subject: Some(subject.replace("{}", &(chance % 1_000_000).to_string()) + rare),
        internet_message_id: Some(format!("<{chance:x}.{number}@{name}.contoso.test>")),
        routed_to: Some(RoutedTo {
            connection: ConnectionId("c1".into()),
            mailbox: format!("lane{}@contoso.test", chance % LANES).parse()?,
        }),
        hold: None,
        priority: Priority::Normal,
        send_at: None,
        received_at,
        expires_at: received_at + SignedDuration::from_hours(48),
        account: Some(AccountId((*name).into())),
        via: Via::Smtp,
        peer: Some("192.0.2.7".parse()?),
        idempotency: None,
        metadata: None,
    })
}

/// Nearly everything is sent; of a thousand messages some ten fail and a few are held, uncertain or cancelled. Of each
/// lane the newest two percent wait.
async fn deliver(store: &Arc<SqliteStore>, lane: &Lane, now: Timestamp) -> Outcome<()> {
    let until = now + SignedDuration::from_hours(1);
    let lease = store.lease_lane(lane.id, &NodeId("bench".into()), None, until, now).await?;
    let lease = lease.ok_or("somebody else holds the lane")?;
    let mut left = lane.waiting - lane.waiting / 50;
    while left > 0 {
        let claims = store.claim(&lease, u32::try_from(left.min(TASKS))?, 100, now).await?;
        left -= u64::try_from(claims.len())?;
        let tasks: Vec<_> = claims.into_iter().map(|claim| tokio::spawn(finish(Arc::clone(store), claim))).collect();
        for task in tasks {
            task.await??;
        }
    }
    Ok(())
}

async fn finish(store: Arc<SqliteStore>, claim: Claim) -> Outcome<()> {
    let ended = claim.message.received_at + SignedDuration::from_secs(2);
    let chance = mixed(u64::try_from(claim.message.received_at.as_millisecond())?) % 1_000;
    let (outcome, operation) = match chance {
        0..10 => (RecipientOutcome::Refused(EnhancedStatus::permanent(1, 1)), None),
        10 => (RecipientOutcome::Uncertain, None),
        11 => (RecipientOutcome::Deferred, Some(Operation::Hold)),
        12 => (RecipientOutcome::Deferred, Some(Operation::Cancel)),
        _ => (RecipientOutcome::Accepted, None),
    };
    let explanation = (outcome != RecipientOutcome::Accepted)
        .then(|| Explanation { what: "the upstream refused the message".into(), ..Explanation::default() });
    let report = AttemptReport {
        outcomes: vec![outcome; claim.recipients.len()],
        explanation,
        request_id: Some("8f1d2c3b".into()),
        // A deferred one must not be claimed again before it is held.
        due_at: ended + SignedDuration::from_hours(DAYS * 24 * 2),
        retry_uncertain: false,
        settles_doubt: false,
    };
    store.finish_attempt(&claim, report, ended).await?;
    if let Some(operation) = operation {
        store.operate(claim.message.id, operation, "bench", None, ended).await?;
    }
    Ok(())
}

async fn ask(folder: &Path) -> Outcome<()> {
    let began = Instant::now();
    let store = SqliteStore::open(folder)?;
    let lanes = store.lanes_with_work().await?;
    println!("  {:<58} {:>8.1} ms", "start-up, with the lanes that have work", milliseconds(began.elapsed()));
    println!("  {lanes} lanes with work, {counts:?}", lanes = lanes.len(), counts = store.counts().await?);
    println!("  {:<58} {:>11} {:>11}", "", "first", "median");
    for (name, filter, page) in questions(&store).await? {
        measure(&name, || store.messages(&filter, page)).await?;
    }
    let now = Timestamp::now();
    measure("overview: counts", || store.counts()).await?;
    measure("overview: history of 7 days", || store.history(now - SignedDuration::from_hours(7 * 24), now)).await?;
    measure("overview: 50 lanes", || store.lanes(50)).await?;
    measure("overview: last submission of each account", || store.last_submissions()).await?;
    println!("  resident after all this: {}", resident()?);
    Ok(())
}

/// Prints how long it takes to answer: the first time, and the median of some more.
async fn measure<T, F>(name: &str, ask: impl Fn() -> F) -> Outcome<()>
where
    F: Future<Output = Result<T, store::StoreError>>,
{
    let mut times = Vec::new();
    for _ in 0..=TIMES {
        let began = Instant::now();
        ask().await?;
        times.push(milliseconds(began.elapsed()));
    }
    let first = times.remove(0);
    times.sort_by(f64::total_cmp);
    let median = times.get(TIMES / 2).ok_or("nothing was measured")?;
    println!("  {name:<58} {first:>8.1} ms {median:>8.1} ms");
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

type Question = (String, Filter, PageRequest);

async fn questions(store: &SqliteStore) -> Outcome<Vec<Question>> {
    let now = Timestamp::now();
    let days_ago = |days: i64| Some(now - SignedDuration::from_hours(24 * days));
    let first = PageRequest { before: None, limit: 50 };
    let old = Filter { until: days_ago(DAYS / 2), ..Filter::default() };
    let middle = store.messages(&old, first).await?.messages.first().map(|record| record.id);
    let deep = PageRequest { before: middle, limit: 50 };
    let unsent = || vec![S::Queued, S::Sending, S::Held, S::Uncertain];
    let text = |text: &str| Filter { text: Some(text.into()), ..Filter::default() };
    let states = |states: Vec<S>| Filter { states, ..Filter::default() };
    let recipient = |address: &str| Outcome::Ok(Filter { recipient: Some(address.parse()?), ..Filter::default() });
    let account = |name: &str| Filter { account: Some(AccountId(name.into())), ..Filter::default() };
    let asked = [
        ("list: all", Filter::default(), first),
        ("list: all, a page in the middle", Filter::default(), deep),
        ("list: unsent", states(unsent()), first),
        ("list: failed", states(vec![S::Failed]), first),
        ("list: failed, a page in the middle", states(vec![S::Failed]), deep),
        ("list: sent", states(vec![S::Sent]), first),
        ("list: quarantined, of which there are none", states(vec![S::Quarantined]), first),
        ("list: an account", account("shop"), first),
        ("list: an account that there is not", account("nobody"), first),
        ("list: a day", Filter { since: days_ago(40), until: days_ago(39), ..Filter::default() }, first),
        ("list: unsent on that day", Filter { since: days_ago(40), until: days_ago(39), ..states(unsent()) }, first),
        ("search: a word in one message", text("zebra"), first),
        ("search: a word in every message", text("contoso"), first),
        ("search: a word in every sixth, a page in the middle", text("invoice"), deep),
        ("search: no such word", text("walrus"), first),
        ("search: the beginning of a number", text("1234"), first),
        ("search: two frequent words, never together", text("invoice ticket"), first),
        ("search: three words, one of them rare", text("contoso shipped zebra"), first),
        ("search: an address as text", text("customer4711@example.test"), first),
        ("search: an address as text that there is not", text("nobody@example.test"), first),
        ("search: by one letter", text("z"), first),
        ("search: by recipient", recipient("customer4711@example.test")?, first),
        ("search: by a recipient of every tenth", recipient("archive@contoso.test")?, deep),
        ("search: by a recipient who never got any", recipient("nobody@example.test")?, first),
        ("search: by sender", Filter { sender: Some("gitlab@".into()), ..Filter::default() }, first),
        (
            "search: a sender's whole address",
            Filter { sender: Some("gitlab@contoso.test".into()), ..text("zebra") },
            first,
        ),
        ("search: by a sender who is none", Filter { sender: Some("customer1".into()), ..Filter::default() }, first),
        ("search: a frequent word in failed ones", Filter { states: vec![S::Failed], ..text("invoice") }, first),
        ("search: a rare word in unsent ones", Filter { states: unsent(), ..text("zebra") }, first),
        ("search: two frequent words, never, in unsent ones", Filter { states: unsent(), ..text("scan order") }, first),
        (
            "search: a word of another account's messages",
            Filter { account: Some(AccountId("erp".into())), ..text("shipped") },
            first,
        ),
    ];
    Ok(asked.into_iter().map(|(name, filter, page)| (name.to_owned(), filter, page)).collect())
}

fn resident() -> Outcome<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
    Ok(format!("{}, at most {}", field("VmRSS:"), field("VmHWM:")))
}
