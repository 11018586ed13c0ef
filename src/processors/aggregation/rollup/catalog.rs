//! The series that later stages know, each by a dense number.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use model::{Series, Statistic, Timestamp};

use super::partial::SeriesKey;
use crate::aggregation::{hashing::mix_bytes, spec::service_of};

/// Gives every series a number for as long as it is remembered.
///
/// A series keeps its number while there is room for others. When there is none, numbers of series that
/// were idle go to new ones.
pub(super) struct Catalog {
    limit: usize,
    /// How long a series must be idle before another may take its number.
    idle: Duration,
    by_fingerprint: HashMap<u64, Placed>,
    free: Vec<u32>,
    /// Words that many series share.
    words: BTreeSet<Arc<str>>,
    lists: BTreeSet<Arc<[u8]>>,
    /// When idle series were last looked for in vain.
    searched: Timestamp,
}

struct Placed {
    series: Arc<Series>,
    slot: u32,
    seen: Timestamp,
}

impl Catalog {
    pub(super) fn new(limit: usize, idle: Duration) -> Self {
        Self {
            limit,
            idle,
            by_fingerprint: HashMap::new(),
            free: Vec::new(),
            words: BTreeSet::new(),
            lists: BTreeSet::new(),
            searched: Timestamp::default(),
        }
    }

    /// Returns the number and the identity of a series; none when there is no room.
    ///
    /// *Cost*: a hash of the key and a look-up.
    pub(super) fn place(
        &mut self,
        key: &SeriesKey,
        statistic: Statistic,
        now: Timestamp,
    ) -> Option<(u32, Arc<Series>)> {
        let fingerprint = fingerprint(key, statistic);
        if let Some(placed) = self.by_fingerprint.get_mut(&fingerprint) {
            // Two series with one fingerprint would share a baseline; the second is not judged.
            let is_same = placed.series.statistic == statistic
                && *placed.series.attributes == *key.attributes
                && *placed.series.resource == *key.resource
                && *placed.series.metric == *key.name
                && *placed.series.unit == *key.unit;
            placed.seen = placed.seen.max(now);
            return is_same.then(|| (placed.slot, Arc::clone(&placed.series)));
        }
        let slot = self.free_slot(now)?;
        let series = Arc::new(Series {
            resource: self.list(&key.resource),
            metric: self.word(&key.name),
            unit: self.word(&key.unit),
            attributes: self.list(&key.attributes),
            statistic,
            service: self.word(&service_of(&key.resource)),
            fingerprint,
        });
        let placed = Placed { series: Arc::clone(&series), slot, seen: now };
        self.by_fingerprint.insert(fingerprint, placed);
        Some((slot, series))
    }

    pub(super) fn len(&self) -> usize {
        self.by_fingerprint.len()
    }

    fn free_slot(&mut self, now: Timestamp) -> Option<u32> {
        let n_used = self.by_fingerprint.len() + self.free.len();
        if self.free.is_empty() && n_used < self.limit {
            return u32::try_from(n_used).ok();
        }
        if self.free.is_empty() && now > self.searched {
            self.forget_idle(now);
        }
        self.free.pop()
    }

    fn forget_idle(&mut self, now: Timestamp) {
        self.searched = now;
        let (idle, free) = (self.idle, &mut self.free);
        self.by_fingerprint.retain(|_, placed| {
            let keep = now.since(placed.seen) <= idle;
            if !keep {
                free.push(placed.slot);
            }
            keep
        });
        // The map's order must not decide who gets which number.
        free.sort_unstable_by(|a, b| b.cmp(a));
        self.words.retain(|word| Arc::strong_count(word) > 1);
        self.lists.retain(|list| Arc::strong_count(list) > 1);
    }

    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.words.get(text) {
            return Arc::clone(known);
        }
        let word: Arc<str> = text.into();
        self.words.insert(Arc::clone(&word));
        word
    }

    fn list(&mut self, bytes: &[u8]) -> Arc<[u8]> {
        if let Some(known) = self.lists.get(bytes) {
            return Arc::clone(known);
        }
        let list: Arc<[u8]> = bytes.into();
        self.lists.insert(Arc::clone(&list));
        list
    }
}

/// Hashes what tells a series from others. State is kept under this number over restarts and releases, so
/// neither the seed nor the function may change.
fn fingerprint(key: &SeriesKey, statistic: Statistic) -> u64 {
    const SEED: u64 = 0x7472_7565_6c69_6e65;
    let parts = [&key.resource[..], key.name.as_bytes(), key.unit.as_bytes(), &key.attributes[..]];
    let hash = parts.into_iter().fold(SEED, mix_bytes);
    mix_bytes(hash, statistic.name().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_secs(1_000_000);
    const IDLE: Duration = Duration::from_secs(60);

    fn key(name: &str) -> SeriesKey {
        SeriesKey { name: name.to_owned(), ..SeriesKey::default() }
    }

    #[test]
    fn a_series_keeps_its_number_and_statistics_have_their_own() {
        let mut catalog = Catalog::new(10, IDLE);
        let (first, series) = catalog.place(&key("a"), Statistic::Rate, T).unwrap();
        let (second, _) = catalog.place(&key("a"), Statistic::P95, T).unwrap();
        assert_eq!((first, second), (0, 1));
        assert_eq!(catalog.place(&key("a"), Statistic::Rate, T + IDLE), Some((0, series)));
    }

    #[test]
    fn a_full_catalog_gives_the_numbers_of_idle_series_to_new_ones() {
        let mut catalog = Catalog::new(2, IDLE);
        catalog.place(&key("a"), Statistic::Mean, T).unwrap();
        catalog.place(&key("b"), Statistic::Mean, T + IDLE).unwrap();
        assert_eq!(catalog.place(&key("c"), Statistic::Mean, T + IDLE), None, "nobody is idle");
        let later = T + IDLE + Duration::from_secs(1);
        let (slot, series) = catalog.place(&key("c"), Statistic::Mean, later).unwrap();
        assert_eq!((slot, &*series.metric), (0, "c"));
        assert_eq!(catalog.place(&key("d"), Statistic::Mean, later), None);
        assert_eq!(catalog.len(), 2);
    }

    #[test]
    fn a_fingerprint_is_the_same_in_every_release() {
        assert_eq!(fingerprint(&key("http.server.duration"), Statistic::P95), FINGERPRINT);
    }

    /// Of version 0.1.0.
    const FINGERPRINT: u64 = 17_964_994_251_929_670_466;
}
