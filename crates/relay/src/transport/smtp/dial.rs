//! The TCP connection: straight, or through the HTTP proxy that everything else goes through.
//!
//! Promise: where a proxy is configured and `no_proxy` does not except the host, no packet goes to the host, and the proxy
//! resolves its name.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use graph::NetworkError;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use super::trouble::Trouble;
use crate::Network;

/// A proxy's answer to CONNECT is a line and a few fields.
const MAX_ANSWER_OCTETS: usize = 16 * 1024;

/// How a host is reached.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Straight,
    Proxy { host: String, port: u16, authorization: Option<Zeroizing<String>> },
}

impl Way {
    /// The way to `host` that `network` describes.
    pub(super) fn to(host: &str, network: &Network) -> Result<Self, NetworkError> {
        let Some(url) = network.proxy.as_ref().filter(|_| !is_excepted(host, &network.no_proxy)) else {
            return Ok(Self::Straight);
        };
        // The hop to the proxy itself in TLS is what only HTTP clients speak.
        let (Some(name), "http") = (url.host_str(), url.scheme()) else { return Err(NetworkError::Proxy) };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self::Proxy { host: name, port: url.port().unwrap_or(80), authorization: authorization(url) })
    }
}

/// Basic authentication from the URL's user and password, which are percent-encoded there.
fn authorization(url: &Url) -> Option<Zeroizing<String>> {
    let decoded = |text| Zeroizing::new(percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned());
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let pair = Zeroizing::new(format!("{}:{}", user.as_str(), password.as_str()));
    Some(Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes())))
}

/// Names stand for themselves and what is below them; addresses and networks for themselves; `*` for everything.
fn is_excepted(host: &str, exceptions: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = bare.parse().ok();
    exceptions.iter().map(|exception| exception.trim()).any(|exception| match address {
        _ if exception == "*" => true,
        Some(ip) => {
            exception.parse::<IpNet>().is_ok_and(|net| net.contains(&ip)) || exception.parse() == Ok::<IpAddr, _>(ip)
        }
        None => {
            let (name, host) = (exception.trim_start_matches('.').to_lowercase(), host.to_lowercase());
            !name.is_empty() && (host == name || host.ends_with(&format!(".{name}")))
        }
    })
}

pub(super) async fn dial(way: &Way, host: &str, port: u16, wait: Duration) -> Result<TcpStream, Trouble> {
    let dialing = async {
        let stream = match way {
            Way::Straight => TcpStream::connect((host, port)).await.map_err(Trouble::Io)?,
            Way::Proxy { host: proxy, port: proxy_port, authorization } => {
                let stream = TcpStream::connect((proxy.as_str(), *proxy_port)).await.map_err(Trouble::Io)?;
                cross(stream, host, port, authorization.as_ref().map(|it| it.as_str())).await?
            }
        };
        stream.set_nodelay(true).map_err(Trouble::Io)?;
        Ok(stream)
    };
    timeout(wait, dialing).await.map_err(|_| Trouble::TimedOut)?
}

/// Asks the proxy for a tunnel. The server speaks first in it, so not an octet past the proxy's answer may be read here.
async fn cross(
    mut stream: TcpStream,
    host: &str,
    port: u16,
    authorization: Option<&str>,
) -> Result<TcpStream, Trouble> {
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let proof = authorization.map(|it| format!("Proxy-Authorization: Basic {it}\r\n")).unwrap_or_default();
    let request = Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{proof}\r\n"));
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_ANSWER_OCTETS {
            return Err(Trouble::Proxy("more than a proxy says".to_owned()));
        }
        answer.push(stream.read_u8().await?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let line: String = answer.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    match line.split(' ').nth(1) {
        Some(code) if code.len() == 3 && code.starts_with('2') => Ok(stream),
        _ => Err(Trouble::Proxy(line.chars().take(200).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_names_with_what_is_below_them_addresses_and_networks() {
        let exceptions: Vec<String> =
            ["internal.test", ".dotted.test", "10.0.0.0/8", "192.0.2.1"].map(str::to_owned).into();
        for (host, excepted) in [
            ("internal.test", true),
            ("Mail.INTERNAL.test", true), // names are compared without case
            ("notinternal.test", false),  // a suffix is not a subdomain
            ("a.dotted.test", true),
            ("10.1.2.3", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("smtp.office365.com", false),
        ] {
            assert_eq!(is_excepted(host, &exceptions), excepted, "{host}");
        }
        assert!(is_excepted("anything", &["*".to_owned()]));
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_with_the_password_and_nothing_behind_the_answer_is_lost() {
        let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://us%40er:p%3Aw@{}", proxy.local_addr().unwrap());
        let network = Network { proxy: Some(url.parse().unwrap()), ..Network::default() };
        let way = Way::to("mx.test", &network).unwrap();
        let far_side = async {
            let (mut stream, _) = proxy.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n220 hello\r\n").await.unwrap();
            (stream, String::from_utf8_lossy(&request[..length]).into_owned())
        };
        let (dialed, (_open, request)) = tokio::join!(dial(&way, "mx.test", 587, Duration::from_secs(20)), far_side);
        let expected = format!(
            "CONNECT mx.test:587 HTTP/1.1\r\nHost: mx.test:587\r\nProxy-Authorization: Basic {}\r\n\r\n",
            BASE64_STANDARD.encode("us@er:p:w")
        );
        assert_eq!(request, expected);
        let mut greeting = [0; 11];
        dialed.unwrap().read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"220 hello\r\n");
    }

    #[test]
    fn a_proxy_that_is_to_be_spoken_to_in_tls_is_refused_rather_than_walked_around() {
        let network = Network { proxy: Some("https://proxy.test".parse().unwrap()), ..Network::default() };
        assert!(matches!(Way::to("mx.test", &network), Err(NetworkError::Proxy)));
    }
}
