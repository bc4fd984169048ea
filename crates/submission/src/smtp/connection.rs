//! The octets of one connection: what came in and was not read yet, what goes out and was not written yet.
//!
//! Promise: replies leave in one write for all commands that came together (RFC 2920), because they are written only
//! when the session has to wait. Every wait has a deadline. Memory is bounded: reading stops while there is something
//! to read in the buffer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use wire::Reply;

/// What is asked of the socket at once: a usual message in one go.
const READ_OCTETS: usize = 16 * 1024;
/// Replies to that much are written even if more commands wait, so a client that never reads costs no memory.
const MOST_UNWRITTEN_OCTETS: usize = 16 * 1024;
/// For the farewell: whoever does not take it then does not care.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a session cannot go on.
#[derive(Debug)]
pub(super) enum Gone {
    /// The client closed the connection.
    Closed,
    /// The client took too long.
    TimedOut,
    /// We are shutting down, and the client is not in the middle of something.
    ShuttingDown,
    Broken(io::Error),
}

/// May waiting be cut short by a shutdown?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruptible {
    Yes,
    No,
}

pub(super) struct Connection<S> {
    stream: S,
    input: BytesMut,
    output: Vec<u8>,
    write_timeout: Duration,
    shutdown: CancellationToken,
    /// One future for the whole session: waiting anew for every command would queue up at the token each time.
    shutting_down: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, write_timeout: Duration, shutdown: &CancellationToken) -> Self {
        // A token of its own, so that sessions do not contend for the parent's list of waiters.
        let shutdown = shutdown.child_token();
        let shutting_down = Box::pin(shutdown.clone().cancelled_owned());
        Self { stream, input: BytesMut::new(), output: Vec::new(), write_timeout, shutdown, shutting_down }
    }

    /// What came in and was not consumed yet.
    pub(super) fn input(&self) -> &[u8] {
        &self.input
    }

    /// Forgets the first `octets` of the input.
    pub(super) fn consume(&mut self, octets: usize) {
        self.input.advance(octets.min(self.input.len()));
    }

    /// The same, and wipes them: they may have been a password.
    pub(super) fn consume_and_wipe(&mut self, octets: usize) {
        if let Some(secret) = self.input.get_mut(..octets) {
            secret.fill(0);
        }
        self.consume(octets);
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Puts a reply behind those that wait to be written.
    pub(super) fn say(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }

    /// Writes now if so much waits that it must not grow.
    pub(super) async fn relieve(&mut self) -> Result<(), Gone> {
        if self.output.len() < MOST_UNWRITTEN_OCTETS { Ok(()) } else { self.flush().await }
    }

    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        if self.output.is_empty() {
            return Ok(());
        }
        let writing = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        timeout(self.write_timeout, writing).await.map_err(|_| Gone::TimedOut)?.map_err(Gone::Broken)?;
        self.output.clear();
        Ok(())
    }

    /// Writes what waits, then reads more.
    pub(super) async fn fill(&mut self, deadline: Instant, interruptible: Interruptible) -> Result<(), Gone> {
        self.flush().await?;
        self.input.reserve(READ_OCTETS);
        let Self { stream, input, shutting_down, .. } = self;
        let reading = async {
            tokio::select! {
                biased;
                read = stream.read_buf(input) => read.map_err(Gone::Broken),
                () = stopped(shutting_down, interruptible) => Err(Gone::ShuttingDown),
            }
        };
        match timeout_at(deadline, reading).await {
            Err(_) => Err(Gone::TimedOut),
            Ok(Ok(0)) => Err(Gone::Closed),
            Ok(read) => read.map(|_| ()),
        }
    }

    /// Writes what waits and ends the connection, as far as the client lets us.
    pub(super) async fn close(mut self) {
        let farewell = async {
            self.stream.write_all(&self.output).await?;
            self.stream.shutdown().await
        };
        // Nobody is left to hear of an error.
        let _ = timeout(FAREWELL_TIMEOUT, farewell).await;
    }

    /// The stream, when everything is written. What came in and was not consumed is lost.
    pub(super) async fn into_stream(mut self) -> Result<S, Gone> {
        self.flush().await?;
        Ok(self.stream)
    }
}

async fn stopped(shutting_down: &mut (impl Future<Output = ()> + Unpin), interruptible: Interruptible) {
    match interruptible {
        Interruptible::Yes => shutting_down.await,
        Interruptible::No => std::future::pending().await,
    }
}
