//! The addresses of the console: one file a page or action, and this list of all of them.

mod accounts;
mod audit;
mod authentication;
mod confirm;
mod connections;
mod doctor;
mod events;
mod message;
mod messages;
mod overview;
mod profile;
mod routes;
mod services;
mod sessions;
mod settings;
mod setup;
mod sign_in;
mod sign_in_settings;
mod sign_out;
mod tenants;
mod tokens;
mod users;
mod welcome;

use ::settings::Role;
use axum::Router;

use crate::Console;
use crate::assets;
use crate::guard::Pages;

pub(crate) use events::MAX_LISTENERS;

/// The console, to be merged with the other routes of the HTTP listener.
pub fn router(console: Console) -> Router {
    all(console).files("/assets/{*name}", assets::serve).into_router()
}

pub(crate) fn all(console: Console) -> Pages {
    let pages = Pages::new(console);
    let pages = administration(people(pages));
    let pages = watching(messages(pages));
    system_settings(submitting(sending(pages)))
}

fn people(pages: Pages) -> Pages {
    pages
        .open_view("/setup", setup::show)
        .open_action("/setup", setup::submit)
        .open_view("/sign-in", sign_in::show)
        .open_action("/sign-in", sign_in::submit)
        .open_view("/sign-in/openid", sign_in::openid::begin)
        .open_view("/sign-in/openid/callback", sign_in::openid::finish)
        .view("/confirm", Role::Viewer, confirm::show)
        .action("/confirm", Role::Viewer, confirm::submit)
        .action("/sign-out", Role::Viewer, sign_out::submit)
        .view("/profile", Role::Viewer, profile::show)
        .action("/profile/end-other-sessions", Role::Viewer, profile::end_others)
        .view("/profile/password", Role::Viewer, profile::password::show)
        .action("/profile/password", Role::Viewer, profile::password::submit)
        .sensitive("/profile/second-factor", Role::Viewer, profile::second_factor::begin)
        .sensitive("/profile/second-factor/confirm", Role::Viewer, profile::second_factor::confirm)
        .sensitive("/profile/second-factor/codes", Role::Viewer, profile::second_factor::new_codes)
        .sensitive("/profile/second-factor/remove", Role::Viewer, profile::second_factor::remove)
        .action("/sessions/{id}/end", Role::Viewer, sessions::end)
}

fn administration(pages: Pages) -> Pages {
    const NEEDED: Role = Role::Administrator;
    pages
        .view("/administration/users", NEEDED, users::list)
        .sensitive_view("/administration/users/add", NEEDED, users::add::show)
        .sensitive("/administration/users/add", NEEDED, users::add::submit)
        .view("/administration/users/{id}", NEEDED, users::show)
        .sensitive("/administration/users/{id}/role", NEEDED, users::change::role)
        .sensitive("/administration/users/{id}/disable", NEEDED, users::change::disable)
        .sensitive("/administration/users/{id}/enable", NEEDED, users::change::enable)
        .sensitive("/administration/users/{id}/reset-password", NEEDED, users::change::reset_password)
        .sensitive("/administration/users/{id}/remove-second-factor", NEEDED, users::change::remove_second_factor)
        .sensitive("/administration/users/{id}/remove", NEEDED, users::change::remove)
        .view("/administration/tokens", NEEDED, tokens::list)
        .sensitive_view("/administration/tokens/create", NEEDED, tokens::show_create)
        .sensitive("/administration/tokens/create", NEEDED, tokens::create)
        .sensitive("/administration/tokens/{id}/revoke", NEEDED, tokens::revoke)
        .view("/administration/sessions", NEEDED, sessions::list)
        .sensitive_view("/settings/sign-in", NEEDED, sign_in_settings::show)
        .sensitive("/settings/sign-in", NEEDED, sign_in_settings::save)
        .sensitive("/settings/sign-in/remove", NEEDED, sign_in_settings::remove)
}

fn messages(pages: Pages) -> Pages {
    pages
        .view("/messages", Role::Viewer, messages::show)
        .view("/messages/export.csv", Role::Viewer, messages::export::download)
        .action("/messages/bulk", messages::bulk::ROLE, messages::bulk::submit)
        .view("/messages/{id}", Role::Viewer, message::show)
        .action("/messages/{id}/{act}", Role::Operator, message::act::submit)
        .view("/messages/{id}/content", Role::Administrator, message::content::show)
        .view("/messages/{id}/html", Role::Administrator, message::content::html)
        .view("/messages/{id}/raw", Role::Administrator, message::raw::download)
}

fn watching(pages: Pages) -> Pages {
    pages
        .view("/", Role::Viewer, overview::show)
        .view("/events", Role::Viewer, events::listen)
        .view("/doctor", Role::Operator, doctor::show)
        .view("/doctor/findings", Role::Operator, doctor::findings)
        .action("/doctor", Role::Operator, doctor::submit)
        .view("/administration/audit", Role::Administrator, audit::show)
}

/// The ways out: services, tenants, connections and their authentication.
fn sending(pages: Pages) -> Pages {
    const CHANGES: Role = Role::Administrator;
    pages
        .view("/integration/services", Role::Viewer, services::list)
        .view("/integration/tenants", Role::Viewer, tenants::list)
        .sensitive_view("/integration/tenants/add", CHANGES, tenants::edit::show_add)
        .sensitive("/integration/tenants/add", CHANGES, tenants::edit::add)
        .view("/integration/tenants/{id}", Role::Viewer, tenants::show)
        .sensitive_view("/integration/tenants/{id}/edit", CHANGES, tenants::edit::show)
        .sensitive("/integration/tenants/{id}/edit", CHANGES, tenants::edit::save)
        .sensitive("/integration/tenants/{id}/remove", CHANGES, tenants::edit::remove)
        .sensitive("/integration/tenants/{id}/certificate", CHANGES, tenants::certificate::make)
        .sensitive("/integration/tenants/{id}/certificate/activate", CHANGES, tenants::certificate::activate)
        .sensitive("/integration/tenants/{id}/certificate/discard", CHANGES, tenants::certificate::discard)
        .view("/integration/tenants/{id}/certificate.cer", Role::Viewer, tenants::certificate::download)
        .view("/integration/connections", Role::Viewer, connections::list)
        .sensitive_view("/integration/connections/add", CHANGES, connections::edit::show_add)
        .sensitive("/integration/connections/add", CHANGES, connections::edit::add)
        .sensitive_view("/integration/connections/{id}/edit", CHANGES, connections::edit::show)
        .sensitive("/integration/connections/{id}/edit", CHANGES, connections::edit::save)
        .action("/integration/connections/{id}/remove", CHANGES, connections::edit::remove)
        .view("/integration/connections/{id}/authentication", Role::Viewer, authentication::show)
        .view("/integration/connections/{id}/scope", Role::Viewer, authentication::scoping::show)
        .action("/integration/connections/{id}/test", Role::Operator, authentication::test::submit)
        .sensitive("/integration/connections/{id}/sign-in", CHANGES, authentication::sign_in::begin)
        .sensitive("/integration/connections/{id}/forget", CHANGES, authentication::sign_in::forget)
        .sensitive("/integration/connections/{id}/device", CHANGES, authentication::device::begin)
        .action("/integration/connections/{id}/device/{flow}", CHANGES, authentication::device::poll)
        .view("/oauth/callback", CHANGES, authentication::callback::finish)
}

/// The ways in, and which way out they lead to.
fn submitting(pages: Pages) -> Pages {
    const CHANGES: Role = Role::Administrator;
    pages
        .view("/integration/routes", Role::Viewer, routes::list)
        .view("/integration/routes/add", CHANGES, routes::edit::show_add)
        .action("/integration/routes/add", CHANGES, routes::edit::add)
        .view("/integration/routes/{id}/edit", CHANGES, routes::edit::show)
        .action("/integration/routes/{id}/edit", CHANGES, routes::edit::save)
        .action("/integration/routes/{id}/move", CHANGES, routes::edit::reorder)
        .action("/integration/routes/{id}/remove", CHANGES, routes::edit::remove)
        .view("/integration/accounts", Role::Viewer, accounts::list)
        .sensitive_view("/integration/accounts/add", CHANGES, accounts::edit::show_add)
        .sensitive("/integration/accounts/add", CHANGES, accounts::edit::add)
        .view("/integration/accounts/{id}", Role::Viewer, accounts::show)
        .sensitive_view("/integration/accounts/{id}/edit", CHANGES, accounts::edit::show)
        .sensitive("/integration/accounts/{id}/edit", CHANGES, accounts::edit::save)
        .sensitive("/integration/accounts/{id}/remove", CHANGES, accounts::edit::remove)
}

fn system_settings(pages: Pages) -> Pages {
    pages
        .view("/settings", Role::Administrator, settings::emails::show)
        .sensitive("/settings", Role::Administrator, settings::emails::save)
        .view("/settings/notices", Role::Administrator, settings::notices::show)
        .action("/settings/notices", Role::Administrator, settings::notices::save)
        .view("/settings/webhooks", Role::Administrator, settings::webhooks::list)
        .sensitive_view("/settings/webhooks/add", Role::Administrator, settings::webhooks::edit::show_add)
        .sensitive("/settings/webhooks/add", Role::Administrator, settings::webhooks::edit::add)
        .sensitive_view("/settings/webhooks/{id}/edit", Role::Administrator, settings::webhooks::edit::show)
        .sensitive("/settings/webhooks/{id}/edit", Role::Administrator, settings::webhooks::edit::save)
        .sensitive("/settings/webhooks/{id}/rotate", Role::Administrator, settings::webhooks::secret::rotate)
        .action("/settings/webhooks/{id}/test", Role::Administrator, settings::webhooks::test::submit)
        .sensitive("/settings/webhooks/{id}/remove", Role::Administrator, settings::webhooks::edit::remove)
        .view("/test-message", Role::Operator, settings::test_message::show)
        .action("/test-message", Role::Operator, settings::test_message::send)
        .view("/welcome", Role::Administrator, welcome::show)
        .view("/welcome/test/{id}", Role::Administrator, welcome::test::show)
}
