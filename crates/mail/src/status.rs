//! Enhanced status codes (RFC 3463), built so that a code cannot disagree with its reply class.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The class of a reply and of its enhanced status code: the one place where 2yz/2.x.x, 4yz/4.x.x and 5yz/5.x.x meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    Success,
    /// Try again later.
    Transient,
    /// Do not try again unchanged.
    Permanent,
}

impl Class {
    pub fn digit(self) -> u8 {
        match self {
            Self::Success => 2,
            Self::Transient => 4,
            Self::Permanent => 5,
        }
    }
}

/// `class.subject.detail`, as in 5.7.1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnhancedStatus {
    pub class: Class,
    pub subject: u16,
    pub detail: u16,
}

impl EnhancedStatus {
    pub const fn new(class: Class, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }
    pub const fn transient(subject: u16, detail: u16) -> Self {
        Self::new(Class::Transient, subject, detail)
    }
    pub const fn permanent(subject: u16, detail: u16) -> Self {
        Self::new(Class::Permanent, subject, detail)
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class.digit(), self.subject, self.detail)
    }
}

impl fmt::Debug for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
