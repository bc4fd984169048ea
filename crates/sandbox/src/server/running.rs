//! The handle of a running sandbox: its addresses, what it has seen, faults, and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use crate::config::{Certificate, Secret};
use crate::credentials::read_certificates;
use crate::entra::{Grant, Proof, claims};
use crate::faults::Fault;
use crate::issuer::{self, WorkloadToken};
use crate::journal::{Delivery, RequestRecord, Stats, TokenRecord};
use crate::mailbox::{Folder, StoredMessage, delivered_copy};
use crate::pages;
use crate::state::State;
use crate::tls::Tls;

/// Connections get this long to finish what they are at.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// A sandbox that answers. Dropping it stops it, without waiting for its connections.
#[derive(Debug)]
pub struct Running {
    /// The main listener.
    pub addr: SocketAddr,
    /// Where HTTPS is answered: the same, or the second listener.
    pub https_addr: Option<SocketAddr>,
    /// `https://localhost:port` if there is a certificate, else `http://127.0.0.1:port`.
    pub base_url: String,
    /// Where mail is submitted by SMTP.
    pub smtp_addr: Option<SocketAddr>,
    smtp_tls: Option<Tls>,
    tls: Option<Tls>,
    state: Arc<State>,
    stop: watch::Sender<bool>,
}

impl Running {
    pub(super) fn new(
        addr: SocketAddr,
        https_addr: Option<SocketAddr>,
        tls: Option<Tls>,
        state: Arc<State>,
        stop: watch::Sender<bool>,
    ) -> Self {
        let base_url = match https_addr {
            Some(https) => format!("https://localhost:{}", https.port()),
            None => format!("http://{addr}"),
        };
        Self { addr, https_addr, base_url, smtp_addr: None, smtp_tls: None, tls, state, stop }
    }

    pub(super) fn with_smtp(self, smtp: Option<(SocketAddr, Tls)>) -> Self {
        let (smtp_addr, smtp_tls) = smtp.unzip();
        Self { smtp_addr, smtp_tls, ..self }
    }

    /// The authority to trust for submission by SMTP, if its certificate was made here.
    pub fn smtp_ca_pem(&self) -> Option<&str> {
        self.smtp_tls.as_ref().and_then(Tls::ca_pem)
    }

    /// The authority to trust, if the certificate was made here.
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().and_then(Tls::ca_pem)
    }

    /// All deliveries kept, oldest first.
    pub fn deliveries(&self) -> Vec<Arc<Delivery>> {
        self.state.journal.deliveries(usize::MAX)
    }

    /// All Graph requests kept, oldest first.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.journal.requests(usize::MAX)
    }

    pub fn stats(&self) -> Stats {
        pages::stats(&self.state)
    }

    /// The message of a delivery, if it is still kept.
    pub fn message(&self, id: &str) -> Option<Arc<StoredMessage>> {
        self.state.mailboxes.message(id)
    }

    /// A folder's messages, newest first.
    pub fn folder(&self, mailbox: &str, folder: Folder) -> Vec<Arc<StoredMessage>> {
        let mailbox = mailbox.to_lowercase();
        self.state.mailboxes.newest(usize::MAX, |message| message.is_in(&mailbox, folder))
    }

    /// The copy a recipient sees.
    pub fn delivered_copy(&self, message: &StoredMessage) -> Vec<u8> {
        delivered_copy(message, &self.state.config.behaviour)
    }

    /// Waits until `count` messages have been delivered since the start (or the last [`clear`](Self::clear)). Returns
    /// their number at once if it is reached; never returns otherwise, so put a deadline around it.
    pub async fn wait_for_deliveries(&self, count: u64) -> u64 {
        let mut delivered = self.state.journal.watch();
        match delivered.wait_for(|total| *total >= count).await {
            Ok(total) => *total,
            // The sender lives in the state this handle holds.
            Err(_) => std::future::pending().await,
        }
    }

    /// What lies in a mailbox's Drafts: ids and subjects, oldest first.
    pub fn drafts(&self, mailbox: &str) -> Vec<(String, Option<String>)> {
        self.state.drafts.waiting(&mailbox.to_lowercase())
    }

    /// Orders a fault. A fault that makes no sense (see its kind) strikes with the kind's own defaults.
    pub fn add_fault(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Every token issued so far is refused from now on.
    pub fn revoke_tokens(&self) {
        self.state.revoke_tokens();
    }

    /// Moves the tenant's clock forward, by whole seconds: tokens, codes, secrets and windows grow older.
    pub fn advance_clock(&self, by: Duration) {
        self.state.clock.advance(by.as_secs());
    }

    /// Revokes the sign-ins of a user: sessions, codes and refresh tokens, not access tokens. `false` if there is no
    /// such user.
    pub fn revoke_user(&self, upn: &str) -> bool {
        self.state.revoke_user(upn)
    }

    /// Puts other secrets in place of an app's, at once. `false` if there is no such app.
    pub fn change_secrets(&self, client_id: &str, secrets: &[&str]) -> bool {
        let secret = |value: &&str| Secret { value: (*value).to_owned(), expires: None };
        let secrets = secrets.iter().map(secret).collect();
        self.state.change_credentials(client_id, |credentials| credentials.secrets = secrets)
    }

    /// Puts other certificates in place of an app's, at once. `false` if there is no such app, or one cannot be read.
    pub fn change_certificates(&self, client_id: &str, pems: &[&str]) -> bool {
        let sources: Vec<Certificate> = pems.iter().map(|pem| Certificate::Pem((*pem).to_owned())).collect();
        read_certificates(&sources)
            .is_ok_and(|read| self.state.change_credentials(client_id, |credentials| credentials.certificates = read))
    }

    /// A token of the identity provider `/issuer/{name}`; `None` if no key can be made.
    pub fn workload_token(&self, name: &str, order: &WorkloadToken) -> Option<String> {
        issuer::issue(&self.state, &self.base_url, name, order).ok()
    }

    /// All token requests kept, oldest first.
    pub fn token_requests(&self) -> Vec<TokenRecord> {
        self.state.journal.token_requests(usize::MAX)
    }

    /// Forgets messages, rows and counters.
    pub fn clear(&self) {
        self.state.mailboxes.clear();
        self.state.journal.clear();
    }

    /// A token of the app `client_id` with `overrides` laid over its claims (`null` removes one): expired, for another
    /// audience, delegated. `None` if there is no such app.
    pub fn forge_token(&self, client_id: &str, overrides: &Value) -> Option<String> {
        let (tenant, app) =
            self.state.directory.tenants.iter().find_map(|tenant| tenant.app(client_id).map(|app| (tenant, app)))?;
        let grant = Grant {
            tenant,
            app,
            resource: "https://graph.microsoft.com",
            is_graph: true,
            has_roles: true,
            proof: Proof::Secret,
            cae: false,
            lifetime_seconds: 3600,
            serial: self.state.take_token_serial(),
        };
        let mut claims = claims(&grant, self.state.clock.now());
        let fields = claims.as_object_mut()?;
        for (name, value) in overrides.as_object()? {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        self.state.key.sign(&claims).ok()
    }

    /// Stops accepting, lets connections finish what they are at, and returns when they are gone.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(SHUTDOWN_DEADLINE, self.stop.closed()).await;
    }
}
