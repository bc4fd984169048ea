//! How much and how fast.

use settings::Pace;

use crate::gateway::{GRAPH, Gateway, SERVER, TENANT};

#[tokio::test]
async fn limits_are_kept_and_exported_and_gone_when_they_are_left_out() {
    let gateway = Gateway::new();
    let limits = "large_messages = true\nlarge_max_bytes = 157286400\nread_bounces = true\nmessages_per_minute = 30\n\
                  recipients_per_day = 9000\n";
    gateway.apply(&format!("{TENANT}{GRAPH}{limits}")).await;
    let kept = gateway.settings().connections[0].clone();
    assert_eq!(kept.pace, Pace { messages_per_minute: Some(30), recipients_per_day: Some(9_000) });
    assert_eq!((kept.max_message_bytes(), kept.read_bounces), (Some(157_286_400), true));
    assert_eq!(gateway.apply(&gateway.export()).await, "");
    let diff = gateway.apply(GRAPH).await;
    for gone in ["large_max_bytes", "read_bounces", "messages_per_minute", "recipients_per_day"] {
        assert!(diff.contains(&format!("{gone}: ")), "{gone} in {diff}");
    }
}

#[tokio::test]
async fn a_limit_that_lets_nothing_through_or_is_no_limit_is_refused() {
    let gateway = Gateway::new();
    gateway.apply(TENANT).await;
    for (connection, limit, at) in [
        (GRAPH, "messages_per_minute = 0", "messages_per_minute"),
        (GRAPH, "recipients_per_day = 0", "recipients_per_day"),
        (GRAPH, "recipients_per_day = 10001", "recipients_per_day"), // more than Exchange Online bears
        (GRAPH, "large_max_bytes = 50000000", "large_max_bytes"),    // of no large messages
        (GRAPH, "large_messages = true\nlarge_max_bytes = 157286401", "large_max_bytes"),
        (GRAPH, "large_messages = true\nlarge_max_bytes = 1000", "large_max_bytes"),
        (SERVER, "large_messages = true\nlarge_max_bytes = 50000000", "large_max_bytes"),
        (SERVER, "read_bounces = true", "read_bounces"),
        (SERVER, "delivery = 'tracked'", "delivery"),
    ] {
        assert_eq!(gateway.refusal(&format!("{connection}{limit}")).await.field, Some(at), "{limit}");
    }
    gateway.apply(&format!("{SERVER}recipients_per_day = 10001")).await; // a server of one's own bears what it bears
}

#[tokio::test]
async fn people_who_sign_in_may_send_large_and_tracked_and_through_exchange() {
    let gateway = Gateway::new();
    let delegated = "permission = 'delegated'\n";
    gateway.apply(&format!("{TENANT}{GRAPH}{delegated}large_messages = true\ndelivery = 'tracked'")).await;
    assert!(gateway.settings().connections[0].makes_drafts());
    gateway.apply(&format!("{}{delegated}", GRAPH.replace("Graph API", "Exchange").replace("'Graph'", "'E'"))).await;
}
