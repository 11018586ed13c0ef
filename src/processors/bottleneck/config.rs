//! Settings.

use component::{Checks, Config, Widths};
use config::Duration;
use model::Columns;
use serde::Deserialize;

use super::subject::Type;

/// The names of the semantic conventions, the present one of each first.
const DATABASE_NAME_ATTRIBUTES: [&str; 4] = ["db.namespace", "db.name", "db.system.name", "db.system"];
/// Systems that keep what can be had elsewhere, as `db.system.name` spells them.
const CACHE_SYSTEMS: [&str; 5] = ["redis", "valkey", "memcached", "dragonfly", "aws.elasticache"];
/// What brokers and their clients call the messages that wait.
const QUEUE_METRICS: [&str; 9] = [
    "*consumer.lag",
    "*consumer_group.lag",
    "*consumer_group.lag_sum",
    "*records_lag",
    "*records_lag_max",
    "*queue.length",
    "*queue.depth",
    "*queue.size",
    "rabbitmq.message.current",
];
const PEER_ATTRIBUTES: [&str; 3] = ["service.peer.name", "peer.service", "server.address"];

/// Settings of `bottleneck`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct BottleneckConfig {
    /// Width of the windows to which calls are added; the first of `aggregation`.
    pub(crate) window: Duration,
    pub(crate) trace: TraceConfig,
    /// Edges of a window that are told apart.
    pub(crate) max_edges: u64,
    /// Operations of services that are told apart and remembered.
    pub(crate) max_steps: u64,
    /// How many times its usual a step must take to be slow.
    pub(crate) slow_factor: f64,
    /// Calls within five minutes without which nothing is said.
    pub(crate) min_calls: u64,
    /// Departures below this are no bottleneck, however great their factor.
    pub(crate) min_abs: Duration,
    /// Share of an operation's latency below which a pattern is no bottleneck.
    pub(crate) min_share: f64,
    /// Scores below this open no bottleneck.
    pub(crate) min_score: f64,
    pub(crate) patterns: PatternConfig,
    pub(crate) saturation: SaturationConfig,
    /// Tell bottlenecks as log records.
    pub(crate) emit_logs: bool,
    pub(crate) database_name_attributes: Vec<String>,
    pub(crate) peer_attributes: Vec<String>,
    /// Values of `db.system.name` that are caches.
    pub(crate) cache_systems: Vec<String>,
    /// Metrics of messages that wait, with `*` for any text.
    pub(crate) queue_metrics: Vec<String>,
}

/// Which traces are assembled, and how long that may take.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct TraceConfig {
    /// About so many spans are kept; whole traces are left out for it.
    pub(crate) max_spans_per_second: u64,
    /// So great a part of that is kept beside of spans that failed, of traces that are left out.
    pub(crate) failed_share: f64,
    /// How long a trace whose root has come waits for more.
    pub(crate) grace: Duration,
    /// How long any trace waits.
    pub(crate) max_wait: Duration,
    /// Spans of one trace.
    pub(crate) max_spans: u64,
    /// Traces that wait.
    pub(crate) max_traces: u64,
    /// Spans that wait.
    pub(crate) max_pending_spans: u64,
}

/// From where on a shape of a trace is a pattern.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct PatternConfig {
    /// Calls of one operation, one after the other, within one span.
    pub(crate) repeated_calls: u64,
    /// Calls of different operations, one after the other, within one span.
    pub(crate) sequential_calls: u64,
    /// Attempts of one call.
    pub(crate) retries: u64,
    /// Calls at the same time within one span.
    pub(crate) parallel_calls: u64,
    /// Calls within one trace.
    pub(crate) calls_of_trace: u64,
    /// Share of reads of a cache by which misses must have become more.
    pub(crate) cache_misses: f64,
    /// Share of calls that are refused as too many.
    pub(crate) throttled: f64,
    /// What messages must wait longer than some minutes ago.
    pub(crate) queue_wait: Duration,
    /// What must be more in a queue than some minutes ago.
    pub(crate) queue_depth: u64,
}

/// Utilisation from which on a resource is saturated.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct SaturationConfig {
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    /// File systems, disks, pools and whatever else has a utilisation.
    pub(crate) other: f64,
}

impl Default for BottleneckConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            trace: TraceConfig::default(),
            max_edges: 10_000,
            max_steps: 20_000,
            slow_factor: 2.0,
            min_calls: 20,
            min_abs: Duration::from_millis(5),
            min_share: 0.2,
            min_score: 5.0,
            patterns: PatternConfig::default(),
            saturation: SaturationConfig::default(),
            emit_logs: true,
            database_name_attributes: DATABASE_NAME_ATTRIBUTES.map(str::to_owned).to_vec(),
            peer_attributes: PEER_ATTRIBUTES.map(str::to_owned).to_vec(),
            cache_systems: CACHE_SYSTEMS.map(str::to_owned).to_vec(),
            queue_metrics: QUEUE_METRICS.map(str::to_owned).to_vec(),
        }
    }
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            max_spans_per_second: 5_000,
            // A hundredth of all traffic at ten times the limit.
            failed_share: 0.1,
            // SDKs send what has ended every five seconds, each process at moments of its own.
            grace: Duration::from_secs(5),
            max_wait: Duration::from_secs(30),
            max_spans: 5_000,
            // Twenty seconds of 2,500 traces each.
            max_traces: 50_000,
            max_pending_spans: 200_000,
        }
    }
}

impl Default for PatternConfig {
    fn default() -> Self {
        Self {
            repeated_calls: 10,
            sequential_calls: 3,
            retries: 3,
            parallel_calls: 4,
            calls_of_trace: 100,
            cache_misses: 0.2,
            throttled: 0.05,
            queue_wait: Duration::from_millis(500),
            queue_depth: 100,
        }
    }
}

impl Default for SaturationConfig {
    fn default() -> Self {
        Self { cpu: 0.85, memory: 0.9, other: 0.9 }
    }
}

impl Config for BottleneckConfig {
    fn validate(&self, checks: &mut Checks) {
        self.check_counts(checks);
        let second = std::time::Duration::from_secs(1);
        let (grace, max_wait) = (self.trace.grace.get(), self.trace.max_wait.get());
        if max_wait < second || max_wait > 600 * second {
            let message = format!("max_wait is {max_wait:?}, must be between 1s and 10m");
            checks.error("trace.max_wait", message);
        }
        if grace > max_wait {
            checks.error("trace.grace", format!("grace is {grace:?}, must not be above max_wait"));
        }
        let window = self.window.get();
        if window < second || window > 3600 * second || window.subsec_nanos() > 0 {
            let message = format!("window is {window:?}, must be whole seconds between 1s and 1h");
            checks.error("window", message);
        }
        if !(self.slow_factor > 1.0 && self.slow_factor <= 100.0) {
            let message = format!("slow_factor is {}, must be above 1 and at most 100", self.slow_factor);
            checks.error("slow_factor", message);
        }
        if !(0.0..=100.0).contains(&self.min_score) {
            let message = format!("min_score is {}, must be between 0 and 100", self.min_score);
            checks.error("min_score", message);
        }
        if !(0.0..=1.0).contains(&self.trace.failed_share) {
            let message = format!("failed_share is {}, must be between 0 and 1", self.trace.failed_share);
            checks.error("trace.failed_share", message);
        }
        let saturation = &self.saturation;
        for (path, value) in [
            ("min_share", self.min_share),
            ("patterns.cache_misses", self.patterns.cache_misses),
            ("patterns.throttled", self.patterns.throttled),
            ("saturation.cpu", saturation.cpu),
            ("saturation.memory", saturation.memory),
            ("saturation.other", saturation.other),
        ] {
            if !(value > 0.0 && value <= 1.0) {
                checks.error(path, format!("{path} is {value}, must be above 0 and at most 1"));
            }
        }
    }

    fn read_widths(&self) -> Vec<Widths> {
        vec![Widths::one(Columns::VALUES, "window", self.window.get())]
    }

    fn added_widths(&self) -> Vec<Widths> {
        vec![Widths::one(Columns::CALLS, "window", self.window.get())]
    }
}

impl SaturationConfig {
    pub(super) const fn of(&self, kind: Type) -> f64 {
        match kind {
            Type::Cpu => self.cpu,
            Type::Memory => self.memory,
            _ => self.other,
        }
    }
}

impl BottleneckConfig {
    pub(crate) fn min_abs_millis(&self) -> f64 {
        self.min_abs.get().as_secs_f64() * 1e3
    }

    /// Calls without which a minute says nothing: a fifth of those of five minutes.
    pub(crate) const fn min_calls_of_minute(&self) -> u64 {
        self.min_calls.div_ceil(5)
    }

    /// Subjects that are remembered: a step is judged by its own time, its waits and its shapes.
    pub(crate) const fn max_subjects(&self) -> u64 {
        2 * self.max_steps
    }

    fn check_counts(&self, checks: &mut Checks) {
        let (trace, patterns) = (&self.trace, &self.patterns);
        for (path, value, least, most) in [
            ("trace.max_spans_per_second", trace.max_spans_per_second, 1, 1_000_000),
            ("trace.max_spans", trace.max_spans, 2, 100_000),
            ("trace.max_traces", trace.max_traces, 1, 10_000_000),
            ("trace.max_pending_spans", trace.max_pending_spans, 2, 100_000_000),
            ("max_edges", self.max_edges, 1, 1_000_000),
            ("max_steps", self.max_steps, 1, 1_000_000),
            ("min_calls", self.min_calls, 1, 1_000_000),
            ("patterns.repeated_calls", patterns.repeated_calls, 2, 100_000),
            ("patterns.sequential_calls", patterns.sequential_calls, 2, 100_000),
            ("patterns.retries", patterns.retries, 2, 100_000),
            ("patterns.parallel_calls", patterns.parallel_calls, 2, 100_000),
            ("patterns.calls_of_trace", patterns.calls_of_trace, 2, 100_000),
            ("patterns.queue_depth", patterns.queue_depth, 1, 1_000_000_000_000),
        ] {
            if !(least..=most).contains(&value) {
                checks.error(path, format!("{path} is {value}, must be between {least} and {most}"));
            }
        }
    }
}
