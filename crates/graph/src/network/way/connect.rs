//! `CONNECT`: asking an HTTP proxy for a tunnel (RFC 9110 §9.3.6).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::WayError;
use crate::network::proxy::ProxyServer;

/// A proxy's answer is a line and a few fields.
const MAX_ANSWER_OCTETS: usize = 16 * 1024;

/// What of its status line is told on.
const MAX_WORDS: usize = 120;

pub(super) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &ProxyServer,
    host: &str,
    port: u16,
) -> Result<(), WayError> {
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let proof = proxy.login.as_ref().map_or_else(Zeroizing::default, |login| {
        let pair = Zeroizing::new(format!("{}:{}", login.user, login.password.as_str()));
        Zeroizing::new(format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair.as_bytes())))
    });
    let request =
        Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{}\r\n", proof.as_str()));
    let closed =
        |error: std::io::Error| WayError::ProxyUnreachable { proxy: proxy.to_string(), why: error.to_string() };
    stream.write_all(request.as_bytes()).await.map_err(closed)?;
    stream.flush().await.map_err(closed)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_ANSWER_OCTETS {
            return Err(no_proxy(proxy, "more than a proxy says"));
        }
        answer.push(stream.read_u8().await.map_err(closed)?);
    }
    let answer = String::from_utf8_lossy(&answer);
    judge(proxy, authority, answer.lines().next().unwrap_or_default())
}

fn no_proxy(proxy: &ProxyServer, answer: &str) -> WayError {
    WayError::NotAProxy { proxy: proxy.to_string(), answer: answer.to_owned() }
}

fn judge(proxy: &ProxyServer, target: String, status_line: &str) -> Result<(), WayError> {
    let words: String = status_line.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    let Some((version, answer)) = words.split_once(' ').filter(|(version, _)| version.starts_with("HTTP/1.")) else {
        return Err(no_proxy(proxy, &words));
    };
    let code: Option<u16> = answer.split(' ').next().and_then(|code| code.parse().ok());
    let (proxy_name, answer) = (proxy.to_string(), answer.to_owned());
    match code {
        Some(200..=299) => Ok(()),
        Some(407) => Err(WayError::ProxyLogin { proxy: proxy_name, tried: proxy.login.is_some(), answer }),
        Some(400..=499) => Err(WayError::ProxyForbids { proxy: proxy_name, target, answer }),
        Some(500..=599) => Err(WayError::ProxyFailed { proxy: proxy_name, target, answer }),
        _ => Err(no_proxy(proxy, &format!("{version} {answer}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str) -> ProxyServer {
        ProxyServer::parse(&url.parse().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_with_the_password_and_nothing_behind_the_answer_is_lost() {
        let (mut near, mut far) = tokio::io::duplex(4096);
        far.write_all(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n220 hello\r\n").await.unwrap();
        ask(&mut near, &proxy("http://us%40er:p%3Aw@p.test:3128"), "mx.test", 587).await.unwrap();
        let mut request = vec![0; 4096];
        let length = far.read(&mut request).await.unwrap();
        let expected = format!(
            "CONNECT mx.test:587 HTTP/1.1\r\nHost: mx.test:587\r\nProxy-Authorization: Basic {}\r\n\r\n",
            BASE64_STANDARD.encode("us@er:p:w")
        );
        assert_eq!(String::from_utf8_lossy(&request[..length]), expected);
        let mut greeting = [0; 11];
        near.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"220 hello\r\n");
    }

    #[tokio::test]
    async fn an_ipv6_address_is_asked_for_in_brackets_and_nobody_is_named_without_a_login() {
        let (mut near, mut far) = tokio::io::duplex(4096);
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        ask(&mut near, &proxy("http://p.test:3128"), "2001:db8::7", 587).await.unwrap();
        let mut request = vec![0; 4096];
        let length = far.read(&mut request).await.unwrap();
        let expected = "CONNECT [2001:db8::7]:587 HTTP/1.1\r\nHost: [2001:db8::7]:587\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&request[..length]), expected);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_for_ever() {
        let (mut near, mut far) = tokio::io::duplex(64 * 1024);
        far.write_all(&vec![b'x'; 2 * MAX_ANSWER_OCTETS]).await.unwrap();
        let error = ask(&mut near, &proxy("http://p.test"), "mx.test", 587).await.unwrap_err();
        assert!(matches!(error, WayError::NotAProxy { .. }), "{error}");
    }

    #[test]
    fn each_answer_of_a_proxy_is_told_apart() {
        let name = |line: &str, url: &str| match judge(&proxy(url), "mx.test:587".to_owned(), line) {
            Ok(()) => "tunnel",
            Err(WayError::ProxyLogin { tried: false, .. }) => "wants a password",
            Err(WayError::ProxyLogin { tried: true, .. }) => "wrong password",
            Err(WayError::ProxyForbids { .. }) => "forbidden",
            Err(WayError::ProxyFailed { .. }) => "beyond it",
            Err(_) => "no proxy",
        };
        for (line, url, meaning) in [
            ("HTTP/1.1 200 Connection established", "http://p.test", "tunnel"),
            ("HTTP/1.0 200", "http://p.test", "tunnel"),
            ("HTTP/1.1 407 Proxy Authentication Required", "http://p.test", "wants a password"),
            ("HTTP/1.1 407 Proxy Authentication Required", "http://u:p@p.test", "wrong password"),
            ("HTTP/1.1 403 Forbidden", "http://p.test", "forbidden"),
            ("HTTP/1.1 405 Method Not Allowed", "http://p.test", "forbidden"), // CONNECT is switched off
            ("HTTP/1.1 503 Service Unavailable", "http://p.test", "beyond it"), // the name is unknown there
            ("HTTP/1.1 302 Found", "http://p.test", "no proxy"),               // a sign-in page of the network
            ("220 mail.test ESMTP", "http://p.test", "no proxy"),
            ("SSH-2.0-OpenSSH", "http://p.test", "no proxy"),
            ("", "http://p.test", "no proxy"),
        ] {
            assert_eq!(name(line, url), meaning, "{line}");
        }
    }
}
