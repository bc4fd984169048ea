//! The figures an operator watches.

use metrics_exporter_prometheus::PrometheusBuilder;

use super::gate::Gate;

/// The value of a series as the scrape shows it.
fn value(scrape: &str, series: &str) -> Option<String> {
    scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
}

#[tokio::test]
async fn connections_sessions_messages_and_refusals_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // One thread runs everything here, so the recorder of this thread sees it all.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let gate = Gate::open(|setup, _| setup.smtp.connections_per_ip = 1).await;
    let mut client = gate.greeted().await;
    assert!(gate.connect().await.reply().await.starts_with("421 "));
    client.ask("EHLO client.test").await;
    client.ask("AUTH PLAIN AGVycAB3cm9uZw==").await;
    client.ask("AUTH PLAIN AGVycAByaWdodA==").await;
    for command in ["MAIL FROM:<ceo@evil.test>", "MAIL FROM:<a@contoso.test>", "RCPT TO:<b@x.test>", "DATA"] {
        client.ask(command).await;
    }
    client.send("From: a@contoso.test\r\n\r\n.\r\n").await;
    assert!(client.reply().await.starts_with("250 "));
    assert_eq!(value(&handle.render(), "postern_smtp_sessions").as_deref(), Some("1"));
    gate.close().await;
    let scrape = handle.render();
    for (series, expected) in [
        ("postern_smtp_connections_total", "2"),
        ("postern_smtp_connections_refused_total{full=\"address\"}", "1"),
        ("postern_smtp_sessions", "0"),
        ("postern_messages_accepted_total{via=\"smtp\"}", "1"),
        ("postern_smtp_login_failures_total", "1"),
        ("postern_smtp_refusals_total{status=\"5.7.8\"}", "1"),
        ("postern_smtp_refusals_total{status=\"5.7.1\"}", "1"),
    ] {
        assert_eq!(value(&scrape, series).as_deref(), Some(expected), "{series} in\n{scrape}");
    }
}
