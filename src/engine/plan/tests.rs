//! Plans of small configurations, with components that do nothing.

use std::rc::Rc;

use component::{
    BatchConfig, BuildCx, Cx, Delivery, Exporter, ExporterCx, ExporterDef, ExporterEntry, MemoryLimit,
    MemorySize, NoConfig, Placement, Processor, ProcessorDef, ProcessorEntry, QueueConfig, Receiver,
    ReceiverCx, ReceiverDef, ReceiverEntry, Registry, RetryConfig, Route,
};
use config::{ConfigUri, MapEnvironment};
use expect_test::expect;
use model::{Batch, Columns};

use super::*;

struct Source;
struct Sink;
struct Stage;
/// Passes traces on as they came.
struct Forward;
/// Passes traces on to `traces/2`, or to that and `traces/3`.
struct Choose;
/// Makes metrics of traces.
struct Count;
/// Closes windows.
struct Roll;
/// Says what is normal in them, also as metrics.
struct Learn;
/// Says what is not, also as logs.
struct Judge;
/// Wants what leaves its pipelines joined.
struct Join;
/// Limits the memory of the process.
struct Limit;

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
        stage!($name, $kind, $consumes, $emits, Columns::NONE, Columns::NONE);
    };
    ($name:ident, $kind:literal, $consumes:expr, $emits:expr, $reads:expr, $adds:expr) => {
        impl ProcessorDef for $name {
            const KIND: &'static str = $kind;
            const READS: Columns = $reads;
            const ADDS: Columns = $adds;
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
stage!(Roll, "roll", SignalSet::TRACES, SignalSet::TRACES, Columns::NONE, Columns::VALUES);
stage!(Learn, "learn", SignalSet::NONE, SignalSet::METRICS, Columns::VALUES, Columns::BASELINE);
stage!(
    Judge,
    "judge",
    SignalSet::NONE,
    SignalSet::LOGS,
    Columns::VALUES.union(Columns::BASELINE),
    Columns::ANOMALY
);

impl ProcessorDef for Choose {
    const KIND: &'static str = "choose";
    type Config = NoConfig;
    fn consumes(_: &NoConfig) -> SignalSet {
        SignalSet::TRACES
    }
    fn emits(_: &NoConfig) -> SignalSet {
        SignalSet::TRACES
    }
    fn routes(_: &NoConfig) -> Option<Vec<Route>> {
        let route = |key: &str, pipelines: &[&str]| Route {
            key: key.to_owned(),
            pipelines: pipelines.iter().map(|id| (*id).to_owned()).collect(),
        };
        Some(vec![route("first", &["traces/2"]), route("second", &["traces/2", "traces/3"])])
    }
}

impl ProcessorDef for Join {
    const KIND: &'static str = "join";
    type Config = NoConfig;
    fn consumes(_: &NoConfig) -> SignalSet {
        SignalSet::ALL
    }
    fn emits(_: &NoConfig) -> SignalSet {
        SignalSet::ALL
    }
    fn batch(_: &NoConfig) -> Option<BatchConfig> {
        Some(BatchConfig::default())
    }
}

impl ProcessorDef for Limit {
    const KIND: &'static str = "limit";
    type Config = NoConfig;
    fn consumes(_: &NoConfig) -> SignalSet {
        SignalSet::ALL
    }
    fn emits(_: &NoConfig) -> SignalSet {
        SignalSet::ALL
    }
    fn memory_limit(_: &NoConfig) -> Option<MemoryLimit> {
        let check_interval = std::time::Duration::from_secs(1);
        Some(MemoryLimit { check_interval, limit: MemorySize::Bytes(1), spike: None })
    }
}

pub(crate) fn plan(pipelines: &str) -> Plan {
    let loaded = loaded(pipelines);
    loaded.plan.unwrap_or_else(|| panic!("{}", config::render(&loaded.problems.sorted())))
}

fn loaded(pipelines: &str) -> Loaded {
    let yaml = format!(
        "receivers: {{source: , source/unused: }}
processors: {{stage: , roll: , learn: , judge: , join: , join/2: , limit: , limit/2: }}
connectors: {{forward: , count: , choose: , choose/unused: }}
exporters: {{sink: , sink/2: , sink/unused: }}
service:
  pipelines:
{pipelines}"
    );
    let registry = Registry {
        receivers: vec![ReceiverEntry::of::<Source>()],
        processors: vec![
            ProcessorEntry::of::<Stage>(),
            ProcessorEntry::of::<Roll>(),
            ProcessorEntry::of::<Learn>(),
            ProcessorEntry::of::<Judge>(),
            ProcessorEntry::of::<Join>(),
            ProcessorEntry::of::<Limit>(),
        ],
        connectors: vec![
            ProcessorEntry::of::<Forward>(),
            ProcessorEntry::of::<Count>(),
            ProcessorEntry::of::<Choose>(),
        ],
        exporters: vec![ExporterEntry::of::<Sink>()],
        extensions: Vec::new(),
    };
    load(&[ConfigUri::Yaml(yaml)], &MapEnvironment::default(), &registry)
}

fn problems(pipelines: &str) -> String {
    config::render(&loaded(pipelines).problems.sorted())
}

pub(crate) const CHAIN: &str = "
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
fn room_is_taken_for_every_route_that_a_request_may_go() {
    let plan = plan(
        "
    traces: {receivers: [source], exporters: [choose]}
    traces/2: {receivers: [choose], exporters: [sink]}
    traces/3: {receivers: [choose], exporters: [sink/2]}
",
    );
    assert_eq!(reach(&plan, Signal::Traces), [(0, 2), (1, 1)]);
}

#[test]
fn routes_to_pipelines_that_the_connector_does_not_feed_are_refused() {
    expect![[r#"
        error: connectors::choose::first::0: pipeline not found: "traces/2" does not have "choose" among its receivers
         --> yaml::3:34
          |
        3 | connectors: {forward: , count: , choose: , choose/unused: }
          |                                  ^^^^^^

        error: connectors::choose::second::0: pipeline not found: "traces/2" does not have "choose" among its receivers
         --> yaml::3:34
          |
        3 | connectors: {forward: , count: , choose: , choose/unused: }
          |                                  ^^^^^^

        error: connectors::choose::second::1: pipeline not found: "traces/3", did you mean "traces/33"? it feeds traces/33
         --> yaml::3:34
          |
        3 | connectors: {forward: , count: , choose: , choose/unused: }
          |                                  ^^^^^^

        warning: service::pipelines::traces/33: no route of connector "choose" names this pipeline
          --> yaml::10:29
           |
        10 |     traces/33: {receivers: [choose], exporters: [sink/2]}
           |                             ^^^^^^
           |
           = help: name it in a route, or remove the connector from its receivers"#]].assert_eq(&problems(
        "
    traces: {receivers: [source], exporters: [choose]}
    traces/2: {receivers: [source], exporters: [sink]}
    traces/33: {receivers: [choose], exporters: [sink/2]}
",
    ));
}

#[test]
fn a_connector_that_would_lose_a_signal_is_refused() {
    expect![[r#"
        error: service::pipelines::traces: connector "forward" used as exporter in pipeline "traces", but no pipeline that it feeds carries traces
         --> yaml::8:47
          |
        8 |     traces: {receivers: [source], exporters: [forward]}
          |                                               ^^^^^^^
          |
          = help: add `forward` to the receivers of a pipeline of traces

        error: service::pipelines::logs: connector "forward" emits traces, the pipeline carries logs: telemetry type is not supported
         --> yaml::9:24
          |
        9 |     logs: {receivers: [forward], exporters: [sink]}
          |                        ^^^^^^^
          |
          = help: move it to a pipeline of traces"#]].assert_eq(&problems(
        "
    traces: {receivers: [source], exporters: [forward]}
    logs: {receivers: [forward], exporters: [sink]}
",
    ));
}

#[test]
fn the_last_batch_of_a_pipeline_counts_and_each_pipeline_has_its_own() {
    let plan = plan(
        "
    traces: {receivers: [source], processors: [join, stage, join/2], exporters: [sink]}
    traces/2: {receivers: [source], processors: [join/2], exporters: [sink]}
    logs: {receivers: [source], processors: [stage], exporters: [sink]}
",
    );
    let ids = plan.pipelines.iter().map(|line| line.batch.as_ref().map(|batch| batch.id.as_str()));
    assert_eq!(ids.collect::<Vec<_>>(), [Some("join/2"), Some("join/2"), None]);
    let telemetry = Telemetry::default();
    let [one, other] = [0, 1].map(|line: usize| plan.pipelines[line].batching(&telemetry).unwrap());
    assert!(!Arc::ptr_eq(&one, &other), "requests of two pipelines are not joined");
}

#[test]
fn memory_limits_hold_for_what_goes_through_their_pipelines_also_behind_connectors() {
    let plan = plan(
        "
    traces: {receivers: [source], processors: [limit], exporters: [forward]}
    traces/2: {receivers: [forward], processors: [limit/2, limit], exporters: [sink]}
    logs: {receivers: [source], processors: [limit/2], exporters: [sink]}
    metrics: {receivers: [source], exporters: [sink]}
",
    );
    let ids: Vec<_> = plan.memory_limits.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["limit", "limit/2"]);
    let of = |signal| plan.memory_limits_on_the_way(&plan.pipelines_of(0, signal), signal);
    assert_eq!(Signal::ALL.map(of), [vec![0, 1], vec![], vec![1]]);
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

#[test]
fn a_stage_that_reads_what_nothing_before_it_adds_is_refused_with_the_stages_that_add_it() {
    let line = |processors: &str| {
        problems(&format!(
            "    telemetry: {{receivers: [source], processors: [{processors}], exporters: [sink]}}"
        ))
    };
    expect![[r#"
        error: service::pipelines::telemetry: processor "judge" needs windows of series, baselines; nothing before it in the pipeline adds them
         --> yaml::7:51
          |
        7 |     telemetry: {receivers: [source], processors: [judge], exporters: [sink]}
          |                                                   ^^^^^
          |
          = help: put roll and learn before it"#]].assert_eq(&line("judge"));
    // The order counts, and what another pipeline adds does not.
    expect![[r#"
        error: service::pipelines::telemetry: processor "judge" needs baselines; nothing before it in the pipeline adds them
         --> yaml::7:57
          |
        7 |     telemetry: {receivers: [source], processors: [roll, judge, learn], exporters: [sink]}
          |                                                         ^^^^^
          |
          = help: put learn before it"#]].assert_eq(&line("roll, judge, learn"));
    expect![[r#"
        error: service::pipelines::telemetry/2: processor "learn" needs windows of series; nothing before it in the pipeline adds them
         --> yaml::9:53
          |
        9 |     telemetry/2: {receivers: [source], processors: [learn], exporters: [sink]}
          |                                                     ^^^^^
          |
          = help: put roll before it"#]].assert_eq(&problems(
        "
    telemetry/1: {receivers: [source], processors: [roll], exporters: [sink]}
    telemetry/2: {receivers: [source], processors: [learn], exporters: [sink]}",
    ));
}

#[test]
fn a_stage_that_reads_what_others_add_before_it_is_accepted() {
    let pipelines = "
    telemetry: {receivers: [source], processors: [roll, learn, stage, judge], exporters: [sink]}
    traces: {receivers: [source], processors: [stage, roll], exporters: [sink]}";
    assert_eq!(problems(pipelines), "");
    let plan = plan(pipelines);
    let watched: Vec<_> = plan.stages().map(|stage| (stage.id, stage.is_watched)).collect();
    assert_eq!(
        watched,
        [
            ("roll", true),
            ("learn", true),
            ("stage", true),
            ("judge", false),
            ("stage", false),
            ("roll", false)
        ],
        "a stage is watched when a later one of its own pipeline reads closed windows"
    );
}

#[test]
fn a_stage_that_makes_what_its_pipeline_does_not_carry_is_warned_of() {
    let pipelines = "    traces/slow: {receivers: [source], processors: [roll, learn], exporters: [sink]}";
    expect![[r#"
        warning: service::pipelines::traces/slow: processor "learn" makes metrics, the pipeline carries traces: they are dropped
         --> yaml::7:59
          |
        7 |     traces/slow: {receivers: [source], processors: [roll, learn], exporters: [sink]}
          |                                                           ^^^^^
          |
          = help: name the pipeline after no signal, so that it carries all: `telemetry`; or turn them off in the processor"#]].assert_eq(&problems(pipelines));
    assert_eq!(plan(pipelines).nodes.len(), 2, "a warning does not keep a service from its start");
    let carried = "    metrics: {receivers: [source], processors: [stage], exporters: [sink]}";
    assert_eq!(problems(carried), "", "what a stage only passes on may be more than the pipeline carries");
}
