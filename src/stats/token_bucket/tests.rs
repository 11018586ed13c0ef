use proptest::prelude::*;

use super::{TokenBucket, TokenRate};

const HOUR: u64 = 3_600_000_000_000;
const TWO_PER_DAY: TokenRate = TokenRate { capacity: 2.0, refill_time: 24.0 * HOUR as f64 };

#[test]
fn a_bucket_takes_16_bytes() {
    assert_eq!(size_of::<TokenBucket>(), 16);
}

#[test]
fn two_a_day_are_two_at_once_and_then_one_each_half_day() {
    let mut bucket = TokenBucket::full(TWO_PER_DAY, 0);
    let allowed: Vec<u64> = (0..=30).filter(|hour| bucket.take(TWO_PER_DAY, hour * HOUR)).collect();
    assert_eq!(allowed, [0, 1, 12, 24]);
}

#[test]
fn a_time_that_goes_back_fills_nothing() {
    let mut bucket = TokenBucket::full(TWO_PER_DAY, 100 * HOUR);
    assert!(bucket.take(TWO_PER_DAY, 100 * HOUR) && bucket.take(TWO_PER_DAY, 50 * HOUR));
    assert!(!bucket.take(TWO_PER_DAY, 90 * HOUR) && !bucket.take(TWO_PER_DAY, 100 * HOUR));
    assert!(bucket.take(TWO_PER_DAY, 112 * HOUR));
}

#[test]
fn rates_that_allow_nothing_or_all() {
    let none = TokenRate { capacity: 0.5, refill_time: 1.0 };
    let mut bucket = TokenBucket::full(none, 0);
    assert!((0..100).all(|hour| !bucket.take(none, hour * HOUR)));
    let all = TokenRate { capacity: 1.0, refill_time: 0.0 };
    let mut bucket = TokenBucket::full(all, 0);
    assert!((0..100).all(|_| bucket.take(all, 7)));
}

proptest! {
    #[test]
    fn no_span_of_time_lets_through_more_than_a_bucket_and_what_flows_in(
        gaps in prop::collection::vec(0..20_u64, 1..200),
    ) {
        let mut bucket = TokenBucket::full(TWO_PER_DAY, 0);
        let mut now = 0;
        let mut taken: Vec<u64> = Vec::new();
        for gap in gaps {
            now += gap * HOUR;
            if bucket.take(TWO_PER_DAY, now) {
                taken.push(now);
            }
        }
        for (at, first) in taken.iter().enumerate() {
            for (more, last) in taken[at..].iter().enumerate() {
                let most = 2.0 + 2.0 * (last - first) as f64 / TWO_PER_DAY.refill_time;
                prop_assert!((more + 1) as f64 <= most + 1e-9);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_bucket_agrees_with_one_that_is_filled_hour_by_hour(gaps in prop::collection::vec(0..30_u64, 1..200)) {
        // An eighth of a token an hour: sums of doubles are exact.
        let rate = TokenRate { capacity: 4.0, refill_time: 32.0 * HOUR as f64 };
        let mut bucket = TokenBucket::full(rate, 0);
        let (mut now, mut eighths) = (0, 32_u64);
        for gap in gaps {
            for _ in 0..gap {
                now += HOUR;
                eighths = 32.min(eighths + 1);
            }
            let is_allowed = eighths >= 8;
            eighths -= if is_allowed { 8 } else { 0 };
            prop_assert_eq!(bucket.take(rate, now), is_allowed, "at hour {}", now / HOUR);
        }
    }
}
