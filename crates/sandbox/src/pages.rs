//! Looking in: the JSON under `/sandbox/api/` for programs, and plain pages for people.
//!
//! Promise: nothing here is needed by a client of the tenant but the frame of Entra's pages, and nothing a message holds
//! is ever shown as HTML.

mod api;
mod document;
mod html;

pub(crate) use api::{api, stats};
pub(crate) use document::{Forms, document};
pub(crate) use html::page;
