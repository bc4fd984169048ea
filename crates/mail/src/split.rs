//! Envelopes too large for one send, cut into groups.

use crate::Recipient;

/// The recipients in their order, in as few groups of at most `limit` as possible, of nearly equal size: 501 recipients
/// at a limit of 500 make 251 and 250, so that no send goes out for a single address. A limit of zero is a limit of one.
pub fn split_recipients(recipients: &[Recipient], limit: usize) -> impl Iterator<Item = &[Recipient]> {
    let groups = recipients.len().div_ceil(limit.max(1));
    let size = recipients.len().checked_div(groups).unwrap_or(0);
    let larger = recipients.len().checked_rem(groups).unwrap_or(0);
    let mut rest = recipients;
    (0..groups).filter_map(move |group| {
        let (head, tail) = rest.split_at_checked(size + usize::from(group < larger))?;
        rest = tail;
        Some(head)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;
    use proptest::prelude::*;

    fn recipients(count: usize) -> Vec<Recipient> {
        (0..count).map(|n| format!("r{n}@x.test").parse::<Address>().unwrap().into()).collect()
    }

    #[test]
    fn groups_are_few_and_even() {
        for (count, limit, sizes) in [
            (0, 500, &[][..]),
            (1, 500, &[1]),
            (500, 500, &[500]),
            (501, 500, &[251, 250]), // no send for one straggler
            (7, 3, &[3, 2, 2]),
            (2, 0, &[1, 1]), // a limit of zero cannot mean "drop them"
        ] {
            let all = recipients(count);
            let found: Vec<usize> = split_recipients(&all, limit).map(<[Recipient]>::len).collect();
            assert_eq!(found, sizes, "{count} by {limit}");
        }
    }

    proptest! {
        #[test]
        fn every_recipient_is_in_exactly_one_group(count in 0_usize..200, limit in 1_usize..50) {
            let all = recipients(count);
            let groups: Vec<&[Recipient]> = split_recipients(&all, limit).collect();
            prop_assert!(groups.iter().all(|group| !group.is_empty() && group.len() <= limit));
            prop_assert_eq!(groups.concat(), all);
        }
    }
}
