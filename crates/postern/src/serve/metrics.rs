//! `/metrics`: what the crates count, and the queue as it stands at the moment of the question.

use std::sync::OnceLock;
use std::time::Duration;

use admin::{Actor, AdminError, Role, connection_standings};
use jiff::Timestamp;
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use store::{Counts, Store};

/// Old samples of histograms are folded that often; the exporter asks for it.
const UPKEEP: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The process's recorder; installed at the first call. `None`: another library was quicker.
pub(super) fn recorder() -> Option<&'static PrometheusHandle> {
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok().map(|()| handle)
    };
    RECORDER.get_or_init(install).as_ref()
}

pub(super) async fn keep_up() {
    let Some(recorder) = recorder() else { return };
    loop {
        tokio::time::sleep(UPKEEP).await;
        recorder.run_upkeep();
    }
}

/// The text of the exposition format.
pub(super) async fn exposition(store: &dyn Store) -> Result<String, AdminError> {
    let counts = store.counts().await?;
    set_queue_gauges(&counts, Timestamp::now());
    let counted = recorder().map(PrometheusHandle::render).unwrap_or_default();
    Ok(counted + &sign_ins(store).await?)
}

/// Which connections wait for a person. Not in the recorder: it would go on telling of removed connections.
async fn sign_ins(store: &dyn Store) -> Result<String, AdminError> {
    const NAME: &str = "postern_connection_needs_sign_in";
    let actor = Actor::new("metrics", Role::Viewer);
    let lines = connection_standings(store, &actor).await?.into_iter().map(|standing| {
        let (label, needed) = (label_value(&standing.connection.name), u8::from(standing.needs_sign_in));
        format!("{NAME}{{connection=\"{label}\"}} {needed}\n")
    });
    Ok(std::iter::once(format!("# TYPE {NAME} gauge\n")).chain(lines).collect())
}

/// As the exposition format writes it between quotes.
fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn set_queue_gauges(counts: &Counts, now: Timestamp) {
    let states = [
        ("queued", counts.queued),
        ("sending", counts.sending),
        ("sent", counts.sent),
        ("failed", counts.failed),
        ("uncertain", counts.uncertain),
        ("held", counts.held),
        ("cancelled", counts.cancelled),
        ("quarantined", counts.quarantined),
    ];
    for (state, count) in states {
        gauge!("postern_queue_messages", "state" => state).set(to_f64(count));
    }
    let age = counts.oldest_waiting.map_or(0, |oldest| (now.as_second() - oldest.as_second()).max(0));
    gauge!("postern_queue_oldest_seconds").set(to_f64(age.unsigned_abs()));
}

/// Gauges are floating point; a count beyond 2^53 messages does not occur.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "there is no lossless way, and none is needed")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_label_it_stands_in() {
        assert_eq!(label_value("A \"b\" \\ c"), r#"A \"b\" \\ c"#);
        assert_eq!(label_value("one\ntwo"), r"one\ntwo");
    }
}
