//! What may happen to a store, as values that shrink.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use store::{MessageState, Operation, Priority};

#[derive(Debug, Clone)]
pub(super) enum Step {
    Enqueue {
        number: i64,
        mailbox: Option<usize>,
        priority: Priority,
        recipients: usize,
        send_in: Option<i64>,
        key: Option<(u8, u8)>,
        is_large: bool,
        account: Option<u8>,
        is_held: bool,
    },
    Wait {
        seconds: i64,
    },
    Lease {
        mailbox: usize,
        node: usize,
        is_renewal: bool,
        seconds: i64,
    },
    /// With one of the leases ever given out, so also with lost ones.
    Claim {
        lease: prop::sample::Index,
        messages: u32,
        recipients: u32,
        only_small: bool,
        at_least: Priority,
        through_pause: bool,
    },
    /// One of the claims ever made, so also a second time.
    Finish {
        claim: prop::sample::Index,
        outcomes: Vec<u8>,
        is_explained: bool,
        due_in: i64,
        retry_uncertain: bool,
        settles_doubt: bool,
    },
    Pause {
        mailbox: usize,
        seconds: Option<i64>,
    },
    Operate {
        number: i64,
        operation: Operation,
    },
    HoldQueued {
        limit: u32,
    },
    Fail {
        number: i64,
    },
    Bounce {
        number: i64,
        recipient: usize,
    },
    NoteDelayed {
        age: i64,
        limit: u32,
    },
    PurgeOutcomes {
        up_to: u64,
    },
    Charge {
        budget: u8,
        amount: u64,
    },
    Keep {
        key: u8,
        value: Option<u8>,
    },
    LaneOf {
        mailbox: usize,
    },
    Quarantine {
        number: i64,
    },
    Delete {
        number: i64,
    },
    Purge {
        state: MessageState,
        age: i64,
        limit: u32,
    },
    Reroute {
        routes: Vec<(i64, Option<usize>)>,
    },
    Divert {
        numbers: Vec<i64>,
        mailbox: usize,
        due_in: i64,
    },
    /// A session comes, is seen again, ends, or all that are old do.
    Sessions {
        digest: u8,
        user: u8,
        what: u8,
        age: i64,
    },
    Grant {
        connection: u8,
        is_dead: Option<bool>,
    },
    /// The grant's refresh token is exchanged for `token`; who does that believes that it was `known`.
    RotateGrant {
        connection: u8,
        known: u8,
        token: u8,
        is_dead: bool,
    },
    PurgeHistory {
        age: i64,
    },
    /// The durable store brings its index of words up to date.
    IndexWords,
    ChangeSettings {
        is_late: bool,
        change: u8,
    },
    /// The process ends and begins again.
    Restart,
}

/// Few messages, mailboxes and nodes, so that steps meet.
pub(super) const MESSAGES: i64 = 6;
pub(super) const MAILBOXES: usize = 3;
pub(super) const NODES: usize = 2;

pub(super) fn history() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..40)
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..MESSAGES;
    let mailbox = || 0..MAILBOXES;
    prop_oneof![
        8 => enqueue(),
        2 => (1_i64..5_000).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Wait { seconds: 86_400 }),
        5 => (mailbox(), 0..NODES, any::<bool>(), 0_i64..3_000)
            .prop_map(|(mailbox, node, is_renewal, seconds)| Step::Lease { mailbox, node, is_renewal, seconds }),
        8 => claim(),
        8 => finish(),
        1 => (mailbox(), option::of(0_i64..2_000)).prop_map(|(mailbox, seconds)| Step::Pause { mailbox, seconds }),
        4 => (number(), operation()).prop_map(|(number, operation)| Step::Operate { number, operation }),
        1 => (0_u32..3).prop_map(|limit| Step::HoldQueued { limit }),
        1 => number().prop_map(|number| Step::Fail { number }),
        3 => (number(), 0_usize..4).prop_map(|(number, recipient)| Step::Bounce { number, recipient }),
        2 => (0_i64..9_000, 0_u32..4).prop_map(|(age, limit)| Step::NoteDelayed { age, limit }),
        1 => (0_u64..9).prop_map(|up_to| Step::PurgeOutcomes { up_to }),
        1 => (0_u8..2, 0_u64..5).prop_map(|(budget, amount)| Step::Charge { budget, amount }),
        1 => (0_u8..4, option::of(0_u8..9)).prop_map(|(key, value)| Step::Keep { key, value }),
        1 => mailbox().prop_map(|mailbox| Step::LaneOf { mailbox }),
        1 => number().prop_map(|number| Step::Quarantine { number }),
        1 => number().prop_map(|number| Step::Delete { number }),
        1 => (prop::sample::select(MessageState::ALL.to_vec()), 0_i64..5_000, 0_u32..4)
            .prop_map(|(state, age, limit)| Step::Purge { state, age, limit }),
        2 => vec((number(), option::of(mailbox())), 0..3).prop_map(|routes| Step::Reroute { routes }),
        2 => (vec(number(), 0..3), mailbox(), -2_000_i64..2_000)
            .prop_map(|(numbers, mailbox, due_in)| Step::Divert { numbers, mailbox, due_in }),
        1 => (prop::bool::weighted(0.2), 0_u8..6)
            .prop_map(|(is_late, change)| Step::ChangeSettings { is_late, change }),
        2 => (0_u8..3, 0_u8..2, 0_u8..4, 0_i64..5_000)
            .prop_map(|(digest, user, what, age)| Step::Sessions { digest, user, what, age }),
        1 => (0_u8..2, option::of(any::<bool>())).prop_map(|(connection, is_dead)| Step::Grant { connection, is_dead }),
        1 => (0_u8..2, 0_u8..2, 0_u8..2, any::<bool>())
            .prop_map(|(connection, known, token, is_dead)| Step::RotateGrant { connection, known, token, is_dead }),
        1 => (0_i64..9_000).prop_map(|age| Step::PurgeHistory { age }),
        1 => Just(Step::IndexWords),
        1 => Just(Step::Restart),
    ]
}

fn claim() -> impl Strategy<Value = Step> {
    let lease = any::<prop::sample::Index>();
    let at_least = prop::sample::select(vec![Priority::High, Priority::Normal, Priority::Bulk, Priority::Bulk]);
    let odd = (prop::bool::weighted(0.2), at_least, prop::bool::weighted(0.2));
    (lease, 0_u32..4, 0_u32..4, odd).prop_map(|(lease, messages, recipients, (only_small, at_least, through_pause))| {
        Step::Claim { lease, messages, recipients, only_small, at_least, through_pause }
    })
}

fn finish() -> impl Strategy<Value = Step> {
    let claim = any::<prop::sample::Index>();
    let doubt = (any::<bool>(), prop::bool::weighted(0.2));
    (claim, vec(0_u8..5, 3), any::<bool>(), 0_i64..1_000, doubt).prop_map(
        |(claim, outcomes, is_explained, due_in, (retry_uncertain, settles_doubt))| Step::Finish {
            claim,
            outcomes,
            is_explained,
            due_in,
            retry_uncertain,
            settles_doubt,
        },
    )
}

fn enqueue() -> impl Strategy<Value = Step> {
    let priority = prop::sample::select(vec![Priority::High, Priority::Normal, Priority::Bulk]);
    let key = option::weighted(0.2, (0_u8..2, 0_u8..2));
    let send_in = option::weighted(0.2, 0_i64..2_000);
    let mailbox = option::weighted(0.8, 0..MAILBOXES);
    let account = option::of(0_u8..2);
    let odd = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (0..MESSAGES, mailbox, priority, 1_usize..4, send_in, key, odd, account).prop_map(
        |(number, mailbox, priority, recipients, send_in, key, (is_large, is_held), account)| Step::Enqueue {
            number,
            mailbox,
            priority,
            recipients,
            send_in,
            key,
            is_large,
            account,
            is_held,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    prop::sample::select(vec![Operation::Retry, Operation::Cancel, Operation::Hold, Operation::Release])
}
