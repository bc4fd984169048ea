//! A proxy as its URL describes it: `http`, `https` or `socks5h`, with a user name and password if it wants them.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::NetworkError;

/// How a proxy is asked to connect to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `CONNECT` (RFC 9110 §9.3.6), in clear up to the proxy.
    Http,
    /// The same within TLS up to the proxy.
    Https,
    /// SOCKS 5 (RFC 1928). The proxy resolves names, whether the URL says `socks5h` or `socks5`: where a proxy is needed,
    /// names of the outside are mostly unknown inside, and asking for them here would go around the proxy.
    Socks5,
}

impl Protocol {
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "socks5h" | "socks5" => Some(Self::Socks5),
            _ => None,
        }
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5h",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

/// One proxy. Shown as `host:port`: name and password stay out of logs and errors.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ProxyServer {
    pub(super) protocol: Protocol,
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) login: Option<Login>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

impl ProxyServer {
    pub(super) fn parse(url: &Url) -> Result<Self, NetworkError> {
        let protocol = Protocol::of(url.scheme()).ok_or(NetworkError::Proxy)?;
        // URLs of other schemes than http leave their host as it was written.
        let host = url.host_str().and_then(|host| Host::parse(host).ok()).ok_or(NetworkError::Proxy)?;
        let decoded = |text| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| NetworkError::Proxy);
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                Some(Login { user: decoded(user)?, password: Zeroizing::new(decoded(password.unwrap_or_default())?) })
            }
        };
        Ok(Self { protocol, host, port: url.port().unwrap_or(protocol.default_port()), login })
    }

    /// The URL in the one spelling that no reader can take for anything else: letters, digits and encoded octets. A proxy's
    /// URL that the HTTP client could not read would be passed over, and the proxy with it.
    pub(super) fn canonical_url(&self) -> Result<Url, NetworkError> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let login = self
            .login
            .as_ref()
            .map_or_else(String::new, |login| format!("{}:{}@", encoded(&login.user), encoded(&login.password)));
        let (scheme, Self { host, port, .. }) = (self.protocol.scheme(), self);
        Url::parse(&format!("{scheme}://{login}{host}:{port}/")).map_err(|_| NetworkError::Proxy)
    }

    /// The host as sockets and certificates want it: no brackets around an IPv6 address.
    pub(super) fn host_name(&self) -> String {
        bare(&self.host.to_string()).to_owned()
    }
}

/// An IPv6 address without its brackets; anything else as it is.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{self}", self.protocol.scheme())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<ProxyServer, NetworkError> {
        ProxyServer::parse(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_proxy_is_read_from_its_url() {
        for (url, protocol, address) in [
            ("http://p.test", Protocol::Http, "p.test:80"),
            ("https://p.test", Protocol::Https, "p.test:443"),
            ("http://[2001:db8::1]:3128", Protocol::Http, "[2001:db8::1]:3128"),
            ("socks5h://p.test", Protocol::Socks5, "p.test:1080"),
            ("socks5://P.test:1081", Protocol::Socks5, "p.test:1081"), // names are resolved there all the same
            ("socks5h://[::1]:1080", Protocol::Socks5, "[::1]:1080"),
            ("socks5h://m\u{fc}nchen.test", Protocol::Socks5, "xn--mnchen-3ya.test:1080"),
        ] {
            let proxy = parse(url).unwrap();
            assert_eq!((proxy.protocol, proxy.to_string().as_str()), (protocol, address), "{url}");
        }
        // Other schemes must not be taken for one of ours.
        for url in ["socks4://p.test", "ftp://p.test", "mailto:a@b", "socks5h:///nowhere", "socks5h:p.test"] {
            assert_eq!(parse(url), Err(NetworkError::Proxy), "{url}");
        }
    }

    #[test]
    fn name_and_password_are_decoded_once_and_shown_never() {
        let proxy = parse("http://us%40er:p%40ss%3Aw%2Frd%2541@p.test:3128").unwrap();
        let login = proxy.login.as_ref().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("us@er", "p@ss:w/rd%41"));
        assert_eq!(format!("{proxy} {proxy:?}"), "p.test:3128 http://p.test:3128");
        let again = ProxyServer::parse(&proxy.canonical_url().unwrap()).unwrap();
        assert!(again == proxy);
    }

    proptest::proptest! {
        #[test]
        fn the_canonical_url_is_read_as_what_it_was_made_from(user in ".+", password in ".*") {
            let login = Some(Login { user, password: Zeroizing::new(password) });
            for protocol in [Protocol::Http, Protocol::Https, Protocol::Socks5] {
                let host = Host::parse("p.test").unwrap();
                let proxy = ProxyServer { protocol, host, port: 3128, login: login.clone() };
                let url = proxy.canonical_url().unwrap();
                proptest::prop_assert!(ProxyServer::parse(&url).unwrap() == proxy);
            }
        }
    }
}
