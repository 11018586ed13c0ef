use std::time::Duration;

use anyhow::Result;
use model::{Signal, Timestamp};
use wire::{
    build::{Attributes, MetricsWriter, NumberPoint},
    view::{Number, Temporality},
};

use super::scene::{Keys, MINUTE, Scene, head, shop};

/// Every table full long before the storm is over.
const SMALL: Keys = Keys {
    aggregation: ", max_series: 2000, series_expiration: 3m",
    baseline: ", max_series: 3000",
    anomaly: ", max_series: 1000",
};
const N_ONE_SHOT: u64 = 1_000_000;
const N_PER_MINUTE: u64 = 50_000;

/// Series that were never seen before and will never be seen again: half of them gauges, half counters.
fn one_shots(range: std::ops::Range<u64>, time: Timestamp) -> Vec<u8> {
    let mut writer = MetricsWriter::new();
    writer.resource(&shop());
    writer.scope("test", "");
    let mut attributes = Attributes::new();
    let mut point = |id: u64, write: &mut dyn FnMut(&NumberPoint<'_>)| {
        attributes.clear();
        attributes.push_int("request.id", id as i64);
        let value = Some(Number::Double((id % 977) as f64));
        let time = time.as_nanos();
        write(&NumberPoint {
            attributes: &attributes,
            start: time - 1,
            time,
            value,
            exemplars: &[],
            flags: 0,
        });
    };
    let middle = range.start.midpoint(range.end);
    let mut gauges = writer.gauge(&head("storm.level"));
    (range.start..middle).for_each(|id| point(id, &mut |it| gauges.point(it)));
    let mut counters = writer.sum(&head("storm.count"), Temporality::Cumulative, true);
    (middle..range.end).for_each(|id| point(id, &mut |it| counters.point(it)));
    writer.take()
}

#[test]
fn a_million_series_that_come_once_overflow_every_table_and_are_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(SMALL)?;
    let mut without_baseline = 0;
    for start in (0..N_ONE_SHOT).step_by(N_PER_MINUTE as usize) {
        scene.minute(|minute| {
            let time = minute.start + MINUTE / 3;
            minute.beside = (start..start + N_PER_MINUTE)
                .step_by(2000)
                .map(|first| (Signal::Metrics, one_shots(first..first + 2000, time)))
                .collect();
        })?;
        let within = [
            ("otelcol_processor_aggregation_series", 2000 + 200 + 64),
            ("otelcol_processor_aggregation_watched_series", 5 * 2000),
            ("otelcol_processor_baseline_series", 3000),
            ("otelcol_processor_anomaly_series", 1000),
            ("otelcol_processor_forecast_series", 10_000),
        ];
        for (name, limit) in within {
            assert!(scene.counted(name) <= limit, "{name} is {}", scene.counted(name));
        }
        without_baseline += scene.counted("otelcol_processor_baseline_overflowed_series");
    }
    scene.minutes(10, |_, _| {})?;
    scene.assert_quiet();
    // Every value is in a roll-up of its own, in one of the overflow, or was counted as dropped.
    let rolled_up: f64 =
        ["storm.level", "storm.count"].iter().filter_map(|name| scene.rolled_up.get(*name)).sum();
    let dropped = scene.counted_for("otelcol_processor_dropped_items", "rollup_series_limit");
    assert_eq!(rolled_up as u64 + dropped, N_ONE_SHOT);
    let turned_away = [
        dropped,
        scene.counted("otelcol_processor_aggregation_overflowed_items"),
        without_baseline,
        scene.counted_for("otelcol_processor_dropped_items", "anomaly_series_limit"),
    ];
    assert!(turned_away.iter().all(|count| *count > 0), "every table was full, and said so: {turned_away:?}");
    Ok(())
}

#[test]
fn series_that_appear_and_vanish_are_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    for at in 0..90_u64 {
        scene.minute(|minute| {
            // Each lives for a quarter of an hour, as pods of a batch job do.
            let first = at / 15 * 100;
            let time = minute.start + MINUTE / 3;
            minute.beside.push((Signal::Metrics, one_shots(first..first + 20, time)));
        })?;
    }
    scene.minutes(30, |_, _| {})?;
    scene.assert_quiet();
    Ok(())
}

#[test]
fn a_collector_that_hears_nothing_for_an_hour_tells_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    let before = scene.offline.now();
    scene.offline.advance(before + Duration::from_secs(3600));
    scene.read()?;
    scene.minutes(60, |_, _| {})?;
    scene.assert_quiet();
    Ok(())
}
