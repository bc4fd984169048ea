//! Who runs this program, for mail that does not say from whom it is.

use std::path::Path;

/// Login name and full name, as `/etc/passwd` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalUser {
    pub login: String,
    pub full_name: Option<String>,
}

impl LocalUser {
    pub(super) fn current() -> Self {
        let id = rustix::process::getuid().as_raw();
        let passwd = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
        // A user of another directory (LDAP, a container's bare number) has at least its number.
        find(&passwd, id).unwrap_or_else(|| Self { login: format!("uid-{id}"), full_name: None })
    }
}

/// `login:x:uid:gid:full name,room,telephone:home:shell`
fn find(passwd: &str, id: u32) -> Option<LocalUser> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [login, _, uid, _, person, ..] = fields.as_slice() else { return None };
        (uid.parse() == Ok(id)).then(|| {
            let name = person.split(',').next().unwrap_or_default();
            // In the full name `&` stands for the login name, capitalised.
            let name = name.replace('&', login);
            LocalUser { login: (*login).to_owned(), full_name: Some(name).filter(|name| !name.trim().is_empty()) }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_found_by_number() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000:Anna B.,Room 1,,:/home/anna:/bin/sh\nbare:x:7:7::/:\n";
        let anna = LocalUser { login: "anna".to_owned(), full_name: Some("Anna B.".to_owned()) };
        assert_eq!(find(passwd, 1000), Some(anna));
        assert_eq!(find(passwd, 7).unwrap().full_name, None);
        assert_eq!(find(passwd, 8), None);
    }
}
