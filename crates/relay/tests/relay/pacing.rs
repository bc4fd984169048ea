//! Limits are kept before they are enforced: on the in-memory store, against an upstream that refuses what Microsoft would,
//! with a clock that moves by itself.

use std::time::Duration;

use proptest::prelude::*;
use settings::{Cloud, Connection, ConnectionId, ExternalLimit, Pace, Service, Tenant, TenantId};
use store::{MessageState, Priority, SettingsChange};
use tokio::time::Instant;

use crate::rig::strict::*;

fn tenant(external: ExternalLimit) -> Tenant {
    Tenant {
        id: TenantId("t".into()),
        name: "Contoso".into(),
        cloud: Cloud::Global,
        tenant_id: "11111111-2222-3333-4444-555555555555".into(),
        client_id: "app".into(),
        credential: None,
        pending_certificate: None,
        external,
    }
}

fn connection(id: &str, service: Service) -> Connection {
    let tenant = service.needs_tenant().then(|| TenantId("t".into()));
    Connection { tenant, ..Connection::new(ConnectionId(id.into()), id, service) }
}

async fn graph(upstream: Strict) -> Paced {
    Paced::new(upstream, vec![tenant(ExternalLimit::default())], vec![connection("c", Service::GraphApi)]).await
}

/// A process knows what it did itself; what an earlier one did it takes a hundredth of the limits for.
async fn warm(paced: &Paced) {
    let _ = paced;
    tokio::time::sleep(REQUESTS_SPAN).await;
}

fn several(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("r{number}@x.test")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_newsletter_on_one_mailbox_is_never_refused_and_wastes_no_time() {
    // Each message counts as a hundred requests, so that 450 of them take four and a half windows.
    let paced = graph(Strict { requests_a_phase: 100, ..Strict::default() }).await;
    warm(&paced).await;
    let began = Instant::now();
    paced.hand_in_many(450, &Mail::default()).await;
    paced.upstream.until_accepted(450).await;
    assert_eq!(paced.upstream.refused(), []);
    // A hundred in a window, one of which is for what is urgent: 99, 198, 297, 396, 450.
    let took = began.elapsed();
    let ideal = 4 * REQUESTS_SPAN;
    assert!(took >= ideal && took < ideal + Duration::from_mins(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_passes_a_newsletter_that_has_used_up_the_budget() {
    let paced = graph(Strict { requests_a_phase: 100, ..Strict::default() }).await;
    warm(&paced).await;
    paced.hand_in_many(150, &Mail { priority: Priority::Bulk, ..Mail::default() }).await;
    paced.upstream.until_accepted(99).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let urgent = paced.hand_in(Mail { priority: Priority::High, ..Mail::default() }).await;
    paced.upstream.until_accepted(100).await;
    let last = paced.upstream.accepted().pop().unwrap();
    assert_eq!(last.priority, Priority::High);
    assert!(last.waited < Duration::from_secs(1), "{:?}", last.waited);
    assert_eq!(paced.store.message(urgent).await.unwrap().message.state, MessageState::Sent);
    assert_eq!(paced.upstream.refused(), []);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_waits_for_its_budget_says_for_what_and_until_when_and_that_nobody_must_act() {
    let paced = graph(Strict { requests_a_phase: 100, ..Strict::default() }).await;
    warm(&paced).await;
    paced.hand_in_many(150, &Mail::default()).await;
    paced.upstream.until_accepted(99).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lane = paced.store.lanes_with_work().await.unwrap().remove(0);
    let pause = lane.pause.unwrap();
    assert!(pause.explanation.what.contains("10000 requests"), "{}", pause.explanation.what);
    assert!(!pause.needs_administrator);
    assert!(pause.until > paced.now());
    paced.upstream.until_accepted(150).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lane = paced.store.lane(lane.id).await.unwrap();
    assert!(lane.pause.is_none_or(|pause| pause.until <= paced.now()), "and it is over when it is over");
}

#[tokio::test(start_paused = true)]
async fn connections_that_send_from_the_same_mailbox_share_what_it_may_do() {
    let connections = vec![connection("c", Service::GraphApi), connection("d", Service::GraphApi)];
    let upstream = Strict { requests_a_phase: 100, ..Strict::default() };
    let paced = Paced::new(upstream, vec![tenant(ExternalLimit::default())], connections).await;
    warm(&paced).await;
    for _ in 0..75 {
        paced.hand_in(Mail::default()).await;
        paced.hand_in(Mail { connection: "d", ..Mail::default() }).await;
    }
    paced.upstream.until_accepted(150).await;
    assert_eq!(paced.upstream.refused(), []);
    assert_eq!(paced.upstream.most_at_once.lock().unwrap()["noreply@contoso.test"], 3);
    for connection in ["c", "d"] {
        assert_eq!(paced.upstream.accepted().iter().filter(|seen| seen.connection == connection).count(), 75);
    }
}

#[tokio::test(start_paused = true)]
async fn the_days_recipients_are_the_mailboxs_by_whatever_service_and_over_a_restart() {
    let connections = vec![connection("c", Service::GraphApi), connection("e", Service::Exchange)];
    // Each service counts the attempts at once for itself.
    let enforced = Enforced { at_once: 6, ..Enforced::default() };
    let upstream = Strict { enforced, ..Strict::default() };
    let mut paced = Paced::new(upstream, vec![tenant(ExternalLimit::default())], connections).await;
    let large = |connection| Mail { connection, to: several(450), ..Mail::default() };
    for _ in 0..15 {
        paced.hand_in(large("c")).await;
        paced.hand_in(large("e")).await;
    }
    paced.upstream.until_accepted(10).await;
    paced.crash().await;
    paced.start().await;
    tokio::time::sleep(Duration::from_hours(20)).await;
    let mailed: u64 = paced.upstream.seen().iter().map(recipients).sum();
    assert!((9_000..=10_000).contains(&mailed), "{mailed}: nearly all of what there is, and no more");
    // What was under way at the crash may have gone twice.
    let all = 30 * 450;
    tokio::time::sleep(Duration::from_hours(30)).await;
    let mailed: u64 = paced.upstream.seen().iter().map(recipients).sum();
    assert!(mailed >= all, "{mailed}: the rest goes the next day");
    assert_eq!(paced.upstream.refused(), []);
    assert!(most_in(&paced.upstream.seen(), "noreply@contoso.test", DAY, recipients) <= 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_number_of_recipients_a_day_is_kept_and_a_larger_one_takes_effect_at_once() {
    let allowed = |recipients| {
        let pace = Pace { recipients_per_day: Some(recipients), ..Pace::default() };
        Connection { pace, ..connection("c", Service::GraphApi) }
    };
    let paced = Paced::new(Strict::default(), vec![tenant(ExternalLimit::default())], vec![allowed(50)]).await;
    paced.hand_in_many(8, &Mail { to: several(10), ..Mail::default() }).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(paced.upstream.accepted().len(), 5);
    paced.change(vec![SettingsChange::PutConnection(allowed(500))]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(paced.upstream.accepted().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn external_recipients_wait_for_the_tenants_day_and_internal_ones_do_not() {
    let limit = ExternalLimit {
        recipients_per_day: Some(20),
        internal_domains: vec!["contoso.test".into()],
        ..ExternalLimit::default()
    };
    let paced = Paced::new(Strict::default(), vec![tenant(limit)], vec![connection("c", Service::GraphApi)]).await;
    let outside = |mailbox: &str| Mail { mailbox: mailbox.into(), to: several(5), ..Mail::default() };
    // Both mailboxes together.
    for _ in 0..3 {
        paced.hand_in(outside("one@contoso.test")).await;
        paced.hand_in(outside("two@contoso.test")).await;
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(paced.upstream.accepted().len(), 4);
    let inside = paced.hand_in(Mail { to: vec!["boss@contoso.test".into()], ..Mail::default() }).await;
    let waiting = paced.hand_in(outside("one@contoso.test")).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(paced.store.message(inside).await.unwrap().message.state, MessageState::Sent);
    let waiting = paced.store.message(waiting).await.unwrap().message;
    assert_eq!(waiting.state, MessageState::Queued);
    assert!(waiting.last_error.unwrap().what.contains("external recipients"));
    assert!(waiting.due_at.unwrap() > paced.now(), "and it says when");
    paced.upstream.until_accepted(8).await;
    let mailed = |seen: &Seen| seen.recipients.iter().filter(|to| to.ends_with("@x.test")).count();
    let seen = paced.upstream.accepted();
    for first in &seen {
        let day = seen.iter().filter(|seen| seen.at >= first.at && seen.at - first.at < DAY);
        assert!(day.map(mailed).sum::<usize>() <= 20);
    }
}

#[tokio::test(start_paused = true)]
async fn large_messages_leave_one_place_to_small_ones() {
    // Thirty seconds for each large one.
    let paced = graph(Strict { bytes_per_second: 200_000, ..Strict::default() }).await;
    warm(&paced).await;
    paced.hand_in_many(4, &Mail { bytes: 4_500_000, ..Mail::default() }).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(paced.upstream.seen().len(), 2, "of three places");
    let asked = Instant::now();
    paced.hand_in_many(20, &Mail::default()).await;
    paced.upstream.until_accepted(20).await;
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    paced.upstream.until_accepted(24).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_message_has_its_turn_however_much_small_mail_there_is() {
    // Small mail alone would use all the octets there are.
    let upstream = Strict { bytes_per_second: 1_000_000_000, ..Strict::default() };
    let paced = graph(upstream).await;
    warm(&paced).await;
    let small = Mail { bytes: 700_000, ..Mail::default() };
    paced.hand_in_many(200, &small).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let large = paced.hand_in(Mail { bytes: 30_000_000, ..Mail::default() }).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    paced.hand_in_many(1_300, &small).await;
    let asked = Instant::now();
    while paced.store.message(large).await.unwrap().message.state != MessageState::Sent {
        assert!(asked.elapsed() < Duration::from_mins(15), "it starves");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!(paced.upstream.accepted().len() < 1_500, "small mail still waits");
    assert_eq!(paced.upstream.refused(), []);
}

#[tokio::test(start_paused = true)]
async fn messages_a_minute_are_no_more_than_the_connection_says() {
    let pace = Pace { messages_per_minute: Some(30), ..Pace::default() };
    let connection = Connection { pace, ..connection("c", Service::SmtpServer) };
    let paced = Paced::new(Strict::default(), Vec::new(), vec![connection]).await;
    warm(&paced).await;
    let began = Instant::now();
    paced.hand_in_many(100, &Mail::default()).await;
    paced.upstream.until_accepted(100).await;
    let seen = paced.upstream.seen();
    assert_eq!(most_in(&seen, "noreply@contoso.test", Duration::from_mins(1), |_| 1), 30);
    assert!(began.elapsed() < Duration::from_secs(200), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_refused_is_asked_less_and_then_again_more() {
    // The other side allows one request at once, against its documents.
    let enforced = Enforced { at_once: 1, ..Enforced::default() };
    let paced = graph(Strict { enforced, ..Strict::default() }).await;
    warm(&paced).await;
    paced.hand_in_many(200, &Mail::default()).await;
    paced.upstream.until_accepted(200).await;
    let refused = paced.upstream.refused().len();
    // Two at the first try, and one each time that a second one is tried again, after twenty good ones.
    assert!((3..=14).contains(&refused), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn no_lane_takes_more_than_half_of_all_places() {
    let upstream =
        Strict { in_flight: 50, enforced: Enforced { at_once: 99, ..Enforced::default() }, ..Strict::default() };
    let connections = vec![connection("c", Service::SmtpServer)];
    let paced = Paced::with(upstream, Vec::new(), connections, |config| config.limits.in_flight = 20).await;
    paced.hand_in_many(60, &Mail::default()).await;
    paced.upstream.until_accepted(60).await;
    assert_eq!(paced.upstream.most_at_once.lock().unwrap()["noreply@contoso.test"], 10);
}

#[tokio::test(start_paused = true)]
async fn an_application_may_be_limited_over_all_its_mailboxes() {
    let connections = vec![connection("c", Service::GraphApi)];
    let paced = Paced::with(Strict::default(), vec![tenant(ExternalLimit::default())], connections, |config| {
        config.limits.in_flight_per_application = Some(1);
    })
    .await;
    let began = Instant::now();
    for number in 0..20 {
        paced.hand_in(Mail { mailbox: format!("m{number}@contoso.test"), ..Mail::default() }).await;
    }
    paced.upstream.until_accepted(20).await;
    let took = began.elapsed();
    assert!(took >= 19 * Duration::from_millis(150) && took < Duration::from_secs(4), "{took:?}: one after the other");
}

#[derive(Debug, Clone)]
enum Step {
    Mail {
        second_connection: bool,
        other_mailbox: bool,
        kilobytes: usize,
        recipients: usize,
        priority: u8,
        count: usize,
    },
    Wait(u64),
    Crash,
    ShutDown,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mail = (any::<bool>(), any::<bool>(), 1_usize..9_000, 1_usize..400, 0_u8..3, 1_usize..8).prop_map(
        |(second_connection, other_mailbox, kilobytes, recipients, priority, count)| {
            // Mostly small ones.
            let kilobytes = if kilobytes % 4 == 0 { kilobytes } else { kilobytes / 20 + 1 };
            Step::Mail { second_connection, other_mailbox, kilobytes, recipients, priority, count }
        },
    );
    let step = prop_oneof![
        8 => mail,
        4 => (1_u64..200).prop_map(Step::Wait),
        1 => Just(Step::Crash),
        1 => Just(Step::ShutDown),
    ];
    proptest::collection::vec(step, 1..60)
}

async fn run(steps: Vec<Step>) -> (Vec<Seen>, Vec<(Instant, &'static str)>) {
    let connections = vec![connection("c", Service::GraphApi), connection("d", Service::GraphApi)];
    let upstream = Strict { phases: 2, requests_a_phase: 60, ..Strict::default() };
    let mut paced = Paced::new(upstream, vec![tenant(ExternalLimit::default())], connections).await;
    for step in steps {
        match step {
            Step::Mail { second_connection, other_mailbox, kilobytes, recipients, priority, count } => {
                let mailbox = if other_mailbox { "other@contoso.test" } else { "noreply@contoso.test" };
                let mail = Mail {
                    connection: if second_connection { "d" } else { "c" },
                    mailbox: mailbox.into(),
                    to: several(recipients),
                    bytes: kilobytes * 1_000,
                    priority: [Priority::High, Priority::Normal, Priority::Bulk][usize::from(priority)],
                    account: None,
                };
                paced.hand_in_many(count, &mail).await;
            }
            Step::Wait(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            Step::Crash => {
                paced.crash().await;
                paced.start().await;
            }
            Step::ShutDown => {
                paced.shut_down().await;
                paced.start().await;
            }
        }
    }
    let counts = || async { paced.store.counts().await.unwrap() };
    let began = Instant::now();
    while counts().await.queued + counts().await.sending > 0 {
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert!(began.elapsed() < Duration::from_hours(24 * 10), "mail stands still: {:?}", counts().await);
    }
    (paced.upstream.seen(), paced.upstream.refused())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_window_ever_holds_more_than_its_budget_whatever_happens_and_everything_goes_in_the_end(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (seen, refused) = runtime.block_on(run(steps));
        prop_assert_eq!(refused, []);
        for mailbox in ["noreply@contoso.test", "other@contoso.test"] {
            prop_assert!(most_in(&seen, mailbox, REQUESTS_SPAN, |seen| seen.requests) <= 10_000);
            prop_assert!(most_in(&seen, mailbox, BYTES_SPAN, |seen| seen.bytes) <= 150_000_000);
            prop_assert!(most_in(&seen, mailbox, DAY, recipients) <= 10_000);
        }
    }
}
