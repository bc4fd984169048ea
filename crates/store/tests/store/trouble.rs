//! Damage, strangers and neighbours.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use secrecy::ExposeSecret;
use store::sqlite::SqliteStore;
use store::{
    Change, MessageState, NewMessage, PageRequest, RecipientOutcome as O, SecretField, SettingsChange, Store,
    StoreError,
};

use crate::fixture::*;

fn tamper(folder: &Path, sql: &str) {
    assert_eq!(Connection::open(folder.join("postern.db")).unwrap().execute(sql, []).unwrap(), 1, "{sql}");
}

fn refusal(folder: &Path) -> String {
    SqliteStore::open(folder).unwrap_err().to_string()
}

fn is_unreadable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unreadable { .. }))
}

#[tokio::test]
async fn a_damaged_body_is_said_to_be_damaged() {
    for damage in [
        "UPDATE body SET bytes = zeroblob(length(bytes)) WHERE seq = 1", // other content
        "UPDATE body SET bytes = substr(bytes, 2) WHERE seq = 1",        // cut
        "UPDATE body SET bytes = NULL WHERE seq = 1",                    // neither row nor file
        "DELETE FROM body WHERE seq = 1",                                // gone
        "UPDATE body SET spool = '00', bytes = NULL WHERE seq = 1",      // a file that is not there
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        store.enqueue(message(1)).await.unwrap();
        store.enqueue(message(2)).await.unwrap();
        tamper(folder.path(), damage);
        assert!(is_unreadable(&store.read_body(id(1)).await), "{damage}");
        assert!(store.read_body(id(2)).await.is_ok());
        store.quarantine(id(1), because("damaged"), at(3)).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_stops_no_other_and_is_kept() {
    for damage in [
        "UPDATE message SET envelope = '{' WHERE seq = 1",
        "UPDATE message SET envelope = '{\"reverse_path\":\"a\\r\\n@b\",\"recipients\":[]}' WHERE seq = 1",
        "UPDATE message SET progress = '[]' WHERE seq = 1",
        "UPDATE message SET via = 77 WHERE seq = 1",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        store.enqueue(message(1)).await.unwrap();
        store.enqueue(message(2)).await.unwrap();
        tamper(folder.path(), damage);
        assert!(is_unreadable(&store.message(id(1)).await), "{damage}");
        let page = store.messages(&store::Filter::default(), PageRequest { before: None, limit: 9 }).await.unwrap();
        assert_eq!(page.messages.len(), 1);

        let lease = lease(&store, at(10)).await;
        let claims = store.claim(&lease, 9, 9, at(10)).await.unwrap();
        assert_eq!(claims.iter().map(|claim| claim.message.id).collect::<Vec<_>>(), [id(2)]);
        let counts = store.counts().await.unwrap();
        assert_eq!((counts.quarantined, counts.sending), (1, 1));
        assert!(is_conflict(&store.purge(MessageState::Quarantined, at(1_000_000), 9).await));
    }
}

#[tokio::test]
async fn a_message_that_became_unreadable_while_it_was_sent_is_set_aside_at_the_takeover() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.enqueue(message(1)).await.unwrap();
    let first = lease(&store, at(10)).await;
    claim_one(&store, &first, at(10)).await;
    tamper(folder.path(), "UPDATE message SET envelope = '{' WHERE seq = 1");
    lease(&store, at(11)).await;
    assert_eq!(store.counts().await.unwrap().quarantined, 1);
    assert!(store.lanes_with_work().await.unwrap().is_empty());
}

#[test]
fn what_is_not_ours_or_too_new_is_refused_with_a_sentence() {
    for (sql, sentence) in
        [("PRAGMA user_version = 99", "newer version of Postern"), ("PRAGMA application_id = 7", "another program")]
    {
        let folder = tempfile::tempdir().unwrap();
        drop(SqliteStore::open(folder.path()).unwrap());
        Connection::open(folder.path().join("postern.db")).unwrap().execute_batch(sql).unwrap();
        assert!(refusal(folder.path()).contains(sentence), "{}", refusal(folder.path()));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("postern.db"), "this is no database, only some text that is long enough").unwrap();
    assert!(is_unreadable(&SqliteStore::open(folder.path())), "{}", refusal(folder.path()));
}

#[test]
fn the_wrong_master_key_is_named_as_such() {
    let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(SqliteStore::open(ours.path()).unwrap());
    drop(SqliteStore::open(other.path()).unwrap());
    fs::copy(other.path().join("master.key"), ours.path().join("master.key")).unwrap();
    assert!(refusal(ours.path()).contains("does not belong to this database"));
    fs::remove_file(ours.path().join("master.key")).unwrap();
    assert!(refusal(ours.path()).contains("is missing"));
    assert!(!ours.path().join("master.key").exists(), "a new key would hide that the old one is lost");
}

#[test]
fn only_the_owner_may_look_into_the_data_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let store = SqliteStore::open(&folder).unwrap();
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    for (name, wanted) in
        [(".", 0o700), ("spool", 0o700), ("postern.db", 0o600), ("postern.db-wal", 0o600), ("master.key", 0o600)]
    {
        assert_eq!(mode(name), wanted, "{name}");
    }
    drop(store);
}

#[tokio::test]
async fn a_rotated_key_seals_and_the_old_one_still_opens() {
    let folder = tempfile::tempdir().unwrap();
    let field = SecretField::new("tenant", "t1", "client_secret");
    let store = SqliteStore::open(folder.path()).unwrap();
    let old = store.key_ring().seal(&field, &"old".into()).unwrap();
    let digest = store.key_ring().token_digest(&"token".into()).unwrap();
    store.rotate_key().await.unwrap();
    let new = store.key_ring().seal(&field, &"new".into()).unwrap();
    assert!(new.key_id > old.key_id);
    store.change_master_key().await.unwrap();
    drop(store);

    let store = SqliteStore::open(folder.path()).unwrap();
    let ring = store.key_ring();
    assert_eq!(ring.open(&field, &old).unwrap().expose_secret(), "old");
    assert_eq!(ring.open(&field, &new).unwrap().expose_secret(), "new");
    assert_eq!(ring.token_digest(&"token".into()).unwrap(), digest, "tokens given out go on working");
}

/// The steps are those of `sqlite/keys.rs`.
#[tokio::test]
async fn changing_the_master_key_can_stop_after_any_step() {
    let folder = tempfile::tempdir().unwrap();
    let (key, next) = (folder.path().join("master.key"), folder.path().join("master.key.next"));
    let field = SecretField::new("tenant", "t1", "client_secret");
    let store = SqliteStore::open(folder.path()).unwrap();
    let sealed = store.key_ring().seal(&field, &"s3cret".into()).unwrap();
    let opens = |store: &SqliteStore| store.key_ring().open(&field, &sealed).unwrap().expose_secret().to_owned();
    let old = fs::read(&key).unwrap();
    let put = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };

    put(&next, &[7; 32]); // stopped after 1: the next key lies there, and wraps nothing
    drop(store);
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(opens(&store), "s3cret");
    store.change_master_key().await.unwrap();
    drop(store);
    let new = fs::read(&key).unwrap();
    assert_ne!(new, old);

    put(&next, &new); // stopped after 2: everything is wrapped anew, the file has not moved
    put(&key, &old);
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(opens(&store), "s3cret");
    assert_eq!(fs::read(&key).unwrap(), new, "opening finished the change");
    assert!(!next.exists());
}

#[tokio::test]
async fn what_another_process_writes_is_news_to_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = SqliteStore::open(folder.path()).unwrap();
    server.listen_for_other_processes().await.unwrap();
    let (mut news, mut settings) = (server.subscribe(), server.settings());
    let tool = SqliteStore::open(folder.path()).unwrap();

    tool.enqueue(message(1)).await.unwrap();
    assert_eq!(news.recv().await.unwrap(), Change::Everything);
    assert_eq!(server.counts().await.unwrap().queued, 1);

    let change = vec![SettingsChange::PutEmails(settings::Emails { enabled: true, ..settings::Emails::default() })];
    let audit =
        store::AuditEntry { at: at(1), actor: "cli".into(), action: "apply".into(), detail: serde_json::json!({}) };
    assert_eq!(tool.change_settings(0, change.clone(), audit.clone()).await.unwrap(), 1);
    settings.changed().await.unwrap();
    assert!(settings.borrow().emails.enabled);

    // A tool is told of no change; it learns when it is refused.
    server.change_settings(1, change.clone(), audit.clone()).await.unwrap();
    let late = tool.change_settings(1, change, audit).await;
    assert!(matches!(late, Err(StoreError::SettingsChanged { current: 2 })));
    assert_eq!(tool.settings().borrow().version, 2);
}

#[tokio::test]
async fn a_key_that_another_process_made_opens_in_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = SqliteStore::open(folder.path()).unwrap();
    server.listen_for_other_processes().await.unwrap();
    let tool = SqliteStore::open(folder.path()).unwrap();
    let mut news = server.subscribe();
    tool.rotate_key().await.unwrap();
    let field = SecretField::new("tenant", "t1", "client_secret");
    let sealed = tool.key_ring().seal(&field, &"s3cret".into()).unwrap();
    assert_eq!(news.recv().await.unwrap(), Change::Everything);
    assert_eq!(server.key_ring().open(&field, &sealed).unwrap().expose_secret(), "s3cret");
}

/// The move and the outcome are one commit: what keeps one from the disk keeps the other.
#[tokio::test]
async fn a_move_that_cannot_be_told_of_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for number in 1..=3 {
        store.enqueue(message(number)).await.unwrap();
    }
    let lease = lease(&store, at(10)).await;
    let claim = claim_one(&store, &lease, at(10)).await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON outcome BEGIN SELECT RAISE(ABORT, 'no'); END";
    Connection::open(folder.path().join("postern.db")).unwrap().execute_batch(refuse).unwrap();

    let finished = store.finish_attempt(&claim, report(&claim, O::Accepted, at(11)), at(11)).await;
    assert!(matches!(finished, Err(StoreError::Unavailable { .. })), "{finished:?}");
    assert!(store.fail(id(2), because("too old"), at(11)).await.is_err());
    assert!(store.quarantine(id(3), because("damaged"), at(11)).await.is_err());
    assert!(store.note_delayed(at(99), 9, at(11)).await.is_err());
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.sending, counts.queued), (1, 2));
    assert_eq!(store.message(id(1)).await.unwrap().attempts[0].ended_at, None);

    Connection::open(folder.path().join("postern.db")).unwrap().execute_batch("DROP TRIGGER refuse").unwrap();
    store.finish_attempt(&claim, report(&claim, O::Accepted, at(12)), at(12)).await.unwrap();
    assert_eq!(store.note_delayed(at(99), 9, at(12)).await.unwrap(), 2, "what was not told is not noted either");
    assert_eq!(store.newest_outcome().await.unwrap(), 3, "and no number was lost");
}

#[tokio::test]
async fn what_pacing_and_notices_go_by_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for (number, account) in [(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "b")] {
        let account = Some(settings::AccountId(account.into()));
        store.enqueue(NewMessage { account, ..message(number) }).await.unwrap();
    }
    let lease = lease(&store, at(10)).await;
    let claim = claim_one(&store, &lease, at(10)).await;
    assert_eq!(claim.message.id, id(1));
    store.finish_attempt(&claim, report(&claim, O::Accepted, at(11)), at(11)).await.unwrap();
    store.mark_bounced(id(1), &address("anna@example.test"), None, because("gone"), at(12)).await.unwrap();
    assert_eq!(store.note_delayed(at(3), 9, at(13)).await.unwrap(), 1);
    store.purge_outcomes(99).await.unwrap();
    store.charge("tenant", 7, at(10)).await.unwrap();
    store.keep("alarm", Some(serde_json::json!(["raised"]))).await.unwrap();
    drop(store);

    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(claim_one(&store, &lease, at(20)).await.message.id, id(3), "it is b's turn");
    assert!(store.message(id(1)).await.unwrap().message.bounced);
    assert_eq!(store.charged("tenant", at(0)).await.unwrap(), 7);
    assert_eq!(store.kept("alarm").await.unwrap(), Some(serde_json::json!(["raised"])));
    assert_eq!(store.newest_outcome().await.unwrap(), 3, "a reader must not take a new outcome for an old one");
    assert_eq!(store.note_delayed(at(6), 9, at(21)).await.unwrap(), 2, "the delay of 2 was noted before");
}

#[tokio::test]
async fn a_lanes_pause_and_budget_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.enqueue(NewMessage { ..message(1) }).await.unwrap();
    let lease = lease(&store, at(10)).await;
    claim_one(&store, &lease, at(10)).await;
    let pause = store::LanePause { until: at(99), explanation: because("429"), needs_administrator: true };
    store.pause_lane(lease.lane, Some(pause.clone())).await.unwrap();
    drop(store);
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(store.lane(lease.lane).await.unwrap().pause, Some(pause));
    assert_eq!(store.recipients_attempted(lease.lane, at(0)).await.unwrap(), 1);
    // The old life's lease goes on: whoever presents it is the same process.
    let renewed = store.lease_lane(lease.lane, &lease.node, Some(&lease), at(99), at(11)).await.unwrap().unwrap();
    assert_eq!(renewed.epoch, lease.epoch);
}
