//! Submission as Exchange Online has it: STARTTLS first, then a token, then mail.
//!
//! ```text
//!   220 ─► EHLO ─► STARTTLS ─► EHLO ─► AUTH XOAUTH2 ─► MAIL ─► RCPT … ─► DATA or BDAT ─► in the mailboxes
//! ```
//!
//! Promise: nothing but EHLO, NOOP, RSET, QUIT and STARTTLS is done before TLS, and no mail is taken without a token that
//! Entra issued here for Exchange. What Exchange refuses is refused with its sentence.
//!
//! Left to others: tokens (`entra`), mailboxes (`mailbox`), what goes wrong on demand (`faults`).

mod mechanism;
mod message;
mod session;
mod slots;
mod suffering;
mod token;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::state::State;
use session::{Next, Session};
pub(crate) use slots::Slots;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);
/// After a failed accept (no file descriptors, say) the loop rests, so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts sessions until told to stop.
pub(crate) async fn accept_all(
    listener: TcpListener,
    state: Arc<State>,
    tls: TlsAcceptor,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (state, tls, mut stop) = (Arc::clone(&state), tls.clone(), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = stop.changed() => {}
                        () = serve(stream, state, tls) => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(event = "sandbox.accept_failed", %error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>, tls: TlsAcceptor) {
    let _ = stream.set_nodelay(true);
    let mut plain = BufReader::new(stream);
    let mut session = Session::new(state);
    if !session.greet(&mut plain).await || !matches!(session.serve(&mut plain).await, Next::StartTls) {
        return;
    }
    // What was sent on the heels of STARTTLS may be somebody else's.
    if !plain.buffer().is_empty() {
        return;
    }
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_DEADLINE, tls.accept(plain.into_inner())).await {
        session.is_secure = true;
        let _ = session.serve(&mut BufReader::new(stream)).await;
    }
}
