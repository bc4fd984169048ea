//! Answers that arrive together, on a store that takes its time.

use std::sync::Arc;

use settings::{ConnectionId, RoutedTo};
use store::sqlite::SqliteStore;

use super::*;

struct Bench {
    store: Arc<dyn Store>,
    rest: Rest,
    _folder: tempfile::TempDir,
}

async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
    let way = RoutedTo { connection: ConnectionId("c".into()), mailbox: "noreply@contoso.test".parse().unwrap() };
    let lane = store.lane_of(&way).await.unwrap();
    Bench { store, rest: Rest::new(lane, None, false), _folder: folder }
}

fn at(seconds: u64) -> Timestamp {
    after("2026-11-23T08:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
}

impl Bench {
    /// An attempt of that span ends.
    async fn take_in(&self, verdict: LaneVerdict, (began, now): (u64, u64)) {
        let times = (at(began), at(now));
        self.rest.take_in(&*self.store, &Limits::default(), verdict, None, times).await;
    }

    /// A wait for a budget is shown that lasts from then to then.
    async fn show(&self, (now, until): (u64, u64), is_for_long: bool) {
        let budget = Explanation { code: Some(USED_UP.into()), ..Explanation::default() };
        self.rest.show_budget(&*self.store, at(until), budget, is_for_long, at(now)).await;
    }

    async fn stored(&self) -> Option<Timestamp> {
        self.store.lane(self.rest.lane).await.unwrap().pause.map(|pause| pause.until)
    }

    fn rests(&self) -> u32 {
        self.rest.state().rests
    }
}

fn asked(seconds: u64) -> LaneVerdict {
    LaneVerdict::Throttled(Some(Duration::from_secs(seconds)))
}

#[tokio::test]
async fn of_two_rests_asked_for_at_once_the_longer_holds() {
    for (one, other) in [(20, 60), (60, 20)] {
        let bench = bench().await;
        tokio::join!(bench.take_in(asked(one), (0, 1)), bench.take_in(asked(other), (0, 1)));
        assert_eq!(bench.rest.ends_at(at(1)), Some(at(61)), "{one} and {other}");
        assert_eq!(bench.stored().await, Some(at(61)), "{one} and {other}");
    }
}

#[tokio::test]
async fn an_accepted_attempt_does_not_undo_the_rest_that_is_just_being_written() {
    let bench = bench().await;
    bench.take_in(asked(5), (0, 1)).await;
    tokio::join!(bench.take_in(asked(60), (0, 10)), bench.take_in(LaneVerdict::Go, (0, 10)));
    assert_eq!(bench.rest.ends_at(at(10)), Some(at(70)));
    assert_eq!(bench.stored().await, Some(at(70)));
}

#[tokio::test]
async fn a_wait_for_a_budget_does_not_hide_the_rest_that_is_just_being_written() {
    let bench = bench().await;
    tokio::join!(bench.take_in(asked(60), (0, 1)), bench.show((1, 30), false));
    assert_eq!(bench.rest.ends_at(at(1)), Some(at(61)));
}

#[tokio::test]
async fn failures_of_one_hiccup_are_one_rest_whenever_they_are_told() {
    let bench = bench().await;
    let failed = LaneVerdict::Throttled(None);
    tokio::join!(bench.take_in(failed, (0, 1)), bench.take_in(failed, (0, 1)), bench.take_in(failed, (0, 1)),);
    assert_eq!(bench.rests(), 1);
    // Long after that rest, and yet begun before it.
    bench.take_in(failed, (0, 3_000)).await;
    assert_eq!(bench.rests(), 1);
    assert_eq!(bench.rest.broken(at(3_000)), None);
    // What began after a rest and fails again is the next one.
    bench.take_in(failed, (4_000, 4_001)).await;
    assert_eq!(bench.rests(), 2);
    bench.take_in(failed, (8_000, 8_001)).await;
    assert!(bench.rest.broken(at(8_001)).is_some());
}

#[tokio::test]
async fn what_is_accepted_while_a_wait_for_a_budget_is_shown_ends_the_trouble_before_and_not_the_wait() {
    let bench = bench().await;
    bench.take_in(LaneVerdict::QuotaUsedUp(Some(Duration::from_mins(6))), (0, 1)).await;
    bench.show((400, 500), false).await;
    assert_eq!(bench.rest.in_flight(3), 1, "a probe first");
    bench.take_in(LaneVerdict::Go, (400, 410)).await;
    assert_eq!((bench.rest.in_flight(3), bench.rests()), (3, 0));
    assert!(!crate::failover::is_marked(&*bench.store, bench.rest.lane).await.unwrap());
    assert_eq!(bench.stored().await, Some(at(500)), "still shown");
    bench.take_in(LaneVerdict::Go, (500, 501)).await;
    assert_eq!(bench.stored().await, None);
}

#[tokio::test]
async fn a_short_wait_for_a_budget_before_the_probe_moves_no_mail() {
    let bench = bench().await;
    bench.take_in(LaneVerdict::QuotaUsedUp(Some(Duration::from_mins(6))), (0, 1)).await;
    assert!(bench.rest.broken(at(2)).is_some());
    bench.show((400, 500), false).await;
    assert_eq!(bench.rest.broken(at(401)), None);
    bench.show((402, 5_000), true).await;
    assert!(bench.rest.broken(at(403)).is_some(), "a long one does");
    bench.rest.forget_budget(&*bench.store).await;
    bench.show((404, 500), false).await;
    assert_eq!(bench.rest.broken(at(405)), None, "each for itself");
}

#[tokio::test]
async fn a_long_wait_for_a_budget_is_known_as_one_after_a_restart() {
    let bench = bench().await;
    bench.show((0, 5_000), true).await;
    let pause = bench.store.lane(bench.rest.lane).await.unwrap().pause;
    let bench = Bench { rest: Rest::new(bench.rest.lane, pause, false), ..bench };
    bench.show((1, 5_000), true).await;
    assert!(bench.rest.broken(at(2)).is_some());
    bench.rest.read_again(&*bench.store).await.unwrap();
    assert!(bench.rest.broken(at(2)).is_some(), "nor do other news change that");
    assert_eq!(bench.rest.in_flight(3), 3, "nothing is broken");
}
