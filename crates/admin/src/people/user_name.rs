//! What users and API tokens may be called.

use crate::Refused;

const MAX_CHARS: usize = 128;

/// The name without blanks around it, or why it cannot be one. `:` stands in the audit log between kind and name.
pub(super) fn check<'n>(what: &str, name: &'n str) -> Result<&'n str, Refused> {
    let name = name.trim();
    let fix = "Use 1 to 128 characters without ':' and line breaks, such as anna or anna@contoso.com.";
    if name.is_empty() || name.chars().count() > MAX_CHARS {
        return Err(Refused::new(format!("the name of the {what} is empty or too long"), fix));
    }
    if name.chars().any(|c| c.is_control() || c == ':') {
        return Err(Refused::new(format!("the name of the {what} has characters that cannot be in one"), fix));
    }
    if ["cli", "anonymous"].contains(&name.to_lowercase().as_str()) {
        return Err(Refused::new(
            format!("no {what} can be called '{name}'"),
            "The audit log uses that name for somebody else: choose another.",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pass_for_another_in_the_audit_log() {
        let long = "x".repeat(129);
        for (name, is_one) in [
            ("anna@contoso.com", true),
            ("  anna ", true),     // blanks around it are the keyboard's
            ("CLI", false),        // the command line's own name
            ("token:erp", false),  // an API token's
            ("anna\nbert", false), // two lines
            ("  ", false),
            (long.as_str(), false),
        ] {
            assert_eq!(check("user", name).is_ok(), is_one, "{name:?}");
        }
    }
}
