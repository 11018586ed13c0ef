use anyhow::Result;
use model::Signal;
use wire::{
    build::{Attributes, MetricsWriter, NumberPoint},
    view::{Number, Temporality},
};

use super::scene::{Keys, Minute, Scene, head, shop};

/// What no gauge can be.
const NO_GAUGE: [f64; 5] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX];
/// What no counter can be.
const NO_COUNTER: [f64; 5] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -f64::MAX];

#[test]
fn a_scene_without_anything_odd_is_quiet_and_one_with_a_fault_is_not() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    scene.minutes(10, |_, minute| {
        minute.depth *= 5.0;
        minute.requests.iter_mut().for_each(|(_, duration)| *duration *= 10);
    })?;
    assert!(scene.told.iter().any(|told| told.contains("queue.depth")), "{:?}", scene.told);
    assert!(scene.told.iter().any(|told| told.contains("GET /cart")), "{:?}", scene.told);
    Ok(())
}

/// One more point of each kind, with a value that is none.
fn one_more(minute: &Minute, gauge: f64, counter: f64) -> Vec<u8> {
    let mut writer = MetricsWriter::new();
    writer.resource(&shop());
    writer.scope("test", "");
    let none = Attributes::new();
    let point = |start, value| NumberPoint {
        attributes: &none,
        start,
        time: minute.time + 1,
        value: Some(Number::Double(value)),
        exemplars: &[],
        flags: 0,
    };
    writer.gauge(&head("queue.depth")).point(&point(0, gauge));
    let orders = point(minute.orders.0, counter);
    writer.sum(&head("orders"), Temporality::Cumulative, true).point(&orders);
    writer.take()
}

/// Checks that nothing was told and each value counted: by `aggregation` as unreadable, or by `baseline` where
/// only the mean of the window can not be.
fn check(scene: &Scene) {
    scene.assert_quiet();
    let unreadable = scene.counted("otelcol_processor_aggregation_unreadable_points");
    // NaN of gauges, and all five of counters.
    assert_eq!(unreadable, 6);
    let rejected = scene.counted("otelcol_processor_baseline_rejected_points");
    assert!(rejected >= 4, "{rejected} rows with means of ±∞ and ±10^308");
}

#[test]
fn values_that_are_none_beside_others_are_counted_and_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    for (gauge, counter) in NO_GAUGE.into_iter().zip(NO_COUNTER) {
        scene.minute(|minute| minute.beside.push((Signal::Metrics, one_more(minute, gauge, counter))))?;
        scene.minutes(3, |_, _| {})?;
    }
    scene.minutes(10, |_, _| {})?;
    check(&scene);
    Ok(())
}

#[test]
fn values_that_are_none_instead_of_others_are_counted_and_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    for (gauge, counter) in NO_GAUGE.into_iter().zip(NO_COUNTER) {
        scene.minute(|minute| (minute.depth, minute.orders.1) = (gauge, counter))?;
        scene.minutes(3, |_, _| {})?;
    }
    scene.minutes(10, |_, _| {})?;
    check(&scene);
    Ok(())
}

#[test]
fn a_sender_of_nothing_but_what_is_none_is_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    scene.minutes(60, |at, minute| {
        (minute.depth, minute.orders.1) = (NO_GAUGE[at as usize % 5], NO_COUNTER[at as usize % 5]);
    })?;
    scene.minutes(10, |_, _| {})?;
    scene.assert_quiet();
    Ok(())
}
