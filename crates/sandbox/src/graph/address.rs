//! Which addresses Exchange takes for resolvable. It asks only for the form; whether the mailbox exists shows later.

/// Whether `address` has the form `local@domain` that a message can be submitted to.
pub(crate) fn is_resolvable(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    is_local_part(local) && is_domain(domain)
}

/// A dot-atom or a quoted string (RFC 5321 section 4.1.2), with UTF-8 as RFC 6531 allows it.
fn is_local_part(local: &str) -> bool {
    if let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return is_quoted_content(inner);
    }
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char))
}

fn is_quoted_content(inner: &str) -> bool {
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return false,
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_control() => {}
                _ => return false,
            },
            c if c.is_control() => return false,
            _ => {}
        }
    }
    true
}

fn is_atom_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return !literal.is_empty() && literal.chars().all(|c| c.is_ascii_graphic() && c != '[' && c != ']');
    }
    domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let is_label_char =
        |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && !c.is_control());
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(is_label_char)
}

#[cfg(test)]
mod tests {
    use super::is_resolvable;

    #[test]
    fn only_well_formed_addresses_resolve() {
        let rows = [
            ("a@b.test", true, "the plain case"),
            ("a+tag/x=y@b.test", true, "atoms hold these characters"),
            ("\"a b\"@b.test", true, "a quoted local part"),
            ("\"a@b\"@b.test", true, "the last @ divides"),
            ("grün@köln.test", true, "UTF-8 on both sides"),
            ("root@localhost", true, "one label is a domain"),
            ("a@[192.0.2.1]", true, "an address literal"),
            ("a.@b.test", false, "the dot Graph is known to refuse"),
            (".a@b.test", false, "a leading dot"),
            ("a..b@b.test", false, "two dots"),
            ("a@b..test", false, "an empty label"),
            ("a@b.test.", false, "a trailing dot"),
            ("a@-b.test", false, "a label beginning with a hyphen"),
            ("a b@b.test", false, "a space outside quotes"),
            ("a@", false, "no domain"),
            ("@b.test", false, "no local part"),
            ("anna", false, "no @"),
            ("", false, "nothing"),
            ("\"a\"b\"@b.test", false, "a quote inside quotes"),
        ];
        for (address, expected, reason) in rows {
            assert_eq!(is_resolvable(address), expected, "{address}: {reason}");
        }
    }
}
