//! A step on one store, and what it says.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mail::EnhancedStatus;
use settings::{AccountId, ConnectionId, Emails, Sealed, Tenant, TenantId, UserId};
use store::{
    Appetite, AttemptReport, AuditEntry, Enqueued, Event, Grant, IdempotencyKey, LanePause, NewMessage,
    RecipientOutcome, Session, SettingsChange, Store, StoreError,
};

use super::history::Step;
use super::pair::{MAILBOXES, Side};
use super::view::{plain_claim, shown};
use crate::fixture::*;

/// A message goes to the first few; to the last, none does.
const RECIPIENTS: [&str; 4] = ["a@x.test", "b@x.test", "c@x.test", "d@x.test"];
const KEYS: [&str; 4] = ["a", "a/1", "a/2", "b"];

pub(super) async fn answer(side: &mut Side, step: &Step, now: Timestamp) -> String {
    let store = Arc::clone(&side.store);
    match step {
        Step::Enqueue { .. } => shown(enqueue(&*store, step, now).await),
        Step::Lease { mailbox, node, is_renewal, seconds } => {
            lease(side, *mailbox, *node, *is_renewal, after(now, *seconds), now).await
        }
        Step::Claim { lease, messages, recipients, only_small, at_least, through_pause } if !side.leases.is_empty() => {
            let max_bytes = if *only_small { 10 } else { u64::MAX };
            let (at_least, through_pause) = (*at_least, *through_pause);
            let (messages, recipients) = (*messages, *recipients);
            let appetite = Appetite { messages, recipients, max_bytes, at_least, through_pause };
            let claims = store.claim_some(lease.get(&side.leases), appetite, now).await;
            side.claims.extend(claims.iter().flatten().cloned());
            shown(claims.map(|claims| claims.into_iter().map(plain_claim).collect::<Vec<_>>()))
        }
        Step::Finish { claim, outcomes, is_explained, due_in, retry_uncertain, settles_doubt }
            if !side.claims.is_empty() =>
        {
            let claim = claim.get(&side.claims);
            let report = AttemptReport {
                outcomes: outcomes.iter().map(|code| outcome(*code)).take(claim.recipients.len()).collect(),
                explanation: is_explained.then(|| because("a reason")),
                request_id: None,
                due_at: after(now, *due_in),
                retry_uncertain: *retry_uncertain,
                settles_doubt: *settles_doubt,
            };
            shown(store.finish_attempt(claim, report, now).await)
        }
        Step::Pause { mailbox, seconds } => {
            let pause = |seconds| LanePause {
                until: after(now, seconds),
                explanation: because("busy"),
                needs_administrator: false,
            };
            shown(store.pause_lane(side.lane(*mailbox), seconds.map(pause)).await)
        }
        Step::LaneOf { mailbox } => {
            let route = route(MAILBOXES[*mailbox]);
            let lane = store.lane_of(&route).await;
            side.lanes.extend(lane.iter().map(|lane| (route.clone(), *lane)));
            shown(lane.map(drop))
        }
        Step::Claim { .. } | Step::Finish { .. } => String::new(),
        other => answer_apart(&*store, other, now).await,
    }
}

/// To what is not a part of delivery.
async fn answer_apart(store: &dyn Store, step: &Step, now: Timestamp) -> String {
    match step {
        Step::Operate { number, operation } => shown(store.operate(id(*number), *operation, "eve", None, now).await),
        Step::HoldQueued { limit } => shown(store.hold_queued("eve", "a test", *limit, now).await),
        Step::Fail { number } => shown(store.fail(id(*number), because("too old"), now).await),
        Step::Quarantine { number } => shown(store.quarantine(id(*number), because("damaged"), now).await),
        Step::Delete { number } => shown(store.delete(id(*number)).await),
        Step::Purge { state, age, limit } => shown(store.purge(*state, after(at(0), *age), *limit).await),
        Step::Reroute { routes } => {
            let routes = routes.iter().map(|(number, mailbox)| (id(*number), mailbox.map(|it| route(MAILBOXES[it]))));
            shown(store.reroute(routes.collect()).await)
        }
        Step::Divert { numbers, mailbox, due_in } => {
            let ids = numbers.iter().map(|number| id(*number)).collect();
            let event = Event { at: now, kind: "moved".into(), actor: "system".into(), detail: None };
            shown(store.divert(ids, route(MAILBOXES[*mailbox]), after(now, *due_in), event).await)
        }
        Step::ChangeSettings { is_late, change } => shown(change_settings(store, *is_late, *change, now).await),
        Step::Sessions { digest, user, what, age } => sessions(store, (*digest, *user), *what, *age, now).await,
        Step::Grant { connection, is_dead } => {
            let connection = ConnectionId(format!("c{connection}"));
            shown(store.put_grant(&connection, is_dead.map(|is_dead| grant(0, is_dead, now))).await)
        }
        Step::RotateGrant { connection, known, token, is_dead } => {
            let connection = ConnectionId(format!("c{connection}"));
            shown(store.put_grant_if(&connection, &refresh_token(*known), grant(*token, *is_dead, now)).await)
        }
        Step::Bounce { number, recipient } => {
            let (recipient, status) = (address(RECIPIENTS[*recipient]), Some(EnhancedStatus::permanent(1, 10)));
            shown(store.mark_bounced(id(*number), &recipient, status, because("nobody"), now).await)
        }
        Step::NoteDelayed { age, limit } => shown(store.note_delayed(after(now, -age), *limit, now).await),
        Step::PurgeOutcomes { up_to } => shown(store.purge_outcomes(*up_to).await),
        Step::Charge { budget, amount } => shown(store.charge(&format!("b{budget}"), *amount, now).await),
        Step::Keep { key, value } => shown(store.keep(KEYS[usize::from(*key)], value.map(Into::into)).await),
        Step::PurgeHistory { age } => shown(store.purge_history(after(now, -age)).await),
        _ => String::new(),
    }
}

pub(super) fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now + SignedDuration::from_secs(seconds)
}

fn outcome(code: u8) -> RecipientOutcome {
    match code {
        0 | 1 => RecipientOutcome::Accepted,
        2 => RecipientOutcome::Deferred,
        3 => RecipientOutcome::Refused(EnhancedStatus::permanent(1, 1)),
        _ => RecipientOutcome::Uncertain,
    }
}

async fn enqueue(store: &dyn Store, step: &Step, now: Timestamp) -> Result<Enqueued, StoreError> {
    let Step::Enqueue { number, mailbox, priority, recipients, send_in, key, is_large, account, is_held } = step else {
        unreachable!()
    };
    let length = if *is_large { 70_000 } else { 10 };
    let body = staged(store, &vec![u8::try_from(*number).unwrap(); length]).await;
    let new = NewMessage {
        body,
        routed_to: mailbox.map(|mailbox| route(MAILBOXES[mailbox])),
        priority: *priority,
        hold: is_held.then(|| "a test".into()),
        account: account.map(|account| AccountId(format!("a{account}"))),
        send_at: send_in.map(|seconds| after(now, seconds)),
        expires_at: after(now, 3_000 + number * 100),
        idempotency: key.map(|(key, digest)| IdempotencyKey {
            key: key.to_string(),
            request_digest: [digest; 32],
            expires_at: after(at(*number), 9_000),
        }),
        ..to(message(*number), &RECIPIENTS[..*recipients])
    };
    store.enqueue(new).await
}

async fn sessions(store: &dyn Store, (digest, user): (u8, u8), what: u8, age: i64, now: Timestamp) -> String {
    let digest = format!("d{digest}");
    match what {
        0 | 1 => {
            let session = Session {
                digest,
                user: UserId(format!("u{user}")),
                created_at: after(now, -age),
                last_seen_at: now,
                authenticated_at: now,
                peer: None,
                user_agent: None,
            };
            shown(store.put_session(session).await)
        }
        2 => shown(store.remove_sessions(vec![digest]).await),
        _ => shown(store.purge_sessions(after(now, -age), after(now, -2 * age)).await),
    }
}

fn refresh_token(number: u8) -> Sealed {
    Sealed { key_id: 1, box_base64: format!("AAA{number}") }
}

fn grant(token: u8, is_dead: bool, now: Timestamp) -> Grant {
    Grant {
        refresh_token: refresh_token(token),
        user: "anna@contoso.test".into(),
        scopes: vec!["Mail.Send".into()],
        signed_in_at: now,
        refreshed_at: now,
        dead: is_dead.then(|| because("revoked")),
    }
}

async fn lease(
    side: &mut Side,
    mailbox: usize,
    name: usize,
    is_renewal: bool,
    until: Timestamp,
    now: Timestamp,
) -> String {
    let (lane, node) = (side.lane(mailbox), node(&format!("n{name}")));
    let held = side.leases.iter().rev().find(|lease| is_renewal && lease.lane == lane && lease.node == node).cloned();
    let lease = side.store.lease_lane(lane, &node, held.as_ref(), until, now).await;
    side.leases.extend(lease.iter().flatten().cloned());
    shown(lease.map(|lease| lease.map(|lease| (lease.node, lease.epoch, lease.until))))
}

async fn change_settings(store: &dyn Store, is_late: bool, change: u8, now: Timestamp) -> Result<u64, StoreError> {
    let version = store.settings().borrow().version;
    let base = if is_late { version + 1 } else { version };
    let tenant = |id: &str| Tenant {
        id: TenantId(id.into()),
        name: format!("{id} at {now}"),
        cloud: settings::Cloud::Global,
        tenant_id: "contoso.test".into(),
        client_id: "6".into(),
        credential: None,
        pending_certificate: None,
        external: settings::ExternalLimit::default(),
    };
    let change = match change {
        0 => SettingsChange::PutTenant(tenant("t2")),
        1 => SettingsChange::PutTenant(tenant("t1")),
        2 => SettingsChange::RemoveTenant(TenantId("t1".into())),
        3 => SettingsChange::PutEmails(Emails { enabled: true, ..Emails::default() }),
        4 => SettingsChange::PutEmails(Emails::default()),
        _ => SettingsChange::RemoveTenant(TenantId("t2".into())),
    };
    let audit = AuditEntry { at: now, actor: "eve".into(), action: "change".into(), detail: serde_json::json!([base]) };
    store.change_settings(base, vec![change], audit).await
}
