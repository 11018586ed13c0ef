//! Rings against a plain list of events.

use std::time::Duration;

use model::Timestamp;
use proptest::prelude::*;

use crate::sla::ring::{Count, RETENTION, Ring};

/// A list of events: what a ring must agree with.
#[derive(Default)]
struct Naive(Vec<(u64, Count)>);

impl Naive {
    fn between(&self, from: u64, until: u64) -> Count {
        let within = self.0.iter().filter(|(at, _)| (from..until).contains(at));
        within.fold(Count::NONE, |sum, (_, count)| sum.plus(*count))
    }
}

const HOUR: u64 = 3600;
const T0: u64 = 1_700_000_000 / HOUR * HOUR;

fn events(span: u64) -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let event = (0..span, 0..50_u64, 0..50_u64).prop_map(|(at, good, bad)| (T0 + at, good, bad));
    prop::collection::vec(event, 0..400)
}

fn filled(events: &[(u64, u64, u64)]) -> (Ring, Naive) {
    let (mut ring, mut naive) = (Ring::default(), Naive::default());
    for (at, good, bad) in events {
        let count = Count { good: *good, total: good + bad };
        assert!(ring.add(Timestamp::from_secs(*at), count), "nothing here is beyond the retention");
        naive.0.push((*at, count));
    }
    (ring, naive)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn windows_of_whole_slots_agree_with_a_list_whatever_the_order(
        events in events(40 * 86_400),
        ends in 0..40 * 24_u64,
    ) {
        let (ring, naive) = filled(&events);
        // The ring is read at its end or later, as slots that were pushed out are gone.
        let newest = events.iter().map(|event| event.0).max().unwrap_or(T0);
        let until = (newest / HOUR + 1) * HOUR + ends * HOUR;
        for width in [300, 1800, HOUR, 2 * HOUR, 6 * HOUR, 86_400, 3 * 86_400, 28 * 86_400, 30 * 86_400] {
            let sum = ring.sum(Timestamp::from_secs(until), Duration::from_secs(width));
            prop_assert_eq!(sum, naive.between(until - width, until), "{} s", width);
        }
    }

    #[test]
    fn other_windows_are_off_by_less_than_a_slot(
        events in events(4 * 86_400),
        tens in 0..8640_u64,
    ) {
        let (ring, naive) = filled(&events);
        let newest = events.iter().map(|event| event.0).max().unwrap_or(T0);
        let until = (newest / 10 + 1 + tens) * 10;
        for (width, slot) in [(HOUR, 10), (6 * HOUR, 60), (3 * 86_400, 300), (30 * 86_400, HOUR)] {
            let sum = ring.sum(Timestamp::from_secs(until), Duration::from_secs(width));
            let most = naive.between(until - width - slot, until);
            let least = naive.between(until - width + slot, until);
            prop_assert!(least.total <= sum.total && sum.total <= most.total, "{} s", width);
            prop_assert!(least.good <= sum.good && sum.good <= most.good, "{} s", width);
        }
    }

    #[test]
    fn a_window_that_moves_over_even_traffic_neither_grows_nor_shrinks(per_slot in 0..50_u64, tens in 0..360_u64) {
        let mut ring = Ring::default();
        for slot in 0..7 * 360 + tens {
            ring.add(Timestamp::from_secs(T0 + slot * 10), Count { good: per_slot, total: 2 * per_slot });
        }
        let until = Timestamp::from_secs(T0 + 7 * HOUR + tens * 10);
        let sum = ring.sum(until, Duration::from_secs(6 * HOUR));
        prop_assert_eq!(sum, Count { good: 2160 * per_slot, total: 4320 * per_slot });
    }

    #[test]
    fn the_order_of_adding_changes_nothing(events in events(90 * 86_400), split in 0..400_usize) {
        let mut turned = events.clone();
        turned.rotate_left(split.min(events.len()));
        let (until, width) = (Timestamp::from_secs(T0 + 90 * 86_400), Duration::from_secs(30 * 86_400));
        prop_assert_eq!(filled(&events).0.sum(until, width), filled(&turned).0.sum(until, width));
    }

    #[test]
    fn what_is_written_slot_by_slot_comes_back(events in events(60 * 86_400)) {
        let (ring, _) = filled(&events);
        let mut back = Ring::default();
        let slots: Vec<_> = ring.filled().collect();
        prop_assert!(slots.iter().all(|slot| back.restore(*slot)));
        prop_assert_eq!(back.filled().collect::<Vec<_>>(), slots);
    }
}

#[test]
fn a_ring_that_is_full_takes_18_kb_and_with_ever_so_many_events_less_than_64() {
    let n_slots = RETENTION.as_secs() / 10;
    // Of ten seconds, all and good ones: few, a hundred thousand an hour, and more than seven bytes count in an hour.
    let cases = [(2, 1, 12_000..14_500), (278, 222, 16_000..19_500), (1 << 50, 1 << 49, 50_000..64_000)];
    for (total, good, bytes) in cases {
        let mut ring = Ring::default();
        for slot in 0..=n_slots {
            ring.add(Timestamp::from_secs(T0 + slot * 10), Count { good, total });
        }
        let sum = ring.sum(Timestamp::from_secs(T0 + n_slots * 10), RETENTION);
        assert_eq!((sum.good, sum.total), (good.wrapping_mul(n_slots), total.wrapping_mul(n_slots)));
        assert!(bytes.contains(&ring.heap_bytes()), "{total}: {}", ring.heap_bytes());
    }
}

#[test]
fn what_an_hour_of_very_many_events_took_is_given_back_when_its_page_is_written_anew() {
    let (mut ring, mut even) = (Ring::default(), Ring::default());
    for hour in 0..2 * 90 * 24 + 61 {
        let total = if hour == 70 { 1 << 40 } else { 100 };
        ring.add(Timestamp::from_secs(T0 + hour * HOUR), Count { good: 0, total });
        even.add(Timestamp::from_secs(T0 + hour * HOUR), Count { good: 0, total: 100 });
    }
    assert_eq!((&ring, ring.heap_bytes()), (&even, even.heap_bytes()));
}

#[test]
fn a_page_that_needs_more_bits_keeps_what_it_has_counted() {
    let mut ring = Ring::default();
    let few = Count { good: 3, total: 7 };
    let many = Count { good: u64::from(u32::MAX), total: u64::from(u32::MAX) + 1 };
    for (slot, count) in [(0, few), (1, many), (2, few)] {
        assert!(ring.add(Timestamp::from_secs(T0 + slot * 10), count));
    }
    let until = Timestamp::from_secs(T0 + 30);
    let slot = |n: u64| ring.sum(until - Duration::from_secs(10 * n), Duration::from_secs(10));
    assert_eq!([slot(2), slot(1), slot(0)], [few, many, few]);
    assert_eq!(ring.sum(until, RETENTION), few.plus(many).plus(few));
    // One that is empty again is one that was never filled.
    assert!(ring.add(Timestamp::from_secs(T0) + RETENTION + RETENTION, few));
    let mut fresh = Ring::default();
    assert!(fresh.add(Timestamp::from_secs(T0) + RETENTION + RETENTION, few));
    assert_eq!(ring, fresh);
}

#[test]
fn a_ring_with_few_events_is_small_and_forgets_its_pages() {
    let mut ring = Ring::default();
    assert_eq!(ring.heap_bytes(), 0);
    for day in 0..400 {
        ring.add(Timestamp::from_secs(T0 + day * 86_400), Count { good: 1, total: 1 });
    }
    assert!(ring.heap_bytes() < 45_000, "{}", ring.heap_bytes());
    let at = Timestamp::from_secs(T0 + 399 * 86_400 + HOUR);
    assert_eq!(ring.sum(at, RETENTION), Count { good: 90, total: 90 });
}

#[test]
fn what_is_older_than_the_retention_is_refused() {
    let mut ring = Ring::default();
    ring.add(Timestamp::from_secs(T0 + 100 * 86_400), Count { good: 1, total: 1 });
    assert!(!ring.add(Timestamp::from_secs(T0), Count { good: 1, total: 1 }));
}
