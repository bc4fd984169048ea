//! Everything that can be seen of a store.

use std::fmt::Debug;

use jiff::Timestamp;
use settings::{AccountId, ConnectionId, UserId};
use store::{AttemptId, Claim, Filter, Lane, LaneId, MessageDetail, MessageRecord, PageRequest, StoreError};

use super::answer::after;
use super::history::MESSAGES;
use super::pair::Side;
use crate::fixture::*;

/// Which error, without its words.
fn kind(error: StoreError) -> String {
    match error {
        StoreError::SettingsChanged { current } => format!("settings changed, {current}"),
        StoreError::DiskFull { .. } => "disk full".into(),
        StoreError::NotFound { .. } => "not found".into(),
        StoreError::Conflict { .. } => "conflict".into(),
        StoreError::IdempotencyMismatch => "idempotency mismatch".into(),
        StoreError::LeaseLost => "lease lost".into(),
        StoreError::Unreadable { detail } => format!("unreadable: {detail}"),
        StoreError::Unavailable { detail } => format!("unavailable: {detail}"),
    }
}

pub(super) fn shown<T: Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => kind(error),
    }
}

fn plain(record: MessageRecord) -> MessageRecord {
    MessageRecord { lane: None, ..record }
}

pub(super) fn plain_claim(claim: Claim) -> (MessageRecord, Vec<usize>, u64) {
    (plain(claim.message), claim.recipients, claim.lease.epoch)
}

fn plain_detail(mut detail: MessageDetail) -> MessageDetail {
    detail.attempts.iter_mut().for_each(|attempt| attempt.id = AttemptId(0));
    MessageDetail { message: plain(detail.message), ..detail }
}

fn plain_lane(lane: Lane) -> Lane {
    Lane { id: LaneId(0), ..lane }
}

fn filters(now: Timestamp) -> Vec<Filter> {
    use store::MessageState as S;
    let all = Filter::default;
    let of_one_state = S::ALL.map(|state| Filter { states: vec![state], ..all() });
    let more = [
        all(),
        Filter { states: vec![S::Queued, S::Sending, S::Held, S::Uncertain], ..all() },
        Filter { states: vec![S::Sent, S::Failed], text: Some("hi b".into()), ..all() },
        Filter { account: Some(AccountId("a1".into())), ..all() },
        Filter { recipient: Some(address("B@x.test")), since: Some(after(at(0), 2)), ..all() },
        Filter { bounced: true, ..all() },
        Filter { bounced: true, states: vec![S::Failed], text: Some("hi".into()), ..all() },
        Filter { internet_message_id: Some("<1@contoso.test>".into()), states: vec![S::Held], ..all() },
        Filter { internet_message_id: Some("<1@contoso>".into()), ..all() },
        Filter { sender: Some("app".into()), until: Some(after(now, -9_997)), ..all() },
    ];
    of_one_state.into_iter().chain(more).collect()
}

/// Everything a caller can see, in a form that two stores can share.
pub(super) async fn view(side: &Side, now: Timestamp) -> Vec<String> {
    let store = &*side.store;
    let mut seen = vec![
        shown(store.counts().await),
        shown(store.unrouted(3).await),
        shown(store.waiting_messages(Some(id(0)), 3).await),
        shown(store.expired(now, 3).await),
        shown(store.audit(None, 5).await),
        format!("{:?}", store.settings().borrow()),
        shown(store.history(after(now, -50_000), after(now, 1)).await),
        shown(store.last_submissions().await),
        shown(store.sessions(None).await),
        shown(store.sessions(Some(&UserId("u1".into()))).await),
        shown(store.session("d1").await),
        shown(store.grant(&ConnectionId("c1".into())).await),
        shown(store.outcomes(0, 4).await),
        shown(store.outcomes(4, 99).await),
        shown(store.newest_outcome().await),
        shown(store.charged("b1", after(now, -86_400)).await),
        shown(store.charged("b1", at(0)).await),
        shown(store.kept("a").await),
        shown(store.kept_under("a/").await),
        shown(store.with_internet_message_id("<1@contoso.test>", 2).await),
    ];
    // Lanes of one name have one order; those without work are known to both.
    seen.push(format!("{:?}", store.lanes(2).await.unwrap().into_iter().map(plain_lane).collect::<Vec<_>>()));
    let mut lanes: Vec<_> = store.lanes_with_work().await.unwrap().into_iter().map(plain_lane).collect();
    lanes.sort_by(|a, b| a.key.cmp(&b.key));
    seen.push(format!("{lanes:?}"));
    for lane in side.lanes.values() {
        seen.push(shown(store.lane(*lane).await.map(plain_lane)));
        for (due_by, after) in [(now, None), (Timestamp::MAX, None), (Timestamp::MAX, Some(id(2)))] {
            seen.push(shown(store.queued_in_lane(*lane, due_by, after, 2).await));
        }
        seen.push(shown(store.recipients_attempted(*lane, after(now, -7_200)).await));
    }
    for filter in filters(now) {
        for before in [None, Some(id(MESSAGES)), Some(id(2))] {
            let page = store.messages(&filter, PageRequest { before, limit: 2 }).await.unwrap();
            let ids: Vec<_> = page.messages.iter().map(|record| record.id).collect();
            seen.push(format!("{filter:?} {before:?} {ids:?} {:?}", page.next));
        }
    }
    for number in 0..MESSAGES {
        seen.push(shown(store.message(id(number)).await.map(plain_detail)));
        seen.push(match store.read_body(id(number)).await {
            Ok(body) => format!("{:?}", crc32fast::hash(&body.into_bytes(100_000).await.unwrap())),
            Err(error) => kind(error),
        });
    }
    seen
}
