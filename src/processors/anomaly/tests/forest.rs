//! Which series and services the forest looks at, as they come and go.

use std::sync::Arc;

use model::{Payload, Statistic};

use super::rows::{Bench, Subject, noise, window};
use crate::anomaly::{
    AnomalyConfig,
    config::{DetectorConfig, DetectorName},
    detectors::{Forests, LeftOut},
};

/// As the page says.
const PLACES: u64 = 16;
const EPOCH: u64 = 256;

fn service(name: &str) -> Arc<str> {
    name.into()
}

/// Gives windows in which some series of a service depart by chance.
fn run(forests: &mut Forests, windows: std::ops::Range<u64>, series: std::ops::Range<u64>) -> LeftOut {
    let mut last = LeftOut::default();
    for window in windows {
        for fingerprint in series.clone() {
            forests.note(&service("shop"), fingerprint, 3.0 * noise(window, fingerprint));
        }
        last = forests.close().1;
    }
    last
}

fn watched(forests: &Forests) -> Vec<u64> {
    forests.of[&service("shop")].places.iter().map(|place| place.fingerprint).collect()
}

#[test]
fn series_without_a_place_and_services_without_a_forest_are_counted() {
    let mut forests = Forests::default();
    assert_eq!(run(&mut forests, 0..1, 0..20), LeftOut { places: 4, services: 0 });
    assert_eq!(watched(&forests), (0..PLACES).collect::<Vec<_>>(), "the first ones are looked at");
    for at in 1..70 {
        forests.note(&service(&format!("s{at}")), 7, 1.0);
    }
    assert_eq!(forests.close().1, LeftOut { places: 0, services: 6 }, "64 services have a forest");
    assert_eq!(forests.close().1, LeftOut::default(), "a window begins with nothing left out");
}

#[test]
fn what_the_forest_leaves_out_is_a_self_metric_with_its_reason() {
    let names: Vec<String> = (0..18).map(|at| format!("queue.{at:02}")).collect();
    let subjects: Vec<_> =
        names.iter().map(|name| Subject::new("shop", name, Statistic::Mean, 100.0, 1.0)).collect();
    let detectors = vec![DetectorConfig::of(DetectorName::Forest)];
    let mut bench = Bench::new(&AnomalyConfig { detectors, ..AnomalyConfig::default() });
    bench.run(1..4, &subjects.iter().collect::<Vec<_>>(), |_, _| 100.0);
    let told =
        bench.harness.telemetry.read().into_iter().filter(|it| it.name.ends_with("forest_left_out_rows"));
    let told: Vec<_> = told.map(|it| (it.labels[0].1.clone(), it.value)).collect();
    assert_eq!(told, [("places".to_owned(), 3 * 2), ("services".to_owned(), 0)]);
}

#[test]
fn after_a_rollout_of_all_instances_the_forest_looks_at_the_new_ones() {
    let mut forests = Forests::default();
    run(&mut forests, 0..20, 0..PLACES);
    let new = 100..100 + PLACES;
    assert_eq!(run(&mut forests, 20..20 + EPOCH, new.clone()).places, PLACES, "the old ones may come back");
    assert_eq!(run(&mut forests, 20 + EPOCH..22 + EPOCH, new.clone()), LeftOut::default());
    assert_eq!(watched(&forests), new.collect::<Vec<_>>());
}

#[test]
fn after_a_rollout_of_some_instances_their_places_go_to_new_ones_at_the_end_of_an_epoch() {
    let mut forests = Forests::default();
    run(&mut forests, 0..2 * EPOCH - 10, 0..PLACES);
    // Twelve give way to eight others.
    let after = PLACES - 4..PLACES + 8;
    let instances = |window: u64| if window < 2 * EPOCH - 10 { 0..PLACES } else { after.clone() };
    let mut given_up = None;
    for at in 2 * EPOCH - 10..4 * EPOCH {
        let left_out = run(&mut forests, at..at + 1, instances(at));
        if left_out.places == 0 {
            given_up.get_or_insert(at);
        }
    }
    let given_up = given_up.expect("places are given up");
    assert!((3 * EPOCH - 10..3 * EPOCH + 10).contains(&given_up), "{given_up}");
    let mut found = watched(&forests);
    found.sort_unstable();
    assert_eq!(found, after.collect::<Vec<_>>());
}

#[test]
fn silent_series_keep_their_places_while_no_other_waits() {
    let mut forests = Forests::default();
    run(&mut forests, 0..10, 0..8);
    run(&mut forests, 10..3 * EPOCH, 0..1);
    assert_eq!(watched(&forests), (0..8).collect::<Vec<_>>());
}

#[test]
fn a_service_that_is_silent_for_an_epoch_gives_its_forest_up() {
    let mut forests = Forests::default();
    run(&mut forests, 0..1, 0..2);
    for _ in 0..=EPOCH {
        forests.note(&service("cart"), 7, 1.0);
        forests.close();
    }
    assert_eq!(forests.of.keys().cloned().collect::<Vec<_>>(), [service("cart")]);
}

#[test]
fn the_table_of_silent_series_is_no_window_of_its_own_for_the_forest() {
    let subjects = ["a", "b"].map(|metric| Subject::new("shop", metric, Statistic::Mean, 100.0, 1.0));
    let detectors = vec![DetectorConfig::of(DetectorName::Forest)];
    let config = AnomalyConfig { detectors, ..AnomalyConfig::default() };
    let snapshots = [false, true].map(|tells_silence| {
        let mut bench = Bench::new(&config);
        for minute in 1..300 {
            bench.judge(window(minute, &[(&subjects[0], 100.0 + noise(minute, 1), 1000)]));
            if tells_silence {
                let out = bench.judge(window(minute, &[(&subjects[1], f64::NAN, 0)]));
                assert!(out.iter().any(|it| matches!(it, Payload::Rollups(_))));
            }
        }
        let half = bench.harness.analysis().snapshot().expect("the stage has a state");
        let memory =
            crate::anomaly::snapshot::Memory::decode(half.version, &half.bytes).expect("it is whole");
        memory.forests[0].1.points.clone()
    });
    assert_eq!(snapshots[0].len(), 299);
    assert_eq!(snapshots[0], snapshots[1]);
}
