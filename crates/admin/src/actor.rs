//! Who asks, and what they may do.

use settings::Role;

use crate::AdminError;

/// Somebody who was let in: the operations ask what they may do, never who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    name: String,
    role: Role,
}

impl Actor {
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Self { name: name.into(), role }
    }

    /// Whoever can run the program on the data folder can read and write everything in it, and so may do everything.
    pub fn command_line() -> Self {
        Self::new("cli", Role::Administrator)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn role(&self) -> Role {
        self.role
    }

    /// For showing or hiding what somebody may do; the operations ask again.
    pub fn may(&self, needed: Role) -> bool {
        self.role >= needed
    }

    /// The one question every operation asks first.
    pub(crate) fn must_be(&self, needed: Role) -> Result<(), AdminError> {
        if self.role >= needed {
            return Ok(());
        }
        tracing::warn!(event = "operation_forbidden", actor = %self.name, role = self.role.name(), needed = needed.name());
        Err(AdminError::Forbidden { needed: needed.name() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_do_what_lesser_roles_may_and_no_more() {
        for (has, needs, may) in [
            (Role::Viewer, Role::Viewer, true),
            (Role::Viewer, Role::Operator, false),
            (Role::Operator, Role::Viewer, true),
            (Role::Operator, Role::Administrator, false),
            (Role::Administrator, Role::Operator, true),
        ] {
            assert_eq!(Actor::new("x", has).must_be(needs).is_ok(), may, "{has:?} {needs:?}");
        }
    }
}
