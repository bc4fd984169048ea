//! Delegated permissions: the ones that exist, and what a `scope` parameter asks for.
//!
//! Promise: a permission is one of the table below or it is nothing; names compare without case, as Entra compares
//! them.

use std::collections::BTreeSet;

use super::refusal::Refusal;
use crate::directory::App;
use crate::exchange::Call;
use crate::state::State;

const GRAPH: &str = "https://graph.microsoft.com";
pub(crate) const EXCHANGE: [&str; 2] = ["https://outlook.office365.com", "https://outlook.office.com"];

/// Whose permission it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Resource {
    /// OpenID Connect's own scopes, which go with any resource.
    OpenId,
    Graph,
    Exchange,
}

/// One delegated permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Permission {
    pub(crate) resource: Resource,
    pub(crate) name: &'static str,
    /// Only an administrator may consent to it.
    pub(crate) needs_admin: bool,
    /// What the consent page says.
    pub(crate) meaning: &'static str,
}

const fn open(resource: Resource, name: &'static str, meaning: &'static str) -> Permission {
    Permission { resource, name, needs_admin: false, meaning }
}

const fn admin_only(name: &'static str, meaning: &'static str) -> Permission {
    Permission { resource: Resource::Graph, name, needs_admin: true, meaning }
}

pub(super) const OPENID: Permission = open(Resource::OpenId, "openid", "Sign you in");
pub(super) const PROFILE: Permission = open(Resource::OpenId, "profile", "View your basic profile");
pub(super) const EMAIL: Permission = open(Resource::OpenId, "email", "View your email address");
pub(super) const OFFLINE_ACCESS: Permission =
    open(Resource::OpenId, "offline_access", "Maintain access to data you have given it access to");

/// What Microsoft has of permissions around mail, and some an administrator must grant.
const KNOWN: &[Permission] = &[
    OPENID,
    PROFILE,
    EMAIL,
    OFFLINE_ACCESS,
    open(Resource::Graph, "Mail.Send", "Send mail as you"),
    open(Resource::Graph, "Mail.Send.Shared", "Send mail on behalf of others or yourself"),
    open(Resource::Graph, "Mail.Read", "Read your mail"),
    open(Resource::Graph, "Mail.Read.Shared", "Read mail you can access"),
    open(Resource::Graph, "Mail.ReadWrite", "Read and write access to your mail"),
    open(Resource::Graph, "Mail.ReadWrite.Shared", "Read and write mail you can access"),
    open(Resource::Graph, "MailboxSettings.Read", "Read your mailbox settings"),
    open(Resource::Graph, "MailboxSettings.ReadWrite", "Read and write your mailbox settings"),
    open(Resource::Graph, "User.Read", "Sign you in and read your profile"),
    open(Resource::Graph, "User.ReadBasic.All", "Read all users' basic profiles"),
    admin_only("User.Read.All", "Read all users' full profiles"),
    admin_only("Group.Read.All", "Read all groups"),
    admin_only("GroupMember.Read.All", "Read group memberships"),
    admin_only("Directory.Read.All", "Read directory data"),
    open(Resource::Exchange, "SMTP.Send", "Send emails from mailboxes using SMTP AUTH"),
    open(Resource::Exchange, "IMAP.AccessAsUser.All", "Read and write access to mailboxes via IMAP"),
    open(Resource::Exchange, "POP.AccessAsUser.All", "Read and write access to mailboxes via POP"),
];

/// Finds a permission by its name alone; no two resources here share one.
pub(crate) fn known(name: &str) -> Option<Permission> {
    KNOWN.iter().copied().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) permissions: BTreeSet<Permission>,
    /// The first resource named, as a request without a scope of its own means it.
    first: Option<Resource>,
    /// How the client spelled the resources, if it did: the audience of their tokens.
    graph: Option<String>,
    exchange: Option<String>,
}

impl Asked {
    pub(super) fn contains(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// The one resource an access token can be for. Without any it is Graph's.
    pub(super) fn single_resource(&self) -> Result<Resource, Refusal> {
        let has = |resource| self.permissions.iter().any(|asked| asked.resource == resource);
        match (has(Resource::Graph), has(Resource::Exchange)) {
            (true, true) => Err(Refusal::new(28000)),
            (false, true) => Ok(Resource::Exchange),
            _ => Ok(Resource::Graph),
        }
    }

    /// The same for the first resource only.
    pub(super) fn of_first_resource(&self) -> Self {
        let first = self.first.unwrap_or(Resource::Graph);
        let mut narrowed = self.clone();
        narrowed.permissions.retain(|asked| asked.resource == Resource::OpenId || asked.resource == first);
        narrowed
    }

    /// `aud` of a token for `resource`.
    pub(super) fn audience(&self, resource: Resource) -> &str {
        match resource {
            Resource::Exchange => self.exchange.as_deref().unwrap_or("https://outlook.office.com"),
            Resource::OpenId | Resource::Graph => self.graph.as_deref().unwrap_or(GRAPH),
        }
    }

    /// A permission as the client would spell it.
    pub(super) fn spelled(&self, permission: Permission) -> String {
        match (permission.resource, &self.graph) {
            (Resource::OpenId, _) | (Resource::Graph, None) => permission.name.to_owned(),
            (resource, _) => format!("{}/{}", self.audience(resource), permission.name),
        }
    }

    fn add(&mut self, permission: Permission) {
        if permission.resource != Resource::OpenId {
            self.first.get_or_insert(permission.resource);
        }
        self.permissions.insert(permission);
    }
}

/// What an app's registration lists, for `.default` and admin consent.
pub(super) fn configured(app: &App) -> Asked {
    let mut asked = Asked::default();
    app.delegated.iter().for_each(|permission| asked.add(*permission));
    asked
}

/// Reads a `scope` parameter.
pub(super) fn parse(state: &State, call: &Call, app: &App, scope: &str) -> Result<Asked, Refusal> {
    let host = call.header("host").unwrap_or_default();
    let mut asked = Asked::default();
    for word in scope.split_whitespace() {
        let (resource, name) = match word.rsplit_once('/') {
            None => (None, word),
            Some((resource, name)) if state.is_graph_resource(resource, host) => {
                asked.graph.get_or_insert_with(|| resource.to_owned());
                (Some(Resource::Graph), name)
            }
            Some((resource, name)) if EXCHANGE.contains(&resource.trim_end_matches('/')) => {
                asked.exchange.get_or_insert_with(|| resource.to_owned());
                (Some(Resource::Exchange), name)
            }
            Some((resource, _)) => return Err(unknown_resource(resource)),
        };
        if name.eq_ignore_ascii_case(".default") {
            let resource = resource.unwrap_or(Resource::Graph);
            let of_resource = |known: &&Permission| known.resource == resource || known.resource == Resource::OpenId;
            app.delegated.iter().filter(of_resource).for_each(|permission| asked.add(*permission));
            asked.first.get_or_insert(resource);
            continue;
        }
        // A bare name is OpenID Connect's or Graph's, never Exchange's.
        let fits = |known: &Permission| match resource {
            Some(resource) => known.resource == resource,
            None => known.resource != Resource::Exchange,
        };
        let permission = known(name).filter(fits).ok_or_else(|| unknown_scope(app, name))?;
        asked.add(permission);
    }
    Ok(asked)
}

/// The resource a scope names is none of the tenant's.
pub(super) fn unknown_resource(resource: &str) -> Refusal {
    Refusal::saying(
        500_011,
        format!(
            "The resource principal named {resource} was not found in the tenant. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant."
        ),
    )
}

fn unknown_scope(app: &App, name: &str) -> Refusal {
    Refusal::saying(
        650_053,
        format!(
            "The application '{}' asked for scope '{name}' that doesn't exist on the resource. Contact the app vendor.",
            app.settings.name
        ),
    )
}
