//! Who allowed which app what.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use crate::directory::{App, User};
use crate::entra::scope::Permission;
use crate::state::lock;

/// The app's object id, and the user's or none for the whole organisation.
type Key = (String, Option<String>);

#[derive(Debug, Default)]
struct Given {
    permissions: HashMap<Key, BTreeSet<Permission>>,
    /// Apps whose application permissions an administrator accepted, and those where that was taken back.
    roles: HashSet<String>,
    withdrawn: HashSet<String>,
}

/// Consent given since the start, on top of what the settings say.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    given: Mutex<Given>,
}

impl Consents {
    /// Everything `user` or an administrator allowed `app`.
    pub(in crate::entra) fn of(&self, app: &App, user: &User) -> BTreeSet<Permission> {
        let given = lock(&self.given);
        let keys = [(app.object_id.clone(), None), (app.object_id.clone(), Some(user.id.clone()))];
        keys.iter().filter_map(|key| given.permissions.get(key)).flatten().copied().collect()
    }

    /// Remembers consent of `user`, or for everyone.
    pub(in crate::entra) fn give(&self, app: &App, user: Option<&User>, permissions: &BTreeSet<Permission>) {
        let key = (app.object_id.clone(), user.map(|user| user.id.clone()));
        lock(&self.given).permissions.entry(key).or_default().extend(permissions);
    }

    /// An administrator accepts the application permissions of `app`.
    pub(in crate::entra) fn give_roles(&self, app: &App) {
        let mut given = lock(&self.given);
        given.withdrawn.remove(&app.object_id);
        given.roles.insert(app.object_id.clone());
    }

    pub(in crate::entra) fn has_roles(&self, app: &App) -> bool {
        let given = lock(&self.given);
        let is_configured = app.settings.admin_consent && !given.withdrawn.contains(&app.object_id);
        is_configured || given.roles.contains(&app.object_id)
    }

    pub(in crate::entra) fn withdraw(&self, app: &App) {
        let mut given = lock(&self.given);
        given.permissions.retain(|(app_id, _), _| *app_id != app.object_id);
        given.roles.remove(&app.object_id);
        given.withdrawn.insert(app.object_id.clone());
    }
}
