//! News between processes on one data folder.
//!
//! The server binds a datagram socket in the folder; every other process sends it one datagram after a commit. A lost
//! datagram means that the socket was full, so that the server is about to look anyway.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::StoreError;
use crate::durable::io_error;

/// Tells the server, if there is one and it is not this process.
pub(super) struct Doorbell {
    path: std::path::PathBuf,
    socket: Option<UnixDatagram>,
    /// This process is the server: its own commits are no news to it.
    is_server: Arc<AtomicBool>,
}

impl Doorbell {
    pub(super) fn new(path: &Path, is_server: Arc<AtomicBool>) -> Self {
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        Self { path: path.to_owned(), socket: socket.ok(), is_server }
    }

    pub(super) fn ring(&self) {
        if self.is_server.load(Ordering::Relaxed) {
            return;
        }
        if let Some(socket) = &self.socket {
            // Nobody there, or so full that the server is about to look: both are fine.
            let _ = socket.send_to(b"!", &self.path);
        }
    }
}

/// The server's end. Must be called on a tokio runtime, by the holder of the [`super::ServerLock`]: a socket that lies
/// there is then a dead server's.
pub(super) fn bind(path: &Path) -> Result<tokio::net::UnixDatagram, StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(path, &error)),
        _ => {}
    }
    let bound = || -> io::Result<tokio::net::UnixDatagram> {
        let socket = tokio::net::UnixDatagram::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(socket)
    };
    bound().map_err(|error| io_error(path, &error))
}

/// Waits for the next datagram and swallows those behind it: one look answers all.
pub(super) async fn next_ring(socket: &tokio::net::UnixDatagram) -> io::Result<()> {
    let mut buffer = [0; 8];
    socket.recv(&mut buffer).await?;
    while socket.try_recv(&mut buffer).is_ok() {}
    Ok(())
}
