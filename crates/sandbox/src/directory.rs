//! The tenants as lookup tables: tenant by id or domain, app by client id, user by key or by address.
//!
//! Promise: built once, checked while being built, never changed afterwards but for what apps prove themselves with. Names
//! compare without regard to case, as Entra and Exchange compare them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::{self, ConfigError, UserState};
use crate::credentials::{Credentials, read_certificates};
use crate::entra::{Permission, known_permission};
use crate::guid;

/// All tenants.
#[derive(Debug)]
pub(crate) struct Directory {
    by_key: HashMap<String, Arc<Tenant>>,
    /// In the order of the settings, for the page.
    pub(crate) tenants: Vec<Arc<Tenant>>,
}

/// One tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domains: Vec<String>,
    /// Users may consent to what needs no administrator.
    pub(crate) user_consent: bool,
    /// Submission by SMTP is switched off for all.
    pub(crate) smtp_auth_disabled: bool,
    apps: HashMap<String, Arc<App>>,
    users: HashMap<String, Arc<User>>,
    /// Mailbox name by further address.
    aliases: HashMap<String, String>,
    pub(crate) app_list: Vec<Arc<App>>,
    pub(crate) user_list: Vec<Arc<User>>,
}

/// One app registration.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) settings: config::App,
    /// The service principal's object id.
    pub(crate) object_id: String,
    credentials: RwLock<Arc<Credentials>>,
    /// The delegated permissions of the registration.
    pub(crate) delegated: Vec<Permission>,
}

/// One user.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) settings: config::User,
    pub(crate) id: String,
    /// The UPN in lower case: the name of the mailbox.
    pub(crate) mailbox: String,
}

impl Directory {
    pub(crate) fn build(tenants: &[config::Tenant]) -> Result<Self, ConfigError> {
        let mut by_key = HashMap::new();
        let mut list = Vec::with_capacity(tenants.len());
        for settings in tenants {
            let tenant = Arc::new(Tenant::build(settings)?);
            for key in std::iter::once(&tenant.id).chain(&tenant.domains) {
                if by_key.insert(key.to_lowercase(), Arc::clone(&tenant)).is_some() {
                    return Err(ConfigError::DuplicateTenant(key.clone()));
                }
            }
            list.push(tenant);
        }
        Ok(Self { by_key, tenants: list })
    }

    /// Finds a tenant by its id or one of its verified domains.
    pub(crate) fn tenant(&self, key: &str) -> Option<&Arc<Tenant>> {
        self.by_key.get(&key.to_lowercase())
    }
}

impl Tenant {
    fn build(settings: &config::Tenant) -> Result<Self, ConfigError> {
        let mut apps = HashMap::new();
        let mut app_list = Vec::new();
        for app in &settings.apps {
            let app = Arc::new(App::build(app)?);
            if apps.insert(app.settings.client_id.to_lowercase(), Arc::clone(&app)).is_some() {
                return Err(ConfigError::Duplicate(app.settings.client_id.clone()));
            }
            app_list.push(app);
        }
        let mut users = HashMap::new();
        let mut aliases = HashMap::new();
        let mut user_list = Vec::new();
        for user in &settings.users {
            let user = Arc::new(User::build(user)?);
            for key in [user.mailbox.clone(), user.id.to_lowercase()] {
                if users.insert(key, Arc::clone(&user)).is_some() {
                    return Err(ConfigError::Duplicate(user.settings.upn.clone()));
                }
            }
            for alias in &user.settings.aliases {
                aliases.insert(alias.to_lowercase(), user.mailbox.clone());
            }
            user_list.push(user);
        }
        Ok(Self {
            id: settings.id.clone(),
            name: settings.name.clone(),
            domains: settings.domains.clone(),
            user_consent: settings.user_consent,
            smtp_auth_disabled: settings.smtp_auth_disabled,
            apps,
            users,
            aliases,
            app_list,
            user_list,
        })
    }

    pub(crate) fn app(&self, client_id: &str) -> Option<&Arc<App>> {
        self.apps.get(&client_id.to_lowercase())
    }

    /// Finds a user as Graph does: by UPN or object id. An alias is no key.
    pub(crate) fn user(&self, key: &str) -> Option<&Arc<User>> {
        self.users.get(&key.to_lowercase()).filter(|user| user.settings.state != UserState::Missing)
    }
}

impl Tenant {
    /// The mailbox that mail to `address` arrives in; for an address outside the tenant, one of its own.
    pub(crate) fn mailbox_of(&self, address: &str) -> String {
        let name = address.to_lowercase();
        self.aliases.get(&name).cloned().unwrap_or(name)
    }
}

impl App {
    fn build(settings: &config::App) -> Result<Self, ConfigError> {
        let refused = |reason| ConfigError::Certificate { app: settings.client_id.clone(), reason };
        let certificates = read_certificates(&settings.certificates).map_err(refused)?;
        let credentials = Credentials { secrets: settings.secrets.clone(), certificates };
        let unknown = |scope: &String| ConfigError::Scope { app: settings.client_id.clone(), scope: scope.clone() };
        let permission = |scope: &String| {
            let name = scope.rsplit('/').next().unwrap_or_default();
            known_permission(name).ok_or_else(|| unknown(scope))
        };
        for uri in &settings.redirect_uris {
            check_redirect_uri(uri).map_err(|reason| ConfigError::RedirectUri {
                app: settings.client_id.clone(),
                uri: uri.clone(),
                reason,
            })?;
        }
        Ok(Self {
            object_id: guid::derived(&format!("service principal {}", settings.client_id)),
            delegated: settings.delegated_scopes.iter().map(permission).collect::<Result<_, _>>()?,
            settings: settings.clone(),
            credentials: RwLock::new(Arc::new(credentials)),
        })
    }

    /// Has nothing to prove itself with, and need not.
    pub(crate) fn is_public(&self) -> bool {
        let credentials = self.credentials();
        let has_any = !credentials.secrets.is_empty()
            || !credentials.certificates.is_empty()
            || !self.settings.federated.is_empty();
        self.settings.allow_public_client && !has_any
    }

    pub(crate) fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other secrets or certificates in place of the app's, at once.
    pub(crate) fn change_credentials(&self, change: impl FnOnce(&mut Credentials)) {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut credentials));
    }

    /// Whether sign-ins may be sent back to `uri`. On this machine's loopback names any port will do.
    pub(crate) fn has_redirect_uri(&self, uri: &str) -> bool {
        let same = |registered: &String| registered == uri || is_same_but_for_the_port(registered, uri);
        self.settings.redirect_uris.iter().any(same)
    }
}

/// The fragment would reach nobody, and what is no URL cannot be gone to.
fn check_redirect_uri(uri: &str) -> Result<(), String> {
    let parsed = url::Url::parse(uri).map_err(|error| error.to_string())?;
    if parsed.fragment().is_some() { Err("it has a fragment".to_owned()) } else { Ok(()) }
}

fn is_same_but_for_the_port(registered: &str, given: &str) -> bool {
    let without_port = |text: &str| {
        let mut url = url::Url::parse(text).ok()?;
        let is_loopback = url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
        (is_loopback && url.username().is_empty() && url.password().is_none()).then_some(())?;
        url.set_port(None).ok()?;
        Some(url)
    };
    without_port(registered).is_some_and(|registered| without_port(given) == Some(registered))
}

impl User {
    fn build(settings: &config::User) -> Result<Self, ConfigError> {
        let is_address =
            settings.upn.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        if !is_address {
            return Err(ConfigError::NotAnAddress(settings.upn.clone()));
        }
        Ok(Self {
            id: settings.id.clone().unwrap_or_else(|| guid::derived(&settings.upn.to_lowercase())),
            mailbox: settings.upn.to_lowercase(),
            settings: settings.clone(),
        })
    }

    /// Whether `address` is one of the mailbox's own.
    pub(crate) fn owns(&self, address: &str) -> bool {
        let same = |own: &String| own.to_lowercase() == address.to_lowercase();
        same(&self.settings.upn) || self.settings.aliases.iter().any(same)
    }
}
