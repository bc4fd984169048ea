//! `no_proxy`: which hosts are reached without the proxy. One rule for HTTP and SMTP.

use std::net::IpAddr;

use ipnet::IpNet;

/// Names stand for themselves and what is below them, with or without a dot (or `*.`) before them; addresses and networks for
/// hosts given as addresses, since names are resolved by the proxy; `*` for everything. Ports are not looked at. An entry may hold several, with
/// commas between, as the environment variable of that name does.
pub(super) fn is_excepted(host: &str, exceptions: &[String]) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let address: Option<IpAddr> = host.parse().ok();
    exceptions.iter().flat_map(|entry| entry.split(',')).map(str::trim).any(|exception| match address {
        _ if exception == "*" => true,
        Some(address) => covers_address(exception, address),
        None => covers_name(exception, host),
    })
}

/// Whether an entry can except anything at all: a port, a path or a star within a name are slips that would go unnoticed.
pub(super) fn makes_sense(entry: &str) -> bool {
    entry.split(',').map(str::trim).all(|exception| {
        let name = exception.strip_prefix("*.").unwrap_or(exception).trim_matches('.');
        let unbracketed = exception.trim_start_matches('[').trim_end_matches(']');
        let is_address = unbracketed.parse::<IpNet>().is_ok() || unbracketed.parse::<IpAddr>().is_ok();
        exception == "*" || is_address || (!name.is_empty() && !name.contains(['/', ':', '*', '@', ' ', '[']))
    })
}

fn covers_address(exception: &str, address: IpAddr) -> bool {
    let exception = exception.trim_start_matches('[').trim_end_matches(']');
    exception.parse::<IpNet>().is_ok_and(|network| network.contains(&address))
        || exception.parse::<IpAddr>().is_ok_and(|single| single == address)
}

fn covers_name(exception: &str, host: &str) -> bool {
    let exception = exception.strip_prefix('*').unwrap_or(exception);
    let name = exception.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    let is_below = || host.strip_suffix(&name).is_some_and(|above| above.ends_with('.'));
    !name.is_empty() && (host == name || is_below())
}

/// What the rule says of each host; HTTP and SMTP are both held to it.
#[cfg(test)]
pub(super) const TABLE: &[(&[&str], &str, bool)] = &[
    (&["internal.test"], "internal.test", true),
    (&["internal.test"], "Mail.INTERNAL.test", true), // names are compared without case
    (&["internal.test"], "notinternal.test", false),  // a suffix is not a subdomain
    (&["mail.internal.test"], "internal.test", false), // nor is a parent
    (&[".dotted.test"], "a.dotted.test", true),
    (&[".dotted.test"], "dotted.test", true), // as curl reads it
    (&["*.starred.test"], "a.starred.test", true),
    (&["*.starred.test"], "starred.test", true),
    (&["rooted.test."], "rooted.test", true), // the root's dot changes nothing
    (&["10.0.0.0/8"], "10.1.2.3", true),
    (&["10.0.0.0/8"], "11.1.2.3", false),
    (&["192.0.2.1"], "192.0.2.1", true),
    (&["192.0.2.1"], "192.0.2.2", false),
    (&["192.0.2.1"], "192.0.2.10", false), // addresses are no text
    (&["2001:db8::/32"], "[2001:db8::7]", true),
    (&["[2001:db8::7]"], "[2001:db8:0:0::7]", true),
    (&["2001:db8::/32"], "[2001:db9::7]", false),
    (&["10.0.0.0/8"], "ten.test", false), // names are resolved by the proxy, not here
    (&["a.test, b.test"], "b.test", true), // as in the environment variable
    (&["*"], "anything.test", true),
    (&["*"], "192.0.2.1", true),
    (&["", ".", "*."], "anything.test", false), // a slip excepts nothing
    (&[], "smtp.office365.com", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_names_with_what_is_below_them_addresses_and_networks() {
        for (exceptions, host, excepted) in TABLE {
            let exceptions: Vec<String> = exceptions.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(is_excepted(host, &exceptions), *excepted, "{host} in {exceptions:?}");
            assert!(!excepted || exceptions.iter().all(|entry| makes_sense(entry)), "{exceptions:?}");
        }
    }

    #[test]
    fn an_entry_that_can_match_nothing_is_noticed() {
        for slip in
            ["mail.test:25", "http://mail.test", "10.0.0.*", "10.0.0.0/33", "a.*.test", "", "*.", "me@mail.test"]
        {
            assert!(!makes_sense(slip), "{slip}");
        }
    }
}
