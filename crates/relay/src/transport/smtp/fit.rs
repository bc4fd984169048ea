//! What is done so that a message can go to this server, or why it cannot.
//!
//! Promise: what the server does not offer to carry is converted without loss, or refused with words; it is never sent as if
//! it had been offered.

use std::io;

use mail::EnhancedStatus;
use mail::seven_bit::CannotConvert;
use store::Explanation;
use wire::{Capabilities, Extension};

use super::explain;
use super::message::{NotConverted, Outgoing};

#[derive(Debug)]
pub(super) enum Unfit {
    /// Another server may take it.
    Beyond(EnhancedStatus, Explanation),
    Unread(io::Error),
}

/// Makes the message one that the server offers to carry, and its envelope one that the server can be told.
pub(super) async fn fit(message: &mut Outgoing, offered: &Capabilities) -> Result<(), Unfit> {
    let takes_utf8 = offered.offers(Extension::SmtpUtf8);
    let is_for_somebody = message.address(takes_utf8);
    let sender_is_ascii = message.envelope.reverse_path.address().is_none_or(|from| from.as_str().is_ascii());
    if !is_for_somebody || !(sender_is_ascii || takes_utf8) {
        return Err(international("An address of the envelope"));
    }
    let is_too_wide = message.is_8bit() && !offered.offers(Extension::EightBitMime);
    if is_too_wide || (message.has_international_header() && !takes_utf8) {
        message.convert().await.map_err(unconverted)?;
    }
    if let Some(max) = offered.max_message_bytes.filter(|max| message.size > *max) {
        // 5.3.4: message too big for system.
        let why = format!("It has {} octets; the server takes {max}.", message.size);
        let words = explain::impossible(
            "The message is larger than the server takes.",
            &why,
            "Send a smaller message, or enlarge the limit there.",
        );
        return Err(Unfit::Beyond(EnhancedStatus::permanent(3, 4), words));
    }
    Ok(())
}

/// What is said of somebody whom this server cannot be told. 5.6.7: non-ASCII addresses not permitted (RFC 6531 §3.5).
pub(super) fn untellable(who: &str) -> (EnhancedStatus, Explanation) {
    let words = explain::impossible(
        "The server takes no international addresses.",
        &format!("{who} has letters beyond ASCII, and the server does not offer SMTPUTF8."),
        "Use addresses in ASCII, or a server that offers SMTPUTF8.",
    );
    (EnhancedStatus::permanent(6, 7), words)
}

fn international(who: &str) -> Unfit {
    let (status, words) = untellable(who);
    Unfit::Beyond(status, words)
}

fn unconverted(error: NotConverted) -> Unfit {
    let why = match error {
        NotConverted::Unread(error) => return Unfit::Unread(error),
        NotConverted::Cannot(CannotConvert::International(field)) => {
            return international(&format!("An address in the field {field}"));
        }
        NotConverted::Cannot(reason) => reason.to_string(),
        NotConverted::TooComplex(reason) => reason.to_string(),
    };
    // 5.6.3: conversion required but not supported.
    Unfit::Beyond(EnhancedStatus::permanent(6, 3), no_conversion(&why))
}

fn no_conversion(why: &str) -> Explanation {
    explain::impossible(
        "The server takes no 8-bit text, and the message cannot be converted.",
        &format!("The server does not offer 8BITMIME, and {why}."),
        "Send it in quoted-printable or base64, or use a server that offers 8BITMIME.",
    )
}
