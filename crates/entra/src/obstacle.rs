//! What stands between here and a host, for whoever has to clear it.
//!
//! Promise: an HTTP client's error, however deep it hides the reason, comes out with words and with the hands the fix is in.
//! A client whose connector puts an [`Obstacle`] into its errors has the last word; about another's there is at least
//! the innermost error, the one that says something: "Connection refused", "invalid peer certificate".

use std::borrow::Cow;
use std::error::Error;

use crate::explanation::Who;

/// Why a host cannot be reached, and who does what about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Obstacle {
    /// A sentence without its end, to stand after "cannot be reached:".
    pub why: String,
    pub fix: Cow<'static, str>,
    pub who: Who,
}

const LOOK_EVERYWHERE: &str =
    "Check name resolution, firewall, proxy (address and password) and CA bundle; it is tried again by itself.";

impl Obstacle {
    pub fn new(why: impl Into<String>, fix: impl Into<Cow<'static, str>>, who: Who) -> Self {
        Self { why: why.into(), fix: fix.into(), who }
    }

    /// The obstacle that an error carries, or else the innermost of its causes.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut innermost = error;
        loop {
            if let Some(known) = innermost.downcast_ref::<Self>() {
                return known.clone();
            }
            match innermost.source() {
                Some(source) => innermost = source,
                None => break,
            }
        }
        // An error without a cause says where it happened ("error sending request for url"), and not what.
        let says_something = error.source().is_some();
        let why = if says_something { innermost.to_string() } else { "the request failed".to_owned() };
        Self::new(why, LOOK_EVERYWHERE, Who::NetworkAdministrator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outside")]
    struct Outside(#[source] Box<dyn Error>);

    #[test]
    fn a_known_obstacle_is_found_however_deep_and_whatever_lies_below_it() {
        let obstacle = Obstacle::new("the proxy wants a password", "Enter it.", Who::GatewayAdministrator);
        let error = Outside(Box::new(Outside(Box::new(obstacle.clone()))));
        assert_eq!(Obstacle::of(&error), obstacle);
    }

    #[test]
    fn of_a_strangers_error_the_innermost_cause_is_told() {
        let refused = std::io::Error::other("Connection refused");
        assert_eq!(Obstacle::of(&Outside(Box::new(refused))).why, "Connection refused");
        assert_eq!(Obstacle::of(&std::io::Error::other("for url https://secret.test")).why, "the request failed");
    }
}
