//! What happens to mail whose way is broken, on the in-memory store, with scripted upstreams and a clock that the test moves.
//!
//! The connection `c` is the first way, `d` and `e` are its fallbacks.

use std::time::Duration;

use relay::{LaneVerdict, Verdict};
use settings::{Connection, ConnectionId, Emails, OnUncertain, Service};
use store::{Explanation, MessageState, RecipientOutcome, SettingsChange};

use crate::rig::scripted::{Bench, go, message_to, refused, uncertain};

/// A bench whose mail falls back to `d`, then `e`.
async fn bench() -> Bench {
    let bench = Bench::new().await;
    let connection = |id: &str| {
        let connection = Connection::new(ConnectionId(id.into()), format!("Way {id}"), Service::SmtpServer);
        SettingsChange::PutConnection(connection)
    };
    let emails = Emails { fallback: ["d", "e"].map(|id| ConnectionId(id.into())).into(), ..Bench::emails() };
    bench.change(vec![connection("d"), connection("e"), SettingsChange::PutEmails(emails)]).await;
    bench
}

fn of_the_lane(lane: LaneVerdict) -> impl Fn(usize) -> Verdict {
    move |count| {
        let why = Explanation { what: "The way is broken.".into(), ..Explanation::default() };
        Verdict::all(count, RecipientOutcome::Deferred, lane).explained(why)
    }
}

fn needs_administrator(count: usize) -> Verdict {
    of_the_lane(LaneVerdict::NeedsAdministrator)(count)
}

/// The connections that were tried, in order.
fn tried(bench: &Bench) -> String {
    bench.upstream.sends().iter().map(|send| send.connection.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn mail_takes_the_fallback_while_its_way_is_broken_and_says_so() {
    for lane in [
        LaneVerdict::NeedsAdministrator,
        LaneVerdict::QuotaUsedUp(None),
        LaneVerdict::Throttled(Some(Duration::from_mins(6))),
    ] {
        let bench = bench().await;
        bench.upstream.rule("c", of_the_lane(lane));
        let first = bench.enqueue(message_to(&["a@x.test"])).await;
        bench.until_state(first, MessageState::Sent).await;
        let began = tokio::time::Instant::now();
        let second = bench.enqueue(message_to(&["b@x.test"])).await;
        bench.until_state(second, MessageState::Sent).await;
        assert!(began.elapsed() < Duration::from_secs(1), "what arrives follows at once");
        assert_eq!(tried(&bench), "cdd", "{lane:?}");
        let detail = bench.detail(first).await;
        let event = &detail.events[0];
        assert_eq!((event.kind.as_str(), event.actor.as_str()), ("moved_to_fallback", "system"));
        assert_eq!(event.detail.as_deref(), Some("from 'Contoso Graph' to 'Way d': The way is broken."));
        assert!(!detail.message.may_be_duplicated);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_cannot_be_reached_breaks_its_lane_with_the_third_rest() {
    let bench = bench().await;
    bench.upstream.rule("c", of_the_lane(LaneVerdict::Throttled(None)));
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Sent).await;
    assert_eq!(tried(&bench), "cccd");
}

#[tokio::test(start_paused = true)]
async fn a_short_rest_is_waited_for() {
    let bench = bench().await;
    let wait = LaneVerdict::Throttled(Some(Duration::from_secs(30)));
    bench.upstream.script(std::iter::repeat_with(|| of_the_lane(wait)(1)).take(5));
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Sent).await;
    assert_eq!(tried(&bench), "cccccc");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_message_never_takes_a_fallback() {
    let bench = bench().await;
    bench.upstream.rule("c", refused);
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Failed).await;
    assert_eq!(tried(&bench), "c");
    // Nor does trouble with one message, while the lane goes on.
    bench.upstream.rule("c", go);
    bench.upstream.script(std::iter::repeat_with(|| of_the_lane(LaneVerdict::MessageOnly)(1)).take(4));
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Sent).await;
    assert_eq!(tried(&bench), "cccccc");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_fallback_is_final_and_not_carried_back() {
    let bench = bench().await;
    bench.upstream.rule("c", needs_administrator);
    bench.upstream.rule("d", refused);
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Failed).await;
    assert_eq!(tried(&bench), "cd");
}

#[tokio::test(start_paused = true)]
async fn fallbacks_are_tried_in_their_order() {
    let bench = bench().await;
    bench.upstream.rule("c", needs_administrator);
    bench.upstream.rule("d", of_the_lane(LaneVerdict::QuotaUsedUp(None)));
    let ids = [bench.enqueue(message_to(&["a@x.test"])).await, bench.enqueue(message_to(&["b@x.test"])).await];
    for id in ids {
        bench.until_state(id, MessageState::Sent).await;
    }
    assert_eq!(bench.upstream.sends_by("e"), 2);
}

#[tokio::test(start_paused = true)]
async fn after_the_rest_one_message_is_the_probe_and_its_success_opens_the_way() {
    let bench = bench().await;
    bench.upstream.rule("c", needs_administrator);
    let first = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(first, MessageState::Sent).await;
    bench.upstream.rule("c", go);
    tokio::time::sleep(Duration::from_mins(6)).await;
    assert_eq!(tried(&bench), "cd", "there is no probe without mail");
    bench.upstream.take(Duration::from_secs(5));
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await);
    }
    bench.until_sends(3).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(tried(&bench), "cdc", "one attempt under way until it is accepted");
    for id in ids {
        bench.until_state(id, MessageState::Sent).await;
    }
    assert_eq!(tried(&bench), "cdcccc");
    assert_eq!(bench.upstream.most_under_way(), 3, "then as many as ever");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_costs_one_attempt_and_its_mail_moves_on() {
    let bench = bench().await;
    bench.upstream.rule("c", needs_administrator);
    let first = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(first, MessageState::Sent).await;
    tokio::time::sleep(Duration::from_mins(6)).await;
    bench.upstream.take(Duration::from_secs(1));
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await);
    }
    for id in ids {
        bench.until_state(id, MessageState::Sent).await;
    }
    assert_eq!(tried(&bench), "cdcdddd");
}

#[tokio::test(start_paused = true)]
async fn changed_settings_let_a_lane_go_whose_mail_has_moved_away() {
    let bench = bench().await;
    bench.upstream.rule("c", needs_administrator);
    let first = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(first, MessageState::Sent).await;
    bench.upstream.rule("c", go);
    let emails = bench.store.settings().borrow().emails.clone();
    bench.change_emails(Emails { smtp_authentication: true, ..emails }).await;
    // The supervisor may hear of the change after the message; a moment later it has.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = bench.enqueue(message_to(&["b@x.test"])).await;
    bench.until_state(second, MessageState::Sent).await;
    assert_eq!(tried(&bench), "cdc");
}

#[tokio::test(start_paused = true)]
async fn where_every_way_is_broken_mail_waits_for_whichever_works_first() {
    for mended in ["c", "d", "e"] {
        let bench = bench().await;
        for connection in ["c", "d", "e"] {
            bench.upstream.rule(connection, needs_administrator);
        }
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await);
        }
        tokio::time::sleep(Duration::from_hours(2)).await;
        let attempts = bench.upstream.sends().len();
        assert!(attempts < 110, "{attempts} attempts in two hours are no probes");
        for id in &ids {
            assert_eq!(bench.state(*id).await, MessageState::Queued);
            let moves = bench.detail(*id).await.events.len();
            assert!(moves < 60, "{moves} moves");
        }
        bench.upstream.rule(mended, go);
        let began = tokio::time::Instant::now();
        for id in ids {
            bench.until_state(id, MessageState::Sent).await;
        }
        assert!(began.elapsed() < Duration::from_mins(11), "{mended} after {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_neither_forgets_the_detour_nor_floods_the_broken_lane() {
    let bench = bench().await;
    bench.upstream.rule("c", of_the_lane(LaneVerdict::QuotaUsedUp(None)));
    let first = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(first, MessageState::Sent).await;
    let bench = bench.crash_and_start_again().await;
    let second = bench.enqueue(message_to(&["b@x.test"])).await;
    bench.until_state(second, MessageState::Sent).await;
    assert_eq!(tried(&bench), "cdd", "its rest is not over");

    let bench = bench.shut_down().await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await);
    }
    bench.upstream.take(Duration::from_secs(1));
    let bench = bench.start_again().await;
    for id in ids {
        bench.until_state(id, MessageState::Sent).await;
    }
    assert_eq!(tried(&bench), "cddcdddd", "a single probe after the rest");
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_break_and_the_move_loses_nothing() {
    let bench = bench().await;
    bench.upstream.rule("c", needs_administrator);
    bench.upstream.rule("d", go);
    bench.upstream.take(Duration::from_mins(1));
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await);
    }
    bench.until_sends_by("d", 2).await;
    let bench = bench.crash_and_start_again().await;
    for id in ids {
        bench.until_state(id, MessageState::Sent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_in_doubt_does_not_move() {
    // Accepted or not, nobody knows; and then the lane breaks.
    let bench = bench().await;
    bench.upstream.on_uncertain(OnUncertain::Hold);
    bench.upstream.script([uncertain(1)]);
    let doubtful = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(doubtful, MessageState::Uncertain).await;
    bench.upstream.rule("c", needs_administrator);
    let other = bench.enqueue(message_to(&["b@x.test"])).await;
    bench.until_state(other, MessageState::Sent).await;
    assert_eq!(bench.state(doubtful).await, MessageState::Uncertain);
    assert_eq!(bench.detail(doubtful).await.message.routed_to.unwrap().connection.0, "c");

    // To be sent again: by its own way, for as long as that takes.
    let bench = self::bench().await;
    let rest = LaneVerdict::Throttled(Some(Duration::from_mins(10)));
    bench.upstream.script([Verdict { lane: rest, ..uncertain(1) }]);
    let doubtful = bench.enqueue(message_to(&["a@x.test"])).await;
    let mut news = bench.store.subscribe();
    while bench.detail(doubtful).await.attempts.first().is_none_or(|attempt| attempt.ended_at.is_none()) {
        let _news_or_lag = news.recv().await;
    }
    bench.upstream.rule("c", needs_administrator);
    let other = bench.enqueue(message_to(&["b@x.test"])).await;
    bench.until_state(other, MessageState::Sent).await;
    bench.until_sends_by("c", 3).await;
    bench.upstream.rule("c", go);
    bench.until_state(doubtful, MessageState::Sent).await;
    assert_eq!((by(&bench, "a@x.test").as_str(), by(&bench, "b@x.test").as_str()), ("cccc", "d"));
}

/// The connections that were tried for that recipient, in order.
fn by(bench: &Bench, to: &str) -> String {
    let sends = bench.upstream.sends();
    sends.iter().filter(|send| send.recipients == [to]).map(|send| send.connection.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_doubt_outlives_attempts_that_surely_did_not_leave() {
    let bench = bench().await;
    let unavailable = || of_the_lane(LaneVerdict::Throttled(None))(1);
    bench.upstream.script([uncertain(1), unavailable(), unavailable(), unavailable()]);
    let doubtful = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(doubtful, MessageState::Sent).await;
    assert_eq!(tried(&bench), "ccccc", "the first of them may have left");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_doubt_is_settled_moves_as_any_other() {
    let bench = bench().await;
    bench.upstream.script([uncertain(1), Verdict { settles_doubt: true, ..needs_administrator(1) }]);
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Sent).await;
    assert_eq!(tried(&bench), "ccd");
    assert!(!bench.detail(id).await.message.may_be_duplicated);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_doubt_does_not_go_by_the_next_way_as_one_too_large_either() {
    let bench = bench().await;
    bench.upstream.script([uncertain(1), refused(1).beyond_the_way()]);
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Failed).await;
    assert_eq!(tried(&bench), "cc");
}

#[tokio::test(start_paused = true)]
async fn a_message_in_doubt_does_not_take_the_place_of_a_fallbacks_probe() {
    let bench = bench().await;
    bench.upstream.rule("c", needs_administrator);
    bench.upstream.rule("d", needs_administrator);
    let first = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(first, MessageState::Sent).await;
    assert_eq!(tried(&bench), "cde");
    // The rests of both are over, and each waits for its probe.
    tokio::time::sleep(Duration::from_mins(6)).await;
    bench.upstream.rule("d", go);
    bench.upstream.script([Verdict { lane: LaneVerdict::NeedsAdministrator, ..uncertain(1) }]);
    bench.enqueue(message_to(&["doubtful@x.test"])).await;
    bench.until_sends(4).await;
    let other = bench.enqueue(message_to(&["b@x.test"])).await;
    bench.until_state(other, MessageState::Sent).await;
    assert_eq!((by(&bench, "doubtful@x.test").as_str(), by(&bench, "b@x.test").as_str()), ("c", "d"));
}

#[tokio::test(start_paused = true)]
async fn mail_that_is_not_due_yet_hides_none_that_arrives_and_moves_when_it_is_due() {
    let bench = bench().await;
    bench.upstream.rule("c", of_the_lane(LaneVerdict::QuotaUsedUp(None)));
    let tomorrow = bench.enqueue(message_to(&["later@x.test"]).after(Duration::from_hours(24))).await;
    let soon = bench.enqueue(message_to(&["soon@x.test"]).after(Duration::from_mins(20))).await;
    let began = tokio::time::Instant::now();
    for n in 0..3 {
        let id = bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await;
        bench.until_state(id, MessageState::Sent).await;
        assert!(began.elapsed() < Duration::from_secs(2), "{n} moves at once, after {:?}", began.elapsed());
    }
    bench.until_state(soon, MessageState::Sent).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_mins(20) && took < Duration::from_mins(21), "{took:?}: the rest is an hour");
    assert_eq!(tried(&bench), "cdddd");
    assert_eq!(bench.state(tomorrow).await, MessageState::Queued);
}

#[tokio::test(start_paused = true)]
async fn what_a_way_cannot_carry_goes_by_the_next_and_is_refused_by_the_last() {
    let bench = bench().await;
    bench.upstream.rule("c", |count| refused(count).beyond_the_way());
    bench.upstream.rule("d", |count| refused(count).beyond_the_way());
    let carried = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(carried, MessageState::Sent).await;
    assert_eq!(tried(&bench), "cde");
    let kinds: Vec<_> = bench.detail(carried).await.events.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["moved_to_fallback", "moved_to_fallback"]);
    bench.upstream.rule("e", |count| refused(count).beyond_the_way());
    let not_carried = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(not_carried, MessageState::Failed).await;
    // The lane itself is well: other mail goes its usual way.
    bench.upstream.rule("c", go);
    let other = bench.enqueue(message_to(&["b@x.test"])).await;
    bench.until_state(other, MessageState::Sent).await;
    assert_eq!(tried(&bench), "cdecdec");
}

#[tokio::test(start_paused = true)]
async fn mail_on_a_detour_stays_on_it_when_settings_change_until_its_way_works() {
    let bench = bench().await;
    bench.upstream.rule("c", needs_administrator);
    bench.upstream.rule("d", of_the_lane(LaneVerdict::Throttled(Some(Duration::from_mins(2)))));
    bench.upstream.rule("e", needs_administrator);
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_sends_by("d", 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(relay::reroute_waiting(&*bench.store).await.unwrap(), 0);
    bench.upstream.rule("d", go);
    bench.until_state(id, MessageState::Sent).await;
    assert_eq!(bench.upstream.sends_by("c"), 1);
}
