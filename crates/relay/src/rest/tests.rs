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
    let budget = Explanation { code: Some(USED_UP.into()), ..Explanation::default() };
    let shown = bench.rest.show_budget(&*bench.store, at(30), budget, false, at(1));
    tokio::join!(bench.take_in(asked(60), (0, 1)), shown);
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
