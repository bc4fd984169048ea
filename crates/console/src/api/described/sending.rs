//! Services, tenants, connections, and how they prove who they are.

use serde::{Deserialize, Serialize};
use submission::http::{DateTime, ExplanationView};
use utoipa::ToSchema;

use super::{Day, SecretText};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in crate::api) enum ServiceName {
    #[serde(rename = "Microsoft Entra ID Graph API")]
    GraphApi,
    #[serde(rename = "Microsoft Entra ID Exchange")]
    Exchange,
    #[serde(rename = "SMTP Server")]
    SmtpServer,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum PermissionName {
    Application,
    Delegated,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum DeliveryName {
    Standard,
    Tracked,
}

/// What becomes of a message that may or may not have been delivered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum OnUncertainName {
    Retry,
    Hold,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ServiceList {
    services: Vec<ServiceView>,
}

/// A kind of upstream.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ServiceView {
    service: ServiceName,
    name: String,
    authentication: String,
    needs_tenant: bool,
    permissions: Vec<PermissionName>,
    capabilities: Vec<Capability>,
    /// Connections of this service can be made in this version.
    is_available: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Capability {
    name: String,
    is_available: bool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::api) enum CloudName {
    Global,
    UsGov,
    UsGovDod,
    China,
}

/// Endpoints of one's own: https, or plain http on a loopback address.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct OwnCloud {
    #[schema(format = "uri")]
    login: String,
    #[schema(format = "uri")]
    graph: String,
    /// `host:port`
    #[serde(skip_serializing_if = "Option::is_none")]
    smtp: Option<String>,
}

/// A Microsoft cloud by its name, or endpoints of one's own.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::api) enum CloudChoice {
    Named(CloudName),
    Own(OwnCloud),
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TenantList {
    tenants: Vec<TenantView>,
}

/// A tenant; no secret is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TenantView {
    id: String,
    name: String,
    service: String,
    cloud: CloudChoice,
    tenant_id: String,
    /// Empty: the identity that the system assigned to the machine.
    client_id: String,
    /// How the application proves to be itself, in words; null: not at all yet.
    #[schema(required)]
    credential: Option<String>,
    has_client_secret: bool,
    #[schema(required)]
    client_secret_expires: Option<Day>,
    /// The certificate in use.
    #[schema(required)]
    certificate: Option<CertificateView>,
    #[schema(required)]
    federated_token_file: Option<String>,
    managed_identity: bool,
    #[schema(required)]
    paid_licences: Option<u32>,
    #[schema(required)]
    external_recipients_per_day: Option<u32>,
    internal_domains: Vec<String>,
    /// What all mailboxes of the tenant may send to the outside in 24 hours; null: not limited here.
    #[schema(required)]
    external_budget: Option<u32>,
    /// Made here and waiting to be registered with the app.
    #[schema(required)]
    pending_certificate: Option<CertificateView>,
    /// The connections that have this tenant, in words.
    used_by: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct CertificateView {
    subject: String,
    thumbprint_sha1: String,
    thumbprint_sha256: String,
    thumbprint_base64url: String,
    not_before: DateTime,
    not_after: DateTime,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::api) enum TenantServiceName {
    #[serde(rename = "Microsoft Entra ID")]
    EntraId,
}

/// A tenant. A secret that is left out stays as it is, and so does the way to prove to be the application unless another is
/// named.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TenantEntry {
    name: String,
    service: Option<TenantServiceName>,
    /// `global` if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    cloud: Option<CloudChoice>,
    tenant_id: String,
    /// Left out only with a managed identity that the system assigned.
    #[serde(default)]
    client_id: String,
    client_secret: Option<SecretText>,
    client_secret_expires: Option<Day>,
    /// Private key and certificate, PEM.
    certificate: Option<SecretText>,
    /// The one that is set, or that of the gateway's environment; others are named in a setup file.
    federated_token_file: Option<String>,
    #[serde(default)]
    managed_identity: bool,
    /// Exchange Online derives from it what the tenant may send to the outside.
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    paid_licences: Option<u32>,
    /// Said outright; goes before the licences.
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    external_recipients_per_day: Option<u32>,
    /// Recipients of other domains are external.
    #[serde(default)]
    internal_domains: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ConnectionList {
    connections: Vec<ConnectionView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ConnectionView {
    id: String,
    name: String,
    service: ServiceName,
    /// Name of the tenant.
    #[schema(required)]
    tenant: Option<String>,
    permission: PermissionName,
    /// How its tenant's application proves to be itself, in words.
    #[schema(required)]
    credential: Option<String>,
    #[schema(required)]
    client_secret_expires: Option<Day>,
    large_messages: bool,
    delivery: DeliveryName,
    on_uncertain: OnUncertainName,
    /// Attempts at once per mailbox.
    in_flight: u32,
    /// Of Microsoft Graph, where it is not the usual: bytes of message in one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mime_max_bytes: Option<u64>,
    /// Of Microsoft Graph with large messages, where it is not the usual: bytes of the largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    large_max_bytes: Option<u64>,
    /// Reads non-delivery reports from the sending mailboxes.
    read_bounces: bool,
    /// What one mailbox may send; null: no limit.
    #[schema(required)]
    messages_per_minute: Option<u32>,
    /// Null: the service's own limit.
    #[schema(required)]
    recipients_per_day: Option<u32>,
    /// `gateway`, `none`, or the address of a proxy.
    proxy: String,
    has_proxy_password: bool,
    no_proxy: Vec<String>,
    /// Certificates trusted besides the gateway's, PEM.
    #[schema(required)]
    ca_bundle: Option<String>,
    /// Of the service SMTP Server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    smtp_server: Option<SmtpServerView>,
    /// `emails`, the names of routes, `alarms`.
    used_by: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SmtpServerView {
    host: String,
    port: u16,
    security: SecurityName,
    #[schema(required)]
    username: Option<String>,
    has_password: bool,
    /// Signs in with a token of the tenant for this scope, in place of a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    oauth_scope: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum SecurityName {
    StartTls,
    Implicit,
    None,
}

/// A Service Connection. `host` and what follows is for the service SMTP Server.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ConnectionEntry {
    /// Made of service and tenant if left out.
    name: Option<String>,
    service: ServiceName,
    /// Name of the tenant.
    tenant: Option<String>,
    /// `application` if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    permission: Option<PermissionName>,
    #[serde(default)]
    large_messages: bool,
    /// `standard` if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    delivery: Option<DeliveryName>,
    /// `retry` if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    on_uncertain: Option<OnUncertainName>,
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    in_flight: Option<u32>,
    /// Of Microsoft Graph: bytes of message in one request; 3145728 if left out.
    #[schema(minimum = 0)]
    mime_max_bytes: Option<u64>,
    /// Of Microsoft Graph with large messages: bytes of the largest; 36700160 if left out.
    #[schema(minimum = 0)]
    large_max_bytes: Option<u64>,
    /// Of Microsoft Graph: reads non-delivery reports from the sending mailboxes, which needs `Mail.Read`.
    #[serde(default)]
    read_bounces: bool,
    /// What one mailbox may send.
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    messages_per_minute: Option<u32>,
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    recipients_per_day: Option<u32>,
    /// `gateway` if left out, `none`, or an address; a password in it is kept apart.
    proxy: Option<String>,
    /// Left out: stays as it is.
    proxy_password: Option<SecretText>,
    /// Hosts, addresses and networks reached without the proxy.
    #[serde(default)]
    no_proxy: Vec<String>,
    /// Certificates trusted besides the gateway's, PEM.
    #[schema(value_type = Option<String>, min_length = 1)]
    ca_bundle: Option<String>,
    host: Option<String>,
    #[schema(minimum = 0, maximum = 65535)]
    port: Option<u16>,
    security: Option<SecurityName>,
    username: Option<String>,
    password: Option<SecretText>,
    /// With a tenant: the scope of the token to sign in with, in place of a password.
    oauth_scope: Option<String>,
}

/// Whether there was a token, and what it says; never the token.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ConnectionTest {
    /// Name of the connection.
    connection: String,
    ok: bool,
    #[schema(required)]
    token: Option<TokenFacts>,
    /// What the server said it can do, where mail goes by SMTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    smtp: Option<SmtpOffer>,
    #[schema(required)]
    explanation: Option<ExplanationView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SmtpOffer {
    host: String,
    port: u16,
    /// The session was protected.
    tls: bool,
    authenticated: bool,
    /// Octets; null: the server names no limit.
    #[schema(required)]
    max_message_bytes: Option<u64>,
    /// Extensions that mail may need and the server does not offer.
    lacks: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TokenFacts {
    #[schema(required)]
    audience: Option<String>,
    #[schema(required)]
    tenant_id: Option<String>,
    #[schema(required)]
    client_id: Option<String>,
    roles: Vec<String>,
    #[schema(required)]
    expires: Option<DateTime>,
    grants_mail_send: bool,
}

/// Who signed in to a delegated connection; null: nobody, or nobody needs to.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Authentication {
    #[schema(required)]
    grant: Option<GrantView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct GrantView {
    user: String,
    scopes: Vec<String>,
    signed_in_at: DateTime,
    refreshed_at: DateTime,
    /// Why it is over: somebody must sign in again.
    #[schema(required)]
    dead: Option<ExplanationView>,
}

/// Tell the person to open `verification_uri` and to type `user_code` there; then poll.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DeviceSignIn {
    id: String,
    user_code: String,
    #[schema(format = "uri")]
    verification_uri: String,
    message: String,
    interval_seconds: u64,
}
