//! Handing in a message from the command line: into the store directly, running server or not.

use std::sync::Arc;

use jiff::SignedDuration;
use mail::{Envelope, MessageId};
use store::Store;
use submission::clock::SystemClock;
use submission::intake::{Incoming, Intake, Limits, Origin, Refusal, SubmissionOptions, Submitter, Via};
use submission::smtp::SmtpLimits;

use crate::config::Config;

/// The intake of this configuration, for the server and for commands alike.
pub(crate) fn intake(config: &Config, store: Arc<dyn Store>) -> Intake {
    Intake::new(store, Arc::new(SystemClock), config.hostname(), limits(config))
}

fn limits(config: &Config) -> Limits {
    let defaults = Limits::default();
    Limits {
        max_message_bytes: config.limits.max_message_bytes,
        max_recipients: usize::try_from(config.limits.max_recipients).unwrap_or(usize::MAX),
        queue_lifetime: SignedDuration::try_from(config.limits.queue_lifetime.as_duration())
            .unwrap_or(defaults.queue_lifetime),
        ..defaults
    }
}

/// What bounds SMTP sessions, wherever they come from.
pub(crate) fn smtp_limits(config: &Config) -> SmtpLimits {
    SmtpLimits {
        connections: config.limits.connections,
        connections_per_ip: config.limits.connections_per_ip,
        ..SmtpLimits::default()
    }
}

/// Begins a message of whoever runs this program.
pub(crate) async fn begin_local(intake: &Intake, via: Via, envelope: Envelope) -> Result<Incoming, Refusal> {
    let origin = Origin { via, peer: None, helo: None, tls: None, submitter: Submitter::Local, hostname: None };
    intake.begin(origin, envelope).await
}

/// Hands in a whole message that is in memory.
pub(crate) async fn submit_local(
    intake: &Intake,
    via: Via,
    envelope: Envelope,
    message: &[u8],
    options: SubmissionOptions,
) -> Result<MessageId, Refusal> {
    let mut incoming = begin_local(intake, via, envelope).await?;
    incoming.set_options(options);
    incoming.write(message).await?;
    incoming.commit().await
}
