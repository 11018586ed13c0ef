use component::{RestoreError, Snapshot};
use model::{Deployment, Statistic};
use proptest::prelude::*;

use super::{
    super::{record::write_all, state::SeriesState, window::Tracked},
    *,
};

/// Three series, one of which comes late, and one deployment.
pub(super) fn table(since: u64) -> Rollups {
    let mut rollups = window(since, 300);
    let value = |number: u64| 100.0 + 30.0 * daily(since) + 3.0 * noise(number, since);
    rollups.push(series(1, Statistic::Rate), 0, value(1), 30_000);
    rollups.push(series(2, Statistic::ErrorRatio), 1, 0.01 * value(2) / 100.0, 20);
    rollups.push(series(3, Statistic::Mean), 2, value(3), 5);
    if since > 2 * DAY {
        rollups.push(series(4, Statistic::P95), 3, value(4), 500);
    }
    if since == 3 * DAY {
        rollups.deployments.push(Deployment {
            service: "shop".into(),
            what: "service.version".into(),
            version: "2".into(),
            at: rollups.start,
        });
    }
    rollups
}

pub(super) fn config() -> BaselineConfig {
    BaselineConfig {
        window: config::Duration::from_secs(300),
        checkpoint_interval: config::Duration::from_secs(DAY),
        ..BaselineConfig::default()
    }
}

pub(super) fn harness(config: &BaselineConfig) -> Harness {
    Harness::new::<Baseline>(config, 1, BEGIN)
}

pub(super) fn feed(harness: &mut Harness, from: u64, to: u64) -> Vec<String> {
    (from..to).step_by(300).map(|since| format!("{:?}", harness.judge(table(since)))).collect()
}

pub(super) fn restored(config: &BaselineConfig, snapshot: Snapshot) -> Result<Harness, RestoreError> {
    let mut harness = harness(config);
    harness.analysis().restore(snapshot).map(|()| harness)
}

pub(super) fn snapshot_of(harness: &mut Harness) -> Snapshot {
    harness.analysis().snapshot().expect("the state survives a restart")
}

#[test]
fn a_restart_changes_no_byte_of_what_follows() {
    for restart_at in [300, HOUR, DAY + 300, 3 * DAY + 300, 5 * DAY] {
        let mut whole = harness(&config());
        feed(&mut whole, 0, restart_at);
        let mut again = restored(&config(), snapshot_of(&mut whole)).unwrap();
        let expected = feed(&mut whole, restart_at, 6 * DAY);
        assert!(expected == feed(&mut again, restart_at, 6 * DAY), "{restart_at}");
        assert_eq!(snapshot_of(&mut whole), snapshot_of(&mut again));
    }
}

#[test]
fn a_series_that_was_not_seen_since_the_restart_stays_in_the_snapshot() {
    let mut first = harness(&config());
    feed(&mut first, 0, DAY);
    let snapshot = snapshot_of(&mut first);
    let mut second = restored(&config(), snapshot.clone()).unwrap();
    assert_eq!(snapshot_of(&mut second), snapshot);
}

pub(super) fn learned() -> Snapshot {
    let mut harness = harness(&config());
    feed(&mut harness, 0, 3 * DAY + 600);
    snapshot_of(&mut harness)
}

#[test]
fn every_cut_is_refused() {
    let whole = learned();
    for cut in 0..whole.bytes.len() {
        let bytes = whole.bytes[..cut].to_vec();
        assert!(matches!(restored(&config(), Snapshot { bytes, ..whole }), Err(RestoreError::Damaged(_))));
    }
}

#[test]
fn versions_and_settings_that_do_not_fit_are_refused_in_words() {
    let whole = learned();
    let told = |config: &BaselineConfig, snapshot: &Snapshot| match restored(config, snapshot.clone()) {
        Ok(_) => panic!("it must not fit"),
        Err(problem) => problem.to_string(),
    };
    let next = Snapshot { version: 3, ..whole.clone() };
    assert_eq!(told(&config(), &next), "snapshot has version 3, this release reads 1 and 2");
    let wider = BaselineConfig { window: config::Duration::from_secs(600), ..config() };
    assert!(told(&wider, &whole).contains("another window, season_bins or time_zone_offset"));
}

proptest! {
    #[test]
    fn a_changed_byte_is_refused(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut snapshot = learned();
        let at = at.index(snapshot.bytes.len());
        snapshot.bytes[at] ^= flip;
        prop_assert!(restored(&config(), snapshot).is_err());
    }

    #[test]
    fn bytes_of_any_kind_do_not_panic_even_with_a_sound_hash(mut bytes in prop::collection::vec(any::<u8>(), 8..4000)) {
        let hash = rapidhash::v3::rapidhash_v3(&bytes[8..]);
        bytes[..8].copy_from_slice(&hash.to_le_bytes());
        let _maybe = restored(&config(), Snapshot { version: 2, bytes });
    }
}

#[test]
fn a_series_costs_what_the_page_says() {
    assert_eq!(size_of::<SeriesState>(), 328);
    // The tests of `anomaly` add this to what that stage holds.
    assert_eq!(size_of::<Option<(u64, Tracked)>>(), 344);
    assert_eq!(write_all([(7, &SeriesState::new(Statistic::Rate))].into_iter()).len(), 334);
}

#[test]
fn checkpoints_are_bounded() {
    let mut harness = harness(&config());
    feed(&mut harness, 0, 9 * DAY);
    assert_eq!(metric(&harness, "checkpoint_bytes"), 2 * 4 * 334);
    let mut without = self::harness(&BaselineConfig { checkpoints: Some(0), ..config() });
    feed(&mut without, 0, 3 * DAY);
    assert_eq!(metric(&without, "checkpoint_bytes"), 0);
}
