//! Prints what accepting and delivering costs: `accept_rate FOLDER [MESSAGES] [QUEUED]`.
//!
//! MESSAGES (20,000) messages of 10 KB go in, from one writer and from twenty; QUEUED (0) small messages wait in the
//! queue before that. Then everything of one lane goes out. Figures are of the whole process, as the kernel counts it.
#![allow(clippy::print_stdout)] // printing is what it is for

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use mail::{Address, Envelope, MessageId};
use settings::{ConnectionId, RoutedTo};
use store::sqlite::SqliteStore;
use store::{AttemptReport, NewMessage, NodeId, Priority, RecipientOutcome, StagedBody, Store, Via};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const BODY_BYTES: usize = 10 * 1024;
/// The kernel counts processor time in hundredths of a second (proc(5)).
const TICK: Duration = Duration::from_millis(10);

static NUMBER: AtomicU64 = AtomicU64::new(0);

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: accept_rate FOLDER [MESSAGES] [QUEUED]")?;
    let messages = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let queued = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(Path::new(&folder), messages, queued))
}

async fn run(folder: &Path, messages: u64, queued: u64) -> Outcome<()> {
    let mut store = Arc::new(SqliteStore::open(folder)?);
    if queued > 0 {
        accept("before the measurement", &store, 200, queued, 500).await?;
        drop(store);
        let started = Instant::now();
        store = Arc::new(SqliteStore::open(folder)?);
        let lanes = store.lanes_with_work().await?;
        println!("opened again in {:?}, {} lanes, {:?}", started.elapsed(), lanes.len(), store.counts().await?);
    }
    println!("resident: {}", status("VmRSS")?);
    accept("1 writer", &store, 1, messages / 10, BODY_BYTES).await?;
    accept("20 writers", &store, 20, messages, BODY_BYTES).await?;
    println!("resident: {}", status("VmRSS")?);
    deliver(&store, 4, messages).await?;
    println!("resident: {}, at most {}", status("VmRSS")?, status("VmHWM")?);
    Ok(())
}

async fn accept(name: &str, store: &Arc<SqliteStore>, writers: u64, messages: u64, bytes: usize) -> Outcome<()> {
    let (started, processor) = (Instant::now(), processor_time()?);
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let body = Bytes::from(vec![b'x'; bytes]);
                let mut longest = Duration::ZERO;
                for _ in 0..messages / writers {
                    let message = message(body.clone())?;
                    let asked = Instant::now();
                    store.enqueue(message).await?;
                    longest = longest.max(asked.elapsed());
                }
                Outcome::Ok(longest)
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for task in tasks {
        longest = longest.max(task.await??);
    }
    report(&format!("{name} (the slowest waited {longest:?})"), messages, started, processor)
}

fn message(body: Bytes) -> Outcome<NewMessage> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::now();
    let sender: Address = "app@contoso.test".parse()?;
    let mut envelope = Envelope::new(sender.clone());
    envelope.add("anna.schmidt@example.test".parse::<Address>()?);
    Ok(NewMessage {
        id: MessageId::new(now.as_millisecond().try_into()?, number.into()),
        envelope,
        body: StagedBody::inline(body).ok_or("the body is too large")?,
        added_header:
            "Received: from erp.contoso.test (192.0.2.7) by postern with ESMTP; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
                .into(),
        header_from: Some(sender),
        subject: Some("Invoice 4711".into()),
        internet_message_id: Some(format!("<{number}@contoso.test>")),
        routed_to: Some(RoutedTo { connection: ConnectionId("c1".into()), mailbox: "noreply@contoso.test".parse()? }),
        hold: None,
        priority: Priority::Normal,
        send_at: None,
        received_at: now,
        expires_at: now + jiff::SignedDuration::from_hours(48),
        account: Some(settings::AccountId("a1".into())),
        via: Via::Smtp,
        peer: Some("192.0.2.7".parse()?),
        idempotency: None,
        metadata: None,
    })
}

async fn deliver(store: &Arc<SqliteStore>, workers: u64, messages: u64) -> Outcome<()> {
    let lane = store.lanes_with_work().await?.first().ok_or("nothing to deliver")?.id;
    let until = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let lease = store.lease_lane(lane, &NodeId("bench".into()), None, until, Timestamp::now()).await?;
    let lease = lease.ok_or("somebody else holds the lane")?;
    let (started, processor) = (Instant::now(), processor_time()?);
    let tasks: Vec<_> = (0..workers)
        .map(|_| {
            let (store, lease) = (Arc::clone(store), lease.clone());
            tokio::spawn(async move {
                for _ in 0..messages / workers {
                    for claim in store.claim(&lease, 1, 100, Timestamp::now()).await? {
                        store.read_body(claim.message.id).await?.into_bytes(BODY_BYTES * 2).await?;
                        let outcomes = vec![RecipientOutcome::Accepted; claim.recipients.len()];
                        let now = Timestamp::now();
                        let report = AttemptReport {
                            outcomes,
                            explanation: None,
                            request_id: None,
                            due_at: now,
                            retry_uncertain: false,
                            settles_doubt: false,
                        };
                        store.finish_attempt(&claim, report, now).await?;
                    }
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    report("claimed, read and finished, one at a time by 4 workers", messages, started, processor)
}

fn report(name: &str, messages: u64, started: Instant, processor: Duration) -> Outcome<()> {
    let count = u32::try_from(messages)?.max(1);
    let (elapsed, processor) = (started.elapsed(), processor_time()?.saturating_sub(processor));
    let rate = f64::from(count) / elapsed.as_secs_f64();
    println!("{name}: {count} messages, {rate:.0}/s, {:?} of processor time each", processor / count);
    Ok(())
}

/// User and system time of the process (proc(5), /proc/pid/stat, fields 14 and 15).
fn processor_time() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').ok_or("no process name")?;
    let times: Result<Vec<u32>, _> = after_name.split_whitespace().skip(11).take(2).map(str::parse).collect();
    Ok(TICK * times?.iter().sum::<u32>())
}

fn status(field: &str) -> Outcome<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(line.ok_or("no such field")?.trim().to_owned())
}
