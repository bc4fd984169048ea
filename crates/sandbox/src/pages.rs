//! Looking in: the JSON under `/sandbox/api/` for programs, and plain pages for people.
//!
//! Promise: nothing here is needed by a client of the tenant, and nothing a message holds is ever shown as HTML.

mod api;
mod html;

pub(crate) use api::{api, stats};
pub(crate) use html::page;
