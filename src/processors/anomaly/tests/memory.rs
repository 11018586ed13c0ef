//! What survives a restart, and what is bounded.

use component::Snapshot;
use model::{Payload, Statistic};

use super::rows::{BEGIN, Bench, Subject, noise, window};
use crate::anomaly::{
    AnomalyConfig,
    config::{DetectorConfig, DetectorName},
    detectors::{Climb, Falls, Novelty, Pattern},
    record::{Reader, write},
    state::SeriesState,
};

fn everything() -> AnomalyConfig {
    use DetectorName::{Forest, Iqr, Novelty, Pattern, Relation, Seasonal, Zscore};
    AnomalyConfig {
        detectors: [Seasonal, Novelty, Zscore, Iqr, Pattern, Relation, Forest].map(DetectorConfig::of).into(),
        relations: vec![("checkout".to_owned(), "payment".to_owned())],
        ..AnomalyConfig::default()
    }
}

fn subjects() -> [Subject; 4] {
    [
        Subject::p95("checkout"),
        Subject::gauge("checkout"),
        Subject::new("checkout", "span.duration", Statistic::Rate, 10.0, 1.0),
        Subject::new("payment", "span.duration", Statistic::Rate, 10.0, 1.0),
    ]
}

/// Noise with two faults.
fn value(minute: u64, at: usize) -> f64 {
    let is_fault = (200..230).contains(&minute) || (590..620).contains(&minute);
    let fault = if is_fault && at == 0 { 5.0 } else { 1.0 };
    [100.0, 100.0, 10.0, 10.0][at] * fault * (1.0 + 0.01 * noise(minute, at as u64))
}

fn bytes(payloads: &[Payload]) -> Vec<String> {
    payloads.iter().map(|payload| format!("{payload:?}")).collect()
}

#[test]
fn a_restart_amid_an_episode_changes_no_byte() {
    let subjects = subjects();
    let all: Vec<_> = subjects.iter().collect();
    let mut first = Bench::new(&everything());
    first.run(1..600, &all, value);
    let snapshot = first.harness.analysis().snapshot().expect("the stage has a state");
    let mut second = Bench::new(&everything());
    second.harness.analysis().restore(snapshot.clone()).expect("the snapshot is whole");
    assert_eq!(second.harness.analysis().snapshot().expect("there is one").bytes, snapshot.bytes);
    for minute in 600..800 {
        let readings: Vec<_> = (0..4).map(|at| (&subjects[at], value(minute, at), 1000)).collect();
        let (a, b) = (first.judge(window(minute, &readings)), second.judge(window(minute, &readings)));
        assert_eq!(bytes(&a), bytes(&b), "{minute}");
    }
    assert!(first.told.contains("(closed)"), "{}", first.told);
    let ends = [&mut first, &mut second].map(|bench| bench.harness.analysis().snapshot());
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn a_snapshot_that_is_cut_or_of_another_version_is_refused() {
    let subjects = subjects();
    let all: Vec<_> = subjects.iter().collect();
    let mut bench = Bench::new(&everything());
    // Into the fault, so that an episode is open; few windows, so that the forest is short.
    bench.run(190..210, &all, value);
    assert!(bench.told.contains("(open)"), "{}", bench.told);
    let Snapshot { version, bytes } = bench.harness.analysis().snapshot().expect("the stage has a state");
    let mut fresh = Bench::new(&everything());
    for end in 0..bytes.len() {
        let mut cut = bytes[..end].to_vec();
        assert!(fresh.harness.analysis().restore(Snapshot { version, bytes: cut.clone() }).is_err(), "{end}");
        // With a hash that fits it may be taken for a shorter list, or refused, but never panics.
        if let Some((of_rest, rest)) = cut.split_at_mut_checked(8) {
            of_rest.copy_from_slice(&rapidhash::v3::rapidhash_v3(rest).to_le_bytes());
            let is_taken =
                Bench::new(&everything()).harness.analysis().restore(Snapshot { version, bytes: cut });
            drop(is_taken);
        }
    }
    let newer = Snapshot { version: version + 1, bytes };
    let problem = fresh.harness.analysis().restore(newer).expect_err("the version is unknown");
    assert_eq!(problem.to_string(), "snapshot has version 5, this release reads 1 to 4");
}

#[test]
fn a_snapshot_with_a_changed_byte_is_refused() {
    let subjects = subjects();
    let all: Vec<_> = subjects.iter().collect();
    let mut bench = Bench::new(&everything());
    bench.run(1..205, &all, value);
    let Snapshot { version, bytes } = bench.harness.analysis().snapshot().expect("the stage has a state");
    let mut fresh = Bench::new(&everything());
    for at in (0..bytes.len()).step_by(1 + bytes.len() / 500) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let changed = Snapshot { version, bytes: changed };
        assert!(fresh.harness.analysis().restore(changed).is_err(), "{at}");
    }
}

#[test]
fn a_forged_snapshot_never_panics() {
    let subjects = subjects();
    let all: Vec<_> = subjects.iter().collect();
    let config = AnomalyConfig { relations: Vec::new(), ..AnomalyConfig::default() };
    let mut bench = Bench::new(&config);
    bench.run(1..205, &all, value);
    let Snapshot { version, bytes } = bench.harness.analysis().snapshot().expect("the stage has a state");
    for at in (8..bytes.len()).step_by(7) {
        let mut forged = bytes.clone();
        forged[at] ^= 1 << (at % 8);
        let hash = rapidhash::v3::rapidhash_v3(&forged[8..]);
        forged[..8].copy_from_slice(&hash.to_le_bytes());
        let mut fresh = Bench::new(&config);
        if fresh.harness.analysis().restore(Snapshot { version, bytes: forged }).is_ok() {
            fresh.run(205..208, &all, value);
        }
    }
}

#[test]
fn a_snapshot_of_windows_of_another_width_is_refused() {
    let mut bench = Bench::new(&everything());
    let snapshot = bench.harness.analysis().snapshot().expect("the stage has a state");
    let other = AnomalyConfig { window: ::config::Duration::from_secs(10), ..everything() };
    let problem = Bench::new(&other).harness.analysis().restore(snapshot).expect_err("counts do not fit");
    assert_eq!(problem.to_string(), "snapshot is damaged: windows were 60s wide and are 10s now");
}

#[test]
fn relations_that_are_no_longer_configured_are_forgotten() {
    let subjects = subjects();
    let all: Vec<_> = subjects.iter().collect();
    let mut bench = Bench::new(&everything());
    bench.run(1..100, &all, value);
    let snapshot = bench.harness.analysis().snapshot().expect("the stage has a state");
    let other = AnomalyConfig { relations: vec![("a".to_owned(), "b".to_owned())], ..everything() };
    let mut bench = Bench::new(&other);
    bench.harness.analysis().restore(snapshot).expect("the snapshot is whole");
    bench.run(100..110, &all, value);
}

#[test]
fn series_beyond_the_limit_are_not_scored_and_counted() {
    let subjects = subjects();
    let all: Vec<_> = subjects.iter().collect();
    let mut bench = Bench::new(&AnomalyConfig { max_series: 2, ..AnomalyConfig::default() });
    bench.run(1..10, &all, value);
    assert!(bench.scores.iter().all(|row| !row[0].is_nan() && !row[1].is_nan() && row[2].is_nan()));
    assert_eq!(bench.harness.bench.rejected.iter().map(|(count, _)| count).sum::<u64>(), 18);
    assert!(bench.harness.bench.rejected.iter().all(|(_, reason)| *reason == "anomaly_series_limit"));
}

#[test]
fn episodes_beyond_those_that_may_be_open_are_not_opened_and_counted() {
    let subjects: Vec<_> = (0..50_002).map(|at| Subject::p95(&format!("s{at}"))).collect();
    let detectors = vec![DetectorConfig::of(DetectorName::Seasonal)];
    let mut bench = Bench::new(&AnomalyConfig { detectors, emit_logs: false, ..AnomalyConfig::default() });
    let readings: Vec<_> = subjects.iter().map(|subject| (subject, 900.0, 1000)).collect();
    bench.judge(window(1, &readings));
    assert_eq!(bench.open[0].iter().filter(|is_open| **is_open).count(), 50_000);
    assert!(bench.scores[0].iter().all(|score| *score >= 3.0), "all have their score");
    assert_eq!(bench.harness.bench.rejected, [(2, "anomaly_episode_limit")]);
}

#[test]
fn series_that_are_silent_for_long_are_forgotten() {
    let (first, second) = (Subject::p95("a"), Subject::p95("b"));
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..10, &[&first], |_, _| 100.0);
    let length = |bench: &mut Bench| bench.harness.analysis().snapshot().expect("there is one").bytes.len();
    let before = length(&mut bench);
    bench.judge(window(20 * 24 * 60, &[(&second, 100.0, 1000)]));
    bench.judge(window(20 * 24 * 60 + 1, &[(&second, 100.0, 1000)]));
    assert!(length(&mut bench) <= before);
}

/// What `baseline` holds of a series; asserted by its tests.
const BASELINE_BYTES: usize = 344;

#[test]
fn a_series_takes_904_bytes_without_checkpoints() {
    let place = size_of::<Option<(u64, SeriesState)>>();
    let boxes = [size_of::<Novelty>(), size_of::<Pattern>()];
    assert_eq!((place, boxes), (64, [444, 52]));
    assert!(BASELINE_BYTES + place <= 512);
    let without = BASELINE_BYTES + place + boxes.iter().sum::<usize>();
    assert_eq!(without, 904);
}

#[test]
fn what_is_allocated_for_a_series_fits_size_classes_with_room_to_align_it() {
    // mimalloc asks for so many bytes more, and would take the next class, an eighth to a quarter greater.
    let asked = |size: usize, alignment: usize| size + alignment - 1;
    assert!(asked(size_of::<Novelty>(), align_of::<Novelty>()) <= 448);
    assert!(asked(size_of::<Pattern>(), align_of::<Pattern>()) <= 56);
}

#[test]
fn a_record_of_version_1_is_read() {
    let means: [f32; 8] = [103.5, 102.0, 101.25, 99.0, 98.5, 97.0, 90.0, 80.0];
    let mut climb = Climb { n_blocks: 8, sum: 7.0, ..Climb::default() };
    climb.store(means, None);
    let pattern = Pattern { climb, ..Pattern::default() };
    let state = SeriesState { pattern: Some(Box::new(pattern)), ..SeriesState::default() };
    let mut record = Vec::new();
    write(&mut record, 77, &state);
    // What silence was like came later. Behind four numbers stood eight means instead of one, seven differences and, at
    // the end, an exponent and a base.
    let (head, rest) = record.split_at(record.len() - 36);
    let head = [&head[..39], &head[43..]].concat();
    let counts = &rest[18..][..15];
    let old_means: Vec<u8> = means.iter().flat_map(|mean| mean.to_le_bytes()).collect();
    let old = [&head, &old_means, counts].concat();
    let mut reader = Reader { rest: &old, version: 1 };
    let (fingerprint, read) = reader.series().expect("version 1 is readable");
    let pattern_of = |state: &SeriesState| **state.pattern.as_ref().expect("the record has a pattern");
    assert_eq!((fingerprint, reader.rest.len()), (77, 0));
    assert_eq!(format!("{:?}", pattern_of(&read)), format!("{pattern:?}"));
    let mut reader = Reader { rest: &record, version: 4 };
    assert_eq!(format!("{:?}", reader.series().map(|(_, state)| state)), format!("{:?}", Some(state)));
}

#[test]
fn falls_that_were_counted_before_version_4_speak_for_no_leak() {
    let falls = Falls { bits: 3 };
    let state = SeriesState {
        pattern: Some(Box::new(Pattern { falls, ..Pattern::default() })),
        ..SeriesState::default()
    };
    let mut record = Vec::new();
    write(&mut record, 77, &state);
    let old = [&record[..39], &record[43..record.len() - 2]].concat();
    let falls_of = |bytes: &[u8], version| {
        let (_, state) = Reader { rest: bytes, version }.series().expect("it is readable");
        state.pattern.expect("the record has a pattern").falls
    };
    assert_eq!(falls_of(&record, 4), falls);
    assert_eq!(falls_of(&old, 3), Falls::default());
}

#[test]
fn windows_of_another_width_pass_untouched() {
    let subject = Subject::p95("checkout");
    let mut bench = Bench::new(&AnomalyConfig::default());
    let mut rollups = window(1, &[(&subject, 100.0, 1000)]);
    rollups.width = std::time::Duration::from_secs(10);
    let out = bench.harness.judge(rollups);
    let [Payload::Rollups(passed)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(passed.start, BEGIN);
    assert!(passed.anomaly.is_none());
}
