use component::RestoreError;
use proptest::prelude::*;

use super::*;

const ALL: &str = "window: 1h\nemit: {metrics: ['*']}\n\
                   thresholds: [{metric: disk, statistic: mean, above: 80}]\n\
                   capacity: [{name: disk, metric: disk, statistic: mean, capacity: 100}]\n";

fn fed(to: u64) -> Feed {
    let mut feed = Feed::of(ALL, vec![series(1, "disk"), series(2, "load")]);
    for since in (0..to).step_by(HOUR as usize) {
        feed.give(since, &values(since));
    }
    feed
}

fn values(since: u64) -> [f64; 2] {
    [20.0 + days(since) + normal(1, since), 100.0 + 20.0 * daily(since) + normal(2, since)]
}

#[test]
fn a_restart_in_mid_stream_changes_no_byte() {
    // On a day's last hour, on its first, in the middle; before and after models.
    for hours in [1, 23, 24, 25, 24 * 10 + 7, 24 * 40 + 13] {
        let mut whole = fed(hours * HOUR);
        let mut restored = Feed::of(ALL, whole.series.clone());
        let snapshot = whole.harness.analysis().snapshot().expect("the state survives a restart");
        restored.harness.analysis().restore(snapshot.clone()).expect("the snapshot is sound");
        assert_eq!(restored.harness.analysis().snapshot(), Some(snapshot));
        for since in (hours * HOUR..(hours + 60) * HOUR).step_by(HOUR as usize) {
            let [expected, told] = [&mut whole, &mut restored].map(|feed| feed.give(since, &values(since)));
            let bytes = |all: &[Payload]| all.iter().map(|it| it.bytes().cloned()).collect::<Vec<_>>();
            assert!(!expected.is_empty());
            assert_eq!(bytes(&told), bytes(&expected));
        }
    }
}

#[test]
fn a_snapshot_that_is_cut_anywhere_is_refused() {
    let snapshot = fed(30 * HOUR).harness.analysis().snapshot().unwrap();
    let mut feed = Feed::of(ALL, Vec::new());
    for length in 0..snapshot.bytes.len() {
        let bytes = snapshot.bytes[..length].to_vec();
        let cut = component::Snapshot { bytes, ..snapshot };
        assert!(matches!(feed.harness.analysis().restore(cut), Err(RestoreError::Damaged(_))), "{length}");
    }
    let longer = component::Snapshot { bytes: [&snapshot.bytes[..], &[0]].concat(), ..snapshot };
    assert!(feed.harness.analysis().restore(longer).is_err());
    let newer = component::Snapshot { version: 3, ..snapshot };
    assert!(matches!(feed.harness.analysis().restore(newer), Err(RestoreError::Version { found: 3, .. })));
}

/// As the release before wrote it: without a confidence, and of series that are too young for a month.
fn version_1(snapshot: &component::Snapshot) -> component::Snapshot {
    let mut bytes = [&snapshot.bytes[..24], &snapshot.bytes[32..]].concat();
    let hash = rapidhash::v3::rapidhash_v3(&bytes[8..]);
    bytes[..8].copy_from_slice(&hash.to_le_bytes());
    component::Snapshot { version: 1, bytes }
}

#[test]
fn a_snapshot_of_version_1_is_read() {
    let snapshot = fed(30 * HOUR).harness.analysis().snapshot().unwrap();
    let mut feed = Feed::of(ALL, Vec::new());
    feed.harness.analysis().restore(version_1(&snapshot)).expect("version 1 is readable");
    assert_eq!(feed.harness.analysis().snapshot(), Some(snapshot));
}

#[test]
fn another_confidence_begins_its_own_account_with_the_errors_that_are_known() {
    let mut whole = fed(10 * DAY);
    let snapshot = whole.harness.analysis().snapshot().unwrap();
    let [before, after] = ["0.95", "0.6"].map(|confidence| {
        let mut feed = Feed::of(&format!("{ALL}confidence: {confidence}\n"), whole.series.clone());
        feed.harness.analysis().restore(snapshot.clone()).expect("the snapshot is sound");
        Points::of(&feed.give(10 * DAY, &values(10 * DAY)))
    });
    let load = ["stat=mean", "disk=2"];
    let width = |told: &Points| {
        let bound = |bound: &str| {
            told.get(&[&["load.forecast{", "horizon=24h", &format!("bound={bound}")], &load[..]].concat())
                .unwrap()
        };
        bound("upper") - bound("lower")
    };
    assert!(width(&after) < 0.6 * width(&before), "{} {}", width(&after), width(&before));
    let coverage = |told: &Points| told.get(&[&["coverage_ratio", "horizon=1h"], &load[..]].concat());
    assert!(coverage(&before).is_some_and(|ratio| ratio > 0.9), "{:?}", coverage(&before));
    assert!(coverage(&after).is_none_or(|ratio| ratio == 0.0 || ratio == 1.0), "one hour was judged");
}

#[test]
fn a_history_ends_with_its_capacity_and_a_series_that_nobody_chooses_any_more_is_forgotten() {
    let snapshot = fed(30 * HOUR).harness.analysis().snapshot().unwrap();
    let whole = snapshot.bytes.len();
    let mut feed =
        Feed::of("window: 1h\nemit: {metrics: [disk]}", vec![series(1, "disk"), series(2, "load")]);
    feed.harness.analysis().restore(snapshot).expect("the snapshot is sound");
    feed.give(30 * HOUR, &[1.0, 1.0]);
    assert_eq!(feed.metric("series"), 1);
    assert!(feed.harness.analysis().snapshot().unwrap().bytes.len() < whole / 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With the right hash: what a reader must stand that the hash does not catch.
    #[test]
    fn damage_behind_a_sound_hash_does_not_panic(damage in prop::collection::vec((8_usize..4000, any::<u8>()), 1..8)) {
        let mut snapshot = fed(26 * HOUR).harness.analysis().snapshot().unwrap();
        for (at, value) in damage {
            let at = 8 + at % (snapshot.bytes.len() - 8);
            snapshot.bytes[at] ^= value;
        }
        let hash = rapidhash::v3::rapidhash_v3(&snapshot.bytes[8..]);
        snapshot.bytes[..8].copy_from_slice(&hash.to_le_bytes());
        let mut feed = Feed::of(ALL, vec![series(1, "disk"), series(2, "load")]);
        let _maybe = feed.harness.analysis().restore(snapshot);
        for hour in 26..80 {
            for payload in feed.give(hour * HOUR, &values(hour * HOUR)) {
                if let Payload::Metrics(bytes) = &payload {
                    prop_assert!(wire::check_metrics(bytes).is_ok());
                }
            }
        }
    }
}
