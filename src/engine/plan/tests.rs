//! Plans of small configurations, with components that do nothing.

use std::rc::Rc;

use component::{
    BuildCx, Cx, Delivery, Exporter, ExporterCx, ExporterDef, ExporterEntry, NoConfig, Placement, Processor,
    ProcessorDef, ProcessorEntry, QueueConfig, Receiver, ReceiverCx, ReceiverDef, ReceiverEntry, Registry,
    RetryConfig,
};
use config::{ConfigUri, MapEnvironment};
use model::Batch;

use super::*;

struct Source;
struct Sink;
struct Stage;
/// Passes traces on as they came.
struct Forward;
/// Makes metrics of traces.
struct Count;

impl ReceiverDef for Source {
    const KIND: &'static str = "source";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::Once;
    type Config = NoConfig;
    fn build(_: &NoConfig, _: &ReceiverCx) -> Box<dyn Receiver> {
        unreachable!("a plan builds nothing")
    }
}

impl ExporterDef for Sink {
    const KIND: &'static str = "sink";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::Once;
    type Config = NoConfig;
    fn delivery(_: &NoConfig) -> Delivery {
        Delivery {
            queue: QueueConfig::default(),
            retry: RetryConfig::default(),
            timeout: std::time::Duration::ZERO,
        }
    }
    fn build(_: &NoConfig, _: &ExporterCx) -> Rc<dyn Exporter> {
        unreachable!("a plan builds nothing")
    }
}

struct Nothing;
impl Processor for Nothing {
    fn process(&mut self, _: Batch, _: &mut Cx<'_>) {}
}

macro_rules! stage {
    ($name:ident, $kind:literal, $consumes:expr, $emits:expr) => {
        impl ProcessorDef for $name {
            const KIND: &'static str = $kind;
            type Config = NoConfig;
            fn consumes(_: &NoConfig) -> SignalSet {
                $consumes
            }
            fn emits(_: &NoConfig) -> SignalSet {
                $emits
            }
            fn ingest(_: &NoConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
                Box::new(Nothing)
            }
        }
    };
}
stage!(Stage, "stage", SignalSet::ALL, SignalSet::ALL);
stage!(Forward, "forward", SignalSet::TRACES, SignalSet::TRACES);
stage!(Count, "count", SignalSet::TRACES, SignalSet::METRICS);

fn plan(pipelines: &str) -> Plan {
    let yaml = format!(
        "receivers: {{source: , source/unused: }}
processors: {{stage: }}
connectors: {{forward: , count: }}
exporters: {{sink: , sink/2: , sink/unused: }}
service:
  pipelines:
{pipelines}"
    );
    let registry = Registry {
        receivers: vec![ReceiverEntry::of::<Source>()],
        processors: vec![ProcessorEntry::of::<Stage>()],
        connectors: vec![ProcessorEntry::of::<Forward>(), ProcessorEntry::of::<Count>()],
        exporters: vec![ExporterEntry::of::<Sink>()],
        extensions: Vec::new(),
    };
    let loaded = load(&[ConfigUri::Yaml(yaml)], &MapEnvironment::default(), &registry);
    loaded.plan.unwrap_or_else(|| panic!("{}", config::render(&loaded.problems.sorted())))
}

const CHAIN: &str = "
    traces: {receivers: [source], processors: [stage], exporters: [forward]}
    traces/2: {receivers: [forward], processors: [stage], exporters: [count, sink]}
    metrics: {receivers: [count, source], processors: [stage], exporters: [sink/2]}
";

#[test]
fn only_what_pipelines_use_is_planned() {
    let plan = plan(CHAIN);
    let exporters: Vec<_> = plan.exporters.iter().map(|exporter| exporter.id.as_str()).collect();
    assert_eq!(exporters, ["sink", "sink/2"]);
    assert_eq!(plan.receivers.len(), 1);
    assert_eq!(plan.receivers[0].signals, SignalSet::TRACES.union(SignalSet::METRICS));
}

/// Exporters and how often a request of the first receiver reaches each.
fn reach(plan: &Plan, signal: Signal) -> Vec<(usize, u64)> {
    plan.reach(&plan.pipelines_of(0, signal), signal).into_iter().collect()
}

#[test]
fn every_way_to_an_exporter_counts() {
    let plan = plan(
        "
    traces: {receivers: [source], exporters: [sink, forward]}
    traces/2: {receivers: [source, forward], exporters: [sink, sink/2]}
    logs: {receivers: [source], exporters: [sink]}
",
    );
    assert_eq!(reach(&plan, Signal::Traces), [(0, 3), (1, 2)]);
    assert_eq!(reach(&plan, Signal::Logs), [(0, 1)]);
}

#[test]
fn a_request_reaches_what_it_passes_before_its_answer_and_nothing_behind_an_aggregation() {
    let plan = plan(CHAIN);
    let reach = |signal| reach(&plan, signal);
    assert_eq!(
        reach(Signal::Traces),
        [(0, 1)],
        "through the connector that forwards, not past the one that counts"
    );
    assert_eq!(reach(Signal::Metrics), [(1, 1)]);
    assert_eq!(plan.pipelines_of(0, Signal::Logs), [0_usize; 0]);
}

#[test]
fn every_stage_beats_after_those_that_feed_it() {
    let plan = plan(CHAIN);
    let order: Vec<_> = plan.order.iter().map(|&node| plan.stage_key(node)).collect();
    assert_eq!(
        order,
        [
            "pipeline/traces/stage",
            "connector/forward",
            "pipeline/traces/2/stage",
            "connector/count",
            "pipeline/metrics/stage"
        ]
    );
    assert_eq!(order.iter().filter_map(|key| plan.stage_by_key(key)).collect::<Vec<_>>(), plan.order);
}

#[test]
fn a_pipeline_of_any_other_name_carries_every_signal() {
    let plan = plan("    telemetry: {receivers: [source], exporters: [sink]}");
    for signal in Signal::ALL {
        assert_eq!(plan.pipelines_of(0, signal), [0]);
    }
}
