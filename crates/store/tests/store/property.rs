//! Random histories on the durable store and on the model: whatever can be seen must be the same after every step.

mod answer;
mod history;
mod pair;
mod view;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use history::{Step, history};
use pair::Pair;

const CASES: u32 = 64;

fn config() -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: wanted.unwrap_or(CASES),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_durable_store_behaves_like_the_model(steps in history()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new();
            for (index, step) in steps.iter().enumerate() {
                pair.run(step).await.map_err(|difference| {
                    TestCaseError::fail(format!("step {index}, {step:?}: {difference}"))
                })?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}

#[tokio::test]
async fn a_difference_would_be_noticed() {
    let mut pair = Pair::new();
    let step = Step::Enqueue {
        number: 1,
        mailbox: Some(0),
        priority: store::Priority::Normal,
        recipients: 1,
        send_in: None,
        key: None,
        is_large: false,
        account: None,
        is_held: false,
    };
    pair.run(&step).await.unwrap();
    pair.tamper().await;
    assert!(pair.run(&Step::Wait { seconds: 1 }).await.is_err());
}
