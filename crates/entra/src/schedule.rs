//! When to ask for a token again: ahead of its end, and not too soon after a failure. Plain arithmetic.

use std::time::Duration;

use crate::EntraError;

/// Not handed out in the last minute of its life: the request it is for must still arrive, and clocks differ.
const SAFETY_MARGIN: Duration = Duration::from_mins(1);

/// Refreshed this long before its end, so that an outage of Entra shorter than that is not noticed.
const AHEAD: Duration = Duration::from_mins(10);

/// After failures that pass by themselves: 1 s, doubled each time, up to a minute.
const TRANSIENT_FIRST: Duration = Duration::from_secs(1);
const TRANSIENT_MAX: Duration = Duration::from_mins(1);

/// While Entra throttles the application and does not say for how long. It counts what is asked meanwhile.
const THROTTLED_FIRST: Duration = Duration::from_secs(30);
const THROTTLED_MAX: Duration = Duration::from_mins(5);

/// After a refusal that a human must mend: Entra locks out clients that hammer (AADSTS50196), and a changed secret makes a
/// new source anyway, so this only delays noticing a change made in Entra's own admin center.
const REFUSED_FIRST: Duration = Duration::from_secs(15);
const REFUSED_MAX: Duration = Duration::from_mins(2);

/// While somebody has to sign in again. A new sign-in ends this at once; trying the old one now and then only notices that
/// a policy was changed in its favour.
const SIGN_IN_FIRST: Duration = Duration::from_mins(5);
const SIGN_IN_MAX: Duration = Duration::from_hours(1);

/// Entra never asks for more; a proxy's nonsense must not stop mail for a day.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(15);

/// How long a token of this lifetime is handed out. Short lives (a stand-in's, in tests) keep nine tenths.
pub(crate) fn usable(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(SAFETY_MARGIN.min(lifetime / 10))
}

/// After how long a token of this lifetime is refreshed in the background.
pub(crate) fn refresh_after(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(AHEAD.min(lifetime / 4))
}

/// How long to leave Entra alone after the `failures`-th failure in a row (1 is the first).
pub(crate) fn back_off(error: &EntraError, failures: u32) -> Duration {
    let (first, max) = if error.needs_sign_in() {
        (SIGN_IN_FIRST, SIGN_IN_MAX)
    } else if error.is_throttled() && error.retry_after().is_none() {
        (THROTTLED_FIRST, THROTTLED_MAX)
    } else if error.is_transient() {
        (TRANSIENT_FIRST, TRANSIENT_MAX)
    } else {
        (REFUSED_FIRST, REFUSED_MAX)
    };
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    let asked = error.retry_after().unwrap_or_default().min(LONGEST_RETRY_AFTER);
    doubled.min(max).max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Cause, SetupProblem};

    #[test]
    fn a_token_is_refreshed_before_it_is_no_longer_handed_out() {
        for seconds in [1, 10, 120, 3599, 90 * 60, 28 * 3600] {
            let lifetime = Duration::from_secs(seconds);
            assert!(refresh_after(lifetime) < usable(lifetime), "{seconds}");
            assert!(usable(lifetime) < lifetime, "{seconds}");
        }
        assert_eq!(refresh_after(Duration::from_hours(1)), Duration::from_mins(50));
        assert_eq!(usable(Duration::from_hours(1)), Duration::from_mins(59));
    }

    #[test]
    fn back_off_grows_to_a_limit_and_never_undercuts_retry_after() {
        let passing =
            |after: Option<u64>| EntraError::new(Cause::Deadline(Duration::ZERO), after.map(Duration::from_secs));
        let table = [
            (passing(None), 1, 1),
            (passing(None), 2, 2),
            (passing(None), 5, 16),
            (passing(None), u32::MAX, 60),
            // Longer than our own: Entra's word counts.
            (passing(Some(120)), 1, 120),
            // Shorter than our own: ours counts.
            (passing(Some(1)), 5, 16),
            // A day is nobody's intention.
            (passing(Some(86_400)), 1, 900),
            // A human has to act: asking every second would lock the application out.
            (EntraError::new(Cause::Setup(SetupProblem::ClientId), None), 1, 15),
            (EntraError::new(Cause::Setup(SetupProblem::ClientId), None), 9, 120),
            // Only a person signing in can help, and that is noticed without asking.
            (EntraError::new(Cause::NoGrant, None), 1, 300),
            (EntraError::new(Cause::NoGrant, None), 9, 3600),
        ];
        for (error, failures, seconds) in table {
            assert_eq!(back_off(&error, failures), Duration::from_secs(seconds), "{error} {failures}");
        }
    }
}
