//! Silence that Entra asked for, kept by everything that asks in the name of one application.
//!
//! Microsoft counts requests for each application, not for each service the tokens are for: one source that goes on asking
//! while another was told to wait keeps both locked out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::EntraError;

/// Until when an application's token endpoint is left alone. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Quiet(Arc<Mutex<Option<Silence>>>);

#[derive(Debug)]
struct Silence {
    until: Instant,
    error: EntraError,
}

impl Quiet {
    pub(crate) fn begin(&self, until: Instant, error: &EntraError) {
        let mut silence = self.state();
        if silence.as_ref().is_none_or(|known| known.until < until) {
            *silence = Some(Silence { until, error: error.clone() });
        }
    }

    /// Why nothing may be asked now, and for how long.
    pub(crate) fn reason(&self, now: Instant) -> Option<EntraError> {
        let state = self.state();
        let silence = state.as_ref().filter(|silence| now < silence.until)?;
        Some(silence.error.with_retry_after(silence.until.saturating_duration_since(now)))
    }

    fn state(&self) -> MutexGuard<'_, Option<Silence>> {
        // One plain assignment: a panic elsewhere cannot leave it half made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
