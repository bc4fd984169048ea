//! What all sign-ins share: how many are checked at once, and how fast one may guess.

/// Shared by everything in the process that checks passwords of people. Lives as long as the process.
#[derive(Debug)]
pub struct SignInGate {}

impl SignInGate {
    /// `max_checks`: passwords checked at the same time; each takes a core and 19 MiB for some 20 ms.
    pub fn new(max_checks: usize) -> Self {
        todo!()
    }
}

impl Default for SignInGate {
    fn default() -> Self {
        Self::new(2)
    }
}
