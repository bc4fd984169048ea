//! What an administrator may do: one function an operation, for console, API and command line alike.
//!
//! Promise: every operation asks for its right first, and leaves a trace of who did it. Nothing here returns a secret,
//! in whatever form: it was sealed, or only its digest was kept.
//!
//! Left to others: what the operations look like to people (`postern`, the console), how state is kept (`store`), how
//! mail leaves (`relay`).

mod accounts;
mod actor;
mod apply;
mod audit;
mod authentication;
mod certificate;
mod change;
mod connection;
mod diff;
mod doctor;
mod emails;
mod error;
mod expiry;
mod export;
mod notices;
mod overview;
pub mod people;
mod queue;
mod routes;
mod sealed_secret;
mod setup_file;
mod tenants;
mod webhooks;

pub use accounts::{AccountView, create_account, find_account, list_accounts, remove_account, update_account};
pub use actor::Actor;
pub use apply::{Applied, Mode, apply};
pub use audit::{AuditChange, AuditFilter, AuditLine, AuditPage, list_audit};
pub use authentication::{
    Callback, ConnectionStanding, DevicePolled, DeviceSignIn, Flows, GrantSummary, Proof, SignInEnd, SignInRequest,
    admin_consent_url, begin_device_sign_in, begin_sign_in, connection_standing, connection_standings,
    explain_consent_refusal, finish_sign_in, forget_grant, grant_of, poll_device_sign_in, prove_application,
    scoping_script,
};
pub use certificate::{
    CertificateFile, CertificateView, KeyBits, certificate_file, discard_certificate, make_certificate, use_certificate,
};
pub use change::{Saved, settings_version};
pub use connection::{
    Capability, ConnectionSummary, ConnectionTest, NetworkView, ServiceView, SmtpOffer, SmtpServerView, TokenFacts,
    connection_named, create_connection, list_connections, list_services, remove_connection, suggest_connection_name,
    test_connection, update_connection,
};
pub use diff::{DiffLine, FieldChange};
pub use doctor::{Check, CheckStatus, DoctorRequest, doctor, report};
pub use emails::{EmailsView, Testing, find_emails, testing, update_emails};
pub use error::{AdminError, Refused};
pub use expiry::{Expiring, Severity, expiring};
pub use export::export;
pub use notices::{AlarmsView, NoticesView, find_notices, update_notices};
pub use overview::{ConnectionState, LaneView, Overview, overview};
pub use queue::{
    AttachmentView, BULK_MAX, CsvPiece, Preview, delete_message, delete_messages, eml_name, export_list,
    export_message, find_message, list_messages, operate_message, operate_messages, preview, resend_message,
    send_test_message,
};
pub use routes::{Move, RouteView, create_route, find_route, list_routes, move_route, remove_route, update_route};
pub use settings::Role;
pub use setup_file::{
    AccountEntry, AlarmsEntry, ConnectionEntry, EmailsEntry, NoticesEntry, RouteEntry, SecretSource, SecretValue,
    SetupFile, TenantEntry, TenantService, WebhookEntry,
};
pub use tenants::{TenantView, create_tenant, find_tenant, list_tenants, remove_tenant, update_tenant};
pub use webhooks::{
    SavedWebhook, WebhookTest, WebhookView, create_webhook, find_webhook, list_webhooks, remove_webhook,
    rotate_webhook_secret, test_webhook, update_webhook,
};
