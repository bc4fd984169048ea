//! What can go wrong with durable state, named by what the caller can do about it.

/// Nothing was changed unless a method says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No room for the write. The caller says "try later"; the operator must make room.
    #[error("the disk that holds {place} is full")]
    DiskFull { place: String },
    /// The message, lane or attempt does not exist (any more).
    #[error("{what} does not exist")]
    NotFound { what: String },
    /// The message is not in a state that allows this. Carries a sentence that says which states do.
    #[error("{reason}")]
    Conflict { reason: String },
    /// The same idempotency key was used for another message within its lifetime.
    #[error("this Idempotency-Key was used for a different message")]
    IdempotencyMismatch,
    /// Somebody else changed the settings since the caller read them: read again and decide again.
    #[error("the settings were changed by somebody else (now version {current})")]
    SettingsChanged { current: u64 },
    /// This node does not own the lane any more: stop working on it.
    #[error("the lease on the lane was lost")]
    LeaseLost,
    /// What is stored cannot be understood. It is kept as it is; the operator must look.
    #[error("stored data cannot be read: {detail}")]
    Unreadable { detail: String },
    /// The store does not work. Transient to clients, loud to operators.
    #[error("the store does not work: {detail}")]
    Unavailable { detail: String },
}
