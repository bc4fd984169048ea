//! Testing environments: everything held, or everything to one address.

use std::time::Duration;

use settings::Emails;
use store::{MessageState, Operation};

use crate::rig::scripted::{Bench, message_to};

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_held_when_the_switch_is_thrown_and_what_is_released_goes_out() {
    let bench = Bench::new().await.shut_down().await;
    let mut ids = Vec::new();
    // More than one batch.
    for n in 0..450 {
        ids.push(bench.enqueue(message_to(&[&format!("r{n}@x.test")])).await);
    }
    // Thrown while nothing ran: `postern apply` on a stopped gateway.
    bench.change_emails(Emails { hold_all: true, ..Bench::emails() }).await;
    let bench = bench.start_again().await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    let mut sent = 0;
    for id in &ids {
        match bench.state(*id).await {
            MessageState::Held => {}
            // The relay had begun before it looked at the switch.
            MessageState::Sent => sent += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(sent < 10, "{sent} were sent");
    let held = *ids.last().unwrap();
    let detail = bench.detail(held).await;
    assert!(detail.events.iter().any(|event| event.detail.as_deref() == Some("hold_all was switched on")));
    bench.operate(held, Operation::Release).await;
    bench.until_state(held, MessageState::Sent).await;

    // Released ones are not held again: not by a restart, not by other settings.
    let bench = bench.shut_down().await;
    bench.operate(ids[400], Operation::Release).await;
    bench.change_emails(Emails { hold_all: true, smtp_authentication: true, ..Bench::emails() }).await;
    let bench = bench.start_again().await;
    bench.until_state(ids[400], MessageState::Sent).await;
}

#[tokio::test(start_paused = true)]
async fn the_switch_takes_effect_at_once_each_time() {
    let bench = Bench::new().await;
    bench.upstream.script([]);
    for _ in 0..2 {
        let later = bench.enqueue(message_to(&["a@x.test"]).after(Duration::from_hours(1))).await;
        bench.change_emails(Emails { hold_all: true, ..Bench::emails() }).await;
        let thrown = tokio::time::Instant::now();
        bench.until_state(later, MessageState::Held).await;
        assert!(thrown.elapsed() < Duration::from_secs(1));
        bench.change_emails(Bench::emails()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.state(later).await, MessageState::Held, "switching it off releases nothing by itself");
    }
}
