//! Counters in a real Prometheus across ends of the process: neither a reset nor a jump.
//!
//! The flush interval is 1 s, not the 60 s of the defaults: a kill takes away what came since the last flush,
//! here at most one second of it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Prometheus, Version, eventually};

use super::{
    SOON,
    gateway::{Gateway, Recipe},
    spans::{MILLISECOND, SpanKind, request, service, span},
};

const CALLS: &str = "sum(traces_span_metrics_calls_total)";

/// Every series that must not fall, classic and native.
const COUNTERS: [&str; 5] = [
    "traces_span_metrics_calls_total",
    "traces_span_metrics_duration_milliseconds_bucket",
    "traces_span_metrics_duration_milliseconds_count",
    "traces_span_metrics_duration_milliseconds_sum",
    "native_duration_milliseconds",
];

fn start(prometheus: &Prometheus, state: &Path) -> Result<Gateway> {
    Gateway::start(&Recipe {
        components: &format!(
            "connectors:
  span_metrics: {{metrics_flush_interval: 1s}}
  span_metrics/native: {{metrics_flush_interval: 1s, namespace: native, histogram: {{exponential: {{}}}}}}
exporters:
  prometheus_remote_write: {{endpoint: '{}', protobuf_message: io.prometheus.write.v2.Request}}",
            prometheus.remote_write_url()
        ),
        pipelines: "
traces: {receivers: [otlp], exporters: [span_metrics, span_metrics/native]}
metrics: {receivers: [span_metrics, span_metrics/native], exporters: [prometheus_remote_write]}",
        state: Some(state),
        ..Recipe::default()
    })
}

/// Sends spans of two operations with durations from 1 ms up.
fn send(gateway: &Gateway, n_spans: u32) -> Result<()> {
    let spans = (1..=u64::from(n_spans)).map(|id| {
        let name = if id % 3 == 0 { "POST /checkout" } else { "GET /orders" };
        span(name, id, id, id * MILLISECOND).kind(SpanKind::Server)
    });
    gateway.send(&request([service("shop", spans)]))
}

fn await_calls(prometheus: &Prometheus, n_calls: f64) -> Result<()> {
    eventually("all calls", SOON, || {
        for counter in
            [CALLS, "sum(native_calls_total)", "histogram_count(sum(native_duration_milliseconds))"]
        {
            let found = prometheus.value(counter)?;
            ensure!(found == n_calls, "{counter} is {found}, sent {n_calls}");
        }
        Ok(())
    })
}

/// Checks that no sample of any counter is below the one before, nor the last above `n_calls`.
fn check_no_reset(prometheus: &Prometheus, n_calls: f64) -> Result<()> {
    for counter in COUNTERS {
        let resets = prometheus.value(&format!("max(resets({counter}[10m]))"))?;
        ensure!(resets == 0.0, "{counter} was reset {resets} times");
    }
    // A restart that named its series anew would hide its reset behind a new series.
    let n_series = prometheus.value("count(count_over_time(traces_span_metrics_calls_total[10m]))")?;
    ensure!(n_series == 2.0, "{n_series} series");
    let highest = prometheus.value("sum(max_over_time(traces_span_metrics_calls_total[10m]))")?;
    ensure!(highest <= n_calls, "{highest} calls were told, {n_calls} were sent");
    Ok(())
}

/// Returns the time of the oldest of the newest samples: all series are at least as new.
fn newest_sample(prometheus: &Prometheus) -> Result<f64> {
    prometheus.value("min(timestamp(traces_span_metrics_calls_total))")
}

/// Returns the distinct values that a series had, in the order of time.
fn steps(prometheus: &Prometheus, series: &str) -> Result<Vec<f64>> {
    let data = prometheus.query_json(&format!("{series}[10m]"))?;
    let samples = data["result"][0]["values"].as_array().context("no samples")?;
    let value = |sample: &Value| sample[1].as_str().and_then(|text| text.parse::<f64>().ok());
    let mut values: Vec<f64> =
        samples.iter().map(|sample| value(sample).context("no number")).collect::<Result<_>>()?;
    values.dedup();
    Ok(values)
}

#[test]
fn counters_go_on_where_they_were_after_a_restart() {
    let prometheus = Prometheus::start(Version::Three).unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut gateway = start(&prometheus, state.path()).unwrap();
    send(&gateway, 30).unwrap();
    await_calls(&prometheus, 30.0).unwrap();
    for round in 1..=3 {
        // Acknowledged and not yet told: the end of the process must tell it.
        send(&gateway, 9).unwrap();
        assert!(gateway.trueline.stop(SOON).unwrap().success());
        await_calls(&prometheus, 30.0 + f64::from(round) * 15.0 - 6.0).unwrap();
        gateway = start(&prometheus, state.path()).unwrap();
        send(&gateway, 6).unwrap();
        await_calls(&prometheus, 30.0 + f64::from(round) * 15.0).unwrap();
    }
    check_no_reset(&prometheus, 75.0).unwrap();
    let orders = steps(&prometheus, "traces_span_metrics_calls_total{span_name=\"GET /orders\"}").unwrap();
    assert_eq!(orders, [20.0, 26.0, 30.0, 36.0, 40.0, 46.0, 50.0]);
}

#[test]
fn counters_never_fall_below_what_was_told_before_a_kill() {
    let prometheus = Prometheus::start(Version::Three).unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut n_sent = 0.0;
    let mut n_told = 0.0;
    for _ in 0..3 {
        let mut gateway = start(&prometheus, state.path()).unwrap();
        send(&gateway, 30).unwrap();
        n_sent += 30.0;
        // All of these are told, whatever the kills before this one took away.
        let found = prometheus.query_until(
            CALLS,
            SOON,
            |found| matches!(found, [only] if only.float().is_ok_and(|calls| calls >= n_told + 30.0)),
        );
        n_told = found.unwrap()[0].float().unwrap();
        send(&gateway, 9).unwrap();
        n_sent += 9.0;
        gateway.trueline.kill().unwrap();
    }
    let before = newest_sample(&prometheus).unwrap();
    let gateway = start(&prometheus, state.path()).unwrap();
    eventually("a sample after the restart", SOON, || {
        ensure!(newest_sample(&prometheus)? > before);
        Ok(())
    })
    .unwrap();
    let after = prometheus.value(CALLS).unwrap();
    assert!((n_told..=n_sent).contains(&after), "{after} calls, {n_told} were told before and {n_sent} sent");
    send(&gateway, 30).unwrap();
    await_calls(&prometheus, after + 30.0).unwrap();
    check_no_reset(&prometheus, n_sent + 30.0).unwrap();
}
