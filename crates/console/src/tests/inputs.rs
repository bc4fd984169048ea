//! For every address of the console, a request that does what the address is for.

use axum::http::Method;

use super::browser::{Asked, get, post};
use super::world::{PASSWORD, World};
use crate::guard::Entry;

/// What is filled into the holes of an address.
fn concrete(world: &World, entry: &Entry) -> String {
    let path = entry.path;
    let message = World::message(3).to_string();
    let id = match path {
        _ if path.starts_with("/messages/") || path.starts_with("/welcome/") => message,
        _ if path.starts_with("/administration/users/") => "user-otto".to_owned(),
        _ if path.starts_with("/administration/tokens/") => "token-1".to_owned(),
        _ if path.starts_with("/sessions/") => "0123456789abcdef".to_owned(),
        // A tenant that nothing needs can be removed.
        "/integration/tenants/{id}/remove" => world.id("Spare"),
        _ if path.starts_with("/integration/tenants/") => world.id("Contoso"),
        _ if path.ends_with("/sign-in") || path.contains("/device") || path.ends_with("/forget") => {
            world.id("Anna's mailbox")
        }
        // One that the settings do not need; it is there if somebody added it.
        _ if path.starts_with("/integration/connections/") && path.ends_with("/remove") => {
            world.ids().into_iter().find(|(_, name)| name == "Second").map_or_else(|| "none".to_owned(), |it| it.0)
        }
        _ if path.starts_with("/integration/connections/") => world.id("Contoso Graph"),
        _ if path.starts_with("/integration/routes/") => world.id("Rest"),
        _ if path.starts_with("/integration/accounts/") => world.id("erp"),
        _ if path.starts_with("/settings/webhooks/") => world.id("Chat"),
        _ => String::new(),
    };
    path.replace("{id}", &id).replace("{act}", "hold").replace("{flow}", "none")
}

/// The fields that an action is sent with; `None`: the address has no test, which fails it.
fn fields(world: &World, entry: &Entry) -> Option<Vec<(&'static str, String)>> {
    let (message, contoso) = (&*World::message(3).to_string(), &*world.id("Contoso"));
    let fields: &[(&str, &str)] = match entry.path {
        "/setup" => &[("token", "wrong"), ("name", "eve"), ("password", PASSWORD)],
        "/sign-in" => &[("name", "anna"), ("password", PASSWORD)],
        "/confirm" => &[("password", PASSWORD), ("next", "/administration/users")],
        "/profile/password" => &[("old", PASSWORD), ("new", "another quiet zebra")],
        "/profile/second-factor/confirm" => &[("code", "000000")],
        "/administration/users/add" => &[("name", "nina"), ("role", "viewer")],
        "/administration/users/{id}/role" => &[("role", "operator")],
        "/administration/tokens/create" => &[("name", "backup"), ("role", "operator"), ("expires", "2027-01-31")],
        "/settings/sign-in" => &[
            ("name", "Contoso"),
            ("issuer", "https://127.0.0.1:9/v2.0"),
            ("client_id", "console"),
            ("client_secret", "s"),
            ("groups_claim", "groups"),
            ("groups", "admins = administrator"),
        ],
        "/messages/bulk" => &[("act", "hold"), ("id", message)],
        "/doctor" => &[("connection", "Contoso Graph")],
        "/integration/tenants/add" | "/integration/tenants/{id}/edit" => &[
            ("name", "Adatum"),
            ("tenant_id", "adatum.test"),
            ("client_id", "66666666-7777-8888-9999-000000000002"),
            ("credential", "secret"),
            ("client_secret", "s"),
            ("cloud", "global"),
        ],
        "/integration/connections/add" | "/integration/connections/{id}/edit" => &[
            ("name", "Second"),
            ("service", "Microsoft Entra ID Graph API"),
            ("tenant", contoso),
            ("permission", "application"),
            ("on_uncertain", "hold"),
        ],
        "/integration/routes/add" | "/integration/routes/{id}/edit" => &[
            ("name", "Third"),
            ("sender", "*@third.contoso.test"),
            ("service_connection", "Contoso Graph"),
            ("mailbox_of", "sender"),
            ("mailbox", ""),
        ],
        "/integration/routes/{id}/move" => &[("to", "up")],
        "/integration/accounts/add" | "/integration/accounts/{id}/edit" => {
            &[("name", "crm"), ("password_by", "generate"), ("allowed_senders", "*@contoso.test")]
        }
        "/settings" => &[
            ("enabled", "on"),
            ("smtp_authentication", "on"),
            ("modern_authentication", "on"),
            ("mailbox", "other@contoso.test"),
            ("service_connection", "Contoso Graph"),
            ("connection_type", "graph"),
        ],
        "/settings/notices" => &[("failures", "on"), ("to", "operations@contoso.test"), ("queue_age_minutes", "30")],
        "/settings/webhooks/add" | "/settings/webhooks/{id}/edit" => &[
            ("name", "Tickets"),
            ("url", "https://tickets.contoso.test/postern"),
            ("tells", "some"),
            ("message.failed", "on"),
        ],
        "/test-message" => &[("to", "karl@example.test")],
        "/sign-out"
        | "/profile/end-other-sessions"
        | "/profile/second-factor"
        | "/profile/second-factor/codes"
        | "/profile/second-factor/remove"
        | "/sessions/{id}/end"
        | "/administration/users/{id}/disable"
        | "/administration/users/{id}/enable"
        | "/administration/users/{id}/reset-password"
        | "/administration/users/{id}/remove-second-factor"
        | "/administration/users/{id}/remove"
        | "/administration/tokens/{id}/revoke"
        | "/settings/sign-in/remove"
        | "/settings/webhooks/{id}/rotate"
        | "/settings/webhooks/{id}/test"
        | "/settings/webhooks/{id}/remove"
        | "/messages/{id}/{act}"
        | "/integration/tenants/{id}/remove"
        | "/integration/tenants/{id}/certificate"
        | "/integration/tenants/{id}/certificate/activate"
        | "/integration/tenants/{id}/certificate/discard"
        | "/integration/connections/{id}/remove"
        | "/integration/connections/{id}/test"
        | "/integration/connections/{id}/sign-in"
        | "/integration/connections/{id}/forget"
        | "/integration/connections/{id}/device"
        | "/integration/connections/{id}/device/{flow}"
        | "/integration/routes/{id}/remove"
        | "/integration/accounts/{id}/remove" => &[],
        _ => return None,
    };
    Some(fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
}

/// Without the session's token.
pub(super) fn request(world: &World, entry: &Entry) -> Asked {
    let path = concrete(world, entry);
    if entry.method == Method::GET {
        return get(path);
    }
    let fields = fields(world, entry);
    let fields = fields.unwrap_or_else(|| panic!("{} has no test: say in this file what it is sent", entry.path));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    post(path, &fields)
}
