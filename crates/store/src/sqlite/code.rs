//! How values lie in columns. Numbers once given keep their meaning for ever.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use settings::AccountId;

use crate::{MessageState, OutcomeKind, Priority, StoreError, Via};

pub(super) fn state_code(state: MessageState) -> i64 {
    match state {
        MessageState::Queued => 0,
        MessageState::Sending => 1,
        MessageState::Sent => 2,
        MessageState::Failed => 3,
        MessageState::Uncertain => 4,
        MessageState::Held => 5,
        MessageState::Cancelled => 6,
        MessageState::Quarantined => 7,
    }
}

pub(super) fn state_of(code: i64) -> Result<MessageState, StoreError> {
    known(MessageState::ALL.into_iter().find(|state| state_code(*state) == code), "state", code)
}

pub(super) const PRIORITIES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Bulk];

pub(super) fn priority_code(priority: Priority) -> i64 {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Bulk => 2,
    }
}

pub(super) fn priority_of(code: i64) -> Result<Priority, StoreError> {
    known(PRIORITIES.into_iter().find(|priority| priority_code(*priority) == code), "priority", code)
}

pub(super) fn outcome_code(kind: OutcomeKind) -> i64 {
    match kind {
        OutcomeKind::Sent => 0,
        OutcomeKind::Failed => 1,
        OutcomeKind::Delayed => 2,
        OutcomeKind::Uncertain => 3,
        OutcomeKind::Bounced => 4,
        OutcomeKind::Quarantined => 5,
    }
}

pub(super) fn outcome_of(code: i64) -> Result<OutcomeKind, StoreError> {
    known(OutcomeKind::ALL.into_iter().find(|kind| outcome_code(*kind) == code), "outcome", code)
}

/// Greater than the empty text; no account comes before all accounts, and those have the order of their ids.
pub(super) fn account_code(account: Option<&AccountId>) -> String {
    account.map_or_else(|| "-".into(), |account| format!("={}", account.0))
}

pub(super) fn account_of(code: &str) -> Result<Option<AccountId>, StoreError> {
    match code.strip_prefix('=') {
        Some(id) => Ok(Some(AccountId(id.to_owned()))),
        None if code == "-" => Ok(None),
        None => Err(unreadable(format!("account {code:?}"))),
    }
}

pub(super) fn via_code(via: Via) -> i64 {
    match via {
        Via::Smtp => 0,
        Via::Http => 1,
        Via::Sendmail => 2,
        Via::Cli => 3,
        Via::Gateway => 4,
    }
}

pub(super) fn via_of(code: i64) -> Result<Via, StoreError> {
    let all = [Via::Smtp, Via::Http, Via::Sendmail, Via::Cli, Via::Gateway];
    known(all.into_iter().find(|via| via_code(*via) == code), "way in", code)
}

fn known<T>(value: Option<T>, what: &str, code: i64) -> Result<T, StoreError> {
    value.ok_or_else(|| unreadable(format!("{what} {code} is unknown")))
}

/// Microseconds since 1970.
pub(super) fn time_code(time: Timestamp) -> i64 {
    time.as_microsecond()
}

pub(super) fn time_of(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds).map_err(|error| unreadable(error.to_string()))
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable { detail: error.to_string() })
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))
}

/// Lengths and counters of ours are far below the end of the range; what is not stays at its end.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub(super) fn unreadable(detail: String) -> StoreError {
    StoreError::Unreadable { detail }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode};
        let detail = error.to_string();
        match error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::DiskFull { place: "the database".into() },
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Unreadable { detail },
                _ => Self::Unavailable { detail },
            },
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => Self::Unreadable { detail },
            _ => Self::Unavailable { detail },
        }
    }
}

pub(super) fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}
