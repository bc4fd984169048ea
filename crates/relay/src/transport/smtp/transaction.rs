//! One message over an open session: MAIL, a RCPT for each recipient, DATA, the message, its end.
//!
//! ```text
//!   MAIL ─► RCPT … ─► DATA ─► message ─► CRLF.CRLF ─► reply
//!   └──── written together where the server pipelines
//!   lost here: nobody was mailed ─────────┘└─ lost here: who knows
//! ```
//!
//! Promise: a failure before the end of the message is written means that nobody was mailed. One after it is told apart.

use wire::{Capabilities, DotStuffer, Extension, ServerReply, Severity};

use super::message::Outgoing;
use super::session::{Session, expect};
use super::trouble::{At as _, Cause, Failure, Step, Trouble};

/// RCPTs written before replies are read. Both sides' socket buffers hold as many with room to spare, so that neither
/// waits for the other for ever.
const RCPTS_AT_ONCE: usize = 50;

/// How long a server that hangs up during the message is listened to for its reason.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);

/// How a transaction ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// For each recipient the reply that refused it; `None`: it was taken.
    pub(super) refused: Vec<Option<ServerReply>>,
    pub(super) end: End,
}

/// What became of the message for those who were taken.
#[derive(Debug)]
pub(super) enum End {
    /// The server's last word, good or bad.
    Reply(Step, ServerReply),
    /// No recipient was taken, so no message was sent.
    NobodyTaken,
    /// The end of the message may have arrived; its answer did not.
    Lost(Failure),
}

/// Sends one message. After an error the session is of no more use unless the error is a reply.
pub(super) async fn send(session: &mut Session, message: &mut Outgoing) -> Result<Ended, Failure> {
    session.is_clean = false;
    session.used += 1;
    let (refused, go_ahead) = if session.offered.offers(Extension::Pipelining) {
        pipelined(session, message).await?
    } else {
        one_by_one(session, message).await?
    };
    let nobody = refused.iter().all(Option::is_some);
    let end = match go_ahead {
        None => End::NobodyTaken,
        Some(reply) if reply.code == 354 && nobody => {
            // It asks for a message that nobody is to get: an empty one satisfies it (RFC 2920 §3.1).
            session.link.send(b".\r\n", session.deadlines.block).await.at(Step::Data)?;
            session.link.reply(session.deadlines.end_of_data).await.at(Step::Data)?;
            End::NobodyTaken
        }
        Some(_) if nobody => End::NobodyTaken,
        Some(reply) if reply.code == 354 => content(session, message).await?,
        Some(reply) => End::Reply(Step::Data, reply),
    };
    session.is_clean = matches!(&end, End::Reply(Step::EndOfData, reply) if reply.severity() == Severity::Positive);
    Ok(Ended { refused, end })
}

type Opened = (Vec<Option<ServerReply>>, Option<ServerReply>);

async fn one_by_one(session: &mut Session, message: &Outgoing) -> Result<Opened, Failure> {
    let mut line = mail(message, &session.offered);
    let reply = session.ask(Step::Mail, &line).await?;
    expect(Step::Mail, reply, Severity::Positive)?;
    let mut refused = Vec::with_capacity(message.envelope.recipients.len());
    for recipient in &message.envelope.recipients {
        line.clear();
        wire::rcpt_line(recipient, &session.offered, &mut line);
        refused.push(refusal(session.ask(Step::Rcpt, &line).await?)?);
    }
    if refused.iter().all(Option::is_some) {
        return Ok((refused, None));
    }
    session.link.send(b"DATA\r\n", session.deadlines.command).await.at(Step::Data)?;
    let go_ahead = session.link.reply(session.deadlines.data).await.at(Step::Data)?;
    Ok((refused, Some(go_ahead)))
}

/// Writes as much as may be outstanding, then reads the replies to it (RFC 2920).
async fn pipelined(session: &mut Session, message: &Outgoing) -> Result<Opened, Failure> {
    let mut batch = mail(message, &session.offered);
    let recipients = &message.envelope.recipients;
    let mut refused = Vec::with_capacity(recipients.len());
    let mut mail_refusal = None;
    let batches = recipients.chunks(RCPTS_AT_ONCE);
    let last = batches.len().saturating_sub(1);
    for (index, some) in batches.enumerate() {
        some.iter().for_each(|recipient| wire::rcpt_line(recipient, &session.offered, &mut batch));
        if index == last {
            batch.extend_from_slice(b"DATA\r\n");
        }
        session.link.send(&batch, session.deadlines.command).await.at(Step::Rcpt)?;
        batch.clear();
        if index == 0 {
            let reply = session.link.reply(session.deadlines.command).await.at(Step::Mail)?;
            mail_refusal = expect(Step::Mail, reply, Severity::Positive).err();
            if mail_refusal.as_ref().is_some_and(Failure::is_lost_connection) {
                break;
            }
        }
        for _ in some {
            let reply = session.link.reply(session.deadlines.command).await;
            match (reply, mail_refusal.take()) {
                // What is said to RCPT after a refused MAIL says nothing new.
                (Ok(_), Some(first)) => mail_refusal = Some(first),
                (Err(_), Some(first)) => return Err(first),
                (reply, None) => refused.push(refusal(reply.at(Step::Rcpt)?)?),
            }
        }
        if mail_refusal.is_some() && index != last {
            break;
        }
    }
    if let Some(failure) = mail_refusal {
        if !failure.is_lost_connection() && recipients.len() <= RCPTS_AT_ONCE {
            end_refused_data(session).await?;
        }
        return Err(failure);
    }
    let go_ahead = session.link.reply(session.deadlines.data).await.at(Step::Data)?;
    Ok((refused, Some(go_ahead)))
}

/// DATA went out with a MAIL that was refused; a server that asks for the message all the same gets an empty one.
async fn end_refused_data(session: &mut Session) -> Result<(), Failure> {
    let reply = session.link.reply(session.deadlines.data).await.at(Step::Data)?;
    if reply.code == 354 {
        session.link.send(b".\r\n", session.deadlines.block).await.at(Step::Data)?;
        session.link.reply(session.deadlines.end_of_data).await.at(Step::Data)?;
    }
    Ok(())
}

fn mail(message: &Outgoing, offered: &Capabilities) -> Vec<u8> {
    let mut line = Vec::new();
    wire::mail_line(&message.envelope, Some(message.size), offered, &mut line);
    line
}

/// `None`: taken. A server that ends the session ends the attempt for all.
fn refusal(reply: ServerReply) -> Result<Option<ServerReply>, Failure> {
    match reply.severity() {
        Severity::Positive => Ok(None),
        Severity::Intermediate => Err(Failure::new(Step::Rcpt, Cause::Reply(reply))),
        _ if reply.code == 421 => Err(Failure::new(Step::Rcpt, Cause::Reply(reply))),
        _ => Ok(Some(reply)),
    }
}

/// Sends the message and its end. Only what is in flight is in memory.
async fn content(session: &mut Session, message: &mut Outgoing) -> Result<End, Failure> {
    let mut stuffer = DotStuffer::default();
    let (mut piece, mut out) = (Vec::new(), Vec::new());
    let mut read: u64 = 0;
    let unread = |error| Failure::new(Step::Body, Cause::Body(error));
    let mut reading = message.read().await.map_err(unread)?;
    loop {
        reading.next(&mut piece).await.map_err(unread)?;
        if piece.is_empty() {
            break;
        }
        // The last piece waits for the end and leaves with it.
        if !out.is_empty() {
            if let Err(trouble) = session.link.send(&out, session.deadlines.block).await {
                return Err(last_words(session, trouble).await);
            }
            out.clear();
        }
        read = read.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        stuffer.push(&piece, &mut out);
    }
    if read != message.size {
        let other =
            std::io::Error::new(std::io::ErrorKind::InvalidData, "the stored message has another size than it had");
        return Err(Failure::new(Step::Body, Cause::Body(other)));
    }
    stuffer.finish(&mut out);
    let end = async {
        session.link.send(&out, session.deadlines.block).await?;
        session.link.reply(session.deadlines.end_of_data).await
    };
    Ok(match end.await {
        Ok(reply) if reply.severity() == Severity::Intermediate => {
            End::Lost(Failure::new(Step::EndOfData, Cause::Reply(reply)))
        }
        Ok(reply) => End::Reply(Step::EndOfData, reply),
        Err(trouble) => End::Lost(Failure::new(Step::EndOfData, Cause::Trouble(trouble))),
    })
}

/// A server that has had enough says why before it hangs up, if one listens.
async fn last_words(session: &mut Session, trouble: Trouble) -> Failure {
    match session.link.reply(LAST_WORDS).await {
        Ok(reply) if reply.code >= 400 => Failure::new(Step::Body, Cause::Reply(reply)),
        _ => Failure::new(Step::Body, Cause::Trouble(trouble)),
    }
}
