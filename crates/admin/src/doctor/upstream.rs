//! One connection, from its settings to a message: in the order in which a message would fail.

use std::sync::Arc;

use relay::Upstream;
use settings::{ConnectionId, ConnectionType, GRAPH_MIME_MAX_BYTES, Permission, Settings};
use store::Store;

use super::way::{self, Place};
use super::{Check, CheckStatus, DoctorRequest, expiry, mailboxes, rights, smtp};
use crate::connection::{TokenFacts, explain};

/// The checks of one connection. What depends on a failed one is left out: it would only say the same again.
pub(super) async fn checks(
    store: &Arc<dyn Store>,
    settings: &Settings,
    id: &ConnectionId,
    request: &DoctorRequest,
) -> Vec<Check> {
    if settings.connection(id).is_some_and(|it| it.service.connection_type() == ConnectionType::Smtp) {
        return smtp::checks(store, settings, id, request).await;
    }
    let made = Upstream::graph(settings, id, store, &request.network).and_then(|upstream| {
        let network = relay::network_of(&upstream.connection, &request.network, &store.key_ring())?;
        Ok((upstream, network))
    });
    let (upstream, network) = match made {
        Ok(made) => made,
        Err(error) => return vec![Check::explained("connection", CheckStatus::Fail, &error.explanation())],
    };
    let mut checks = vec![Check::ok("connection", format!("'{}' is complete", upstream.connection.name))];
    checks.extend(expiry::check(&upstream.tenant, request.now));
    // Not the expiry: it was entered by hand, and Entra ID alone knows whether it is over.
    let before = checks.len();
    checks.extend(sign_in(&**store, &upstream).await);
    checks.extend(way::check(&places(&upstream), &network).await);
    if checks.iter().skip(before).any(|check| check.status == CheckStatus::Fail) {
        return checks;
    }
    let token = match upstream.tokens.token().await {
        Ok(token) => token,
        Err(error) => {
            let explanation = explain(&error.explanation(), error.aadsts().map(|number| format!("AADSTS{number}")));
            checks.push(Check::explained("token", CheckStatus::Fail, &explanation));
            return checks;
        }
    };
    checks.push(Check::ok("token", "Entra ID gave an access token"));
    checks.extend(token.claims().ok().map(TokenFacts::from).iter().flat_map(|facts| rights::checks(facts, &upstream)));
    checks.push(size(&upstream));
    checks.extend(mailboxes::checks(settings, &upstream).await);
    if let Some(to) = &request.send_to {
        let parties = (request.send_from.as_ref(), to);
        checks.push(mailboxes::test_message(settings, &upstream, parties, request.now).await);
    }
    checks
}

/// Both answer without a token, if only to say that one is missing.
fn places(upstream: &Upstream) -> [Place; 2] {
    let login = upstream.cloud.login.as_str().trim_end_matches('/');
    let graph = upstream.cloud.graph.as_str().trim_end_matches('/');
    let tenant = &upstream.tenant.tenant_id;
    [
        Place { what: "Entra ID", url: format!("{login}/{tenant}/v2.0/.well-known/openid-configuration") },
        Place { what: "Microsoft Graph", url: format!("{graph}/v1.0/") },
    ]
}

/// Who signed in, where somebody must.
async fn sign_in(store: &dyn Store, upstream: &Upstream) -> Option<Check> {
    const NAME: &str = "sign_in";
    if upstream.connection.permission != Permission::Delegated {
        return None;
    }
    let fix =
        "Open the connection in the console and use Setup Authentication, or run 'postern connection authenticate'.";
    Some(match store.grant(&upstream.connection.id).await {
        Err(error) => Check::not_ok(NAME, CheckStatus::Fail, format!("the sign-in cannot be read: {error}"), fix),
        Ok(None) => Check::not_ok(NAME, CheckStatus::Fail, "nobody has signed in for this connection", fix),
        Ok(Some(grant)) => match &grant.dead {
            Some(why) => Check { fix: fix.to_owned(), ..Check::explained(NAME, CheckStatus::Fail, why) },
            None => Check::ok(NAME, format!("{} signed in; last renewed {}", grant.user, grant.refreshed_at)),
        },
    })
}

/// The largest message this connection carries.
fn size(upstream: &Upstream) -> Check {
    const NAME: &str = "size_limit";
    let megabytes = |bytes: u64| bytes / (1024 * 1024);
    let connection = &upstream.connection;
    match connection.max_message_bytes() {
        Some(bytes) if bytes <= GRAPH_MIME_MAX_BYTES => {
            let found =
                format!("messages up to {} MiB; larger ones are refused as they are handed in", megabytes(bytes));
            let more = "; large_messages = true (with Mail.ReadWrite) carries them";
            Check::ok(NAME, format!("{found}{more}"))
        }
        Some(bytes) => Check::ok(NAME, format!("messages up to {} MiB", megabytes(bytes))),
        None => Check::ok(NAME, "no limit of its own"),
    }
}
