//! Admin consent: where an Entra administrator allows the application, for all of the tenant, what it asks for.

use settings::Service;
use store::{Explanation, Store};
use url::Url;

use super::{cloud, with_tenant};
use crate::connection::explain;
use crate::{Actor, AdminError, Refused, Role};

/// The page to send the administrator's browser to. It comes back to `redirect_uri` with `state` and
/// `admin_consent=True`, or `error`. Mind that consent to `Mail.Send` lets the application send from every mailbox; for
/// some mailboxes only, use [`crate::scoping_script`] instead.
pub fn admin_consent_url(
    store: &dyn Store,
    actor: &Actor,
    connection: &str,
    redirect_uri: &Url,
    state: &str,
) -> Result<Url, AdminError> {
    actor.must_be(Role::Administrator)?;
    let settings = store.settings().borrow().clone();
    let (connection, tenant) = with_tenant(&settings, connection)?;
    let cloud = cloud(tenant)?;
    let login = cloud.login.as_str().trim_end_matches('/');
    let scope = match connection.service {
        Service::Exchange => cloud.exchange_scope.to_string(),
        Service::GraphApi | Service::SmtpServer => cloud.graph.default_scope(),
    };
    let page = format!("{login}/{}/v2.0/adminconsent", tenant.tenant_id);
    let query = [
        ("client_id", tenant.client_id.as_str()),
        ("scope", &scope),
        ("redirect_uri", redirect_uri.as_str()),
        ("state", state),
    ];
    let url = Url::parse_with_params(&page, query);
    Ok(url.map_err(|error| Refused::new(error.to_string(), "Correct the tenant's Tenant ID.").at("tenant_id"))?)
}

/// What it means that the administrator's browser came back with `error`. Both texts come from the browser: words to
/// show, nothing to believe.
pub fn explain_consent_refusal(error: &str, description: &str) -> Explanation {
    explain(&entra::explain_callback(error, description), None)
}
