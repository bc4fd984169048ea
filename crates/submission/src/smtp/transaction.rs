//! DATA: from the envelope to the id in the 250.
//!
//! Promise: the transaction is over after every outcome, because it is taken out of the session before anything can
//! happen to it. A message that cannot be taken is still read to its end, so that none of it is read as commands; a
//! client that goes away before its end leaves nothing behind. A message refused for a bare CR or LF is the session's
//! last.

use mail::Envelope;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use wire::{DataFault, DataReader, Reply};

use super::connection::{Gone, Interruptible};
use super::replies;
use super::session::{Flow, Session};
use super::verbs::refused;
use crate::intake::{Incoming, Origin, Refusal, Via};

/// Where the content goes, until there is a reason to drop it.
struct Sink {
    incoming: Option<Incoming>,
    refusal: Option<Refusal>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    pub(super) async fn data(&mut self) -> Result<Flow, Gone> {
        let envelope = match self.transaction.take() {
            None => return Ok(self.answer(&replies::mail_first())),
            Some(envelope) if envelope.recipients.is_empty() => {
                self.transaction = Some(envelope);
                return Ok(self.answer(&replies::recipient_first()));
            }
            Some(envelope) => envelope,
        };
        match self.begin(envelope).await {
            Err(refusal) => Ok(self.answer(&refused(&refusal))),
            Ok(incoming) => {
                self.answer(&replies::go_ahead());
                self.is_receiving = true;
                let flow = self.receive(incoming).await?;
                self.is_receiving = false;
                Ok(flow)
            }
        }
    }

    async fn begin(&self, envelope: Envelope) -> Result<Incoming, Refusal> {
        let origin = Origin {
            via: Via::Smtp,
            peer: Some(self.client.peer),
            helo: self.client.name.clone(),
            tls: self.client.tls.clone(),
            submitter: self.client.submitter(),
            hostname: Some(self.context.config.hostname.clone()),
        };
        self.context.shared.intake.begin(origin, envelope).await
    }

    /// Reads the message to its end and says what became of it.
    async fn receive(&mut self, incoming: Incoming) -> Result<Flow, Gone> {
        let limits = &self.context.shared.limits;
        let max_message_bytes = self.context.shared.intake.max_message_bytes();
        let most = usize::try_from(max_message_bytes).unwrap_or(usize::MAX);
        let mut reader = DataReader::new(most, self.context.config.line_endings);
        let mut sink = Sink { incoming: Some(incoming), refusal: None };
        let message_deadline = Instant::now() + limits.data_timeout;
        loop {
            self.content.clear();
            let input = self.connection.input();
            let received = input.len();
            let end = reader.push(input, &mut self.content);
            self.connection.consume(end.unwrap_or(received));
            sink.take(&self.content, reader.fault()).await;
            if end.is_some() {
                break;
            }
            let deadline = message_deadline.min(Instant::now() + limits.data_block_timeout);
            self.connection.fill(deadline, Interruptible::No).await?;
        }
        let reply = match (reader.fault(), sink) {
            (Some(DataFault::TooLarge), _) => replies::message_too_large(max_message_bytes),
            (Some(DataFault::BareCr), _) => replies::bare_line_ending("CR"),
            (Some(DataFault::BareLf), _) => replies::bare_line_ending("LF"),
            (None, Sink { refusal: Some(refusal), .. }) => refused(&refusal),
            (None, Sink { incoming: Some(incoming), .. }) => self.commit(incoming).await,
            // A fault never goes away, so this cannot be; if it were, the client would have to try again.
            (None, Sink { incoming: None, refusal: None }) => replies::not_stored(),
        };
        let flow = self.answer(&reply);
        // The client and we may not agree on where the message ended, so what stands behind it may be somebody's content.
        let is_end_in_doubt = matches!(reader.fault(), Some(DataFault::BareCr | DataFault::BareLf));
        Ok(if is_end_in_doubt { Flow::Close } else { flow })
    }

    async fn commit(&mut self, incoming: Incoming) -> Reply {
        match incoming.commit().await {
            Err(refusal) => refused(&refusal),
            Ok(id) => {
                self.counted.message_accepted();
                replies::queued(id)
            }
        }
    }
}

impl Sink {
    async fn take(&mut self, content: &[u8], fault: Option<DataFault>) {
        if fault.is_some() {
            self.incoming = None;
        }
        let Some(incoming) = &mut self.incoming else { return };
        if let Err(refusal) = incoming.write(content).await {
            self.incoming = None;
            self.refusal = Some(refusal);
        }
    }
}
