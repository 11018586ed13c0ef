use model::Statistic;

use super::*;

fn calm(since: u64) -> f64 {
    100.0 + 10.0 * daily(since) + noise(11, since)
}

fn is_quiet(told: &[Told]) -> bool {
    told.iter().all(|it| it.z().is_nan() || it.z().abs() < 8.0)
}

#[test]
fn the_point_after_a_gap_is_not_scored_and_raises_no_alarm() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, 3 * DAY, calm);
    assert!(!feed.give(3 * DAY + 2 * MINUTE, calm(0)).observed.is_nan());
    let after_gap = feed.give(3 * DAY + 6 * MINUTE, 120.0);
    assert!(after_gap.observed.is_nan() && !after_gap.expected.is_nan());
    assert!(feed.give(3 * DAY + 7 * MINUTE, 120.0).z().abs() < 30.0);
}

#[test]
fn a_day_without_data_doubles_the_scale() {
    let mut feed = Feed::new(Statistic::Mean);
    let before = *feed.run(0, 3 * DAY, calm).last().unwrap();
    feed.give(4 * DAY + HOUR, calm(4 * DAY + HOUR));
    let told = feed.run(4 * DAY + HOUR + MINUTE, 4 * DAY + 2 * HOUR, calm);
    assert!(told[0].scale > 1.6 * before.scale, "{before:?} {:?}", told[0]);
    assert!(is_quiet(&told));
}

#[test]
fn a_clock_that_jumps_and_returns_raises_no_alarm() {
    for jump in [HOUR, 365 * DAY] {
        let mut feed = Feed::new(Statistic::Mean);
        feed.run(0, 3 * DAY, calm);
        let ahead = feed.run(3 * DAY + jump, 3 * DAY + jump + 10 * MINUTE, |since| calm(since - jump));
        let back = feed.run(3 * DAY + 10 * MINUTE, 3 * DAY + 6 * HOUR, calm);
        assert!(is_quiet(&ahead[1..]) && is_quiet(&back), "{jump}");
        let n_ignored = feed.metric("out_of_order_windows");
        assert!((59..=60).contains(&n_ignored), "{n_ignored}");
        // It goes on scoring after the hour that was ignored.
        assert!(back[80..].iter().all(|it| !it.observed.is_nan()));
        assert_eq!(feed.metric("series"), 1);
    }
}

#[test]
fn a_clock_that_was_set_back_for_good_goes_on_after_an_hour() {
    let year = 365 * DAY;
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(year, year + 3 * DAY, calm);
    let told = feed.run(0, 3 * HOUR, calm);
    assert!(told[..60].iter().all(|it| it.observed.is_nan() && it.expected.is_nan()));
    assert!(told[60].observed.is_nan() && told[61..].iter().all(|it| !it.observed.is_nan()));
    assert!(is_quiet(&told));
}

#[test]
fn an_older_window_is_ignored_and_counted() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, 2 * DAY, calm);
    let late = feed.give(DAY, 1e6);
    assert!(late.observed.is_nan() && late.expected.is_nan());
    assert_eq!(feed.metric("out_of_order_windows"), 1);
    assert!(feed.give(2 * DAY, calm(2 * DAY)).z().abs() < 6.0);
}

#[test]
fn every_time_there_is_can_be_told() {
    for start in [Timestamp(0), Timestamp(1), Timestamp(u64::MAX - 1), Timestamp(u64::MAX)] {
        for offset in [0, -86_400_000_000_000_i64, 86_400_000_000_000] {
            let config = BaselineConfig {
                time_zone_offset: config::SignedDuration { nanoseconds: offset },
                ..BaselineConfig::default()
            };
            let mut harness = Harness::new::<Baseline>(&config, 1, BEGIN);
            let width = Duration::from_secs(60);
            for start in [start, start + width, Timestamp(0)] {
                let mut rollups = Rollups { start, width, ..Rollups::default() };
                rollups.push(series(1, Statistic::Rate), 0, 1.0, 60);
                assert_eq!(harness.judge(rollups).len(), 1);
            }
        }
    }
}

/// When a window began, and the statistic, value and observation of each series that is missing in it.
type Absent = (u64, Vec<(Statistic, f64, f64)>);

#[test]
fn a_series_that_falls_silent_gets_rows_until_it_returns() {
    let mut feed = Feed::new(Statistic::Rate);
    let other = series(2, Statistic::Mean);
    let late = series(3, Statistic::P95);
    let mut give = |since: u64, is_silent: bool| -> Vec<Absent> {
        let mut rollups = window(since, MINUTE);
        if !is_silent {
            rollups.push(Arc::clone(&feed.series), 0, 100.0, 6000);
            rollups.push(Arc::clone(&other), 1, 5.0, 60);
            rollups.push(Arc::clone(&late), 2, 5.0, 6000);
        }
        let out = feed.harness.judge(rollups);
        let absent = tables(&out)
            .into_iter()
            .filter(|table| !table.is_empty() && columns(table).is_absent.iter().all(|it| *it));
        absent
            .map(|table| {
                let rows = (0..table.len()).map(|row| {
                    (table.series[row].statistic, table.values[row], columns(table).observed[row])
                });
                (table.start.since(BEGIN).as_secs(), rows.collect())
            })
            .collect()
    };
    for since in (0..2 * DAY).step_by(60) {
        assert!(give(since, false).is_empty());
    }
    assert!(give(2 * DAY, true).is_empty());
    let told = give(2 * DAY + MINUTE, true);
    assert_eq!(told[0].0, 2 * DAY);
    let [rate, mean] = told[0].1[..] else { panic!("a rate and a mean are missing: {told:?}") };
    assert_eq!((rate.0, rate.1), (Statistic::Rate, 0.0));
    assert!((rate.2 - 0.375_f64.sqrt()).abs() < 1e-12, "{rate:?}");
    assert!(mean.0 == Statistic::Mean && mean.1.is_nan() && mean.2.is_nan());
    assert_eq!(give(2 * DAY + 2 * MINUTE, false).len(), 1);
    assert!(give(2 * DAY + 3 * MINUTE, false).is_empty());
    let told: Vec<_> =
        (2 * DAY + 4 * MINUTE..4 * DAY).step_by(60).flat_map(|since| give(since, true)).collect();
    assert!((1439..=1440).contains(&told.len()), "absence is told for a day, not for {} windows", told.len());
}

#[test]
fn a_series_that_comes_now_and_then_is_not_missed() {
    let mut feed = Feed::new(Statistic::Rate);
    for since in (0..3 * DAY).step_by(60) {
        let mut rollups = window(since, MINUTE);
        if !(since / MINUTE).is_multiple_of(10) {
            rollups.push(Arc::clone(&feed.series), 0, 100.0, 6000);
        }
        assert_eq!(feed.harness.judge(rollups).len(), 1);
    }
}

#[test]
fn series_of_one_window_are_bounded_and_forgotten() {
    let config = BaselineConfig {
        max_series: 100,
        series_retention: config::Duration::from_secs(2 * HOUR),
        ..BaselineConfig::default()
    };
    let mut feed = Feed::with(&config, Statistic::Rate);
    for (minute, since) in (0..HOUR).step_by(60).enumerate() {
        let mut rollups = window(since, MINUTE);
        for number in 0..10 {
            let number = minute as u64 * 10 + number;
            rollups.push(series(number, Statistic::Rate), number as u32, 1.0, 60);
        }
        let out = feed.harness.judge(rollups);
        let known = columns(tables(&out)[0]).maturity.len();
        assert_eq!(known, 10);
    }
    feed.run(HOUR, HOUR + MINUTE, |_| 1.0);
    assert_eq!((feed.metric("series"), feed.metric("overflowed_series")), (100, 10));
    feed.run(HOUR + MINUTE, 5 * HOUR, |_| 1.0);
    assert_eq!(feed.metric("series"), 1);
}

#[test]
fn other_widths_pass_by_untouched() {
    let mut feed = Feed::new(Statistic::Mean);
    let mut rollups = window(0, 10);
    rollups.push(Arc::clone(&feed.series), 0, 1.0, 1);
    let out = feed.harness.judge(rollups.clone());
    assert_eq!(*tables(&out)[0], rollups);
}

#[test]
fn five_minutes_and_hours_learn_the_day_as_well() {
    for width in [10, 300, 3600] {
        let config =
            BaselineConfig { window: config::Duration::from_secs(width), ..BaselineConfig::default() };
        let mut feed = Feed::with(&config, Statistic::Mean);
        let end = if width == 10 { 4 } else { 7 } * DAY;
        let told = feed.run(0, end, |since| 100.0 + 50.0 * daily(since) + noise(12, since));
        let last_day = &told[told.len() - (DAY / width) as usize..];
        assert!(last_day.iter().all(|it| it.maturity == model::Maturity::Daily), "{width}");
        assert!(mean_error(last_day) < 1.5, "{width}: {}", mean_error(last_day));
    }
}
