//! A message made to fit a server that takes seven bits only: read once for its structure, and once for its new size.

use std::io;

use mail::BodyType;
use mail::mime::{Scanner, Structure, TooComplex};
use mail::seven_bit::{CannotConvert, Plan};

use super::Outgoing;

/// Why a message stays what it is.
#[derive(Debug)]
pub(in crate::transport::smtp) enum NotConverted {
    Cannot(CannotConvert),
    TooComplex(TooComplex),
    Unread(io::Error),
}

impl From<io::Error> for NotConverted {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

impl Outgoing {
    /// From here on, the message leaves in ASCII.
    pub(in crate::transport::smtp) async fn convert(&mut self) -> Result<(), NotConverted> {
        let structure = self.structure().await?;
        self.conversion = Some(Plan::of(&structure).map_err(NotConverted::Cannot)?);
        self.size = self.converted_size().await?;
        self.envelope.body = BodyType::SevenBit;
        self.header_is_international = false;
        Ok(())
    }

    async fn structure(&mut self) -> Result<Structure, NotConverted> {
        let (mut reading, mut piece) = (self.read().await?, Vec::new());
        let mut scanner = Scanner::opening_messages();
        loop {
            reading.next(&mut piece).await?;
            if piece.is_empty() {
                return scanner.finish().map_err(NotConverted::TooComplex);
            }
            scanner.push(&piece).map_err(NotConverted::TooComplex)?;
        }
    }

    async fn converted_size(&mut self) -> io::Result<u64> {
        let (mut reading, mut piece, mut size) = (self.read().await?, Vec::new(), 0_u64);
        loop {
            reading.next(&mut piece).await?;
            if piece.is_empty() {
                return Ok(size);
            }
            size = size.saturating_add(super::length(&piece));
        }
    }
}
