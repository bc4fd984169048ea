//! Small facts of others: budgets, and whatever has a key.

use serde_json::json;

use super::stores;
use crate::fixture::*;

const HOUR: i64 = 3_600;

#[tokio::test]
async fn a_budget_is_charged_by_the_hour_and_by_itself() {
    for store in &stores() {
        for (budget, amount, now) in [("a", 5, 0), ("a", 2, HOUR - 1), ("a", 7, HOUR), ("a/b", 100, HOUR)] {
            store.charge(budget, amount, at(now)).await.unwrap();
        }
        for (since, sum) in [(0, 14), (HOUR - 1, 14), (HOUR, 7), (2 * HOUR - 1, 7), (2 * HOUR, 0)] {
            assert_eq!(store.charged("a", at(since)).await.unwrap(), sum, "since {since}");
        }
        assert_eq!(store.charged("a/b", at(0)).await.unwrap(), 100);
        assert_eq!(store.charged("nobody", at(0)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_days_charges_are_kept_and_older_ones_forgotten() {
    for store in &stores() {
        store.charge("a", 1, at(0)).await.unwrap();
        store.charge("b", 1, at(0)).await.unwrap();
        store.charge("a", 1, at(HOUR)).await.unwrap();
        store.charge("a", 1, at(25 * HOUR)).await.unwrap();
        assert_eq!(store.charged("a", at(0)).await.unwrap(), 3, "what a day can begin in");
        store.charge("a", 1, at(26 * HOUR)).await.unwrap();
        assert_eq!(store.charged("a", at(0)).await.unwrap(), 3, "one was forgotten");
        assert_eq!(store.charged("b", at(0)).await.unwrap(), 0, "also of those that nobody charges any more");
    }
}

#[tokio::test]
async fn what_is_kept_is_found_by_key_and_by_beginning() {
    for store in &stores() {
        for (key, value) in [
            ("alarm/2", json!({"since": "2026-01-01", "n": 1})),
            ("alarm/10", json!(null)),
            ("alarm", json!(1)),
            ("alarm%1", json!(2)),
            ("alarmé", json!(3)),
            ("b", json!([])),
        ] {
            store.keep(key, Some(value)).await.unwrap();
        }
        assert_eq!(store.kept("alarm/2").await.unwrap(), Some(json!({"since": "2026-01-01", "n": 1})));
        assert_eq!(store.kept("alarm/10").await.unwrap(), Some(json!(null)), "null is something");
        assert_eq!(store.kept("alarm/").await.unwrap(), None);
        let under = async |prefix| -> Vec<String> {
            store.kept_under(prefix).await.unwrap().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(under("alarm/").await, ["alarm/10", "alarm/2"]);
        assert_eq!(under("alarm%").await, ["alarm%1"], "no wildcard");
        assert_eq!(under("alarm").await.len(), 5);
        assert_eq!(under("").await.len(), 6);
        assert_eq!(under("c").await, [""; 0]);

        store.keep("alarm/2", Some(json!(7))).await.unwrap();
        store.keep("alarm/10", None).await.unwrap();
        store.keep("alarm/10", None).await.unwrap(); // gone already
        assert_eq!(store.kept_under("alarm/").await.unwrap(), [("alarm/2".to_owned(), json!(7))]);
    }
}
