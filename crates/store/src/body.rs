//! Bodies on their way in and out, never whole in memory.
//!
//! A body up to [`INLINE_BODY_MAX_BYTES`] stays in memory and lies in the message's row; a larger one is streamed to a
//! spool file that is written and synced, with its folder, before the row that names it.

/// Bodies up to this size lie in the row: one sync for row and body, no file.
pub const INLINE_BODY_MAX_BYTES: usize = 64 * 1024;
