//! A stage that panics: the request is refused for good, the shard is built anew, the rest goes on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use component::{ServiceState, testing::ManualClock};
use model::{Signal, Timestamp};

use crate::{
    parts::{Hand, POISON, registry, wait_until},
    rig::Rig,
};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

const YAML: &str = "
receivers:
  otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}
processors:
  superstitious:
exporters:
  nop:
service:
  trueline: {shards: 1}
  pipelines:
    traces: {receivers: [otlp], processors: [superstitious], exporters: [nop]}
";

#[test]
fn a_request_that_breaks_a_stage_is_refused_for_good_and_the_next_is_taken() -> Result<()> {
    let rig = Rig::start_with(YAML, &ManualClock::new(START), &registry())?;
    assert_eq!(rig.connect()?.send(Signal::Traces, &wire::testing::trace_request(1, 5))?, 200);
    assert_eq!(rig.connect()?.send(Signal::Traces, &wire::testing::trace_request(1, POISON as usize))?, 500);
    let since = Instant::now();
    // Until the shard is there again, connections are closed or requests told to come back.
    while !matches!(try_once(&rig), Ok(200)) {
        ensure!(since.elapsed() < Duration::from_secs(120), "the shard was not built anew");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(rig.metric("trueline_shard_restarts"), 1);
    let state: Arc<dyn ServiceState> = rig.state();
    assert_eq!(state.reason(), "");
    rig.stop();
    Ok(())
}

#[test]
fn what_a_broken_shard_had_counted_and_not_told_is_counted_as_dropped() -> Result<()> {
    let yaml = YAML
        .replace("exporters:\n  nop:", "exporters:\n  nop:\nconnectors:\n  span_metrics:")
        .replace("exporters: [nop]}", "exporters: [span_metrics]}")
        + "    metrics: {receivers: [span_metrics], exporters: [nop]}\n";
    let rig = Rig::start_with(&yaml, &ManualClock::new(START), &registry())?;
    let mut client = rig.connect()?;
    assert_eq!(client.send(Signal::Traces, &wire::testing::trace_request(1, 5))?, 200);
    // Told with the flush at a whole minute: no longer the shard's alone.
    rig.advance_to(START + Duration::from_secs(60))?;
    for seed in 2..4 {
        assert_eq!(client.send(Signal::Traces, &wire::testing::trace_request(seed, 5))?, 200);
    }
    rig.advance_to(START + Duration::from_secs(90))?;
    assert_eq!(rig.metric("otelcol_connector_dropped_items"), 0);
    assert_eq!(client.send(Signal::Traces, &wire::testing::trace_request(1, POISON as usize))?, 500);
    wait_until("the loss is counted", || rig.metric("otelcol_connector_dropped_items") == 10)?;
    rig.stop();
    Ok(())
}

fn try_once(rig: &Rig) -> Result<u16> {
    rig.connect()?.send(Signal::Traces, &wire::testing::trace_request(2, 5))
}

#[test]
fn what_a_broken_shard_had_queued_is_delivered() -> Result<()> {
    let yaml = YAML.replace("  nop:", "  held/broken_shard: {sending_queue: {num_consumers: 1}}");
    let yaml = yaml.replace("[nop]", "[held/broken_shard]");
    let hand = Hand::on("held/broken_shard");
    let rig = Rig::start_with(&yaml, &ManualClock::new(START), &registry())?;
    let mut client = rig.connect()?;
    for seed in 0..4 {
        assert_eq!(client.send(Signal::Traces, &wire::testing::trace_request(seed, 5))?, 200);
    }
    assert_eq!(client.send(Signal::Traces, &wire::testing::trace_request(1, POISON as usize))?, 500);
    // The next shard is there while the broken one still has what it could not deliver.
    let since = Instant::now();
    while !matches!(try_once(&rig), Ok(200)) {
        ensure!(since.elapsed() < Duration::from_secs(120), "the shard was not built anew");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(hand.items(), 0);
    hand.release.cancel();
    wait_until("all five are delivered", || hand.items() >= 25)?;
    assert_eq!(rig.metric("otelcol_exporter_dropped_items"), 0);
    rig.stop();
    assert_eq!(hand.items(), 25);
    Ok(())
}
