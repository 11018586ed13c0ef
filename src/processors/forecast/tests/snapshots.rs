use component::RestoreError;
use proptest::prelude::*;

use stats::{Conformal, Half};

use super::*;
use crate::forecast::{
    codec::{put_floats, put_halves, put_u16s},
    days::Days,
    month::AWAITED_DAYS,
    record, snapshot,
    state::SeriesState,
};

pub(super) const ALL: &str = "window: 1h\nemit: {metrics: ['*']}\n\
                   thresholds: [{metric: disk, statistic: mean, above: 80}]\n\
                   capacity: [{name: disk, metric: disk, statistic: mean, capacity: 100}]\n";

pub(super) fn fed(to: u64) -> Feed {
    let mut feed = Feed::of(ALL, vec![series(1, "disk"), series(2, "load")]);
    for since in (0..to).step_by(HOUR as usize) {
        feed.give(since, &values(since));
    }
    feed
}

pub(super) fn values(since: u64) -> [f64; 2] {
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
    let newer = component::Snapshot { version: 5, ..snapshot };
    assert!(matches!(feed.harness.analysis().restore(newer), Err(RestoreError::Version { found: 5, .. })));
}

/// As the releases before wrote it: of each number more digits, and in version 1 no confidence.
fn older(snapshot: &component::Snapshot, version: u32) -> component::Snapshot {
    let memory = snapshot::read(snapshot, 0.95).expect("the snapshot is sound");
    let mut bytes = snapshot.bytes[..if version == 1 { 24 } else { 32 }].to_vec();
    bytes.extend((memory.states().count() as u64).to_le_bytes());
    for (fingerprint, state) in memory.states() {
        bytes.extend(fingerprint.to_le_bytes());
        put_longer(&mut bytes, state);
    }
    let hash = rapidhash::v3::rapidhash_v3(&bytes[8..]);
    bytes[..8].copy_from_slice(&hash.to_le_bytes());
    component::Snapshot { version, bytes }
}

fn put_longer(out: &mut Vec<u8>, state: &SeriesState) {
    let ring = &state.ring;
    let base = Days::new(0.95);
    let days = state.days.as_deref().unwrap_or(&base);
    out.extend(ring.base.to_le_bytes());
    out.extend(i16::from(ring.exponent).to_le_bytes());
    put_halves(out, &ring.values);
    let unit = f64::from(ring.exponent).exp2();
    for hour in (0..24).step_by(2) {
        let foretold = ring.awaited(hour).map_or(f64::NAN, |foretold| (foretold - ring.base) / unit);
        let half = if foretold.is_nan() { Half { bits: 0x7e00 } } else { Half::nearest(foretold as f32) };
        put_halves(out, &[half]);
    }
    out.extend(state.seen_at.to_le_bytes());
    out.extend(state.hour().to_le_bytes());
    put_u16s(out, &[state.count, u16::from(state.n_hours)]);
    out.extend([state.hours_of_day, u8::from(state.follows)]);
    out.extend(days.trend.mean_value.to_le_bytes());
    put_floats(out, &days.trend.sums);
    put_floats(out, &days.trend.squared_weight);
    put_floats(out, &days.trend.residuals);
    let short =
        [&[state.seasonal_error][..], &state.of_hour.0, &state.of_day.0, &[state.deviation], &state.shifts];
    short.concat().into_iter().for_each(|it| put_floats(out, &[it.to_f32()]));
    put_longer_conformal(out, &state.hour_ahead);
    put_longer_conformal(out, &days.day_ahead);
    put_floats(out, &[state.sum, state.excess]);
    put_u16s(out, &[days.last_day]);
    out.push(u8::from(days.history.is_some()) + 2 * u8::from(days.month.has_begun()));
    if let Some(history) = &days.history {
        let mut record = Vec::new();
        record::write_history(history, &mut record);
        // Two conformals of 25 bytes stand behind 90 days, a model and 30 forecasts.
        let at = 8 + 90 * 6 + 2 + 8 * 4 + 30 * 4;
        out.extend(&record[..at]);
        put_longer_conformal(out, &history.month_ahead);
        put_longer_conformal(out, &history.rises);
        out.extend(&record[at + 50..]);
    }
    if days.month.has_begun() {
        let told = |place| days.month.told(place).map_or(f32::NAN, |told| told as f32);
        put_floats(out, &(0..AWAITED_DAYS).map(told).collect::<Vec<_>>());
        put_longer_conformal(out, &days.month.errors);
    }
}

fn put_longer_conformal(out: &mut Vec<u8>, conformal: &Conformal) {
    put_u16s(out, &[0; 8]);
    put_u16s(out, &[conformal.lowest * 16]);
    conformal.counts.iter().for_each(|count| put_u16s(out, &[u16::from(*count) * 16]));
    out.extend({ conformal.top }.to_le_bytes());
    put_floats(out, &[f32::from(conformal.miscoverage) / 65_536.0]);
    let [judged, covered] = [conformal.judged, conformal.covered].map(u32::from);
    out.extend(judged.to_le_bytes());
    out.extend(covered.to_le_bytes());
}

#[test]
fn snapshots_of_earlier_versions_are_read_and_tell_the_same() {
    // With a history, with a month, and of the first day.
    for hours in [20, 24 * 4 + 7, 24 * 40 + 13] {
        let mut whole = fed(hours * HOUR);
        let snapshot = whole.harness.analysis().snapshot().unwrap();
        let [before, again] = [1, 2].map(|version| {
            let mut feed = Feed::of(ALL, whole.series.clone());
            feed.harness.analysis().restore(older(&snapshot, version)).expect("all versions are readable");
            Points::of(&feed.give(hours * HOUR, &values(hours * HOUR)))
        });
        let expected = Points::of(&whole.give(hours * HOUR, &values(hours * HOUR)));
        assert_eq!(before.0.len(), expected.0.len());
        assert!(!expected.0.is_empty());
        // In version 1 demand was adapted for another confidence, and begins anew.
        let is_demand = |key: &str| key.starts_with("trueline.capacity.required");
        for (key, value) in &expected.0 {
            assert_eq!(again.0[key], *value, "{key}");
            assert!(is_demand(key) || before.0[key] == *value, "{key}: {} {value}", before.0[key]);
        }
        // What is foretold may lie between two numbers that both forms can tell.
        let mut feed = Feed::of(ALL, whole.series.clone());
        feed.harness.analysis().restore(older(&snapshot, 2)).unwrap();
        let migrated = feed.harness.analysis().snapshot().unwrap().bytes;
        assert_eq!(migrated.len(), snapshot.bytes.len());
        let n_differing = migrated[8..].iter().zip(&snapshot.bytes[8..]).filter(|(a, b)| a != b).count();
        // Of a month the base as well, and what is told from it.
        let most = if hours > 24 * 7 { 6 + 8 + 1 + 2 * AWAITED_DAYS } else { 6 };
        assert!(n_differing <= most, "{n_differing}");
    }
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
