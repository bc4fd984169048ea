//! What an administrator must not overlook: a testing environment, mail that came back, a sign-in that is missing.

use axum::http::Method;
use mail::EnhancedStatus;
use settings::{ConnectionId, Emails, Role};
use store::{Explanation, SettingsChange, Store as _};

use super::browser::get;
use super::inputs::request;
use super::words::words;
use super::world::{World, address};
use crate::guard::Needs;

impl World {
    async fn change_emails(&self, change: impl FnOnce(&mut Emails)) {
        let mut emails = self.store().settings().borrow().emails.clone();
        change(&mut emails);
        self.change(vec![SettingsChange::PutEmails(emails)]).await;
    }
}

#[tokio::test]
async fn a_testing_environment_is_said_on_every_page() {
    let world = World::new().await;
    world.change_emails(|emails| emails.redirect_all_to = Some(address("qa@contoso.test"))).await;
    let mut visitor = world.signed_in(Role::Administrator).await;
    for entry in world.list() {
        // Parts, files and streams are no pages; what is asked for once changes its state.
        let is_page = entry.method == Method::GET && entry.needs != Needs::Nothing && entry.path != "/events";
        if !is_page {
            continue;
        }
        let answer = visitor.send(request(&world, &entry)).await;
        if answer.body.contains("<aside class=\"side\">") {
            assert!(words(&answer.body).contains("goes to qa@contoso.test alone"), "{}", entry.path);
        }
    }
    world.change_emails(|emails| emails.redirect_all_to = None).await;
    assert!(!visitor.get("/").await.body.contains("Testing environment."));
    world.change_emails(|emails| emails.hold_all = true).await;
    assert!(words(&visitor.get("/").await.body).contains("Every message is held as it arrives."));
}

#[tokio::test]
async fn what_came_back_is_called_bounced_and_found_by_that() {
    let world = World::new().await;
    let why = Explanation {
        what: "The server of the recipient sent it back".into(),
        why: "550 5.1.1 no such user".into(),
        fix: "Correct the address".into(),
        who: "the sender".into(),
        code: None,
    };
    let status = Some(EnhancedStatus::permanent(1, 1));
    let (id, karl) = (World::message(1), address("karl@example.test"));
    assert!(world.store.mark_bounced(id, &karl, status, why, world.now()).await.unwrap());
    let mut visitor = world.signed_in(Role::Viewer).await;
    let list = words(&visitor.get("/messages?show=bounced").await.body);
    assert_eq!(list.matches("Invoice 7").count(), 1, "{list}");
    assert!(list.contains("The server of the recipient sent it back"), "{list}");
    let page = words(&visitor.get(format!("/messages/{id}")).await.body);
    assert!(page.contains("karl@example.test | Bounced | 5.1.1"), "{page}");
    assert!(page.contains("550 5.1.1 no such user") && page.contains("Bounced"), "{page}");
    let csv = visitor.get("/messages/export.csv?show=bounced").await.body;
    assert!(csv.lines().nth(1).is_some_and(|line| line.ends_with("\"yes\"")), "{csv}");
}

#[tokio::test]
async fn the_first_run_is_not_over_before_people_signed_in_where_they_must() {
    let world = World::new().await;
    // "HR" goes by Anna's mailbox, and nobody has signed in there; the Emails settings' connection has its secret.
    let mut visitor = world.signed_in(Role::Administrator).await;
    let page = words(&visitor.send(get("/welcome")).await.body);
    assert!(page.contains("Anna's mailbox: nobody has signed in yet"), "{page}");
    let anna = ConnectionId(world.id("Anna's mailbox"));
    let routes = world.store().settings().borrow().routes.clone();
    let routes = routes.into_iter().filter(|route| route.service_connection != anna).collect();
    world.change(vec![SettingsChange::SetRoutes(routes)]).await;
    let page = words(&visitor.send(get("/welcome")).await.body);
    assert!(!page.contains("Anna's mailbox"), "nothing goes by it now: {page}");
}
