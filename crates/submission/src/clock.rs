//! Time as a parameter: what needs the time is given a [`Clock`], so a test can move it.

use std::fmt::Debug;

use jiff::Timestamp;

pub trait Clock: Send + Sync + Debug + 'static {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
