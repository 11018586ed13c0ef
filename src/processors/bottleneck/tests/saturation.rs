//! Resources that are used up.

use std::{sync::Arc, time::Duration};

use expect_test::expect;
use model::{Rollups, Series, Statistic, Timestamp};

use super::{
    super::BottleneckConfig,
    scene::{Stage, jitter},
};
use crate::{aggregation::attributes::AttributeList, testing::T0};

fn list(pairs: &[(&str, &str)]) -> Arc<[u8]> {
    let mut list = AttributeList::default();
    pairs.iter().for_each(|(key, value)| list.push_str(key, value));
    list.into_bytes().into()
}

/// A window of ten seconds: service, instance, metric, state and value.
pub(super) fn window(secs: u64, rows: &[(&str, &str, &str, &str, f64)]) -> Rollups {
    let start = Timestamp(T0.0 + secs * 1_000_000_000);
    let mut rollups = Rollups { start, width: Duration::from_secs(10), ..Rollups::default() };
    for (slot, (service, instance, metric, state, value)) in (0..).zip(rows) {
        let attributes = if state.is_empty() { list(&[]) } else { list(&[("state", state)]) };
        let series = Series {
            resource: list(&[("service.name", service), ("service.instance.id", instance)]),
            metric: (*metric).into(),
            unit: "1".into(),
            attributes,
            statistic: Statistic::Mean,
            service: (*service).into(),
            fingerprint: u64::from(slot),
        };
        rollups.push(Arc::new(series), slot, *value, 10);
    }
    rollups
}

pub(super) fn serve(stage: &mut Stage, minutes: u64, work: f64, rows: &[(&str, &str, &str, &str, f64)]) {
    for _ in 0..minutes * 6 {
        for _ in 0..10 {
            let n = stage.secs;
            let end = 20.0 * work * jitter(n);
            for half in 0..2 {
                let script = format!("cart get server 0..{end}");
                stage.push(0, &super::scene::request(2 * n + half + 1, 1_000 * n, &script));
            }
            stage.pass(1);
        }
        let out = stage.harness.judge(window(stage.secs - 10, rows));
        assert_eq!(out.len(), 1);
    }
}

#[test]
fn a_cpu_that_is_used_up_is_a_risk_while_nothing_is_slow_and_a_bottleneck_then() {
    let calm = [("cart", "a", "process.cpu.utilization", "", 0.4)];
    let busy = [
        ("cart", "a", "process.cpu.utilization", "", 0.2),
        ("cart", "b", "process.cpu.utilization", "", 0.9),
    ];
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    serve(&mut stage, 8, 1.0, &calm);
    serve(&mut stage, 5, 1.0, &busy);
    expect![[r#"
        detected cpu_saturation of cart process.cpu.utilization: info score 33.33 confidence 0.50 impact - improvement -
          process.cpu.utilization of cart is 0.90, and nothing is slow yet; add instances or raise the limit, then profile what uses it
    "#]].assert_eq(&stage.events());
    serve(&mut stage, 5, 1.0, &calm);
    serve(&mut stage, 6, 4.0, &busy);
    expect![[r#"
        cleared cpu_saturation of cart process.cpu.utilization: info score 33.33 confidence 0.50 impact - improvement -
          process.cpu.utilization of cart is 0.90, and nothing is slow yet: this is over
        detected slow_step of cart get: warning score 66.67 confidence 0.90 impact 1.00 improvement 0.75
          get of cart takes 88.2 ms of its own, usually 22.0 ms (p95): 100 % of cart get; profile the operation, look at what was released lately, and compare the exemplar with a fast trace
        detected cpu_saturation of cart process.cpu.utilization: warning score 66.67 confidence 0.70 impact - improvement -
          process.cpu.utilization of cart is 0.90, and its operations are slow; add instances or raise the limit, then profile what uses it
    "#]].assert_eq(&stage.events());
}

#[test]
fn what_is_free_is_not_used() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    let rows = [
        ("db", "a", "system.cpu.utilization", "idle", 0.93),
        ("db", "a", "system.cpu.utilization", "user", 0.05),
        ("db", "a", "system.cpu.utilization", "system", 0.02),
        ("db", "a", "system.memory.utilization", "used", 0.3),
        ("db", "a", "system.memory.utilization", "cached", 0.6),
        ("db", "a", "system.memory.usage", "", 0.99),
    ];
    serve(&mut stage, 6, 1.0, &rows);
    assert_eq!(stage.events(), "");
    let used = [
        ("db", "a", "system.memory.utilization", "used", 0.92),
        ("db", "a", "system.memory.utilization", "cached", 0.05),
        ("db", "a", "system.cpu.utilization", "idle", 0.02),
        ("db", "a", "system.cpu.utilization", "user", 0.55),
        ("db", "a", "system.cpu.utilization", "system", 0.35),
    ];
    serve(&mut stage, 4, 1.0, &used);
    let told = stage.events();
    assert!(told.contains("detected memory_saturation of db system.memory.utilization"), "{told}");
    assert!(told.contains("detected cpu_saturation of db system.cpu.utilization"), "{told}");
}
