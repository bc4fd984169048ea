use settings::{Connection, ConnectionId, Emails, GRAPH_MIME_MAX_BYTES, Service};
use store::{MessageState, SettingsChange};

use super::*;
use crate::test_world::{World, account, envelope, origin};

#[tokio::test]
async fn a_committed_message_is_stored_canonical_with_its_facts_and_trace() {
    let world = World::new(Limits::default());
    let message = b"From: Anna <anna@contoso.test>\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n\nbody\n.\n";
    let detail = world.submit(Submitter::Local, envelope("anna@contoso.test", &["bob@x.test"]), message).await.unwrap();
    let stored = world.body(&detail).await;
    assert_eq!(stored, String::from_utf8_lossy(message).replace('\n', "\r\n").into_bytes());
    let record = detail.message;
    assert_eq!(record.subject.as_deref(), Some("Grüße"));
    assert_eq!(record.header_from.unwrap().as_str(), "anna@contoso.test");
    assert_eq!(record.internet_message_id, Some(format!("<{}@gate.contoso.test>", record.id)));
    assert_eq!(record.routed_to, None, "nothing is configured: accepted, and waits");
    assert_eq!(record.expires_at.duration_since(record.received_at), SignedDuration::from_hours(48));
    assert_eq!(
        record.added_header,
        format!(
            "Received: from erp ([10.1.2.3])\r\n by gate.contoso.test with ESMTP id {id}\r\n for <bob@x.test>;\r\n \
             Tue, 14 Nov 2023 22:13:20 +0000\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
             Message-ID: <{id}@gate.contoso.test>\r\n",
            id = record.id
        )
    );
}

#[tokio::test]
async fn the_trace_does_not_disclose_one_of_several_recipients() {
    let world = World::new(Limits::default());
    let envelope = envelope("a@contoso.test", &["b@x.test", "bcc@x.test"]);
    let detail = world.submit(Submitter::Local, envelope, b"Subject: s\r\n\r\n").await.unwrap();
    assert!(!detail.message.added_header.contains("x.test"), "{}", detail.message.added_header);
}

#[tokio::test]
async fn messages_take_the_route_of_their_header_from() {
    let world = World::new(Limits::default());
    let connection = Connection::new(ConnectionId("c1".into()), "Contoso Graph", Service::GraphApi);
    let emails = Emails {
        enabled: true,
        mailbox: Some("noreply@contoso.test".parse().unwrap()),
        service_connection: Some(connection.id.clone()),
        ..Emails::default()
    };
    world.change(vec![SettingsChange::PutConnection(connection), SettingsChange::PutEmails(emails)]).await;
    let envelope = envelope("a@contoso.test", &["b@x.test"]);
    let detail = world.submit(Submitter::Local, envelope, b"From: a@contoso.test\r\n\r\n").await.unwrap();
    assert_eq!(detail.message.routed_to.unwrap().mailbox.as_str(), "noreply@contoso.test");

    // What Graph cannot carry is refused while the client still listens.
    assert_eq!(world.intake.max_message_bytes(), GRAPH_MIME_MAX_BYTES);
    let nearly = vec![b'x'; usize::try_from(GRAPH_MIME_MAX_BYTES).unwrap() - 100];
    let raw = [&b"From: a@contoso.test\r\n\r\n"[..], &nearly[..]].concat();
    let refusal =
        world.submit(Submitter::Local, self::envelope("a@contoso.test", &["b@x.test"]), &raw).await.unwrap_err();
    assert_eq!(refusal.status.to_string(), "5.3.4");
}

#[tokio::test]
async fn a_message_is_taken_that_only_a_fallback_can_carry() {
    let world = World::new(Limits::default());
    let graph = Connection::new(ConnectionId("c1".into()), "Contoso Graph", Service::GraphApi);
    let smarthost = Connection::new(ConnectionId("c2".into()), "Smarthost", Service::SmtpServer);
    let emails = Emails {
        enabled: true,
        mailbox: Some("noreply@contoso.test".parse().unwrap()),
        service_connection: Some(graph.id.clone()),
        fallback: vec![smarthost.id.clone()],
        ..Emails::default()
    };
    let change = [SettingsChange::PutConnection(graph), SettingsChange::PutConnection(smarthost)];
    world.change(change.into_iter().chain([SettingsChange::PutEmails(emails)]).collect()).await;
    assert_eq!(world.intake.max_message_bytes(), Limits::default().max_message_bytes);
    let raw = vec![b'x'; usize::try_from(GRAPH_MIME_MAX_BYTES).unwrap() + 1];
    let raw = [&b"From: a@contoso.test\r\n\r\n"[..], &raw[..]].concat();
    let detail = world.submit(Submitter::Local, envelope("a@contoso.test", &["b@x.test"]), &raw).await.unwrap();
    assert_eq!(detail.message.routed_to.unwrap().connection.0, "c1");
}

#[tokio::test]
async fn in_a_testing_environment_messages_are_held_as_they_arrive() {
    let world = World::new(Limits::default());
    let submit = || async {
        let envelope = envelope("a@contoso.test", &["b@x.test"]);
        world.submit(Submitter::Local, envelope, b"From: a@contoso.test\r\n\r\n").await.unwrap()
    };
    world.change(vec![SettingsChange::PutEmails(Emails { hold_all: true, ..Emails::default() })]).await;
    let held = submit().await;
    assert_eq!(held.message.state, MessageState::Held);
    assert_eq!(held.events.len(), 1, "held once");
    assert!(held.events[0].detail.as_ref().unwrap().contains("testing environment"));
    world.change(vec![SettingsChange::PutEmails(Emails::default())]).await;
    assert_eq!(submit().await.message.state, MessageState::Queued);
}

#[tokio::test]
async fn an_account_sends_as_its_allowed_senders_only() {
    let world = World::new(Limits::default());
    world.change(vec![SettingsChange::PutAccount(account())]).await;
    let submitter = || Submitter::Account(Arc::new(account()));
    for (from, header, kind) in [
        ("app@contoso.test", "From: app@contoso.test\r\n\r\n", None),
        ("app@evil.test", "From: app@contoso.test\r\n\r\n", Some(RefusalKind::SenderNotAllowed)),
        ("app@contoso.test", "From: ceo@evil.test\r\n\r\n", Some(RefusalKind::SenderNotAllowed)),
        ("app@contoso.test", "Subject: From: x\r\n\r\nFrom: ceo@evil.test\r\n", None), // the body is not the header
    ] {
        let result = world.submit(submitter(), envelope(from, &["b@x.test"]), header.as_bytes()).await;
        assert_eq!(result.as_ref().err().map(|refusal| refusal.kind), kind, "{from} {header:?}");
        assert!(result.is_ok() || world.intake.store().counts().await.unwrap().queued <= 2);
    }
    assert_eq!(world.intake.store().counts().await.unwrap().queued, 2, "what was refused is not there");
}

#[tokio::test]
async fn a_change_of_the_account_takes_effect_within_its_session() {
    let world = World::new(Limits::default());
    world.change(vec![SettingsChange::PutAccount(account())]).await;
    let submitter = Submitter::Account(Arc::new(account()));
    let path = ReversePath::Address("app@contoso.test".parse().unwrap());
    assert!(world.intake.check_reverse_path(&submitter, &path).is_ok());
    let narrower = Account { allowed_senders: vec!["other@contoso.test".parse().unwrap()], ..account() };
    world.change(vec![SettingsChange::PutAccount(narrower)]).await;
    let refused = world.intake.check_reverse_path(&submitter, &path).unwrap_err();
    assert_eq!((refused.kind, refused.reply_code()), (RefusalKind::SenderNotAllowed, 550));
    world.change(vec![SettingsChange::RemoveAccount(account().id)]).await;
    let refused = world.intake.begin(origin(submitter), envelope("app@contoso.test", &["b@x.test"])).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::AccountGone);
}

#[tokio::test]
async fn limits_refuse_with_the_right_status() {
    let limits = Limits { max_message_bytes: 1000, max_recipients: 2, max_header_bytes: 500, ..Limits::default() };
    let world = World::new(limits);
    let big = [&b"A: 1\r\n\r\n"[..], &[b'x'; 993]].concat();
    let looping = "Received: x\r\n".repeat(101);
    let world_of_loops = World::new(Limits::default());
    for (world, to, message, status) in [
        (&world, &["b@x.test"][..], &big[..], "5.3.4"),
        (&world, &["b@x.test"], &big[..1000], "ok"),    // exactly the limit
        (&world, &["b@x.test"], &[b'x'; 600], "5.3.4"), // a header that does not end
        (&world, &["b@x.test", "c@x.test", "d@x.test"], b"A: 1\r\n", "4.5.3"),
        (&world, &[], b"A: 1\r\n", "5.5.1"),
        (&world_of_loops, &["b@x.test"], looping.as_bytes(), "5.4.6"),
        (&world_of_loops, &["b@x.test"], &looping.as_bytes()[13..], "ok"), // a hundred is no loop yet
    ] {
        let result = world.submit(Submitter::Local, envelope("a@x.test", to), message).await;
        let found = result.map_or_else(|refusal| refusal.status.to_string(), |_| "ok".into());
        assert_eq!(found, status, "{} bytes to {to:?}", message.len());
    }
}

#[tokio::test]
async fn an_abandoned_message_does_not_exist() {
    let world = World::new(Limits::default());
    let mut incoming = world.intake.begin(origin(Submitter::Local), envelope("a@x.test", &["b@x.test"])).await.unwrap();
    incoming.write(b"From: a@x.test\r\n\r\nhalf").await.unwrap();
    let id = incoming.id();
    drop(incoming);
    assert!(matches!(world.intake.store().message(id).await, Err(store::StoreError::NotFound { .. })));
}

#[tokio::test]
async fn the_rate_of_an_account_is_kept_and_recovers() {
    let world = World::new(Limits::default());
    let slow = Account { messages_per_minute: Some(1), ..account() };
    world.change(vec![SettingsChange::PutAccount(slow.clone())]).await;
    let submitter = || Submitter::Account(Arc::new(slow.clone()));
    let begin = || world.intake.begin(origin(submitter()), envelope("a@contoso.test", &["b@x.test"]));
    begin().await.unwrap();
    let refused = begin().await.unwrap_err();
    assert!(refused.is_transient());
    assert_eq!(refused.peer_text, "Account erp may send 1 messages a minute: try again in 60 seconds");
    world.clock.advance(60);
    begin().await.unwrap();
}

mod signing_in {
    use argon2::password_hash::PasswordHasher;

    use super::*;

    /// The cheapest parameters: the tests are not about them.
    fn hash(password: &str) -> String {
        let params = argon2::Params::new(8, 1, 1, None).unwrap();
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        argon2.hash_password_with_salt(password.as_bytes(), b"salt of a test").unwrap().to_string()
    }

    async fn with_account(change: impl FnOnce(&World, &mut Account)) -> World {
        let world = World::new(Limits::default());
        let mut account = Account { password_hash: Some(hash("right")), ..account() };
        change(&world, &mut account);
        world.change(vec![SettingsChange::PutAccount(account)]).await;
        world
    }

    async fn sign_in(world: &World, user: &str, password: &str, peer: &str) -> Result<String, AuthError> {
        let result = world.intake.authenticate_password(user, &password.into(), peer.parse().unwrap()).await;
        result.map(|account| account.name.clone())
    }

    #[tokio::test]
    async fn only_the_right_password_from_the_right_network_is_let_in() {
        let world = with_account(|_, _| {}).await;
        for (user, password, peer, expected) in [
            ("erp", "right", "10.1.2.3", Ok("erp".into())),
            ("erp", "right", "10.1.2.3", Ok("erp".into())), // remembered
            ("erp", "wrong", "10.1.2.3", Err(AuthError::InvalidCredentials)), // and still not anything goes
            ("erp", "", "10.1.2.3", Err(AuthError::InvalidCredentials)),
            ("ERP", "right", "10.1.2.3", Err(AuthError::InvalidCredentials)),
            ("nobody", "right", "10.1.2.3", Err(AuthError::InvalidCredentials)),
            ("erp", "right", "192.0.2.1", Err(AuthError::NetworkNotAllowed)), // remembered elsewhere does not help
            ("erp", "right", "::ffff:10.1.2.3", Ok("erp".into())),            // IPv4 on a dual-stack socket
        ] {
            assert_eq!(sign_in(&world, user, password, peer).await, expected, "{user} {password} {peer}");
        }
    }

    #[tokio::test]
    async fn a_damaged_or_missing_hash_lets_nobody_in() {
        for damaged in [None, Some(""), Some("right"), Some("$argon2id$v=19$m=8,t=1,p=1$broken")] {
            let world = with_account(|_, account| account.password_hash = damaged.map(Into::into)).await;
            for password in ["", "right"] {
                let result = sign_in(&world, "erp", password, "10.1.2.3").await;
                assert_eq!(result, Err(AuthError::InvalidCredentials), "{damaged:?} {password:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_changed_password_ends_what_was_remembered() {
        let world = with_account(|_, _| {}).await;
        sign_in(&world, "erp", "right", "10.1.2.3").await.unwrap();
        let changed = Account { password_hash: Some(hash("new")), ..account() };
        world.change(vec![SettingsChange::PutAccount(changed)]).await;
        assert_eq!(sign_in(&world, "erp", "right", "10.1.2.3").await, Err(AuthError::InvalidCredentials));
        assert!(sign_in(&world, "erp", "new", "10.1.2.3").await.is_ok());
    }

    #[tokio::test]
    async fn a_flood_of_sign_ins_is_bounded() {
        let world = with_account(|_, _| {}).await;
        // Nobody is through before everybody has knocked.
        let checks = &world.intake.shared.authenticator.checks;
        let all = checks.acquire_many(u32::try_from(checks.available_permits()).unwrap()).await.unwrap();
        let flood = futures_util::future::join_all((0..100).map(|_| sign_in(&world, "erp", "wrong", "10.1.2.3")));
        let (flood, ()) = tokio::join!(biased; flood, async { drop(all) });
        let busy = flood.iter().filter(|result| **result == Err(AuthError::Busy)).count();
        let refused = flood.iter().filter(|result| **result == Err(AuthError::InvalidCredentials)).count();
        assert_eq!((busy, refused), (36, 64));
        assert!(sign_in(&world, "erp", "right", "10.1.2.3").await.is_ok(), "and passes");
    }

    #[tokio::test]
    async fn a_token_is_known_by_its_keyed_digest() {
        let world = with_account(|world, account| {
            let digest = world.intake.store().key_ring().token_digest(&"t0ken".into()).unwrap();
            account.token_digest = Some(digest);
        })
        .await;
        let by = |token: &str, peer: &str| {
            world.intake.authenticate_token(&token.into(), peer.parse().unwrap()).map(|account| account.name.clone())
        };
        assert_eq!(by("t0ken", "10.1.2.3"), Ok("erp".into()));
        assert_eq!(by("t0ken", "192.0.2.1"), Err(AuthError::NetworkNotAllowed));
        assert_eq!(by("", "10.1.2.3"), Err(AuthError::InvalidCredentials));
        assert_eq!(by("token", "10.1.2.3"), Err(AuthError::InvalidCredentials));
    }
}

#[test]
fn trouble_in_the_store_is_transient_to_the_client() {
    for (error, status, code) in [
        (store::StoreError::DiskFull { place: "spool".into() }, "4.3.1", 452),
        (store::StoreError::Unavailable { detail: "secret detail".into() }, "4.3.0", 451),
        (store::StoreError::Unreadable { detail: "secret detail".into() }, "4.3.0", 451), // ours, so never permanent
        (store::StoreError::IdempotencyMismatch, "5.5.0", 554),
    ] {
        let refusal = refusal::from_store(&error);
        assert_eq!((refusal.status.to_string().as_str(), refusal.reply_code()), (status, code), "{error}");
        assert!(!refusal.peer_text.contains("secret detail"), "the peer does not see our insides");
    }
}

#[tokio::test]
async fn a_message_for_later_lives_from_then() {
    let world = World::new(Limits::default());
    let mut incoming = world.intake.begin(origin(Submitter::Local), envelope("a@x.test", &["b@x.test"])).await.unwrap();
    let send_at = world.clock.now() + SignedDuration::from_hours(100);
    incoming.set_options(SubmissionOptions { send_at: Some(send_at), ..SubmissionOptions::default() });
    let detail = world.intake.store().message(incoming.commit().await.unwrap()).await.unwrap();
    assert_eq!(detail.message.due_at, Some(send_at));
    assert_eq!(detail.message.expires_at, send_at + SignedDuration::from_hours(48));
}
