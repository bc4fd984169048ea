//! A message as it is (`message/rfc822`), streamed through.
//!
//! The envelope stands in the query: `?from=a@x.test&to=b@x.test&to=c@x.test`. What is not given there is taken from the
//! header, as `sendmail -t` does; then the message waits in memory for the end of its header, and no longer.

use axum::body::Body;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use mail::address_list::parse_address_list;
use mail::{Address, Envelope, ReversePath, header};
use url::form_urlencoded;

use super::authorize::SignedIn;
use super::body::Pieces;
use super::idempotency::Idempotency;
use super::submit::{content_length, finish};
use super::{Api, Problem};

pub(super) async fn submit(api: &Api, signed_in: &SignedIn, parts: &Parts, body: Body) -> Result<Response, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked::parse(query)?;
    let mut idempotency = Idempotency::from_headers(&parts.headers, "raw", query)?;
    let limit = api.intake.max_message_bytes();
    if content_length(&parts.headers).is_some_and(|length| length > limit) {
        return Err(Problem::too_large(limit));
    }
    let mut pieces = Pieces::new(body, api.limits.idle_timeout);
    let mut beginning = Vec::new();
    if !asked.is_complete() {
        read_header(&mut pieces, &mut beginning, api.intake.limits().max_header_bytes).await?;
    }
    let envelope = asked.envelope(header::split(&beginning).0)?;
    let mut incoming = api.intake.begin(signed_in.origin(), envelope).await?;
    let mut next = Some(Bytes::from(beginning));
    while let Some(piece) = next {
        if let Some(idempotency) = &mut idempotency {
            idempotency.update(&piece);
        }
        incoming.write(&piece).await?;
        next = pieces.next().await?;
    }
    finish(api, incoming, idempotency).await
}

/// Reads until the header is whole, or the message ends.
async fn read_header(pieces: &mut Pieces, read: &mut Vec<u8>, limit: usize) -> Result<(), Problem> {
    while !has_body(read) {
        if read.len() > limit {
            let detail = format!("The header is larger than {limit} bytes: is the blank line after it missing?");
            return Err(Problem::unprocessable(detail));
        }
        let Some(piece) = pieces.next().await? else { return Ok(()) };
        read.extend_from_slice(&piece);
    }
    Ok(())
}

fn has_body(read: &[u8]) -> bool {
    let (header, body) = header::split(read);
    !body.is_empty() || header.ends_with(b"\n\r\n") || header.ends_with(b"\n\n")
}

/// What the query says of the envelope.
#[derive(Debug, Default)]
struct Asked {
    from: Option<ReversePath>,
    to: Vec<Address>,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "from" if asked.from.is_some() => return Err(Problem::bad_request("Give ?from= once")),
                "from" if value.is_empty() || value == "<>" => asked.from = Some(ReversePath::Null),
                "from" => asked.from = Some(address("from", &value)?.into()),
                "to" => asked.to.push(address("to", &value)?),
                other => {
                    let detail = format!("There is no parameter {other:?} here: the envelope is from= and to=");
                    return Err(Problem::bad_request(detail));
                }
            }
        }
        Ok(asked)
    }

    fn is_complete(&self) -> bool {
        self.from.is_some() && !self.to.is_empty()
    }

    fn envelope(self, header: &[u8]) -> Result<Envelope, Problem> {
        let reverse_path = self.from.map_or_else(|| sender_in(header), Ok)?;
        let recipients = if self.to.is_empty() { recipients_in(header)? } else { self.to };
        let mut envelope = Envelope::new(reverse_path);
        for recipient in recipients {
            envelope.add(recipient);
        }
        let originator_is_ascii = envelope.reverse_path.address().is_none_or(Address::is_ascii);
        envelope.smtputf8 = !originator_is_ascii || envelope.recipients.iter().any(|known| !known.address.is_ascii());
        Ok(envelope)
    }
}

fn address(field: &str, text: &str) -> Result<Address, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("?{field}={text} is not an address: {error}")))
}

fn sender_in(header: &[u8]) -> Result<ReversePath, Problem> {
    let from = mail::from::parse_from(header);
    match from.addresses.as_slice() {
        [only] if from.is_understood => Ok(only.clone().into()),
        _ => Err(Problem::unprocessable("The header From does not name one mailbox: give the sender with ?from=")),
    }
}

fn recipients_in(header: &[u8]) -> Result<Vec<Address>, Problem> {
    let mut recipients = Vec::new();
    let named = header::fields(header).filter(|field| ["to", "cc", "bcc"].iter().any(|name| field.is(name)));
    for field in named {
        let list = parse_address_list(field.value).map_err(|_| {
            let name = String::from_utf8_lossy(field.name);
            Problem::unprocessable(format!("The header {name} cannot be read: give the recipients with ?to="))
        })?;
        recipients.extend(list.mailboxes().map(|mailbox| mailbox.address.clone()));
    }
    if recipients.is_empty() {
        return Err(Problem::unprocessable("No recipient: give at least one with ?to=, or in To, Cc or Bcc"));
    }
    Ok(recipients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_comes_from_the_query_or_the_header() {
        let header = b"From: A <a@x.test>\r\nTo: b@x.test\r\ncc: C <c@x.test>\r\nBcc: d@x.test, B@x.test\r\n\r\n";
        for (query, expected) in [
            ("", "<a@x.test> b@x.test c@x.test d@x.test"),
            ("to=z@x.test", "<a@x.test> z@x.test"),
            ("from=&to=z%2Bq@x.test&to=y@x.test", "<> z+q@x.test y@x.test"),
            ("from=s@x.test", "<s@x.test> b@x.test c@x.test d@x.test"),
        ] {
            let envelope = Asked::parse(query).unwrap().envelope(header).unwrap();
            let to: Vec<&str> = envelope.recipients.iter().map(|known| known.address.as_str()).collect();
            assert_eq!(format!("{} {}", envelope.reverse_path, to.join(" ")), expected, "{query}");
        }
    }

    #[test]
    fn a_doubtful_header_is_not_guessed_at() {
        for (query, header) in [
            ("", "To: b@x.test\r\n"),                                     // no sender
            ("", "From: a@x.test, b@x.test\r\nTo: b@x.test\r\n"),         // two
            ("", "From: a@x.test\r\nFrom: b@x.test\r\nTo: b@x.test\r\n"), // in two fields
            ("", "From: e@x.test <a@x.test>\r\nTo: b@x.test\r\n"),        // which?
            ("", "From: a@x.test\r\n"),                                   // no recipient
            ("", "From: a@x.test\r\nTo: b@x.test <c@x.test>\r\n"),        // which?
        ] {
            assert!(Asked::parse(query).unwrap().envelope(header.as_bytes()).is_err(), "{query} {header:?}");
        }
        for query in ["from=a@x.test&from=b@x.test", "to=nobody", "cc=a@x.test", "to=a@x.test%0d%0aRCPT"] {
            assert!(Asked::parse(query).is_err(), "{query}");
        }
    }
}
