//! The windows that stages are fed with: operations and gauges of many services, made without memory.

use std::sync::Arc;
use std::time::Duration;

use model::{Rollups, Series, Statistic, Timestamp};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use wire::build::{encode_value, key_value};
use wire::view::AnyValue;

use super::plan::{Order, Plan, WIDTH_SECONDS};

/// Of the rows of a service the first are gauges,
const GAUGES: u32 = 20;
/// the others five statistics of each of 16 operations.
const ROWS_PER_SERVICE: u32 = 100;
const STATISTICS: [Statistic; 5] =
    [Statistic::Rate, Statistic::ErrorRatio, Statistic::P50, Statistic::P95, Statistic::P99];
/// Percentiles in medians.
const LATENCIES: [f64; 3] = [1.0, 2.5, 4.0];
/// One row of so many is five times as high as usual for so many windows.
const ROWS_PER_FAULT: u64 = 10_000;
const FAULT_WINDOWS: u64 = 30;
const FAULT_FACTOR: f64 = 5.0;
/// The turn of an hour, and not of a day, nor of three.
const HOUR: u64 = 1_700_049_600;
const HOUR_SECONDS: u64 = 3600;
const DAY_SECONDS: f64 = 86_400.0;

/// One window after the other.
pub(super) struct Feed {
    /// The number of the next window.
    window: u64,
    first_start: Timestamp,
}

impl Feed {
    /// Returns the feed, and the table with its series that is filled again and again.
    ///
    /// The turn of an hour falls into the middle of the windows that count.
    pub(super) fn new(plan: &Plan) -> (Self, Box<Rollups>) {
        let before = (plan.warm_up + plan.windows / 2) * WIDTH_SECONDS + plan.hours * HOUR_SECONDS;
        let feed = Self { window: 0, first_start: Timestamp::from_secs(HOUR - before) };
        let mut slots: Vec<u32> = (0..plan.n_series).collect();
        if plan.order == Order::Shuffled {
            slots.shuffle(&mut Pcg64Mcg::seed_from_u64(1));
        }
        let mut table = Rollups { width: Duration::from_secs(WIDTH_SECONDS), ..Rollups::default() };
        let services = 0..plan.n_series.div_ceil(ROWS_PER_SERVICE);
        let series = services.flat_map(of_service).take(plan.n_series as usize);
        for (series, slot) in series.zip(slots) {
            table.push(series, slot, 0.0, 0);
        }
        (feed, Box::new(table))
    }

    /// Writes the next window into a table that earlier stages may have added to.
    pub(super) fn fill(&mut self, table: &mut Rollups) {
        table.baseline = None;
        table.anomaly = None;
        table.start = self.first_start + Duration::from_secs(self.window * WIDTH_SECONDS);
        let seconds = (table.start.as_nanos() / 1_000_000_000) as f64;
        let day = 1.0 + 0.4 * (seconds / DAY_SECONDS * std::f64::consts::TAU).sin();
        for row in 0..table.len() {
            let (value, support) = reading(row as u32, self.window, day);
            table.values[row] = value;
            table.support[row] = support;
        }
        self.window += 1;
    }

    /// Leaves out windows.
    pub(super) fn skip(&mut self, duration: Duration) {
        self.window += duration.as_secs() / WIDTH_SECONDS;
    }
}

/// Whether what follows from the turn of an hour is settled in a window: the one that ends there, or the first
/// after it.
pub(super) fn turns_hour(table: &Rollups) -> bool {
    let hour = 3_600_000_000_000;
    table.start.as_nanos().is_multiple_of(hour) || table.end().as_nanos().is_multiple_of(hour)
}

/// Returns the series of a service, in their order.
fn of_service(service: u32) -> impl Iterator<Item = Arc<Series>> {
    let name: Arc<str> = format!("service-{service:05}").into();
    let resource = encoded(&[("service.name", &name)]);
    let [usage, usage_unit] = ["process.usage", "1"].map(Arc::<str>::from);
    let [duration, duration_unit] = ["span.duration", "s"].map(Arc::<str>::from);
    let mut attributes: Arc<[u8]> = Arc::default();
    (0..ROWS_PER_SERVICE).map(move |row| {
        let (statistic, metric, unit) = if row < GAUGES {
            attributes = encoded(&[("process.name", &format!("process-{row:02}"))]);
            (Statistic::Mean, &usage, &usage_unit)
        } else {
            let (operation, statistic) = operation_of(row);
            if statistic == 0 {
                let name = format!("GET /operation-{operation:02}");
                attributes = encoded(&[("span.kind", "SPAN_KIND_SERVER"), ("span.name", &name)]);
            }
            (STATISTICS[statistic], &duration, &duration_unit)
        };
        Arc::new(Series {
            resource: Arc::clone(&resource),
            metric: Arc::clone(metric),
            unit: Arc::clone(unit),
            attributes: Arc::clone(&attributes),
            statistic,
            service: Arc::clone(&name),
            fingerprint: mixed(u64::from(service * ROWS_PER_SERVICE + row) + 1),
        })
    })
}

/// Encodes attributes as a `Resource` message.
fn encoded(pairs: &[(&str, &str)]) -> Arc<[u8]> {
    const ATTRIBUTES: u8 = 1 << 3 | 2;
    let mut bytes = Vec::new();
    for (key, value) in pairs {
        let pair = key_value(key.as_bytes(), &encode_value(AnyValue::Str(value.as_bytes())));
        bytes.extend([ATTRIBUTES, u8::try_from(pair.len()).expect("the pairs above are short")]);
        bytes.extend(pair);
    }
    bytes.into()
}

/// Returns the operation and the statistic of a row of a service.
fn operation_of(row: u32) -> (u32, usize) {
    let row = row - GAUGES;
    (row / STATISTICS.len() as u32, row as usize % STATISTICS.len())
}

/// Returns value and support of a row; the rows of an operation agree with each other.
fn reading(row: u32, window: u64, day: f64) -> (f64, u64) {
    let within = row % ROWS_PER_SERVICE;
    let noise = noise(u64::from(row), window);
    let is_faulty =
        mixed(u64::from(row) << 32 | (window / FAULT_WINDOWS) << 1 | 1).is_multiple_of(ROWS_PER_FAULT);
    let fault = if is_faulty { FAULT_FACTOR } else { 1.0 };
    if within < GAUGES {
        let level = level(u64::from(row));
        return (level * (0.3 + 0.1 * day) * (1.0 + 0.05 * noise) * fault, WIDTH_SECONDS);
    }
    let (operation, statistic) = operation_of(within);
    let subject = u64::from(row - within + operation) | 1 << 40;
    let level = level(subject);
    // At least 30 requests per second, so that every statistic of every window is told.
    let count = (60.0 * level * day * (1.0 + 0.1 * self::noise(subject, window)) * 10.0) as u64;
    let value = match statistic {
        0 => count as f64 / WIDTH_SECONDS as f64 * fault,
        1 => (count as f64 * 0.004 * (1.0 + 0.5 * noise).max(0.0) * fault).round() / count as f64,
        latency => 0.02 * level * LATENCIES[latency - 2] * (1.0 + 0.08 * noise) * fault,
    };
    (value, count)
}

/// Returns 1 to 8, the same for the same subject.
fn level(subject: u64) -> f64 {
    f64::from(1_u32 << (mixed(subject) % 4))
}

/// Returns noise around 0 with a standard deviation of 1, never beyond 3.5: the sum of four uniform numbers.
fn noise(subject: u64, window: u64) -> f64 {
    let bits = mixed(subject ^ window.rotate_left(24));
    let sum = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum::<u64>();
    (sum as f64 / 65_536.0 - 2.0) * 3.0_f64.sqrt()
}

/// Mixes bits (the finaliser of SplitMix64, G. Steele et al. 2014).
fn mixed(value: u64) -> u64 {
    let mut bits = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_series_and_each_has_its_own_fingerprint() {
        let plan = Plan {
            n_series: 1_050,
            stages: Vec::new(),
            hours: 0,
            warm_up: 3,
            windows: 4,
            order: Order::Shuffled,
            with_snapshots: false,
            with_checkpoints: false,
        };
        let (mut feed, mut table) = Feed::new(&plan);
        assert!(table.series.is_sorted(), "rows are in the order of their series");
        let mut fingerprints: Vec<_> = table.series.iter().map(|series| series.fingerprint).collect();
        fingerprints.sort_unstable();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), 1_050);
        let mut slots = table.slots.clone();
        assert!(!slots.is_sorted());
        slots.sort_unstable();
        assert!(slots.into_iter().eq(0..1_050));
        let turns: Vec<bool> = (0..7)
            .map(|_| {
                feed.fill(&mut table);
                turns_hour(&table)
            })
            .collect();
        assert_eq!(turns, [false, false, false, false, true, true, false]);
    }

    #[test]
    fn values_scatter_around_their_level_and_some_are_faults() {
        let noises: Vec<f64> = (0..100_000).map(|window| noise(7, window)).collect();
        let mean = noises.iter().sum::<f64>() / 1e5;
        let variance = noises.iter().map(|noise| (noise - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let gauges = (0..500_000_u32).filter(|row| row % ROWS_PER_SERVICE < GAUGES);
        let faulty =
            gauges.filter(|row| reading(*row, 0, 1.0).0 > 2.5 * reading(*row, FAULT_WINDOWS, 1.0).0).count();
        assert!((1..30).contains(&faulty), "{faulty} of 100,000 gauges are faulty, must be about 10");
        for row in 0..ROWS_PER_SERVICE {
            let (value, support) = reading(row, 5, 1.0);
            assert!(value.is_finite() && value >= 0.0 && support >= 10, "{row}: {value} of {support}");
        }
    }
}
