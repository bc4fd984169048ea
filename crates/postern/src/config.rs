//! `postern.toml`: what a process needs to start, and nothing an administrator changes while it runs.
//!
//! Promise: every key is optional and has its default here; a value comes from the file, then from the environment
//! (`POSTERN_SECTION__KEY`), then from the command line; an unknown key is an error that says which one was meant.
//! `docs/configuration.md` is made from the comments of these structs, and a test keeps the two equal.
//!
//! Left to others: tenants, connections, accounts and routes are settings and live in the store (`postern apply`).

mod check;
mod load;
mod period;
#[cfg(test)]
mod reference;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) use load::{ConfigError, Loaded, Source, load};
pub(crate) use period::Period;

/// The whole file. Paths in it are relative to the folder the process is started in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder of the database (`postern.db`), large bodies (`spool/`) and the master key (`master.key`). It must lie on
    /// a disk that keeps its content: a volatile one loses mail at the next restart.
    pub data_dir: PathBuf,
    /// The name this gateway gives itself in SMTP greetings, `Received` fields and message ids. Left out: the
    /// machine's name.
    pub hostname: Option<String>,
    /// Where people and Microsoft reach the console. The redirect URI of a sign-in is this address with
    /// `/oauth/callback`; it is never taken from a request.
    pub public_url: Url,
    pub store: Store,
    pub http: Http,
    /// SMTP listeners; the section may be given several times. An empty list (`smtp = []`) switches SMTP off.
    pub smtp: Vec<Smtp>,
    pub limits: Limits,
    pub retention: Retention,
    pub proxy: Proxy,
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            hostname: None,
            public_url: loopback_url(),
            store: Store::default(),
            http: Http::default(),
            smtp: vec![Smtp::default()],
            limits: Limits::default(),
            retention: Retention::default(),
            proxy: Proxy::default(),
            log: Log::default(),
        }
    }
}

/// Where messages and settings are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// `sqlite`: a database in `data_dir`.
    pub url: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite".to_owned() }
    }
}

/// The HTTP listener: API, health and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// PEM file with the certificate chain; with `tls_key`, the listener speaks HTTPS only.
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key of `tls_cert`.
    pub tls_key: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: loopback(8080), tls_cert: None, tls_key: None }
    }
}

/// One SMTP listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Smtp {
    /// Address and port.
    pub listen: SocketAddr,
    /// `none`; `starttls`: the client may upgrade; `implicit`: TLS from the first byte (port 465).
    pub tls: TlsMode,
    /// PEM file with the certificate chain, for `starttls` and `implicit`.
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key of `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// `required`: a submission account signs in. `optional`: networks in `allow` need not. `off`: nobody can, and
    /// only the networks in `allow` may send.
    pub auth: AuthMode,
    /// Networks that may sign in without TLS and, where `auth` says so, send without an account. A listener that
    /// would relay for everybody is refused at start.
    pub allow: Vec<IpNet>,
    /// What a line end other than CRLF in a message means: `reject` refuses the message; `normalize` mends it, for old
    /// devices. Either way only CRLF.CRLF ends a message.
    pub line_endings: LineEndings,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            listen: loopback(2525),
            tls: TlsMode::None,
            tls_cert: None,
            tls_key: None,
            auth: AuthMode::Required,
            allow: loopback_networks(),
            line_endings: LineEndings::Reject,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsMode {
    None,
    StartTls,
    Implicit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    Required,
    Optional,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LineEndings {
    Reject,
    Normalize,
}

/// What one client, one message or one moment may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Largest message taken, in bytes. 35 MiB is what Exchange Online takes by default.
    pub max_message_bytes: u64,
    /// Recipients of one message. Exchange Online's default is 500.
    pub max_recipients: u32,
    /// How long delivery is tried before a message fails. RFC 5321 §4.5.4.1 asks for days where a person waits for
    /// no answer; what goes through this gateway is mostly notifications, late ones of which do harm.
    pub queue_lifetime: Period,
    /// SMTP sessions open at once, on all listeners.
    pub connections: u32,
    /// SMTP sessions open at once from one address.
    pub connections_per_ip: u32,
    /// How long a shutdown waits for messages that are on their way in or out.
    pub shutdown_grace: Period,
    /// `/readyz` reports trouble when the disk of `data_dir` has less room than this, in bytes.
    pub min_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 35 * 1024 * 1024,
            max_recipients: 500,
            queue_lifetime: Period::hours(48),
            connections: 1000,
            connections_per_ip: 100,
            shutdown_grace: Period::seconds(30),
            min_free_bytes: 256 * 1024 * 1024,
        }
    }
}

/// How long messages are kept after they came to an end. What is in doubt or unreadable is never removed by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    /// Messages that were sent.
    pub sent: Period,
    /// Messages that failed or were cancelled.
    pub failed: Period,
}

impl Default for Retention {
    fn default() -> Self {
        Self { sent: Period::days(30), failed: Period::days(90) }
    }
}

/// The way out for every outbound connection. The environment's `HTTP_PROXY` and its kin are not read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "`no_proxy` is the word everybody knows")]
pub(crate) struct Proxy {
    /// The proxy, with user name and password if it wants them: `http://user:password@host:port`; also `https://` (TLS up to
    /// the proxy) and `socks5h://` (SOCKS 5). Other characters than letters and digits of a password are percent-encoded.
    /// The proxy resolves the names of the outside.
    pub url: Option<Url>,
    /// Reached without the proxy: host names with what is below them, addresses, and networks such as `10.0.0.0/8` (for
    /// hosts that are given as addresses).
    pub no_proxy: Vec<String>,
    /// PEM file with certificate authorities trusted besides the public ones, for a private CA or a proxy that looks
    /// into TLS.
    pub ca_bundle: Option<PathBuf>,
}

/// What the process writes to standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,relay=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn loopback_networks() -> Vec<IpNet> {
    ["127.0.0.0/8", "::1/128"].iter().filter_map(|text| text.parse().ok()).collect()
}

#[expect(clippy::expect_used, reason = "a constant, and covered by every test that loads a configuration")]
fn loopback_url() -> Url {
    Url::parse("http://127.0.0.1:8080").expect("a constant URL parses")
}

impl Config {
    /// The name to greet with: as configured, else the machine's, else `localhost`.
    pub(crate) fn hostname(&self) -> String {
        let machine = || {
            let name = rustix::system::uname();
            name.nodename().to_str().ok().filter(|name| is_host_name(name)).map(str::to_owned)
        };
        self.hostname.clone().or_else(machine).unwrap_or_else(|| "localhost".to_owned())
    }

    /// A copy that can be shown: passwords in addresses are replaced.
    pub(crate) fn masked(&self) -> Self {
        let mut shown = self.clone();
        if let Some(url) = shown.proxy.url.as_mut().filter(|url| url.password().is_some()) {
            // Only a URL without a host refuses a password, and such a URL has none to hide.
            let _ = url.set_password(Some("********"));
        }
        if let Some(mut url) = Url::parse(&shown.store.url).ok().filter(|url| url.password().is_some()) {
            let _ = url.set_password(Some("********"));
            shown.store.url = url.into();
        }
        shown
    }
}

/// A machine name that may stand in a greeting. Anything else would make peers refuse the session.
pub(crate) fn is_host_name(name: &str) -> bool {
    !name.is_empty() && format!("x@{name}").parse::<mail::Address>().is_ok()
}
