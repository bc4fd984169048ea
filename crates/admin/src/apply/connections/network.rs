//! The way out of one connection, where it is not the gateway's.
//!
//! Invariant: a proxy's password is in no address, and never sent to another proxy than it was entered for.

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretString};
use settings::{ConnectionId, ConnectionNetwork, ProxyChoice, ProxyServer, Sealed};
use url::Url;

use super::super::plan::Draft;
use crate::sealed_secret::{self, seal_unless_known};
use crate::setup_file::{ConnectionEntry, SecretValue};
use crate::{Refused, SecretSource};

/// `None`: as the gateway goes.
pub(super) fn read(
    draft: &Draft<'_>,
    id: &ConnectionId,
    name: &str,
    entry: &ConnectionEntry,
    known: Option<ConnectionNetwork>,
) -> Result<Option<ConnectionNetwork>, Refused> {
    let named = |refused: Refused| Refused { what: format!("connection '{name}': {}", refused.what), ..refused };
    let proxy = match entry.proxy.as_deref().map(str::trim).unwrap_or_default() {
        "" | "gateway" => without_server(entry, ProxyChoice::Gateway).map_err(named)?,
        "none" => without_server(entry, ProxyChoice::Direct).map_err(named)?,
        text => {
            let known = match known.map(|known| known.proxy) {
                Some(ProxyChoice::Server(server)) => Some(server),
                _ => None,
            };
            ProxyChoice::Server(server(draft, id, entry, text, known).map_err(named)?)
        }
    };
    let ca_bundle_pem = entry.ca_bundle.as_ref().map(|value| ca_bundle(draft.secrets, value)).transpose();
    let network = ConnectionNetwork { proxy, ca_bundle_pem: ca_bundle_pem.map_err(named)? };
    Ok(Some(network).filter(|network| *network != ConnectionNetwork::default()))
}

fn without_server(entry: &ConnectionEntry, choice: ProxyChoice) -> Result<ProxyChoice, Refused> {
    let field = match entry {
        ConnectionEntry { proxy_password: Some(_), .. } => "proxy_password",
        ConnectionEntry { no_proxy, .. } if !no_proxy.is_empty() => "no_proxy",
        _ => return Ok(choice),
    };
    let what = format!("{field} belongs to a proxy of its own");
    Err(Refused::new(what, "Give the proxy's address as proxy, or leave this out.").at(field))
}

fn server(
    draft: &Draft<'_>,
    id: &ConnectionId,
    entry: &ConnectionEntry,
    text: &str,
    known: Option<ProxyServer>,
) -> Result<ProxyServer, Refused> {
    let (url, inside) = taken_apart(text)?;
    let given = match (&entry.proxy_password, inside) {
        (Some(_), Some(_)) => {
            let what = "there is a password in the proxy's address and another as proxy_password";
            return Err(Refused::new(what, "Keep one of them.").at("proxy_password"));
        }
        (Some(value), None) => {
            let read = draft.secrets.read(value, "proxy_password");
            Some(read.map_err(|refused| refused.at("proxy_password"))?)
        }
        (None, inside) => inside,
    };
    let password = match given {
        Some(_) if url.username().is_empty() => {
            let what = "there is a password for the proxy and no user name";
            return Err(Refused::new(what, "Write the user into the address: http://user@proxy.test:3128").at("proxy"));
        }
        Some(password) => {
            let known = known.and_then(|known| known.password);
            Some(seal_unless_known(draft.keys, &sealed_secret::proxy_password(id), &password, known)?)
        }
        None => kept_password(&url, known)?,
    };
    Ok(ProxyServer { url, password, no_proxy: no_proxy(entry)? })
}

/// A password that is left out stays, for this very proxy and user.
fn kept_password(url: &Url, known: Option<ProxyServer>) -> Result<Option<Sealed>, Refused> {
    let Some(ProxyServer { url: before, password: Some(sealed), .. }) = known else { return Ok(None) };
    if url.username().is_empty() {
        return Ok(None);
    }
    if before == *url {
        return Ok(Some(sealed));
    }
    let what = "the proxy's password that is kept was entered for another address or user";
    Err(Refused::new(what, "Enter the password again.").at("proxy_password"))
}

/// The address without its password, and the password.
fn taken_apart(text: &str) -> Result<(Url, Option<SecretString>), Refused> {
    // The text is not repeated: it may hold a password.
    let refused = |what: &str| {
        let fix = "Write http://proxy.test:3128, https:// or socks5h:// with host and port, a user before the host if it \
                   needs one; or \"gateway\" or \"none\".";
        Refused::new(format!("proxy {what}"), fix).at("proxy")
    };
    let mut url = Url::parse(text).map_err(|error| refused(&format!("is not an address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5h") {
        return Err(refused("is none of http://, https:// and socks5h://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refused("has no host"));
    }
    if url.port_or_known_default().is_none() {
        return Err(refused("has no port"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(refused("has something after host and port"));
    }
    let password = url.password().map(|password| percent_decode_str(password).decode_utf8_lossy().into_owned());
    url.set_password(None).map_err(|()| refused("has no host"))?;
    Ok((url, password.filter(|password| !password.is_empty()).map(SecretString::from)))
}

fn no_proxy(entry: &ConnectionEntry) -> Result<Vec<String>, Refused> {
    let names: Vec<String> = entry.no_proxy.iter().map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !is_reached_directly(name)) {
        None => Ok(names),
        Some(wrong) => Err(Refused::new(
            format!("no_proxy has '{wrong}', which is neither a host name nor an address nor a network"),
            "Write hosts as intranet.test, addresses as 10.0.0.1, networks as 10.0.0.0/8, or * for all.",
        )
        .at("no_proxy")),
    }
}

fn is_reached_directly(name: &str) -> bool {
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']' | '*'));
    is_name || name.parse::<IpNet>().is_ok()
}

/// The certificates, and nothing else that the file may hold: it is shown and exported.
fn ca_bundle(secrets: &SecretSource, value: &SecretValue) -> Result<String, Refused> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = match value {
        // As `[proxy] ca_bundle` has it: a path.
        SecretValue::Text(text) if !text.expose_secret().contains("-----BEGIN") && secrets.reads_this_machine() => {
            secrets.read(&SecretValue::File(text.expose_secret().trim().into()), "ca_bundle")
        }
        value => secrets.read(value, "ca_bundle"),
    };
    let text = text.map_err(|refused| refused.at("ca_bundle"))?;
    let unreadable = |why: String| {
        let fix = "Give certificates in PEM, each between BEGIN CERTIFICATE and END CERTIFICATE.";
        Refused::new(format!("ca_bundle {why}"), fix).at("ca_bundle")
    };
    let mut pem = String::new();
    let mut rest = text.expose_secret();
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (inside, after) = after.split_once(END).ok_or_else(|| unreadable("ends within a certificate".into()))?;
        let lines: Vec<&str> = inside.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let block = format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"));
        let der = CertificateDer::from_pem_slice(block.as_bytes());
        let der = der.map_err(|error| unreadable(format!("has a certificate that is not PEM: {error}")))?;
        x509_parser::parse_x509_certificate(&der)
            .map_err(|error| unreadable(format!("has a certificate that cannot be read: {error}")))?;
        pem.push_str(&block);
        rest = after;
    }
    if pem.is_empty() {
        return Err(unreadable("holds no certificate".into()));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_the_address() {
        for (text, url, password) in [
            ("http://proxy.test:3128", "http://proxy.test:3128/", None),
            ("http://anna@proxy.test:3128", "http://anna@proxy.test:3128/", None),
            ("https://anna:p%40ss@proxy.test", "https://anna@proxy.test/", Some("p@ss")),
            ("socks5h://anna:secret@10.0.0.1:1080", "socks5h://anna@10.0.0.1:1080", Some("secret")),
        ] {
            let (found, secret) = taken_apart(text).unwrap();
            assert_eq!((found.as_str(), secret.as_ref().map(ExposeSecret::expose_secret)), (url, password), "{text}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_repeating_it() {
        for text in [
            "proxy.test:3128",
            "ftp://a:hunter2@proxy.test",
            "socks5://a:hunter2@proxy.test:1080", // whose names would be resolved here
            "socks5h://a:hunter2@proxy.test",     // no port
            "http://a:hunter2@proxy.test/path",
            "http://a:hunter2@proxy.test?x=1",
            "http://",
        ] {
            let refused = taken_apart(text).unwrap_err();
            assert_eq!(refused.field, Some("proxy"), "{text}");
            assert!(!refused.what.contains("hunter2"), "{}", refused.what);
        }
    }

    #[test]
    fn hosts_addresses_and_networks_are_reached_directly() {
        for (name, is_one) in [
            ("localhost", true),
            (".intranet.test", true),
            ("10.0.0.1", true),
            ("10.0.0.0/8", true),
            ("fd00::/8", true),
            ("*", true),
            ("", false),
            ("http://intranet.test", false),
            ("a b", false),
            ("10.0.0.0/40", false),
        ] {
            assert_eq!(is_reached_directly(name), is_one, "{name}");
        }
    }
}
