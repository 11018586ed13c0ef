//! What a series costs once it is old, with the stages that stand before.

use model::AnomalyColumns;

use super::*;
use crate::forecast::{days::Days, month::Month, processor::Tracked, snapshot, state::SeriesState};

/// Bytes of a place of `baseline`, and of one of `anomaly` with what `novelty` holds beside; asserted by their tests.
const BASELINE: usize = 344;
const ANOMALY: usize = 64;
const NOVELTY: usize = 444;
/// What a million series may take, each.
const MOST: usize = 1300;

/// The bytes that mimalloc takes for so many that are aligned to eight: it may ask itself for seven more to align
/// them, and has four classes to each doubling.
fn allocated(bytes: usize) -> usize {
    let asked = bytes + 7;
    let step = asked.next_power_of_two() / 8;
    asked.next_multiple_of(step)
}

/// Bytes that a row of a table has more once it passed the stages.
fn columns() -> usize {
    fn of<T>(_: &Vec<T>) -> usize {
        size_of::<T>()
    }
    let BaselineColumns {
        expected,
        lower,
        upper,
        observed,
        predicted,
        seasonal,
        scale,
        maturity,
        is_absent,
        is_degraded,
        ..
    } = &BaselineColumns::default();
    let AnomalyColumns { score, is_anomalous, is_told, episode, confidence } = &AnomalyColumns::default();
    let doubles =
        [expected, lower, upper, observed, predicted, seasonal, scale].map(of).iter().sum::<usize>();
    doubles
        + of(maturity)
        + of(is_absent)
        + of(is_degraded)
        + of(score)
        + of(is_anomalous)
        + of(is_told)
        + of(episode)
        + of(confidence)
}

#[test]
fn classes_of_the_allocator_are_four_to_a_doubling() {
    let cases = [(64, 80), (89, 96), (121, 128), (122, 160), (152, 160), (154, 192), (441, 448), (442, 512)];
    for (bytes, class) in cases {
        assert_eq!(allocated(bytes), class, "{bytes}");
    }
}

#[test]
fn a_series_of_sixty_days_takes_less_than_1300_bytes_of_three_stages() {
    let n_series = 200;
    let all = (0..n_series).map(|number| series(number, "load")).collect();
    let mut feed = Feed::of("window: 1h\nemit: {metrics: ['*']}", all);
    let mut stored = Vec::new();
    for day in 0..60 {
        for since in (day * DAY..(day + 1) * DAY).step_by(HOUR as usize) {
            let value = |number: u64| 100.0 + days(since) + 20.0 * daily(since) + normal(number, since);
            feed.give(since, &(0..n_series).map(value).collect::<Vec<_>>());
        }
        stored.push(feed.harness.analysis().snapshot().expect("the state survives a restart"));
    }
    let memory = snapshot::read(&stored[59], 0.95).expect("the snapshot is sound");
    assert_eq!(memory.states().count() as u64, n_series);
    let mut of_forecast = 0;
    for (_, state) in memory.states() {
        let days = state.days.as_deref().expect("it is older than a day");
        assert!(
            days.month.has_begun() && days.month.errors.interval(0.5).is_none() && days.history.is_none()
        );
        of_forecast += size_of::<Option<SeriesState>>()
            + size_of::<Option<(u64, Tracked)>>()
            + allocated(size_of_val(days));
    }
    let of_forecast = of_forecast / n_series as usize;
    assert_eq!(of_forecast, 144 + 16 + 160);
    let total = BASELINE + ANOMALY + allocated(NOVELTY - 4) + of_forecast + columns();
    // What is left is for requests on their way out and for pages that are not full.
    assert!(total + total / 40 <= MOST, "{total}");
    // Nothing more comes with age, and what is stored says so.
    assert_eq!(stored[29].bytes.len(), stored[59].bytes.len());
    assert!(size_of::<Days>() > size_of::<Month>(), "a month has no place of its own");
}
