//! A day of mixed mail on a clock that moves by itself, against an upstream that enforces Microsoft's limits: how close the
//! schedule comes to the best possible one, what was refused, and how long urgent mail waited. Run by `python3 -m bench day`.

// What the day does not expect ends it, loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, dead_code)]

#[path = "../tests/relay/rig/strict.rs"]
mod strict;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use settings::{Connection, ConnectionId, Service};
use store::Priority;
use strict::{BYTES_SPAN, Enforced, Mail, Paced, REQUESTS_SPAN, Seen, Strict};
use tokio::time::Instant;

/// Draft, mark and send: tracked delivery, with which the requests of 10 minutes are soon used up.
const PHASES: u64 = 3;

/// What is handed in, and when after the day's begin.
fn traffic() -> Vec<(Duration, Mail)> {
    let from = |mailbox: &str, bytes, priority| Mail { mailbox: mailbox.into(), bytes, priority, ..Mail::default() };
    let mut all = Vec::new();
    // A newsletter in the morning, in one go.
    for _ in 0..9_000 {
        all.push((Duration::from_hours(1), from("newsletter@contoso.test", 8_000, Priority::Bulk)));
    }
    // Notifications all day, and password resets among both.
    for number in 0..4_000 {
        all.push((Duration::from_secs(number * 20), from("noreply@contoso.test", 20_000, Priority::Normal)));
    }
    for number in 0..700 {
        let mailbox = if number % 2 == 0 { "noreply@contoso.test" } else { "newsletter@contoso.test" };
        all.push((Duration::from_secs(3_600 + number * 8), from(mailbox, 3_000, Priority::High)));
    }
    // Scans and reports: more octets than a mailbox may send in 5 minutes, several times.
    for batch in 0..4 {
        for number in 0..40 {
            let bytes = 2_000_000 + number * 250_000;
            all.push((Duration::from_hours(3 + 5 * batch), from("scanner@contoso.test", bytes, Priority::Normal)));
        }
    }
    // Many who send little.
    for mailbox in 0..20 {
        for number in 0..50 {
            let at = Duration::from_secs(number * 1_500 + mailbox * 60);
            all.push((at, from(&format!("user{mailbox}@contoso.test"), 50_000, Priority::Normal)));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

/// When the last request of each message is made in the best schedule there can be, in order of time: as they came, three at
/// once, every window used to its last request, and nothing kept for what is urgent.
fn best(upstream: &Strict, mail: &[(Duration, Mail)]) -> Vec<Duration> {
    let Enforced { requests, bytes, .. } = upstream.enforced;
    let mut places = vec![Duration::ZERO; usize::try_from(upstream.in_flight).unwrap()];
    let mut asked: VecDeque<Duration> = VecDeque::new();
    let mut sent: VecDeque<(Duration, u64)> = VecDeque::new();
    let mut in_window = 0;
    let mut done = Vec::new();
    for (arrives, mail) in mail {
        let octets = upstream.cost_of(u64::try_from(mail.bytes).unwrap()).upload_bytes;
        places.sort();
        let mut now = places[0].max(*arrives);
        while let Some((then, amount)) = sent.front().copied()
            && (then + BYTES_SPAN <= now || in_window + octets > bytes)
        {
            now = now.max(then + BYTES_SPAN);
            in_window -= amount;
            sent.pop_front();
        }
        for phase in 0..PHASES {
            if asked.len() >= usize::try_from(requests).unwrap() {
                now = now.max(asked.pop_front().unwrap() + REQUESTS_SPAN);
            }
            asked.push_back(now);
            if phase == PHASES - 1 {
                done.push(now);
            }
            if phase == 0 {
                sent.push_back((now, octets));
                in_window += octets;
            }
            now += upstream.takes(if phase == 0 { octets } else { 0 });
        }
        places[0] = now;
    }
    done.sort();
    done
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let began = std::time::Instant::now();
    let upstream = Strict { phases: PHASES, latency: Duration::from_millis(80), ..Strict::default() };
    let connection = Connection::new(ConnectionId("c".into()), "Contoso Graph", Service::GraphApi);
    let paced = Paced::with(upstream, Vec::new(), vec![connection], |config| {
        config.retention.sent = Some(Duration::ZERO);
    })
    .await;
    // A process that was just started takes a tenth of the limits for used; the day begins when that is over.
    tokio::time::sleep(REQUESTS_SPAN).await;
    let start = Instant::now();
    let all = traffic();
    for (at, mail) in &all {
        tokio::time::sleep_until(start + *at).await;
        paced.hand_in(mail.clone()).await;
    }
    paced.upstream.until_accepted(all.len()).await;
    report(&paced, &all, start);
    println!("  a day took {:.0} s", began.elapsed().as_secs_f64());
}

fn report(paced: &Paced, all: &[(Duration, Mail)], start: Instant) {
    let accepted = paced.upstream.accepted();
    let mut by_mailbox: BTreeMap<&str, Vec<(Duration, Mail)>> = BTreeMap::new();
    for (at, mail) in all {
        by_mailbox.entry(&mail.mailbox).or_default().push((*at, mail.clone()));
    }
    println!("A day of {} messages out of {} mailboxes, on a moved clock", all.len(), by_mailbox.len());
    let (mut delivered, mut possible) = (0, 0);
    for (mailbox, mail) in &by_mailbox {
        let mut ours: Vec<Duration> =
            accepted.iter().filter(|seen| seen.mailbox == *mailbox).map(|seen| seen.at - start).collect();
        ours.sort();
        // At each moment at which the best schedule is done with one more: how many are done here, within a second.
        let best = best(&paced.upstream, mail);
        let done = |at: &Duration| ours.partition_point(|ours| *ours <= *at + Duration::from_secs(1));
        let (mut here, mut there) = (0, 0);
        for (before, at) in best.iter().enumerate() {
            (here, there) = (here + done(at).min(before + 1), there + before + 1);
        }
        (delivered, possible) = (delivered + here, possible + there);
        if mail.len() > 100 {
            println!("  {mailbox}: {} messages, {}", mail.len(), percent(here, there));
        }
    }
    println!("  schedule efficiency {}", percent(delivered, possible));
    println!("  refused by the other side: {}", paced.upstream.refused().len());
    let mut waits: Vec<Duration> =
        accepted.iter().filter(|seen| seen.priority == Priority::High).map(|seen: &Seen| seen.waited).collect();
    waits.sort();
    let part = |of: usize| waits[(waits.len() - 1) * of / 100];
    println!("  urgent mail waited: median {:?}, 99 of 100 within {:?}, at most {:?}", part(50), part(99), part(100));
    let seen = paced.upstream.seen();
    let most = |span, amount: fn(&Seen) -> u64| {
        by_mailbox.keys().map(|mailbox| strict::most_in(&seen, mailbox, span, amount)).max().unwrap_or_default()
    };
    println!("  most requests in 10 minutes: {}", most(REQUESTS_SPAN, |seen| seen.requests));
    println!("  most octets in 5 minutes: {}", most(BYTES_SPAN, |seen| seen.bytes));
}

fn percent(part: usize, whole: usize) -> String {
    let per_mille = part * 1_000 / whole;
    format!("{}.{} % of the best possible", per_mille / 10, per_mille % 10)
}
