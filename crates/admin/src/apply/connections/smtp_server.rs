//! Host, port, security, user name and password of *SMTP Server*.
//!
//! Invariant: a password is never sent in clear beyond this machine, and never to another host than it was entered for.

use std::net::IpAddr;

use settings::{ConnectionId, Sealed, Security, Service, SmtpServer};

use super::super::plan::Draft;
use crate::setup_file::ConnectionEntry;
use crate::{Refused, sealed_secret};

/// What the entry says of the server; a password that is left out stays as it is.
pub(super) fn read(
    draft: &Draft<'_>,
    id: &ConnectionId,
    name: &str,
    entry: &ConnectionEntry,
    known: Option<SmtpServer>,
) -> Result<Option<SmtpServer>, Refused> {
    let refused =
        |field, what: &str, fix: &str| Refused::new(format!("connection '{name}': {what}"), fix.to_owned()).at(field);
    if entry.service != Service::SmtpServer {
        return match foreign_key(entry) {
            None => Ok(None),
            Some(key) => {
                let what = format!("{key} is no key of \"{}\"", entry.service.name());
                let fix = format!("Leave it out, or choose the service \"{}\".", Service::SmtpServer.name());
                Err(refused(key, &what, &fix))
            }
        };
    }
    let Some(host) = entry.host.as_deref().map(str::trim).filter(|host| is_host(host)) else {
        return Err(refused(
            "host",
            "host is not the name or address of a server",
            "Write host = \"mail.example.org\".",
        ));
    };
    let security = entry.security.unwrap_or_default();
    let port = entry.port.unwrap_or(security.default_port());
    if port == 0 {
        return Err(refused("port", "port = 0 is no port", "Mostly 587, 465 or 25; left out, it goes by security."));
    }
    let username = entry.username.clone().filter(|username| !username.is_empty());
    if username.as_deref().is_some_and(|username| username.chars().any(char::is_control)) {
        return Err(refused("username", "username has a control character", "Correct username."));
    }
    if username.is_some() && security == Security::None && !is_this_machine(host) {
        return Err(refused(
            "security",
            "the password, or token, would cross the network in clear",
            "Use security = \"starttls\" or \"implicit\"; \"none\" with a username is for loopback addresses.",
        ));
    }
    let oauth_scope = oauth_scope(name, entry, username.as_deref())?;
    check_scope(draft, name, host, oauth_scope.as_deref(), known.as_ref())?;
    let password = match oauth_scope {
        Some(_) => None,
        None => password(draft, id, name, entry, username.as_deref(), host, known)?,
    };
    Ok(Some(SmtpServer { host: host.to_owned(), port, security, username, password, oauth_scope }))
}

/// A token is shown to the server, and may open more than mail: who asks from elsewhere must not choose both.
fn check_scope(
    draft: &Draft<'_>,
    name: &str,
    host: &str,
    scope: Option<&str>,
    known: Option<&SmtpServer>,
) -> Result<(), Refused> {
    let Some(scope) = scope else { return Ok(()) };
    let is_known = known.is_some_and(|known| known.host == host && known.oauth_scope.as_deref() == Some(scope));
    if is_known || draft.secrets.reads_this_machine() || is_scope_of(scope, host) {
        return Ok(());
    }
    let what = format!("connection '{name}': a token for {scope} is not {host}'s own, and would be shown to it");
    let fix = "Write https://HOST/.default with the server's own name or domain, or choose the scope in a setup file.";
    Err(Refused::new(what, fix).at("oauth_scope"))
}

/// Whether the scope is the server's own: `https://mail.example.org/.default` of `smtp.mail.example.org`. Tokens for anything
/// else may open more than mail, and the server reads what is shown to it.
fn is_scope_of(scope: &str, host: &str) -> bool {
    let Some(resource) = url::Url::parse(scope).ok().and_then(|url| Some(url.host_str()?.to_lowercase())) else {
        return false;
    };
    let host = host.to_lowercase();
    scope.starts_with("https://") && (host == resource || host.ends_with(&format!(".{resource}")))
}

/// With a tenant and a scope its application signs in by token, in place of a password.
fn oauth_scope(name: &str, entry: &ConnectionEntry, username: Option<&str>) -> Result<Option<String>, Refused> {
    let refused = |field, what: &str, fix: &str| {
        Err(Refused::new(format!("connection '{name}': {what}"), fix.to_owned()).at(field))
    };
    let scope = entry.oauth_scope.as_deref().map(str::trim).filter(|scope| !scope.is_empty());
    match (scope, &entry.tenant) {
        (None, None) => Ok(None),
        (None, Some(_)) => refused(
            "oauth_scope",
            "it names a tenant and no oauth_scope",
            "Add oauth_scope to sign in with a token of the tenant (XOAUTH2), or leave tenant out.",
        ),
        (Some(_), None) => refused(
            "tenant",
            "it has an oauth_scope and no tenant to ask for the token",
            "Add tenant = \"...\", or leave oauth_scope out.",
        ),
        (Some(_), Some(_)) if entry.password.is_some() => refused(
            "password",
            "it has both a password and an oauth_scope",
            "Keep the password, or oauth_scope with tenant.",
        ),
        (Some(_), Some(_)) if username.is_none() => {
            refused("username", "a token is for a user, and there is no username", "Add username, the mailbox mostly.")
        }
        (Some(scope), Some(_)) if scope.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            refused("oauth_scope", "oauth_scope is not one scope", "Write it as https://mail.example.org/.default.")
        }
        (Some(scope), Some(_)) => Ok(Some(scope.to_owned())),
    }
}

/// What is given, or what is kept for this very host.
fn password(
    draft: &Draft<'_>,
    id: &ConnectionId,
    name: &str,
    entry: &ConnectionEntry,
    username: Option<&str>,
    host: &str,
    known: Option<SmtpServer>,
) -> Result<Option<Sealed>, Refused> {
    let refused =
        |field, what: &str, fix: &str| Refused::new(format!("connection '{name}': {what}"), fix.to_owned()).at(field);
    match (username, &entry.password) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(refused("username", "there is a password and no username", "Add username.")),
        (Some(_), Some(value)) => {
            let known = known.and_then(|known| known.password);
            sealed(draft, id, name, value, known).map(Some).map_err(|refusal| refusal.at("password"))
        }
        (Some(_), None) => match known {
            Some(SmtpServer { host: before, password: Some(sealed), .. }) if before == host => Ok(Some(sealed)),
            Some(SmtpServer { password: Some(_), .. }) => Err(refused(
                "password",
                "the password that is kept was entered for another host",
                "Enter the password again.",
            )),
            _ => Err(refused("password", "there is a username and no password", "Add password.")),
        },
    }
}

/// The first key that only an SMTP server has.
fn foreign_key(entry: &ConnectionEntry) -> Option<&'static str> {
    let keys = [
        ("host", entry.host.is_some()),
        ("port", entry.port.is_some()),
        ("security", entry.security.is_some()),
        ("username", entry.username.is_some()),
        ("password", entry.password.is_some()),
        ("oauth_scope", entry.oauth_scope.is_some()),
    ];
    keys.into_iter().find_map(|(key, is_given)| is_given.then_some(key))
}

fn is_host(host: &str) -> bool {
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    is_name || host.parse::<IpAddr>().is_ok()
}

fn is_this_machine(host: &str) -> bool {
    host.parse::<IpAddr>().map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

fn sealed(
    draft: &Draft<'_>,
    id: &ConnectionId,
    name: &str,
    value: &crate::SecretValue,
    known: Option<Sealed>,
) -> Result<Sealed, Refused> {
    let password = draft.secrets.read(value, &format!("password of connection '{name}'"))?;
    sealed_secret::seal_unless_known(draft.keys, &sealed_secret::smtp_password(id), &password, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for (host, is_one) in [
            ("mail.contoso.test", true),
            ("smarthost", true),
            ("10.0.0.1", true),
            ("2001:db8::1", true),
            ("", false),
            ("mail.contoso.test:587", false), // the port has its own key
            ("smtp://mail.test", false),
            ("a\r\nb", false),
        ] {
            assert_eq!(is_host(host), is_one, "{host}");
        }
    }

    #[test]
    fn only_this_machine_may_hear_a_password_in_clear() {
        for (host, is_it) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("localhost", true),
            ("LOCALHOST", true),
            ("localhost.example.test", false),
            ("127.0.0.1.example.test", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_this_machine(host), is_it, "{host}");
        }
    }
}
