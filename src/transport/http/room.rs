//! Room that answers share while they are read and used.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::BodyFault;

/// *Units*: bytes.
const PIECE: usize = 16 << 10;

/// How many bytes of answers there may be at a time, over all clients that share it.
#[derive(Clone)]
pub struct Room {
    pieces: Arc<Semaphore>,
    n_pieces: u32,
}

/// Room that an answer takes; given back when dropped.
#[derive(Debug, Default)]
struct Claim(Option<OwnedSemaphorePermit>);

/// A body with its claim.
struct Held(Bytes, #[expect(dead_code, reason = "it is given back with the body")] Claim);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Room {
    pub fn new(bytes: u64) -> Self {
        let n_pieces = u32::try_from(bytes.div_ceil(PIECE as u64)).unwrap_or(u32::MAX);
        let n_pieces = n_pieces.clamp(1, u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self { pieces: Arc::new(Semaphore::new(n_pieces as usize)), n_pieces }
    }

    /// What is larger than all room takes all of it, or it could never be read.
    fn pieces_for(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX).clamp(1, self.n_pieces)
    }

    /// Waits for room. Nothing may be claimed while something is held: two could wait for each other.
    async fn wait_for(&self, bytes: usize) -> Claim {
        let pieces = Arc::clone(&self.pieces).acquire_many_owned(self.pieces_for(bytes)).await;
        Claim(pieces.ok())
    }

    /// Makes a claim as large as this, if there is room now.
    fn grow(&self, claim: &mut Claim, bytes: usize) -> bool {
        let Claim(Some(held)) = claim else { return false };
        let more =
            self.pieces_for(bytes).saturating_sub(u32::try_from(held.num_permits()).unwrap_or(u32::MAX));
        match Arc::clone(&self.pieces).try_acquire_many_owned(more) {
            Ok(pieces) => {
                held.merge(pieces);
                true
            }
            Err(_) => false,
        }
    }
}

/// Reads a body of at most so many bytes, and says why it is empty where it should not be. Its room is taken as long as
/// the bytes are held. Waits for room before the
/// first byte; one that says nothing of its length and outgrows what is left then is given up.
pub(super) async fn read(mut body: Incoming, most: usize, room: Option<&Room>) -> (Bytes, Option<BodyFault>) {
    let announced = body.size_hint().exact().map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut claim = Claim::default();
    if announced > most {
        return (Bytes::new(), Some(BodyFault::TooLong));
    }
    if let Some(room) = room {
        claim = room.wait_for(announced).await;
    }
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (Bytes::new(), Some(BodyFault::BrokenOff)) };
        let Ok(data) = frame.into_data() else { continue };
        let length = first.len() + all.len() + data.len();
        if length > most {
            return (Bytes::new(), Some(BodyFault::TooLong));
        }
        if room.is_some_and(|room| !room.grow(&mut claim, length)) {
            return (Bytes::new(), Some(BodyFault::NoRoom));
        }
        // Most answers come in one piece, which is not copied.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if !first.is_empty() {
                all.reserve(announced.max(length));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    let body = if all.is_empty() { first } else { all.freeze() };
    match room {
        Some(_) => (Bytes::from_owner(Held(body, claim)), None),
        None => (body, None),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn room_is_waited_for_given_back_and_grown_into() {
        let room = Room::new(10 * PIECE as u64);
        let mut one = room.wait_for(6 * PIECE).now_or_never().expect("there is room");
        assert!(room.wait_for(5 * PIECE).now_or_never().is_none());
        assert!(room.grow(&mut one, 6 * PIECE) && room.grow(&mut one, 9 * PIECE + 1));
        assert!(room.wait_for(1).now_or_never().is_none());
        assert!(room.grow(&mut one, 1), "it has more already");
        drop(one);
        let mut all = room.wait_for(usize::MAX).now_or_never().expect("all of it is free");
        assert!(room.grow(&mut all, usize::MAX), "more than all there is can not be claimed");
        drop(all);
        let mut first = room.wait_for(0).now_or_never().expect("there is room");
        let _second = room.wait_for(5 * PIECE).now_or_never().expect("there is room");
        assert!(!room.grow(&mut first, 6 * PIECE));
    }
}
