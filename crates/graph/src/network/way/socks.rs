//! SOCKS 5 (RFC 1928), with user name and password (RFC 1929).

use tokio_socks::Error;
use tokio_socks::tcp::Socks5Stream;

use super::{Stream, WayError};
use crate::network::proxy::ProxyServer;

/// Asks the proxy to connect to `host`, which it resolves itself unless it is an address.
pub(super) async fn ask(stream: Stream, proxy: &ProxyServer, host: &str, port: u16) -> Result<Stream, WayError> {
    let asked = match &proxy.login {
        None => Socks5Stream::connect_with_socket(stream, (host, port)).await,
        Some(login) => {
            Socks5Stream::connect_with_password_and_socket(stream, (host, port), &login.user, &login.password).await
        }
    };
    asked.map(Socks5Stream::into_inner).map_err(|error| judge(&error, proxy, host, port))
}

fn judge(error: &Error, proxy: &ProxyServer, host: &str, port: u16) -> WayError {
    let (target, proxy_name, answer) = (format!("{host}:{port}"), proxy.to_string(), error.to_string());
    match error {
        Error::NoAcceptableAuthMethods | Error::PasswordAuthFailure(_) | Error::InvalidAuthValues(_) => {
            WayError::ProxyLogin { proxy: proxy_name, tried: proxy.login.is_some(), answer }
        }
        Error::ConnectionNotAllowedByRuleset | Error::CommandNotSupported | Error::AddressTypeNotSupported => {
            WayError::ProxyForbids { proxy: proxy_name, target, answer }
        }
        Error::GeneralSocksServerFailure
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired
        | Error::InvalidTargetAddress(_) => WayError::ProxyFailed { proxy: proxy_name, target, answer },
        Error::Io(error) => WayError::ProxyUnreachable { proxy: proxy_name, why: error.to_string() },
        _ => WayError::NotAProxy { proxy: proxy_name, answer },
    }
}
