//! A stage that panics: the request is refused for good, the shard is built anew, the rest goes on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use component::{
    BuildCx, Cx, NoConfig, Processor, ProcessorDef, ProcessorEntry, ServiceState, testing::ManualClock,
};
use model::{Batch, Signal, SignalSet, Timestamp};

use crate::rig::{Rig, registry};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
/// The request that the stage can not bear, by its number of spans.
const POISON: u64 = 13;

/// Passes on what has not exactly thirteen spans.
struct Superstitious;

impl ProcessorDef for Superstitious {
    const KIND: &'static str = "superstitious";
    type Config = NoConfig;
    fn consumes(_: &NoConfig) -> SignalSet {
        SignalSet::TRACES
    }
    fn emits(_: &NoConfig) -> SignalSet {
        SignalSet::TRACES
    }
    fn ingest(_: &NoConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(Self)
    }
}

impl Processor for Superstitious {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        assert!(batch.items != POISON, "this panic is the test's own");
        cx.pass(batch);
    }
}

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
    let mut registry = registry();
    registry.processors.push(ProcessorEntry::of::<Superstitious>());
    let rig = Rig::start_with(YAML, &ManualClock::new(START), &registry)?;
    assert_eq!(rig.connect()?.send(Signal::Traces, &wire::testing::trace_request(1, 5))?, 200);
    assert_eq!(rig.connect()?.send(Signal::Traces, &wire::testing::trace_request(1, POISON as usize))?, 500);
    let since = Instant::now();
    // Until the shard is there again, connections are closed or requests told to come back.
    while !matches!(try_once(&rig), Ok(200)) {
        ensure!(since.elapsed() < Duration::from_secs(10), "the shard was not built anew");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(rig.metric("trueline_shard_restarts"), 1);
    let state: Arc<dyn ServiceState> = rig.state();
    assert_eq!(state.reason(), "");
    rig.stop();
    Ok(())
}

fn try_once(rig: &Rig) -> Result<u16> {
    rig.connect()?.send(Signal::Traces, &wire::testing::trace_request(2, 5))
}
