//! An attempt that ended by settings which were changed while it was under way.
//!
//! ```text
//!   attempt begins ─► a new secret is saved ─► the attempt's old one is refused ─► again at once, with the new one
//! ```
//!
//! Promise: no lane rests until an administrator acts for what an administrator has mended already.

use std::sync::Arc;

use store::Claim;

use crate::rest::Rest;
use crate::{LaneVerdict, Transport, Upstreams, Verdict};

/// How an attempt ended, by the settings as they are now.
pub(crate) fn judge_again(
    verdict: Verdict,
    upstreams: &dyn Upstreams,
    claim: &Claim,
    transport: &Arc<dyn Transport>,
) -> Verdict {
    if verdict.lane == LaneVerdict::NeedsAdministrator && is_outdated(upstreams, claim, transport) {
        return Verdict { lane: LaneVerdict::MessageOnly, retry_at_once: true, ..verdict };
    }
    verdict
}

/// Ends a rest that was begun just as the settings changed, too late for the change to end it.
pub(crate) async fn end_outdated_rest(
    rest: &Rest,
    store: &dyn store::Store,
    upstreams: &dyn Upstreams,
    claim: &Claim,
    transport: &Arc<dyn Transport>,
) {
    if rest.needs_administrator() && is_outdated(upstreams, claim, transport) {
        rest.give_up(store).await;
    }
}

fn is_outdated(upstreams: &dyn Upstreams, claim: &Claim, transport: &Arc<dyn Transport>) -> bool {
    let route = claim.message.routed_to.as_ref();
    route.is_some_and(|route| upstreams.has_replaced(&route.connection, transport))
}
