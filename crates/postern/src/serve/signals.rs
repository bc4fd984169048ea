//! What the system and the person at the terminal ask of a running server.

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::terminal::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP: read certificates again.
    Reload,
}

/// From [`Signals::listen`] on, these signals are ours: a program listens before it says that it is there.
pub(crate) struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hang_up: Stream,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let stream = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(format!("no signals: {error}"), "Look at the limits of this process."))
        };
        Ok(Self {
            terminate: stream(SignalKind::terminate())?,
            interrupt: stream(SignalKind::interrupt())?,
            hang_up: stream(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    /// For a program in the foreground that only ever ends.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}
