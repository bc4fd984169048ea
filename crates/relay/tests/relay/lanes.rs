//! What lanes promise, on the in-memory store, with a scripted upstream and a clock that the test moves.

use std::time::Duration;

use crate::rig::scripted::{Bench, go, message_to, refused, uncertain};
use relay::{LaneVerdict, Verdict};
use settings::{Emails, OnUncertain};
use store::{MessageState, Operation, RecipientOutcome, RecipientState};

#[tokio::test(start_paused = true)]
async fn a_message_leaves_once_and_is_sent() {
    let bench = Bench::new().await;
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Sent).await;
    assert_eq!(bench.upstream.sends().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_stops_the_whole_lane_for_exactly_that_long_and_no_other_lane() {
    let bench = Bench::new().await;
    bench.upstream.script([throttled(3)]);
    let first = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_sends(1).await;
    let second = bench.enqueue(message_to(&["b@x.test"])).await;
    let elsewhere = bench.enqueue(message_to(&["c@x.test"]).out_of("other@contoso.test")).await;
    bench.until_state(elsewhere, MessageState::Sent).await;
    for id in [first, second] {
        bench.until_state(id, MessageState::Sent).await;
    }
    let sends = bench.upstream.sends();
    assert_eq!(sends.len(), 4);
    assert!(sends[1].at - sends[0].at < Duration::from_millis(100), "the other lane does not wait");
    for send in &sends[2..] {
        let waited = send.at - sends[0].at;
        assert!(waited >= Duration::from_secs(3) && waited < Duration::from_millis(3_100), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_of_an_attempt_under_way_does_not_end_a_rest() {
    let bench = Bench::new().await;
    // Both start together; the second is accepted after the first was told to wait.
    bench.upstream.script([throttled(10), go(1)]);
    bench.upstream.delay_nth(1, Duration::from_secs(1));
    let ids = [bench.enqueue(message_to(&["a@x.test"])).await, bench.enqueue(message_to(&["b@x.test"])).await];
    for id in ids {
        bench.until_state(id, MessageState::Sent).await;
    }
    let sends = bench.upstream.sends();
    assert!(sends[2].at - sends[0].at >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_error_stops_the_lane_until_the_settings_change() {
    let bench = Bench::new().await;
    bench.upstream.script([Verdict::all(1, RecipientOutcome::Deferred, LaneVerdict::NeedsAdministrator)]);
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_sends(1).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(bench.upstream.sends().len(), 1, "nobody mended anything");
    let changed = tokio::time::Instant::now();
    bench.change_emails(Emails { smtp_authentication: true, ..Bench::emails() }).await;
    bench.until_state(id, MessageState::Sent).await;
    assert!(changed.elapsed() < Duration::from_secs(1), "changed settings take effect at once");
}

#[tokio::test(start_paused = true)]
async fn one_message_in_trouble_delays_nobody_else() {
    let bench = Bench::new().await;
    bench.upstream.script([Verdict::all(1, RecipientOutcome::Deferred, LaneVerdict::MessageOnly)]);
    let troubled = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_sends(1).await;
    let other = bench.enqueue(message_to(&["b@x.test"])).await;
    bench.until_state(other, MessageState::Sent).await;
    assert_eq!(bench.state(troubled).await, MessageState::Queued);
    bench.until_state(troubled, MessageState::Sent).await;
    let sends = bench.upstream.sends();
    let waited = sends[2].at - sends[0].at;
    assert!(waited >= Duration::from_millis(3_750) && waited <= Duration::from_millis(6_350), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_attempts_are_under_way_than_the_lane_allows() {
    let bench = Bench::new().await;
    bench.upstream.take(Duration::from_millis(200));
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await);
    }
    for id in ids {
        bench.until_state(id, MessageState::Sent).await;
    }
    assert_eq!(bench.upstream.most_under_way(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_higher_priority_overtakes() {
    let bench = Bench::new().await;
    bench.upstream.script([throttled(5)]);
    bench.enqueue(message_to(&["first@x.test"])).await;
    bench.until_sends(1).await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(bench.enqueue(message_to(&[&format!("bulk{n}@x.test")]).bulk()).await);
    }
    let urgent = bench.enqueue(message_to(&["urgent@x.test"]).high()).await;
    bench.until_state(urgent, MessageState::Sent).await;
    assert_eq!(bench.upstream.sends()[1].recipients, ["urgent@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_retried_or_held_as_the_connection_says_and_never_forgotten() {
    for (policy, expected, sends) in
        [(OnUncertain::Retry, MessageState::Sent, 2), (OnUncertain::Hold, MessageState::Uncertain, 1)]
    {
        let bench = Bench::new().await;
        bench.upstream.on_uncertain(policy);
        bench.upstream.script([uncertain(1)]);
        let id = bench.enqueue(message_to(&["a@x.test"])).await;
        bench.until_state(id, expected).await;
        assert!(bench.detail(id).await.message.may_be_duplicated);
        assert_eq!(bench.upstream.sends().len(), sends, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_cut_off_by_a_crash_becomes_uncertain_and_follows_the_policy() {
    for (policy, expected) in [(OnUncertain::Retry, MessageState::Sent), (OnUncertain::Hold, MessageState::Uncertain)] {
        let bench = Bench::new().await;
        bench.upstream.on_uncertain(policy);
        bench.upstream.take(Duration::from_hours(1));
        let id = bench.enqueue(message_to(&["a@x.test"])).await;
        bench.until_sends(1).await;
        let bench = bench.crash_and_start_again().await;
        bench.until_state(id, expected).await;
        assert!(bench.detail(id).await.message.may_be_duplicated, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_recipient_is_taken_out_and_the_others_go_at_once() {
    let bench = Bench::new().await;
    let mut verdict = refused(3);
    verdict.outcomes = vec![RecipientOutcome::Deferred, verdict.outcomes[0], RecipientOutcome::Deferred];
    verdict.retry_at_once = true;
    bench.upstream.script([verdict]);
    let id = bench.enqueue(message_to(&["a@x.test", "bad@x.test", "c@x.test"])).await;
    bench.until_state(id, MessageState::Failed).await;
    let states: Vec<_> = bench.detail(id).await.recipients.iter().map(|recipient| recipient.state).collect();
    assert_eq!(states, [RecipientState::Sent, RecipientState::Failed, RecipientState::Sent]);
    let sends = bench.upstream.sends();
    assert_eq!(sends[1].recipients, ["a@x.test", "c@x.test"]);
    assert!(sends[1].at - sends[0].at < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn more_recipients_than_fit_are_sent_in_several() {
    let bench = Bench::new().await;
    bench.upstream.max_recipients(2);
    let id = bench.enqueue(message_to(&["a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"])).await;
    bench.until_state(id, MessageState::Sent).await;
    let mut mailed: Vec<_> = bench.upstream.sends().into_iter().flat_map(|send| send.recipients).collect();
    assert_eq!(bench.upstream.sends().len(), 3);
    mailed.sort();
    assert_eq!(mailed, ["a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_lifetime_ends_fails_with_the_trouble_it_had() {
    let bench = Bench::new().await;
    bench.upstream.always(|count| {
        Verdict::all(count, RecipientOutcome::Deferred, LaneVerdict::NeedsAdministrator).explained(store::Explanation {
            what: "The client secret expired.".into(),
            ..store::Explanation::default()
        })
    });
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Failed).await;
    let message = bench.detail(id).await.message;
    let why = message.last_error.unwrap().why;
    assert!(why.contains("The client secret expired."), "{why}");
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_attempts_under_way_and_claims_nothing_more() {
    let bench = Bench::new().await;
    bench.upstream.take(Duration::from_secs(5));
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await);
    }
    bench.until_sends(3).await;
    let bench = bench.shut_down().await;
    let mut states = Vec::new();
    for id in ids {
        states.push(bench.state(id).await);
    }
    states.sort();
    assert_eq!(
        states,
        [MessageState::Queued, MessageState::Queued, MessageState::Sent, MessageState::Sent, MessageState::Sent]
    );
}

#[tokio::test(start_paused = true)]
async fn a_lane_of_a_node_that_died_is_taken_over_and_its_attempt_is_in_doubt() {
    let bench = Bench::new().await.shut_down().await;
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.claim_as_another_node(Duration::from_secs(30)).await;
    let began = tokio::time::Instant::now();
    let bench = bench.start_again().await;
    bench.until_state(id, MessageState::Sent).await;
    assert!(began.elapsed() >= Duration::from_secs(30), "not before its lease is over");
    assert!(bench.detail(id).await.message.may_be_duplicated);
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_a_transport_costs_one_attempt_and_is_told() {
    let bench = Bench::new().await;
    bench.upstream.panic_on_nth(0);
    let unlucky = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_sends(1).await;
    let other = bench.enqueue(message_to(&["b@x.test"])).await;
    bench.until_state(other, MessageState::Sent).await;
    bench.until_state(unlucky, MessageState::Sent).await;
    let detail = bench.detail(unlucky).await;
    assert!(detail.message.may_be_duplicated);
    assert!(detail.attempts[0].explanation.as_ref().unwrap().why.starts_with("A bug"));
}

#[tokio::test(start_paused = true)]
async fn retry_now_needs_no_patience() {
    let bench = Bench::new().await;
    bench.upstream.script([refused(1)]);
    let id = bench.enqueue(message_to(&["a@x.test"])).await;
    bench.until_state(id, MessageState::Failed).await;
    let asked = tokio::time::Instant::now();
    bench.operate(id, Operation::Retry).await;
    bench.until_state(id, MessageState::Sent).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn work_that_arrives_after_a_lane_went_idle_is_done() {
    let bench = Bench::new().await;
    for pause in [0, 59, 60, 61, 3600] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let id = bench.enqueue(message_to(&["a@x.test"])).await;
        bench.until_state(id, MessageState::Sent).await;
    }
}

fn throttled(seconds: u64) -> Verdict {
    let rest = LaneVerdict::Throttled(Some(Duration::from_secs(seconds)));
    Verdict::all(1, RecipientOutcome::Deferred, rest)
}

#[tokio::test(start_paused = true)]
async fn what_becomes_due_while_the_lane_looks_for_work_is_not_left_until_its_lease_is_renewed() {
    for wait in (0..100).map(|n| Duration::from_millis(n * 25)) {
        let bench = Bench::on_a_machine_whose_look_takes(Duration::from_millis(100)).await;
        let began = tokio::time::Instant::now();
        let id = bench.enqueue(message_to(&["a@x.test"]).after(wait)).await;
        bench.until_state(id, MessageState::Sent).await;
        assert!(began.elapsed() <= wait + Duration::from_secs(1), "{wait:?}: {:?}", began.elapsed());
    }
}
