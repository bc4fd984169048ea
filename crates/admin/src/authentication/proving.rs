//! Application permission: the application proves to be itself. Nobody signs in; a token asked for now is the proof.

use std::sync::Arc;

use relay::Network;
use serde::Serialize;
use settings::{Connection, Credential, Permission, Service, Tenant};
use store::{Explanation, Store};

use super::{refused, with_tenant};
use crate::certificate::CertificateView;
use crate::connection::find;
use crate::{Actor, AdminError, Refused, Role, TokenFacts};

/// An application that proved itself.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    /// By what, in words; of a certificate with its thumbprint and its end.
    pub by: String,
    /// What the token says about itself; absent if it cannot be read, which means nothing.
    pub token: Option<TokenFacts>,
    /// Without it in the token, Exchange may still grant it (RBAC for Applications).
    pub lacks_role: Option<&'static str>,
}

/// Asks for a token as the application, by the connection's own way; nothing is kept. The inner error is Microsoft's, or
/// the credential's own.
pub async fn prove_application(
    store: &Arc<dyn Store>,
    actor: &Actor,
    connection: &str,
    network: &Network,
) -> Result<Result<Proof, Explanation>, AdminError> {
    actor.must_be(Role::Operator)?;
    let settings = store.settings().borrow().clone();
    let id = find(&settings, connection)?.id.clone();
    let (connection, tenant) = with_tenant(&settings, &id.0)?;
    if connection.permission == Permission::Delegated {
        let what = format!("connection '{}' sends as a user: a person signs in for it", connection.name);
        return Err(Refused::new(what, "Sign in with Setup Authentication.").at("permission").into());
    }
    let tokens = match relay::tokens_of(&settings, &id, store, network) {
        Ok(tokens) => tokens,
        Err(error) => return Ok(Err(error.explanation())),
    };
    let proved = match tokens.fresh_token().await {
        Ok(token) => {
            let claims = token.claims().ok();
            let lacks_role = role(connection).filter(|role| claims.as_ref().is_some_and(|it| !it.grants(role)));
            Ok(Proof { by: by(tenant), token: claims.map(TokenFacts::from), lacks_role })
        }
        Err(error) => Err(refused(&error)),
    };
    tracing::info!(event = "application_proved", connection = %id, actor = actor.name(), ok = proved.is_ok());
    Ok(proved)
}

/// The application permission that lets it send.
fn role(connection: &Connection) -> Option<&'static str> {
    match connection.service {
        Service::GraphApi => Some("Mail.Send"),
        Service::Exchange => Some("SMTP.SendAsApp"),
        Service::SmtpServer => None,
    }
}

fn by(tenant: &Tenant) -> String {
    match &tenant.credential {
        None => "nothing".to_owned(),
        Some(Credential::ClientSecret { .. }) => "its client secret".to_owned(),
        Some(Credential::Certificate(certificate)) => match CertificateView::of(certificate) {
            Some(it) => format!("certificate {}, good until {}", it.thumbprint_sha1, it.not_after),
            None => "its certificate".to_owned(),
        },
        Some(Credential::FederatedTokenFile { path }) => format!("the token file {}", path.display()),
        Some(Credential::ManagedIdentity) => "the managed identity of this machine".to_owned(),
    }
}
