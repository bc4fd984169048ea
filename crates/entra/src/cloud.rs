//! Microsoft's clouds: where to sign in, where Graph is, where SMTP is.
//!
//! Promise: a [`Root`] is `https`, or plain `http` on this machine itself; it has no user, query or fragment and does not
//! end in a slash, so an endpoint is made by appending a path that begins with one.
//!
//! Tokens of one cloud are worthless in another: a [`Cloud`] is taken whole.

use std::borrow::Cow;
use std::fmt;

use url::{Host, Url};

/// The base of a service's addresses, such as `https://graph.microsoft.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Root(Cow<'static, str>);

/// Why a text cannot be the base of a service's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    #[error("not an absolute URL")]
    NotAUrl,
    #[error("the scheme must be https")]
    NotHttp,
    #[error("plain http is allowed for loopback addresses only: secrets and mail would cross the network in clear")]
    PlainHttpBeyondLoopback,
    #[error("a base URL has no user name, query or fragment")]
    Decorated,
}

impl Root {
    const fn known(url: &'static str) -> Self {
        Self(Cow::Borrowed(url))
    }

    pub fn parse(text: &str) -> Result<Self, RootError> {
        Self::try_from(&Url::parse(text).map_err(|_| RootError::NotAUrl)?)
    }

    /// Without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scope that asks for every permission the application was granted on this service.
    pub fn default_scope(&self) -> String {
        format!("{}/.default", self.0)
    }
}

impl TryFrom<&Url> for Root {
    type Error = RootError;

    fn try_from(url: &Url) -> Result<Self, RootError> {
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(url) => {}
            "http" => return Err(RootError::PlainHttpBeyondLoopback),
            _ => return Err(RootError::NotHttp),
        }
        let decorated =
            !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
        if decorated {
            return Err(RootError::Decorated);
        }
        Ok(Self(Cow::Owned(url.as_str().trim_end_matches('/').to_owned())))
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether what is said there crosses no network in clear: `https`, or plain `http` to this machine.
pub fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        // Not the names below it: RFC 6761 §6.3 keeps them here, too, and some resolvers ask the network for them.
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The endpoints of one Microsoft cloud.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cloud {
    /// Entra ID: `{login}/{tenant}/oauth2/v2.0/token`.
    pub login: Root,
    /// Microsoft Graph: `{graph}/v1.0/...`.
    pub graph: Root,
    /// SMTP submission, a host or `host:port`; port 587 when none is given.
    pub smtp: Cow<'static, str>,
    /// What a token for SMTP as an application is asked for.
    pub exchange_scope: Cow<'static, str>,
    /// The service that `SMTP.Send`, a user's permission, belongs to.
    pub exchange_delegated: Cow<'static, str>,
}

impl Cloud {
    /// The worldwide cloud, GCC included.
    pub const GLOBAL: Self = Self {
        login: Root::known("https://login.microsoftonline.com"),
        graph: Root::known("https://graph.microsoft.com"),
        smtp: Cow::Borrowed("smtp.office365.com"),
        exchange_scope: Cow::Borrowed("https://outlook.office365.com/.default"),
        exchange_delegated: Cow::Borrowed("https://outlook.office.com"),
    };

    /// US Government L4, GCC High. The SMTP names are not in Microsoft's documentation.
    pub const US_GOV: Self = Self {
        login: Root::known("https://login.microsoftonline.us"),
        graph: Root::known("https://graph.microsoft.us"),
        smtp: Cow::Borrowed("smtp.office365.us"),
        exchange_scope: Cow::Borrowed("https://outlook.office365.us/.default"),
        exchange_delegated: Cow::Borrowed("https://outlook.office365.us"),
    };

    /// US Government L5, Department of Defense. The SMTP names are not in Microsoft's documentation.
    pub const US_GOV_DOD: Self = Self {
        login: Root::known("https://login.microsoftonline.us"),
        graph: Root::known("https://dod-graph.microsoft.us"),
        smtp: Cow::Borrowed("outlook-dod.office365.us"),
        exchange_scope: Cow::Borrowed("https://outlook-dod.office365.us/.default"),
        exchange_delegated: Cow::Borrowed("https://outlook-dod.office365.us"),
    };

    /// China, operated by 21Vianet. The SMTP names are not in Microsoft's documentation.
    pub const CHINA: Self = Self {
        login: Root::known("https://login.partner.microsoftonline.cn"),
        graph: Root::known("https://microsoftgraph.chinacloudapi.cn"),
        smtp: Cow::Borrowed("smtp.partner.outlook.cn"),
        exchange_scope: Cow::Borrowed("https://partner.outlook.cn/.default"),
        exchange_delegated: Cow::Borrowed("https://partner.outlook.cn"),
    };

    /// Endpoints of one's own: a stand-in tenant, or a gateway in front of Microsoft's. Without `smtp` the worldwide
    /// name is kept.
    pub fn custom(login: &Url, graph: &Url, smtp: Option<&str>) -> Result<Self, RootError> {
        let smtp = smtp.map_or(Self::GLOBAL.smtp, |host| Cow::Owned(host.to_owned()));
        Ok(Self { login: login.try_into()?, graph: graph.try_into()?, smtp, ..Self::GLOBAL })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_never_leaves_this_machine() {
        let table: &[(&str, Result<&str, RootError>)] = &[
            // The ordinary case; the slash `Url` adds is taken off again.
            ("https://graph.microsoft.com", Ok("https://graph.microsoft.com")),
            ("https://graph.example.test/base/", Ok("https://graph.example.test/base")),
            // A stand-in on this machine, in each way of writing it.
            ("http://127.0.0.1:9000", Ok("http://127.0.0.1:9000")),
            ("http://127.8.9.1:9000/", Ok("http://127.8.9.1:9000")),
            ("http://[::1]:9000", Ok("http://[::1]:9000")),
            ("http://localhost:9000", Ok("http://localhost:9000")),
            ("http://tenant.localhost", Err(RootError::PlainHttpBeyondLoopback)), // some resolvers ask the network for it
            // Secrets would cross the network in clear.
            ("http://graph.microsoft.com", Err(RootError::PlainHttpBeyondLoopback)),
            ("http://10.0.0.1", Err(RootError::PlainHttpBeyondLoopback)),
            // Names that only look local.
            ("http://localhost.example.test", Err(RootError::PlainHttpBeyondLoopback)),
            ("http://127.0.0.1.example.test", Err(RootError::PlainHttpBeyondLoopback)),
            // Not the base of anything.
            ("ftp://127.0.0.1", Err(RootError::NotHttp)),
            ("graph.microsoft.com", Err(RootError::NotAUrl)),
            ("https://user@graph.microsoft.com", Err(RootError::Decorated)),
            ("https://graph.microsoft.com/?a=b", Err(RootError::Decorated)),
            ("https://graph.microsoft.com/#a", Err(RootError::Decorated)),
        ];
        for (text, expected) in table {
            let root = Root::parse(text);
            assert_eq!(root.as_ref().map(Root::as_str), expected.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn every_cloud_has_the_addresses_microsoft_publishes_for_it() {
        let own = Url::parse("http://127.0.0.1:9000").unwrap();
        let custom = Cloud::custom(&own, &own, Some("127.0.0.1:9587")).unwrap();
        // Cloud, login, Graph, SMTP, what an application asks for SMTP, what a user is asked for.
        let table = [
            (
                Cloud::GLOBAL,
                "https://login.microsoftonline.com",
                "https://graph.microsoft.com",
                "smtp.office365.com",
                "https://outlook.office365.com/.default",
                "https://outlook.office.com",
            ),
            (
                Cloud::US_GOV,
                "https://login.microsoftonline.us",
                "https://graph.microsoft.us",
                "smtp.office365.us",
                "https://outlook.office365.us/.default",
                "https://outlook.office365.us",
            ),
            (
                Cloud::US_GOV_DOD,
                "https://login.microsoftonline.us",
                "https://dod-graph.microsoft.us",
                "outlook-dod.office365.us",
                "https://outlook-dod.office365.us/.default",
                "https://outlook-dod.office365.us",
            ),
            (
                Cloud::CHINA,
                "https://login.partner.microsoftonline.cn",
                "https://microsoftgraph.chinacloudapi.cn",
                "smtp.partner.outlook.cn",
                "https://partner.outlook.cn/.default",
                "https://partner.outlook.cn",
            ),
            (
                custom,
                "http://127.0.0.1:9000",
                "http://127.0.0.1:9000",
                "127.0.0.1:9587",
                "https://outlook.office365.com/.default",
                "https://outlook.office.com",
            ),
        ];
        for (cloud, login, graph, smtp, exchange, delegated) in table {
            assert_eq!((cloud.login.as_str(), cloud.graph.as_str(), &*cloud.smtp), (login, graph, smtp));
            assert_eq!((&*cloud.exchange_scope, &*cloud.exchange_delegated), (exchange, delegated));
            // Graph's scope is always its own address with `.default`.
            assert_eq!(cloud.graph.default_scope(), format!("{graph}/.default"));
        }
    }

    #[test]
    fn the_known_clouds_pass_their_own_check() {
        for cloud in [Cloud::GLOBAL, Cloud::US_GOV, Cloud::US_GOV_DOD, Cloud::CHINA] {
            assert_eq!(Root::parse(cloud.login.as_str()).unwrap(), cloud.login);
            assert_eq!(Root::parse(cloud.graph.as_str()).unwrap(), cloud.graph);
        }
    }
}
