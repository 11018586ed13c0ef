//! Reads ahead, where requests are small.
//!
//! The `h2` crate reads eight kilobytes, then what is missing of the frame: two calls and more for each small
//! request. Where frames keep coming in that way, one call reads many of them.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// So much is read ahead: a few small requests.
const AHEAD: usize = 128 << 10;

/// Who asks for this much has a place for it, and is given it without another copy.
const LARGE: usize = 32 << 10;

/// So many small reads in a row, each filled to the brim, show that there is something to be read ahead.
const SMALL_IN_A_ROW: u32 = 4;

/// What is known of the reads of one stream.
#[derive(Default)]
pub(super) struct Reads {
    ahead: BytesMut,
    small_in_a_row: u32,
}

impl Reads {
    /// Reads like `poll_read`.
    pub(super) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            if into.remaining() >= LARGE {
                self.small_in_a_row = 0;
                return Pin::new(stream).poll_read(cx, into);
            }
            if self.small_in_a_row < SMALL_IN_A_ROW {
                ready!(Pin::new(stream).poll_read(cx, into))?;
                self.small_in_a_row += u32::from(into.remaining() == 0);
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_ahead(stream, cx))?;
        }
        let taken = self.ahead.len().min(into.remaining());
        into.put_slice(&self.ahead[..taken]);
        self.ahead.advance(taken);
        Poll::Ready(Ok(()))
    }

    fn poll_ahead<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.ahead.reserve(AHEAD);
        let read = pin!(stream.read_buf(&mut self.ahead)).poll(cx);
        if read.is_pending() {
            // A connection that is idle holds no buffer.
            self.ahead = BytesMut::new();
        }
        read
    }
}
