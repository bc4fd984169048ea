//! Non-delivery reports that come back, and finding the message they are about.

use mail::EnhancedStatus;
use store::{
    AttemptReport, Filter, MessageState as S, NewMessage, Operation, OutcomeKind, PageRequest, RecipientOutcome as O,
    RecipientState as R, Store, StoreError,
};

use super::stores;
use crate::fixture::*;

const NOBODY: EnhancedStatus = EnhancedStatus::permanent(1, 10);

/// Message 1, to a and b (sent) and c (refused).
async fn delivered(store: &dyn Store) {
    store.enqueue(to(message(1), &["a@x.test", "B@x.test", "c@x.test"])).await.unwrap();
    let lease = lease(store, at(10)).await;
    let claim = claim_one(store, &lease, at(10)).await;
    let outcomes = vec![O::Accepted, O::Accepted, O::Refused(EnhancedStatus::permanent(1, 1))];
    let report = AttemptReport { outcomes, ..report(&claim, O::Accepted, at(11)) };
    assert_eq!(store.finish_attempt(&claim, report, at(11)).await.unwrap(), S::Failed);
}

async fn bounced(store: &dyn Store) -> Vec<mail::MessageId> {
    let filter = Filter { bounced: true, ..Filter::default() };
    let page = store.messages(&filter, PageRequest { before: None, limit: 9 }).await.unwrap();
    page.messages.into_iter().map(|record| record.id).collect()
}

#[tokio::test]
async fn a_bounce_is_the_recipients_and_leaves_the_messages_state() {
    for store in &stores() {
        delivered(store).await;
        assert_eq!(bounced(store).await, []);
        let reason = because("b does not exist");
        assert!(store.mark_bounced(id(1), &address("b@X.test"), Some(NOBODY), reason.clone(), at(20)).await.unwrap());

        let shown = store.message(id(1)).await.unwrap();
        let recipients: Vec<_> = shown.recipients.iter().map(|recipient| recipient.state).collect();
        assert_eq!(recipients, [R::Sent, R::Bounced, R::Failed]);
        assert_eq!(shown.recipients[1].status, Some(NOBODY));
        assert_eq!((shown.message.state, shown.message.bounced), (S::Failed, true));
        assert_eq!(shown.message.last_error, Some(reason));
        let event = shown.events.last().unwrap();
        assert_eq!((event.kind.as_str(), event.at, event.actor.as_str()), ("bounced", at(20), "system"));
        assert_eq!(event.detail.as_deref(), Some("b does not exist"));
        assert_eq!(bounced(store).await, [id(1)]);
        let told = store.outcomes(1, 9).await.unwrap();
        assert_eq!(
            told.iter().map(|outcome| (outcome.kind, outcome.at)).collect::<Vec<_>>(),
            [(OutcomeKind::Bounced, at(20))]
        );
    }
}

#[tokio::test]
async fn a_second_report_about_a_recipient_is_known_and_told_to_nobody() {
    for store in &stores() {
        delivered(store).await;
        let recipient = address("a@x.test");
        store.mark_bounced(id(1), &recipient, Some(NOBODY), because("gone"), at(20)).await.unwrap();
        let (before, newest) = (store.message(id(1)).await.unwrap(), store.newest_outcome().await.unwrap());
        assert!(store.mark_bounced(id(1), &recipient, None, because("again"), at(21)).await.unwrap());
        assert_eq!(store.message(id(1)).await.unwrap(), before);
        assert_eq!(store.newest_outcome().await.unwrap(), newest);
    }
}

#[tokio::test]
async fn only_whom_it_was_sent_to_can_bounce() {
    for store in &stores() {
        delivered(store).await;
        store.enqueue(message(2)).await.unwrap();
        let before = [store.message(id(1)).await.unwrap(), store.message(id(2)).await.unwrap()];
        for (number, recipient, reason) in [
            (1, "c@x.test", "it was refused"),
            (1, "d@x.test", "it went to nobody of that name"),
            (2, "anna@example.test", "it was not sent yet"),
        ] {
            let marked = store.mark_bounced(id(number), &address(recipient), None, because("gone"), at(20)).await;
            assert!(!marked.unwrap(), "{reason}");
        }
        assert_eq!([store.message(id(1)).await.unwrap(), store.message(id(2)).await.unwrap()], before);
        let nowhere = store.mark_bounced(id(9), &address("a@x.test"), None, because("gone"), at(20)).await;
        assert!(matches!(nowhere, Err(StoreError::NotFound { .. })));
    }
}

#[tokio::test]
async fn a_retry_leaves_those_alone_who_bounced() {
    for store in &stores() {
        delivered(store).await;
        store.mark_bounced(id(1), &address("a@x.test"), None, because("gone"), at(20)).await.unwrap();
        store.operate(id(1), Operation::Retry, "eve", None, at(21)).await.unwrap();
        let lease = lease(store, at(22)).await;
        let claim = claim_one(store, &lease, at(22)).await;
        assert_eq!(claim.recipients, [2], "only the one that was refused");
        assert!(store.mark_bounced(id(1), &address("b@x.test"), None, because("gone"), at(23)).await.unwrap());
        let state = store.finish_attempt(&claim, report(&claim, O::Accepted, at(24)), at(24)).await.unwrap();
        assert_eq!(state, S::Sent);
        let recipients: Vec<_> = store.message(id(1)).await.unwrap().recipients.iter().map(|it| it.state).collect();
        assert_eq!(recipients, [R::Bounced, R::Bounced, R::Sent], "a report during an attempt is not forgotten");
    }
}

#[tokio::test]
async fn a_message_is_found_by_the_whole_of_its_message_id() {
    for store in &stores() {
        for (number, message_id) in [
            (1, Some("<a.b-1@contoso.test>")),
            (2, Some("<a.b-1@contoso.test>")),
            (3, Some("<A.B-1@contoso.test>")), // letter case counts
            (4, Some("<a.b-12@contoso.test>")),
            (5, Some("<a-b.1@contoso.test>")), // the same words
            (6, None),
            (7, Some("<a.b-1@contoso.test>")),
        ] {
            let internet_message_id = message_id.map(str::to_owned);
            store.enqueue(NewMessage { internet_message_id, ..message(number) }).await.unwrap();
        }
        let found = async |message_id, limit| store.with_internet_message_id(message_id, limit).await.unwrap();
        assert_eq!(found("<a.b-1@contoso.test>", 9).await, [7, 2, 1].map(id), "newest first");
        assert_eq!(found("<a.b-1@contoso.test>", 2).await, [7, 2].map(id));
        assert_eq!(found("a.b-1@contoso.test", 9).await, [], "with its brackets");
        assert_eq!(found("<a.b-1@contoso", 9).await, []);
        assert_eq!(found("<>", 9).await, [], "nothing to look for in an index");
    }
}
