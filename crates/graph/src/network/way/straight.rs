//! A TCP connection to a name or an address, by whichever of its addresses answers.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

use super::WayError;

/// How long the next address waits for the one before it (RFC 8305 §5). A network that drops IPv6 in silence would
/// otherwise use up the whole time on addresses that never answer.
const HEAD_START: Duration = Duration::from_millis(250);

/// The name is asked for anew for each connection: what it means today is the resolver's business.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, WayError> {
    let name = |why: String| WayError::Name { host: host.to_owned(), why };
    let addresses: Vec<SocketAddr> =
        lookup_host((host, port)).await.map_err(|error| name(error.to_string()))?.collect();
    if addresses.is_empty() {
        return Err(name("it has no address".to_owned()));
    }
    let stream = first_to_answer(addresses).await.map_err(WayError::Io)?;
    stream.set_nodelay(true).map_err(WayError::Io)?;
    Ok(stream)
}

/// In the order the system prefers (RFC 6724), each with a head start before the next.
async fn first_to_answer(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = VecDeque::from(addresses);
    let mut under_way = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(next) = waiting.pop_front() {
            under_way.push(TcpStream::connect(next));
        }
        tokio::select! {
            ended = under_way.next() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = sleep(HEAD_START), if !waiting.is_empty() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_that_refuses_or_never_answers_does_not_keep_the_next_from_being_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answers = listener.local_addr().unwrap();
        // A full backlog answers no further connection: the packets are dropped, as behind a silent firewall.
        let deaf = tokio::net::TcpSocket::new_v4().unwrap();
        deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let deaf = deaf.listen(1).unwrap();
        let silent = deaf.local_addr().unwrap();
        let mut fill = Vec::new();
        while let Ok(Ok(held)) = tokio::time::timeout(HEAD_START, TcpStream::connect(silent)).await {
            fill.push(held);
        }
        let refuses = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let stream = first_to_answer(vec![refuses, silent, answers]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), answers);
        assert_eq!(first_to_answer(vec![refuses]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
