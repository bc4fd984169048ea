//! What a token allows, beside what its connection wants to do.

use settings::{Connection, Delivery, Permission, Service};

use super::{Check, CheckStatus};
use crate::connection::TokenFacts;
use relay::Upstream;

/// One finding on the token, and one for each right that a choice of the connection needs and the token does not carry.
pub(super) fn checks(facts: &TokenFacts, upstream: &Upstream) -> Vec<Check> {
    const NAME: &str = "token_claims";
    let wanted = &upstream.tenant.tenant_id;
    let other_tenant = facts.tenant_id.as_ref().filter(|tid| is_guid(wanted) && !tid.eq_ignore_ascii_case(wanted));
    if let Some(tid) = other_tenant {
        let found = format!("the token was issued by tenant {tid}, not {wanted}");
        return vec![Check::not_ok(NAME, CheckStatus::Fail, found, "Correct tenant_id.")];
    }
    if let Some(advice) = facts.advice(upstream) {
        let status = if facts.is_for(upstream) { CheckStatus::Warn } else { CheckStatus::Fail };
        return vec![Check::explained(NAME, status, &advice)];
    }
    let mut checks = vec![Check::ok(NAME, format!("it grants: {}", facts.roles.join(", ")))];
    checks.extend(wanted_rights(&upstream.connection).into_iter().filter_map(|(right, what_for)| {
        let has = facts.roles.iter().any(|role| role.eq_ignore_ascii_case(right));
        (!has).then(|| lacking(right, what_for, upstream.connection.permission))
    }));
    checks
}

/// The rights besides `Mail.Send`, each with what needs it.
fn wanted_rights(connection: &Connection) -> Vec<(&'static str, &'static str)> {
    if connection.service != Service::GraphApi {
        return Vec::new();
    }
    let mut wanted = Vec::new();
    if connection.large_messages {
        wanted.push(("Mail.ReadWrite", "large_messages = true"));
    } else if connection.delivery == Delivery::Tracked {
        wanted.push(("Mail.ReadWrite", "delivery = \"tracked\""));
    }
    if connection.read_bounces {
        wanted.push(("Mail.Read", "read_bounces = true"));
    }
    wanted
}

/// A warning, not a failure: RBAC for Applications grants rights that no token shows.
fn lacking(right: &'static str, what_for: &str, permission: Permission) -> Check {
    let found = format!("the token does not carry {right}, which {what_for} needs");
    let (fix, who) = match permission {
        Permission::Application => (
            format!(
                "Right if Exchange grants it by RBAC for Applications ('Application {right}'). Otherwise grant {right} of \
                 Microsoft Graph in the app registration, with admin consent, or switch {what_for} off."
            ),
            entra::Who::EntraAdministrator.to_string(),
        ),
        Permission::Delegated => (
            "Sign in again with Setup Authentication: it asks for what the connection needs now.".to_owned(),
            super::GATEWAY_ADMINISTRATOR.to_owned(),
        ),
    };
    Check { who, ..Check::not_ok("token_rights", CheckStatus::Warn, found, fix) }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use settings::ConnectionId;

    use super::*;

    #[test]
    fn each_choice_wants_its_right_once() {
        let plain = Connection::new(ConnectionId("c".into()), "C", Service::GraphApi);
        let rights =
            |connection: &Connection| wanted_rights(connection).into_iter().map(|(right, _)| right).collect::<Vec<_>>();
        assert_eq!(rights(&plain), Vec::<&str>::new());
        let both = Connection { large_messages: true, delivery: Delivery::Tracked, ..plain.clone() };
        assert_eq!(rights(&both), ["Mail.ReadWrite"]);
        assert_eq!(rights(&Connection { read_bounces: true, ..both }), ["Mail.ReadWrite", "Mail.Read"]);
    }

    #[test]
    fn who_can_grant_it_is_told() {
        assert!(lacking("Mail.Read", "x", Permission::Application).who.contains("Entra"));
        assert!(lacking("Mail.Read", "x", Permission::Delegated).fix.contains("Sign in again"));
    }
}
