//! Fallbacks, aliases and redirection with everything real but Microsoft: a sandbox tenant, and an SMTP server beside it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::test_runner::{Config as Cases, TestRunner};
use sandbox::config::{Config, Tenant, User};
use sandbox::{Fault, FaultKind};
use settings::{
    Connection, ConnectionId, Delivery, Emails, Mailbox, OnUncertain, Route, RouteId, Security, Service, SmtpServer,
};
use store::{AuditEntry, MessageState, SettingsChange, Store};

use crate::envelope_decides::case;
use crate::rig::drafting::{MIB, Rig, SMALL, change_connection, letter, tenant};
use crate::rig::sink::Sink;
use crate::rig::tenant::{Gateway, MAILBOX};

const ONE: &str = "tester@contoso.test";

async fn change(store: &Arc<dyn Store>, changes: Vec<SettingsChange>) {
    let version = store.settings().borrow().version;
    let (actor, action) = ("test".to_owned(), "set up".to_owned());
    let audit = AuditEntry { at: Timestamp::now(), actor, action, detail: serde_json::Value::Null };
    store.change_settings(version, changes, audit).await.unwrap();
}

async fn change_emails(store: &Arc<dyn Store>, edit: impl FnOnce(&mut Emails)) {
    let mut emails = store.settings().borrow().emails.clone();
    edit(&mut emails);
    change(store, vec![SettingsChange::PutEmails(emails)]).await;
}

fn smarthost(sink: &Sink) -> Connection {
    let smtp = SmtpServer {
        host: "127.0.0.1".into(),
        port: sink.port,
        security: Security::None,
        username: None,
        password: None,
        oauth_scope: None,
    };
    Connection {
        smtp: Some(smtp),
        ..Connection::new(ConnectionId("smarthost".into()), "Smarthost", Service::SmtpServer)
    }
}

/// The store's mail falls back to an SMTP server.
async fn fall_back(store: &Arc<dyn Store>) -> Sink {
    let sink = Sink::start().await;
    change(store, vec![SettingsChange::PutConnection(smarthost(&sink))]).await;
    change_emails(store, |emails| emails.fallback = vec![ConnectionId("smarthost".into())]).await;
    sink
}

#[tokio::test]
async fn mail_that_graph_keeps_out_of_the_mailbox_goes_by_smtp_until_that_is_mended() {
    let gateway = Gateway::new().await;
    let sink = fall_back(&gateway.store).await;
    let blocked = Fault {
        status: Some(403),
        code: Some("ErrorAccessDenied".into()),
        message: Some(
            "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.".into(),
        ),
        count: 0,
        ..Fault::new(FaultKind::Error)
    };
    gateway.sandbox.add_fault(blocked);
    let id = gateway.enqueue(SMALL, &["a@x.test", "b@x.test"], MAILBOX).await;
    let detail = gateway.until_state(id, MessageState::Sent).await;
    assert_eq!(detail.events[0].kind, "moved_to_fallback");
    let why = detail.events[0].detail.clone().unwrap();
    assert!(why.starts_with("from 'Contoso Graph' to 'Smarthost': "), "{why}");
    assert_eq!(sink.taken()[0].recipients, ["a@x.test", "b@x.test"]);
    assert!(sink.taken()[0].raw.ends_with(SMALL), "By SMTP every byte arrives.");
    assert!(gateway.submitted(id).is_empty());

    gateway.sandbox.clear_faults();
    // Whoever mended it says so by a new sign-in or by changed settings; else it is tried after the rest.
    change_emails(&gateway.store, |emails| emails.smtp_authentication = true).await;
    let mut lane = gateway.store.lane(detail_lane(&gateway).await).await.unwrap();
    let mut news = gateway.store.subscribe();
    while lane.pause.is_some() {
        let _news_or_lag = news.recv().await;
        lane = gateway.store.lane(lane.id).await.unwrap();
    }
    let second = gateway.enqueue(SMALL, &["a@x.test"], MAILBOX).await;
    gateway.until_state(second, MessageState::Sent).await;
    assert_eq!((gateway.submitted(second).len(), sink.taken().len()), (1, 1));
}

async fn detail_lane(gateway: &Gateway) -> store::LaneId {
    let way = gateway.store.settings().borrow().route(None).unwrap();
    gateway.store.lane_of(&way).await.unwrap()
}

#[tokio::test]
async fn a_permanent_refusal_by_graph_is_not_carried_to_the_fallback() {
    let gateway = Gateway::new().await;
    let sink = fall_back(&gateway.store).await;
    let id = gateway.enqueue(b"From: boss@contoso.test\r\n\r\nhi\r\n", &["a@x.test"], MAILBOX).await;
    let detail = gateway.until_state(id, MessageState::Failed).await;
    assert_eq!(detail.message.last_error.unwrap().code.as_deref(), Some("ErrorSendAsDenied"));
    assert!(sink.taken().is_empty());
}

#[tokio::test]
async fn what_json_cannot_carry_takes_the_smtp_fallback_with_every_byte() {
    let rig = Rig::new(Delivery::Standard, true).await;
    let sink = fall_back(&rig.store).await;
    let signed = String::from_utf8(letter(&[4 * MIB])).unwrap().replace("multipart/mixed", "multipart/signed");
    let id = rig.enqueue(signed.as_bytes(), &["a@x.test"], MAILBOX).await;
    let detail = rig.until_settled(id).await;
    assert_eq!(detail.message.state, MessageState::Sent, "{:?}", detail.message.last_error);
    assert!(detail.events[0].detail.as_ref().unwrap().contains("cannot be sent in parts"));
    assert!(sink.taken()[0].raw.ends_with(signed.as_bytes()));
    assert!(rig.sandbox.requests().is_empty(), "Graph is not even asked");
    assert_eq!(detail.attempts.len(), 2);
    // What fits still goes by Graph.
    let small = rig.enqueue(SMALL, &["a@x.test"], MAILBOX).await;
    rig.until_settled(small).await;
    assert_eq!((rig.sandbox.deliveries().len(), sink.taken().len()), (1, 1));
}

#[tokio::test]
async fn an_alias_is_explained_and_goes_out_of_its_owners_mailbox_with_its_own_from() {
    let contoso = Tenant::contoso();
    let owner = User { aliases: vec!["sales@contoso.test".into()], ..contoso.users[0].clone() };
    let owner_upn = owner.upn.clone();
    let users = std::iter::once(owner).chain(contoso.users[1..].to_vec()).collect();
    let gateway = Gateway::with(Config { tenants: vec![Tenant { users, ..contoso }], ..Config::default() }).await;
    let raw = b"From: Sales <sales@contoso.test>\r\nTo: a@x.test\r\n\r\nhi\r\n";
    let id = gateway.enqueue(raw, &["a@x.test"], "sales@contoso.test").await;
    let error = loop {
        if let Some(error) = gateway.detail(id).await.message.last_error {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(error.code.as_deref(), Some("ErrorInvalidUser"));
    for word in ["<sales@contoso.test>", "alias", "mailbox = the owner's address", "from_policy = \"keep\""] {
        assert!(error.fix.contains(word), "{}", error.fix);
    }
    // The route that the fix names.
    let route = Route {
        id: RouteId("sales".into()),
        name: "Sales".into(),
        sender: "sales@contoso.test".parse().unwrap(),
        service_connection: ConnectionId("c".into()),
        mailbox: Mailbox::Address(owner_upn.parse().unwrap()),
        fallback: Vec::new(),
    };
    change(&gateway.store, vec![SettingsChange::SetRoutes(vec![route])]).await;
    let way = gateway.store.settings().borrow().route(Some(&"sales@contoso.test".parse().unwrap())).unwrap();
    assert_eq!(way.mailbox.as_str(), owner_upn);
    let id = gateway.enqueue(raw, &["a@x.test"], way.mailbox.as_str()).await;
    gateway.until_state(id, MessageState::Sent).await;
    let delivery = &gateway.submitted(id)[0].delivery;
    assert_eq!((delivery.mailbox.as_str(), delivery.from.as_deref()), (&*owner_upn, Some("sales@contoso.test")));
}

/// The ways a redirected message can take.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Mime,
    MimeDraft,
    JsonDraft,
    Smtp,
    /// Graph is broken.
    Fallback,
}

async fn rig_for(way: Way) -> (Rig, Sink) {
    let delivery = if way == Way::MimeDraft { Delivery::Tracked } else { Delivery::Standard };
    let rig = Rig::with(tenant(&["Mail.Send", "Mail.ReadWrite"]), delivery, true, OnUncertain::Retry).await;
    let sink = fall_back(&rig.store).await;
    match way {
        Way::Mime | Way::MimeDraft => {}
        Way::JsonDraft => change_connection(&rig.store, |connection| connection.mime_max_bytes = Some(1)).await,
        Way::Smtp => {
            let connection = Connection { id: ConnectionId("c".into()), ..smarthost(&sink) };
            change(&rig.store, vec![SettingsChange::PutConnection(connection)]).await;
        }
        Way::Fallback => {
            let code = Some("ErrorAccessDenied".into());
            rig.sandbox.add_fault(Fault { code, count: 0, ..Fault::new(FaultKind::Error) });
        }
    }
    change_emails(&rig.store, |emails| emails.redirect_all_to = Some(ONE.parse().unwrap())).await;
    (rig, sink)
}

#[test]
fn redirected_mail_reaches_one_address_alone_on_every_way_and_names_the_others() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for way in [Way::Mime, Way::MimeDraft, Way::JsonDraft, Way::Smtp, Way::Fallback] {
        let (rig, sink) = runtime.block_on(rig_for(way));
        let mut runner = TestRunner::new(Cases { cases: 24, failure_persistence: None, ..Cases::default() });
        let result = runner.run(&case(), |(fields, body, envelope)| {
            let raw = format!(
                "From: noreply@contoso.test\r\nContent-Type: multipart/mixed; boundary=b\r\n{}\r\n{body}",
                fields.iter().flat_map(|field| [field, "\r\n"]).collect::<String>()
            );
            let detail = runtime.block_on(async {
                let id = rig.enqueue(raw.as_bytes(), &envelope, MAILBOX).await;
                rig.until_settled(id).await
            });
            proptest::prop_assert_eq!(detail.message.state, MessageState::Sent, "{:?}", detail.message.last_error);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{way:?}: {error}");
        }
        assert_only_one_is_mailed(way, &rig, &sink);
    }
}

fn assert_only_one_is_mailed(way: Way, rig: &Rig, sink: &Sink) {
    let graph = rig.sandbox.deliveries();
    let mut mailed: BTreeSet<String> = graph.iter().flat_map(|delivery| delivery.recipients.clone()).collect();
    mailed.extend(sink.taken().into_iter().flat_map(|taken| taken.recipients));
    assert_eq!(mailed, BTreeSet::from([ONE.to_owned()]), "{way:?}");
    let by_smtp = matches!(way, Way::Smtp | Way::Fallback);
    assert_eq!((graph.is_empty(), sink.taken().is_empty()), (by_smtp, !by_smtp), "{way:?}");
    assert!(graph.iter().all(|delivery| (delivery.form == "json") == (way == Way::JsonDraft)), "{way:?}");
    let raws = graph.iter().map(|delivery| rig.sandbox.message(&delivery.id).unwrap().raw.to_vec());
    for raw in raws.chain(sink.taken().into_iter().map(|taken| taken.raw)) {
        let raw = String::from_utf8_lossy(&raw).to_lowercase();
        assert!(raw.contains("x-postern-original-recipients: "), "{way:?}: {raw}");
    }
}
