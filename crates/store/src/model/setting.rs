//! One change of the model's settings.

use settings::Settings;

use crate::SettingsChange;

pub(super) fn apply(settings: &mut Settings, change: SettingsChange) {
    /// Replaces the one with the same id, or adds; in order of id.
    fn put<T, I: Ord>(list: &mut Vec<T>, item: T, id: impl Fn(&T) -> I) {
        list.retain(|known| id(known) != id(&item));
        list.push(item);
        list.sort_by_key(id);
    }
    match change {
        SettingsChange::PutTenant(tenant) => put(&mut settings.tenants, tenant, |tenant| tenant.id.clone()),
        SettingsChange::RemoveTenant(id) => settings.tenants.retain(|tenant| tenant.id != id),
        SettingsChange::PutConnection(it) => put(&mut settings.connections, it, |connection| connection.id.clone()),
        SettingsChange::RemoveConnection(id) => settings.connections.retain(|connection| connection.id != id),
        SettingsChange::PutEmails(emails) => settings.emails = emails,
        SettingsChange::SetRoutes(routes) => settings.routes = routes,
        SettingsChange::PutAccount(account) => put(&mut settings.accounts, account, |account| account.id.clone()),
        SettingsChange::RemoveAccount(id) => settings.accounts.retain(|account| account.id != id),
        SettingsChange::PutUser(user) => put(&mut settings.users, user, |user| user.id.clone()),
        SettingsChange::RemoveUser(id) => settings.users.retain(|user| user.id != id),
        SettingsChange::PutApiToken(token) => put(&mut settings.api_tokens, token, |token| token.id.clone()),
        SettingsChange::RemoveApiToken(id) => settings.api_tokens.retain(|token| token.id != id),
        SettingsChange::PutSignIn(sign_in) => settings.sign_in = sign_in,
        SettingsChange::PutWebhook(webhook) => put(&mut settings.webhooks, webhook, |webhook| webhook.id.clone()),
        SettingsChange::RemoveWebhook(id) => settings.webhooks.retain(|webhook| webhook.id != id),
        SettingsChange::PutNotices(notices) => settings.notices = notices,
    }
}
