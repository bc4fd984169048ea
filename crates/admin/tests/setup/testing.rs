//! Fallbacks, and testing environments.

use crate::gateway::{GRAPH, Gateway, SERVER, TENANT};

const EMAILS: &str = "[emails]\nmailbox = 'a@contoso.test'\nservice_connection = 'Graph'\n";
const ROUTE: &str = "[[route]]\nname='HR'\nsender='*@hr.test'\nservice_connection='Graph'\nmailbox='sender'\n";

#[tokio::test]
async fn fallbacks_are_kept_in_their_order_and_exported() {
    let gateway = Gateway::new();
    let second = SERVER.replace("'Server'", "'Second'");
    let fallback = "fallback = ['Second', 'Server']\n";
    gateway.apply(&format!("{TENANT}{GRAPH}{SERVER}{second}{EMAILS}{fallback}{ROUTE}{fallback}")).await;
    let settings = gateway.settings();
    let (first, others) = settings.route_with_fallbacks(None).unwrap();
    let name = |way: &settings::RoutedTo| settings.connection(&way.connection).unwrap().name.clone();
    assert_eq!(
        (name(&first), others.iter().map(name).collect::<Vec<_>>().join(" ")),
        ("Graph".into(), "Second Server".into())
    );
    assert_eq!(settings.routes[0].fallback, settings.emails.fallback);
    assert_eq!(gateway.apply(&gateway.export()).await, "");
    let diff = gateway.apply(&format!("{EMAILS}{ROUTE}")).await;
    assert_eq!(diff.matches("fallback: [\"Second\",\"Server\"] -> none").count(), 2, "{diff}");
}

#[tokio::test]
async fn a_fallback_is_another_connection_that_is_there() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}{GRAPH}{SERVER}{EMAILS}")).await;
    for fallback in ["'Graph'", "'Nope'", "'Server', 'Server'"] {
        for owner in [EMAILS, ROUTE] {
            let refused = gateway.refusal(&format!("{owner}fallback = [{fallback}]")).await;
            assert_eq!(refused.field, Some("fallback"), "{owner}{fallback}");
        }
    }
}

#[tokio::test]
async fn what_is_fallen_back_to_is_not_pruned() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}{GRAPH}{SERVER}{EMAILS}fallback = ['Server']")).await;
    let refused = gateway.refusal(&format!("prune = true\n{TENANT}{GRAPH}{EMAILS}fallback = ['Server']")).await;
    assert!(refused.what.contains("Server"), "{}", refused.what);
}

#[tokio::test]
async fn a_testing_environment_is_switched_on_and_off_and_both_are_said() {
    let gateway = Gateway::new();
    let base = format!("{TENANT}{GRAPH}{EMAILS}");
    gateway.apply(&base).await;
    let diff = gateway.apply(&format!("{EMAILS}hold_all = true\nredirect_all_to = 'qa@contoso.test'")).await;
    assert!(diff.contains("hold_all: false -> true"), "{diff}");
    assert!(diff.contains("redirect_all_to: none -> qa@contoso.test"), "{diff}");
    assert_eq!(gateway.apply(&gateway.export()).await, "");
    let testing = admin::testing(gateway.store());
    assert!(testing.is_on() && testing.hold_all);
    let diff = gateway.apply(EMAILS).await;
    assert!(diff.contains("hold_all: true -> false") && diff.contains("-> none"), "{diff}");
    assert!(!admin::testing(gateway.store()).is_on());
    assert_eq!(gateway.refusal(&format!("{EMAILS}redirect_all_to = 'nobody'")).await.field, Some("redirect_all_to"));
}
