//! Reads a request's body into one piece of memory, bounded in bytes and in time.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use component::Permit;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use model::Signal;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    answer::Failure,
    body::{Encoding, Fit},
    shard::Shard,
};

/// How long a body may bring nothing before its claim is given back.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// Every body gets this long, whatever its size.
const GRACE: Duration = Duration::from_secs(30);

/// Beyond that a body must come at least this fast, so that a trickle does not hold memory for ever.
/// *Units*: bytes per second.
const SLOWEST_RATE: u64 = 64 << 10;

/// How much of a refused body is read and forgotten, so that the sender gets to read the answer and
/// the connection can go on. *Units*: bytes.
const LONGEST_DRAIN: usize = 128 << 20;

/// A smaller frame may share a much larger read buffer, which would be held for as long as the
/// request lives; copying is cheaper than that. Forty spans of half a kilobyte are above. *Units*: bytes.
const SMALLEST_UNCOPIED: usize = 16 << 10;

/// A body of unknown length claims this first, and then as much again as it has. *Units*: bytes.
const FIRST_CLAIM: usize = 64 << 10;

/// A whole body, and its claim on memory.
///
/// There is never more than one claim: a request that waits for a second one while it holds a first
/// could wait for itself.
pub(super) struct Collected {
    pub(super) bytes: Bytes,
    pub(super) claim: Permit,
}

/// A body being read.
pub(super) struct Reader {
    body: Incoming,
    /// The whole body must be here by then.
    deadline: Instant,
}

impl Reader {
    /// `read_timeout` zero means no limit but those of this module.
    pub(super) fn new(body: Incoming, read_timeout: Duration) -> Self {
        let size = body.size_hint().exact().unwrap_or(0);
        let limit = GRACE + Duration::from_secs(size / SLOWEST_RATE);
        let limit = if read_timeout.is_zero() { limit } else { limit.min(read_timeout) };
        Self { body, deadline: Instant::now() + limit }
    }

    /// Returns the length that the sender announced.
    pub(super) fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Grants the time that a body of `len` bytes needs at the slowest rate.
    pub(super) fn expect(&mut self, len: usize) {
        self.deadline += Duration::from_secs(len as u64 / SLOWEST_RATE);
    }

    /// Returns the next bytes, or none at the end; trailers are skipped.
    ///
    /// # Errors
    /// [`Failure::Stalled`] when nothing came in time, [`Failure::Malformed`] when the sender gave up.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while !self.body.is_end_stream() {
            let patience = self.deadline.min(Instant::now() + LONGEST_SILENCE);
            match timeout_at(patience, self.body.frame()).await.map_err(|_| Failure::too_slow())? {
                None => break,
                Some(Err(e)) => return Err(Failure::Malformed(format!("body ends before its end: {e}"))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(_trailers) => {}
                },
            }
        }
        Ok(None)
    }

    /// Reads exactly `len` bytes, of which `first` have come already. What follows them is an error.
    pub(super) async fn exactly(
        &mut self,
        first: Bytes,
        len: usize,
        shard: &Shard,
    ) -> Result<Bytes, Failure> {
        let too_long = || Failure::Malformed(format!("body goes on after the {len} bytes it announced"));
        if first.len() > len {
            return Err(too_long());
        }
        let bytes = if first.len() == len && len >= SMALLEST_UNCOPIED {
            first
        } else {
            let mut buffer = shard.pool.take(len);
            buffer.extend(&first);
            while buffer.len() < len {
                let Some(chunk) = self.next().await? else {
                    return Err(Failure::Malformed(format!(
                        "body ends after {} of {len} bytes",
                        buffer.len()
                    )));
                };
                if chunk.len() > len - buffer.len() {
                    return Err(too_long());
                }
                buffer.extend(&chunk);
            }
            buffer.freeze()
        };
        match self.next().await? {
            None => Ok(bytes),
            Some(_) => Err(too_long()),
        }
    }

    /// Reads a body that did not say how long it is, claiming room as it grows.
    pub(super) async fn until_end(
        &mut self,
        signal: Signal,
        limit: usize,
        shard: &Shard,
    ) -> Result<Collected, Failure> {
        let mut claimed = FIRST_CLAIM.min(limit);
        let mut claim = shard.admit(signal, claimed).await?;
        let mut buffer = shard.pool.take(claimed);
        while let Some(chunk) = self.next().await? {
            let needed = buffer.len() + chunk.len();
            if needed > limit {
                return Err(Failure::TooLarge { limit });
            }
            if needed > claimed {
                let grown = needed.max(claimed * 2).min(limit);
                drop(claim);
                claim = shard.admit(signal, grown).await?;
                self.expect(grown - claimed);
                claimed = grown;
                let mut larger = shard.pool.take(claimed);
                larger.extend(buffer.as_ref());
                buffer = larger;
            }
            buffer.extend(&chunk);
        }
        Ok(Collected { bytes: buffer.freeze(), claim })
    }

    /// Reads the rest of a refused body and forgets it, in the background.
    pub(super) fn drain(mut self) {
        if self.body.is_end_stream() {
            return;
        }
        self.deadline = Instant::now() + GRACE;
        tokio::task::spawn_local(async move {
            let mut left = LONGEST_DRAIN;
            while let Ok(Some(chunk)) = self.next().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    return;
                }
            }
        });
    }
}

/// Decompresses a body, claiming its room before it is written.
///
/// # Errors
/// [`Failure::TooLarge`] when it does not fit `limit`, [`Failure::Malformed`] when it is not what its
/// encoding says, or a refusal.
pub(super) async fn decompress(
    signal: Signal,
    compressed: Collected,
    encoding: Encoding,
    limit: usize,
    shard: &Shard,
) -> Result<Collected, Failure> {
    if encoding == Encoding::Identity || compressed.bytes.is_empty() {
        return Ok(compressed);
    }
    let Collected { bytes: input, mut claim } = compressed;
    let mut room = encoding.first_room(&input, limit);
    loop {
        drop(claim);
        claim = shard.admit(signal, input.len() + room).await?;
        let mut output = shard.pool.take(room);
        let fit = shard.inflater.borrow_mut().inflate(encoding, &input, room, &mut output);
        match fit.map_err(Failure::Undecodable)? {
            Fit::Whole => return Ok(Collected { bytes: output.freeze(), claim }),
            Fit::TooSmall if room >= limit => return Err(Failure::TooLarge { limit }),
            Fit::TooSmall => room = room.saturating_mul(4).min(limit),
        }
    }
}

/// Bounds the time of an answer, where the operator asked for that.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    if limit.is_zero() {
        return answer.await;
    }
    timeout(limit, answer).await.unwrap_or_else(|_| Err(Failure::answer_too_late(limit)))
}
