//! The request body: a message in base64, made while it is sent.
//!
//! Promise: exactly [`MimeBody::request_bytes`] bytes without line breaks, in frames of bounded size; and an account of how
//! much was handed over, from which follows whether the message can have been sent.
//!
//! Invariant: every frame but the last encodes a multiple of three bytes, so no bits are carried from one to the next.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::ReadBuf;

use crate::error::Sent;
use crate::mime::{MimeBody, Reader};

/// Bytes of message a frame: a multiple of three that makes 64 KiB of base64.
const MESSAGE_BYTES_PER_FRAME: usize = 48 * 1024;

/// How far one request has come; outlives the body that it is the account of.
#[derive(Debug)]
pub(crate) struct Progress {
    total: u64,
    handed_over: AtomicU64,
    polled: AtomicBool,
    read_error: Mutex<Option<io::Error>>,
}

impl Progress {
    /// The account of a body that is handed over in one piece: once the request is on its way, all of it may be.
    pub(crate) fn of_one_piece() -> Arc<Self> {
        Arc::new(Self {
            total: 0,
            handed_over: AtomicU64::new(0),
            polled: AtomicBool::new(true),
            read_error: Mutex::default(),
        })
    }

    pub(crate) fn sent(&self) -> Sent {
        if !self.polled.load(Ordering::Acquire) {
            Sent::Nothing
        } else if self.handed_over.load(Ordering::Acquire) < self.total {
            Sent::Part
        } else {
            Sent::Everything
        }
    }

    /// The reason the message could not be read to its end, once.
    pub(crate) fn take_read_error(&self) -> Option<io::Error> {
        self.read_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A [`MimeBody`] on its way out.
pub(crate) struct EncodedBody {
    head: Bytes,
    rest: Option<(Reader, u64)>,
    /// Read, not yet encoded.
    raw: Vec<u8>,
    /// Not yet handed over.
    remaining: u64,
    progress: Arc<Progress>,
}

impl EncodedBody {
    pub(crate) fn new(message: MimeBody) -> (Self, Arc<Progress>) {
        let total = message.request_bytes();
        let progress = Arc::new(Progress {
            total,
            handed_over: AtomicU64::new(0),
            polled: AtomicBool::new(false),
            read_error: Mutex::new(None),
        });
        let MimeBody { head, rest } = message;
        let rest = rest.filter(|(_, bytes)| *bytes > 0);
        let body = Self { head, rest, raw: Vec::new(), remaining: total, progress: Arc::clone(&progress) };
        (body, progress)
    }

    /// Reads until a frame is full or the message has ended.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let missing = MESSAGE_BYTES_PER_FRAME.saturating_sub(self.raw.len()).min(self.head.len());
        self.raw.extend_from_slice(&self.head.split_to(missing));
        while let Some((reader, left)) = &mut self.rest {
            let missing = MESSAGE_BYTES_PER_FRAME.saturating_sub(self.raw.len());
            let wanted = missing.min(usize::try_from(*left).unwrap_or(usize::MAX));
            if wanted == 0 {
                break;
            }
            let start = self.raw.len();
            self.raw.resize(start.saturating_add(wanted), 0);
            let mut target = ReadBuf::new(self.raw.get_mut(start..).unwrap_or_default());
            let polled = reader.as_mut().poll_read(cx, &mut target);
            let read = target.filled().len();
            self.raw.truncate(start.saturating_add(read));
            ready!(polled)?;
            if read == 0 {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the message is shorter than recorded",
                )));
            }
            *left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
            if *left == 0 {
                self.rest = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Body for EncodedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.progress.polled.store(true, Ordering::Release);
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if let Err(error) = ready!(self.poll_fill(cx)) {
            let told = io::Error::new(error.kind(), "the message could not be read");
            *self.progress.read_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return Poll::Ready(Some(Err(told)));
        }
        let frame = STANDARD.encode(&self.raw);
        self.raw.clear();
        let handed_over = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        self.remaining = self.remaining.saturating_sub(handed_over);
        self.progress.handed_over.fetch_add(handed_over, Ordering::AcqRel);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(frame)))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use proptest::prelude::*;
    use tokio::io::AsyncRead;

    use super::*;

    /// Gives the bytes in pieces of its own sizes, and is not ready before each.
    struct Pieces {
        left: Vec<u8>,
        sizes: Vec<usize>,
        turn: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.turn += 1;
            if self.turn % 2 == 1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let size = self.sizes[self.turn / 2 % self.sizes.len()].min(buf.remaining()).min(self.left.len());
            let rest = self.left.split_off(size);
            buf.put_slice(&self.left);
            self.left = rest;
            Poll::Ready(Ok(()))
        }
    }

    async fn drain(mut body: EncodedBody) -> Vec<Bytes> {
        let mut frames = Vec::new();
        loop {
            let announced = body.size_hint().exact().unwrap();
            let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await else {
                assert_eq!(announced, 0);
                return frames;
            };
            frames.push(frame.unwrap().into_data().unwrap());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_in_any_pieces_is_encoded_whole_in_frames_of_bounded_size(
            head in proptest::collection::vec(any::<u8>(), 0..70_000),
            rest in proptest::collection::vec(any::<u8>(), 0..200_000),
            sizes in proptest::collection::vec(1_usize..60_000, 1..5),
        ) {
            let whole = [head.as_slice(), &rest].concat();
            let rest_bytes = u64::try_from(rest.len()).unwrap();
            // More than recorded is there; it must not be read.
            let left = [rest.as_slice(), b"more"].concat();
            let message = MimeBody::with_rest(Bytes::from(head), Pieces { left, sizes, turn: 0 }, rest_bytes);
            let announced = message.request_bytes();
            let (body, progress) = EncodedBody::new(message);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let frames = runtime.block_on(drain(body));
            prop_assert!(frames.iter().all(|frame| frame.len() <= 64 * 1024));
            let encoded = frames.concat();
            prop_assert_eq!(u64::try_from(encoded.len()).unwrap(), announced);
            prop_assert_eq!(STANDARD.decode(&encoded).unwrap(), whole);
            prop_assert_eq!(progress.sent(), Sent::Everything);
        }
    }

    #[tokio::test]
    async fn the_account_tells_nothing_from_part_from_everything() {
        let (mut body, progress) = EncodedBody::new(MimeBody::from_bytes(Bytes::from(vec![b'x'; 50_000])));
        assert_eq!(progress.sent(), Sent::Nothing);
        poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(progress.sent(), Sent::Part);
        poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(progress.sent(), Sent::Everything);
    }
}
