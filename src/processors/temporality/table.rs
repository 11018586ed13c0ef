//! What is kept of each stream: bounded in number and in bytes, forgotten when no point comes.

use std::collections::HashMap;

/// What is kept of a stream.
pub(crate) trait Kept {
    /// What it takes beside itself.
    fn heap_bytes(&self) -> usize;
}

struct Stream<K> {
    /// When a point came last. *Units*: nanoseconds since the epoch, by the clock of the pipeline.
    seen: u64,
    kept: K,
}

/// Streams by their names.
pub(crate) struct Table<K> {
    all: HashMap<Box<[u8]>, Stream<K>>,
    /// What they take, names and buckets included.
    n_bytes: usize,
    most: usize,
    most_bytes: usize,
    /// The latest second that this half knows of. *Units*: nanoseconds since the epoch.
    now: u64,
}

impl<K: Kept> Table<K> {
    /// What a stream takes beside its name and its buckets: itself and its place in the table, which may be half empty.
    const STREAM_BYTES: usize = 2 * (size_of::<(Box<[u8]>, Stream<K>)>() + 1);

    pub(crate) fn new(most: u64, most_bytes: u64, now: u64) -> Self {
        let at_most = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self { all: HashMap::new(), n_bytes: 0, most: at_most(most), most_bytes: at_most(most_bytes), now }
    }

    fn taken(key: &[u8], kept: &K) -> usize {
        Self::STREAM_BYTES + key.len() + kept.heap_bytes()
    }

    /// Streams that get a point from now on are known to have had one then.
    pub(crate) fn advance(&mut self, now: u64) {
        self.now = now;
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The streams in the order of their keys.
    pub(crate) fn sorted(&self) -> Vec<(&[u8], &K)> {
        let mut all: Vec<_> = self.all.iter().map(|(key, stream)| (&**key, &stream.kept)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.all.contains_key(key)
    }

    /// Takes a stream that is not known yet and had a point now; none when there is no room.
    pub(crate) fn insert(&mut self, key: Box<[u8]>, kept: K) -> Option<&K> {
        let bytes = Self::taken(&key, &kept);
        if self.all.len() >= self.most || self.n_bytes.saturating_add(bytes) > self.most_bytes {
            return None;
        }
        self.n_bytes += bytes;
        let stream = self.all.entry(key).or_insert(Stream { seen: self.now, kept });
        Some(&stream.kept)
    }

    /// Gives a stream its next point, which came now.
    ///
    /// # Errors
    /// The point of a stream that is not known.
    pub(crate) fn change<P, R>(
        &mut self,
        key: &[u8],
        point: P,
        change: impl FnOnce(&mut K, P) -> R,
    ) -> Result<(R, &K), P> {
        let Some(stream) = self.all.get_mut(key) else { return Err(point) };
        stream.seen = self.now;
        let before = stream.kept.heap_bytes();
        let changed = change(&mut stream.kept, point);
        self.n_bytes = self.n_bytes - before + stream.kept.heap_bytes();
        Ok((changed, &stream.kept))
    }

    /// Forgets streams that had no point since an instant of this half: what senders say of their time keeps no place.
    pub(crate) fn forget_before(&mut self, instant: u64) {
        let mut freed = 0;
        self.all.retain(|key, stream| {
            let stays = stream.seen >= instant;
            freed += if stays { 0 } else { Self::taken(key, &stream.kept) };
            stays
        });
        self.n_bytes -= freed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Buckets(usize);

    impl Kept for Buckets {
        fn heap_bytes(&self) -> usize {
            self.0
        }
    }

    fn table(most: u64, most_bytes: u64) -> Table<Buckets> {
        Table::new(most, most_bytes, 10)
    }

    #[test]
    fn what_streams_take_is_known_however_they_come_change_and_go() {
        let mut table = table(10, 1 << 20);
        assert!(table.insert((*b"ab").into(), Buckets(100)).is_some());
        assert!(table.insert((*b"c").into(), Buckets(0)).is_some());
        let each = Table::<Buckets>::STREAM_BYTES;
        assert_eq!(table.n_bytes(), 2 * each + 3 + 100);
        let changed = table
            .change(b"ab", 7, |kept, point| std::mem::replace(&mut kept.0, point))
            .map(|(was, kept)| (was, kept.0));
        assert_eq!(changed, Ok((100, 7)));
        assert_eq!(table.change(b"x", 7, |_, _| ()).map(|_| ()), Err(7));
        assert_eq!(table.n_bytes(), 2 * each + 3 + 7);
        table.advance(20);
        assert!(table.change(b"c", (), |_, ()| ()).is_ok());
        table.forget_before(20);
        assert_eq!((table.len(), table.n_bytes()), (1, each + 1));
        assert!(table.contains(b"c") && !table.contains(b"ab"));
    }

    #[test]
    fn there_is_room_for_so_many_and_for_so_many_bytes() {
        let mut few = table(1, 1 << 20);
        assert!(few.insert((*b"a").into(), Buckets(0)).is_some());
        assert!(few.insert((*b"b").into(), Buckets(0)).is_none());
        let each = Table::<Buckets>::STREAM_BYTES as u64;
        let mut small = table(10, 2 * each);
        assert!(small.insert((*b"a").into(), Buckets(0)).is_some());
        assert!(small.insert((*b"b").into(), Buckets(0)).is_none(), "names take something too");
        assert_eq!(small.len(), 1);
    }

    #[test]
    fn streams_are_told_in_the_order_of_their_names() {
        let mut table = table(10, 1 << 20);
        for key in [&b"b"[..], b"a", b"c"] {
            table.insert(key.into(), Buckets(0));
        }
        let keys: Vec<_> = table.sorted().into_iter().map(|(key, _)| key.to_vec()).collect();
        assert_eq!(keys, [b"a", b"b", b"c"]);
    }
}
