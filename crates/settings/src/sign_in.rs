//! Signing in with an OpenID provider, such as Entra ID.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Role, Sealed};

/// How people sign in besides with a password.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SignIn {
    pub openid: Option<OpenIdProvider>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIdProvider {
    /// What the button says: "Sign in with …".
    pub name: String,
    /// Where `/.well-known/openid-configuration` is found.
    pub issuer: Url,
    pub client_id: String,
    pub client_secret: Option<Sealed>,
    /// The claim that lists a user's groups.
    pub groups_claim: String,
    /// The highest role of all groups somebody is in counts; who is in none may not sign in.
    pub groups: Vec<GroupRole>,
}

/// Members of this group have this role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRole {
    /// As the claim has it: Entra ID puts object ids there.
    pub group: String,
    pub role: Role,
}

impl OpenIdProvider {
    /// The highest role that any of these groups gives.
    pub fn role_of<'g>(&self, groups: impl IntoIterator<Item = &'g str>) -> Option<Role> {
        let roles = groups.into_iter().filter_map(|group| self.groups.iter().find(|known| known.group == group));
        roles.map(|known| known.role).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_of_all_groups_counts_and_no_group_gives_none() {
        let group = |group: &str, role| GroupRole { group: group.to_owned(), role };
        let provider = OpenIdProvider {
            name: "Contoso".to_owned(),
            issuer: "https://login.contoso.test/".parse().unwrap(),
            client_id: "postern".to_owned(),
            client_secret: None,
            groups_claim: "groups".to_owned(),
            groups: vec![group("all", Role::Viewer), group("ops", Role::Operator)],
        };
        for (groups, role) in [
            (vec!["all", "ops"], Some(Role::Operator)), // whatever their order
            (vec!["ops", "all"], Some(Role::Operator)),
            (vec!["all", "else"], Some(Role::Viewer)),
            (vec!["ALL"], None), // ids are compared exactly
            (vec![], None),
        ] {
            assert_eq!(provider.role_of(groups.clone()), role, "{groups:?}");
        }
    }
}
