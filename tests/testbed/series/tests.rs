//! The truth that a year states is the truth of its points.

use super::{FaultKind, HappeningKind, Metric, SCALES, Series, Year, format_timestamp, parse_timestamp};

fn short(metric: Metric, seed: u64) -> Series {
    let year = Year { n_days: 80, n_quiet_days: 28, step_seconds: 300, ..Year::new(metric, seed) };
    year.generate().unwrap()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_same_seed_gives_the_same_series_and_another_seed_another() {
    assert_eq!(short(Metric::Rate, 7), short(Metric::Rate, 7));
    assert_ne!(short(Metric::Rate, 7).values, short(Metric::Rate, 8).values);
}

#[test]
fn every_kind_of_fault_comes_once_in_every_scale_and_none_overlap() {
    let series = short(Metric::Latency, 1);
    let mut seen: Vec<_> = series.faults.iter().map(|fault| (fault.kind, fault.scale as u32)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 5 * SCALES.len());
    let quiet_end = super::BEGIN_SECONDS + 28 * super::DAY_SECONDS;
    assert!(series.faults[0].begin >= quiet_end);
    for pair in series.faults.windows(2) {
        assert!(pair[0].end + super::DAY_SECONDS <= pair[1].begin, "{pair:?} are less than a day apart");
    }
}

#[test]
fn a_burst_of_twenty_deviations_stands_out_of_the_hour_before() {
    let series = short(Metric::Rate, 3);
    let fault = series.faults.iter().find(|fault| fault.kind == FaultKind::Burst && fault.scale == 20.0);
    let fault = fault.unwrap();
    let part = |begin, end| {
        let begin = series.seconds.partition_point(|seconds| *seconds < begin);
        let end = series.seconds.partition_point(|seconds| *seconds < end);
        mean(&series.values[begin..end])
    };
    let (before, during) = (part(fault.begin - 3600, fault.begin), part(fault.begin, fault.end));
    // 20 deviations of 4 % at a level that may be twice the base: far above what an hour's season moves.
    assert!(during > before * 1.4, "before {before}, during {during}");
}

#[test]
fn the_noise_has_the_deviation_that_faults_are_measured_in() {
    let mut noise = super::Noise::new(60);
    let mut random = <rand_pcg::Pcg64 as rand::SeedableRng>::seed_from_u64(1);
    let values: Vec<_> = (0..200_000).map(|_| noise.next(&mut random)).collect();
    let variance = mean(&values.iter().map(|value| value * value).collect::<Vec<_>>());
    let following = mean(&values.windows(2).map(|pair| pair[0] * pair[1]).collect::<Vec<_>>());
    assert!((variance - 1.0).abs() < 0.03, "variance {variance}");
    assert!((following / variance - 0.7).abs() < 0.02, "autocorrelation {}", following / variance);
}

#[test]
fn a_counter_falls_at_deployments_alone() {
    let series = short(Metric::Counter, 5);
    let deployments: Vec<_> = series
        .happenings
        .iter()
        .filter(|happening| happening.kind == HappeningKind::Deployment)
        .map(|happening| happening.begin)
        .collect();
    let falls: Vec<_> = (1..series.values.len())
        .filter(|row| series.values[*row] < series.values[row - 1])
        .map(|row| (series.seconds[row - 1], series.seconds[row]))
        .collect();
    assert!(!falls.is_empty());
    assert_eq!(falls.len(), deployments.len());
    for ((before, after), deployment) in falls.iter().zip(&deployments) {
        assert!(before < deployment && deployment <= after, "{before}..{after} holds no {deployment}");
    }
}

#[test]
fn gaps_hold_no_point_and_days_outside_them_are_whole() {
    let series = short(Metric::Rate, 2);
    let gaps: Vec<_> =
        series.happenings.iter().filter(|happening| happening.kind == HappeningKind::Gap).collect();
    assert!(!gaps.is_empty());
    let gap_seconds: i64 = gaps.iter().map(|gap| gap.end - gap.begin).sum();
    for gap in gaps {
        assert!(!series.seconds.iter().any(|seconds| (gap.begin..gap.end).contains(seconds)), "{gap:?}");
    }
    let n_points = 80 * 288;
    let n_missing = n_points - series.seconds.len() as i64;
    assert!(n_missing >= gap_seconds / 300 - 10, "{n_missing} are missing");
    assert!(n_missing <= gap_seconds / 300 + n_points / 500, "{n_missing} are missing");
}

#[test]
fn a_weekend_is_quieter_than_the_days_before_it() {
    let series = short(Metric::Rate, 4);
    let day = |number: i64| {
        let begin = super::BEGIN_SECONDS + number * super::DAY_SECONDS;
        let inside = series
            .seconds
            .iter()
            .zip(&series.values)
            .filter(|(seconds, _)| (begin..begin + super::DAY_SECONDS).contains(*seconds));
        mean(&inside.map(|(_, value)| *value).collect::<Vec<_>>())
    };
    // Thursday and Saturday of the second week.
    assert!(day(12) < 0.8 * day(10), "Saturday {}, Thursday {}", day(12), day(10));
}

#[test]
fn a_healthy_series_has_no_fault_and_gaps_where_others_have_theirs() {
    let healthy = Year { n_days: 80, n_quiet_days: 80, step_seconds: 300, ..Year::new(Metric::Rate, 2) };
    let healthy = healthy.generate().unwrap();
    assert_eq!(healthy.faults, []);
    let gaps = |series: &Series| -> Vec<_> {
        let gaps = series.happenings.iter().filter(|happening| happening.kind == HappeningKind::Gap);
        gaps.map(|gap| (gap.begin, gap.end)).collect()
    };
    assert_eq!(gaps(&healthy), gaps(&short(Metric::Latency, 9)));
}

#[test]
fn a_fault_shows_at_its_first_recorded_point_of_half_its_size() {
    let latency = short(Metric::Latency, 1);
    for fault in latency.faults.iter().chain(&short(Metric::Rate, 1).faults) {
        let after = fault.shows.map(|shows| shows - fault.begin);
        // Faults begin between two points.
        let is_at = |seconds: i64| after.is_some_and(|after| (seconds..seconds + 300).contains(&after));
        match fault.kind {
            FaultKind::Spike | FaultKind::Burst => assert!(is_at(0), "{fault:?}"),
            FaultKind::Ramp => assert!(is_at(3 * 3600), "{fault:?}"),
            FaultKind::Unrest => assert!(after.is_none_or(|after| after >= 0), "{fault:?}"),
            FaultKind::Dip => {}
        }
    }
    let dips = |series: &Series| -> Vec<_> {
        let dips = series.faults.iter().filter(|fault| fault.kind == FaultKind::Dip);
        dips.map(|fault| fault.shows.is_some()).collect()
    };
    // Nobody minds fast answers.
    assert_eq!((dips(&latency), dips(&short(Metric::Rate, 1))), (vec![false; 5], vec![true; 5]));
}

#[test]
fn too_few_days_for_the_faults_are_refused_with_the_number_needed() {
    let problem = Year { n_days: 60, ..Year::new(Metric::Rate, 1) }.generate().unwrap_err();
    assert_eq!(
        problem.to_string(),
        "n_days is 60, must be at least 78 to keep 25 faults apart after 28 quiet days"
    );
    let problem = Year { step_seconds: 420, ..Year::new(Metric::Rate, 1) }.generate().unwrap_err();
    assert_eq!(problem.to_string(), "step_seconds is 420, must divide 3600");
}

#[test]
fn timestamps_read_back_as_they_were_written() {
    assert_eq!(parse_timestamp("1970-01-01 00:00:00").unwrap(), 0);
    assert_eq!(parse_timestamp("2000-02-29 23:59:59").unwrap(), 951_868_799);
    assert_eq!(parse_timestamp("2014-04-01 00:05:00.000000").unwrap(), 1_396_310_700);
    // Every twelfth hour and a bit of seventy years.
    for seconds in (0..70 * 366 * 86_400).step_by(43_211) {
        assert_eq!(parse_timestamp(&format_timestamp(seconds)).unwrap(), seconds);
    }
    for wrong in ["", "2014-04-01", "2014-13-01 00:00:00", "2014-04-01 25:00:00", "2014-04-01 00:00:00:00"] {
        assert!(parse_timestamp(wrong).is_err(), "{wrong:?} was read");
    }
}

#[test]
fn the_csv_holds_a_heading_and_one_line_for_each_point() {
    let series = short(Metric::Rate, 6);
    let csv = series.to_csv();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "timestamp,value");
    assert_eq!(lines.len(), series.values.len() + 1);
    assert_eq!(lines[1], format!("2024-01-01 00:00:00,{}", series.values[0]));
}
