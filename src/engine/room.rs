//! Room in memory for what is on its way.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a request may wait for room.
const PATIENCE: Duration = Duration::from_secs(1);

const FULL: &str = "too many bytes are in flight";

/// Bytes that may be held at a time. They are counted in KiB, as a request that takes less costs as much.
pub(crate) struct Room {
    free: Arc<Semaphore>,
    all_kib: u32,
}

impl Room {
    pub(crate) fn new(bytes: u64) -> Self {
        let most = Semaphore::MAX_PERMITS.try_into().unwrap_or(u32::MAX);
        let all_kib = u32::try_from(bytes / 1024).unwrap_or(most).clamp(1, most);
        Self { free: Arc::new(Semaphore::new(all_kib as usize)), all_kib }
    }

    /// Claims so many bytes until the permit is dropped, and waits a moment for them. Who wants more than there is gets
    /// all of it, or could never be served.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn claim(&self, bytes: usize) -> Result<OwnedSemaphorePermit, &'static str> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.all_kib);
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(kib) {
            return Ok(permit);
        }
        let claimed = timeout(PATIENCE, Arc::clone(&self.free).acquire_many_owned(kib)).await;
        claimed.ok().and_then(Result::ok).ok_or(FULL)
    }

    /// How much of it is claimed, with what who waits first has of its part. *Units*: bytes.
    pub(crate) fn claimed(&self) -> u64 {
        (self.all_kib as u64).saturating_sub(self.free.available_permits() as u64) * 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_a_moment_and_is_refused() {
        let room = Room::new(10 << 10);
        let most = room.claim((8 << 10) + 1).await.unwrap();
        assert_eq!(room.claimed(), 9 << 10);
        let rest = room.claim(1).await.unwrap();
        assert_eq!(room.claim(1).await.err(), Some(FULL));
        let leaves = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(rest);
        };
        let (claimed, ()) = tokio::join!(room.claim(1024), leaves);
        assert!(claimed.is_ok());
        drop((claimed, most));
        assert_eq!(room.claimed(), 0);
    }

    #[tokio::test]
    async fn who_wants_more_than_there_is_gets_all_of_it() {
        for bytes in [1, 4 << 10] {
            let room = Room::new(bytes);
            let all = room.claim(usize::MAX).await.unwrap();
            assert_eq!(room.claimed(), bytes.max(1024));
            drop(all);
        }
        assert!(Room::new(u64::MAX).claim(usize::MAX).await.is_ok());
    }
}
