use std::collections::BTreeMap;

use model::Statistic;
use proptest::prelude::*;

use super::*;

/// What is told of each series in each window, as text that tells bits apart.
type All = BTreeMap<(Timestamp, Arc<Series>, bool), String>;

fn collect(all: &mut All, out: &[Payload]) {
    for table in tables(out) {
        let it = columns(table);
        for row in 0..table.len() {
            let told = format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                it.expected[row],
                it.lower[row],
                it.upper[row],
                it.observed[row],
                it.predicted[row],
                it.seasonal[row],
                it.scale[row],
                it.maturity[row]
            );
            all.insert((table.start, Arc::clone(&table.series[row]), it.is_absent[row]), told);
        }
    }
}

const STATISTICS: [Statistic; 4] = [Statistic::Rate, Statistic::ErrorRatio, Statistic::P95, Statistic::Mean];

/// Rows of a window; some series are missing in some windows.
fn rows(since: u64, seed: u64) -> Vec<(u64, Statistic, f64)> {
    let all = (0..12).map(|number| (number, STATISTICS[number as usize % 4]));
    all.filter(|(number, _)| noise(seed ^ number, since) > -0.99 && (*number, since) != (0, 50 * HOUR))
        .map(|(number, statistic)| (number, statistic, 0.5 + 0.4 * daily(since) + 0.1 * noise(number, since)))
        .collect()
}

fn run(config: &BaselineConfig, seed: u64, parts: impl Fn(u64, Vec<Rollups>) -> Vec<Rollups>) -> All {
    let mut harness = Harness::new::<Baseline>(config, 1, BEGIN);
    let mut all = All::new();
    for since in (0..60 * HOUR).step_by(600) {
        let of_rows = rows(since, seed).into_iter().map(|(number, statistic, value)| {
            let mut rollups = window(since, 600);
            rollups.push(series(number, statistic), number as u32, value, 500);
            rollups
        });
        for rollups in parts(since, of_rows.collect()) {
            collect(&mut all, &harness.judge(rollups));
        }
    }
    all
}

/// Joins tables of one row each, in their order.
fn joined(parts: Vec<Rollups>) -> Rollups {
    let mut parts = parts.into_iter();
    let mut all = parts.next().expect("a window has rows");
    for part in parts {
        for row in 0..part.len() {
            all.push(Arc::clone(&part.series[row]), part.slots[row], part.values[row], part.support[row]);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn neither_the_order_of_rows_nor_the_parts_of_a_table_matter(seed in any::<u64>(), cut in 1_usize..11) {
        let config = BaselineConfig { window: config::Duration::from_secs(600), ..BaselineConfig::default() };
        let whole = run(&config, seed, |_, parts| vec![joined(parts)]);
        let turned = run(&config, seed, |since, mut parts| {
            let by = (since / 600) as usize % parts.len();
            parts.rotate_left(by);
            parts.reverse();
            vec![joined(parts)]
        });
        let cut = run(&config, seed, |_, mut parts| {
            let second = parts.split_off(cut.min(parts.len() - 1));
            vec![joined(parts), joined(second)]
        });
        prop_assert!(whole.keys().any(|(_, _, is_absent)| *is_absent), "some series was missing");
        prop_assert!(whole == turned);
        prop_assert!(whole == cut);
    }
}

#[test]
fn a_second_row_of_a_series_in_one_window_is_counted_and_not_learned() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, DAY, |_| 1.0);
    let mut rollups = window(DAY, MINUTE);
    rollups.push(Arc::clone(&feed.series), 0, 1.0, 1);
    rollups.push(Arc::clone(&feed.series), 0, 9.0, 1);
    let out = feed.harness.judge(rollups);
    assert!(columns(tables(&out)[0]).observed[1].is_nan());
    assert_eq!(feed.metric("rejected_points"), 1);
}
