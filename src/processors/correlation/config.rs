//! Settings.

use component::{Checks, Config, Widths};
use config::Duration;
use model::Columns;
use serde::Deserialize;

use crate::glob;

/// Settings of `correlation`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct CorrelationConfig {
    pub(super) window: GroupingWindow,
    pub(super) graph: GraphConfig,
    pub(super) causal: CausalConfig,
    pub(super) rca: RcaConfig,
    pub(super) changes: ChangesConfig,
    pub(super) notify: Notify,
    /// How long nothing of an incident must be active before it is resolved.
    pub(super) resolve_after: Duration,
    /// For so long a resolved incident is opened again by what belongs to it.
    pub(super) reopen_within: Duration,
    /// Incidents that are open or can be opened again.
    pub(super) max_incidents: u32,
    /// Events of an incident that are kept.
    pub(super) max_members: u32,
}

/// When events belong together by time.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct GroupingWindow {
    /// From the last time that something of the incident was active.
    pub(super) gap: Duration,
    /// From the beginning of the incident: what comes later is another one.
    pub(super) max_span: Duration,
}

/// Who calls whom.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct GraphConfig {
    /// How long an edge is known after its last call.
    pub(super) ttl: Duration,
    /// Calls before an edge counts.
    pub(super) min_calls: u64,
    pub(super) max_edges: u32,
    /// Edges that no trace tells of.
    pub(super) static_edges: Vec<StaticEdge>,
}

/// One call that is known without a trace.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(super) struct StaticEdge {
    pub(super) client: String,
    pub(super) server: String,
}

/// When events belong together by calls.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct CausalConfig {
    /// The longest chain of calls from one event to another.
    pub(super) max_hops: u32,
    /// Of a chain, services in a row without an event of their own.
    pub(super) silent_hops: u32,
    /// So much later than its caller may a callee's event begin.
    pub(super) order_tolerance: Duration,
}

/// How a cause is looked for.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct RcaConfig {
    /// The width of the windows that are compared, which is that of `bottleneck`.
    pub(super) window: Duration,
    /// How much of the past an incident is compared with.
    pub(super) baseline: Duration,
    /// Below this confidence no cause is named.
    pub(super) abstain_below: f64,
    /// Candidates that are listed.
    pub(super) top_k: u32,
    /// Services' signals that are remembered.
    pub(super) max_signals: u32,
    /// How long after its beginning an incident's cause is looked for again.
    pub(super) refine_for: Duration,
    /// How long before an incident a change may have been made that explains it.
    pub(super) changes_within: Duration,
    /// Whether lines of log records are counted, service by service.
    pub(super) lines: bool,
    /// Which metrics tell of requests, for services that send no traces.
    pub(super) metrics: RequestMetrics,
}

/// Names of metrics by what they tell; `*` stands for any text.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct RequestMetrics {
    /// Gauges of the mean duration of requests, with a unit of time.
    latency: Vec<String>,
    /// Counters of requests.
    requests: Vec<String>,
    /// Gauges of the part of requests that succeed.
    availability: Vec<String>,
    /// Gauges of how far a resource is used.
    utilization: Vec<String>,
}

impl RequestMetrics {
    pub(super) fn times(&self, metric: &str) -> bool {
        is_any(&self.latency, metric)
    }

    pub(super) fn counts(&self, metric: &str) -> bool {
        is_any(&self.requests, metric)
    }

    pub(super) fn tells_success(&self, metric: &str) -> bool {
        is_any(&self.availability, metric)
    }

    pub(super) fn tells_use(&self, metric: &str) -> bool {
        is_any(&self.utilization, metric)
    }
}

fn is_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| glob::fits(pattern, name))
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let list = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        Self {
            latency: list(&[
                "latency",
                "*latency.mean",
                "*latency.average",
                "*duration.mean",
                "*duration.average",
            ]),
            requests: list(&["requests", "*.requests", "*.request.count"]),
            availability: list(&["availability", "*.availability", "*success_ratio"]),
            utilization: list(&["*.utilization", "*_utilization", "*usage_percent"]),
        }
    }
}

/// Which log records tell of changes.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct ChangesConfig {
    /// Names of events; `*` stands for any text.
    pub(super) events: Vec<String>,
}

/// Of what people are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Notify {
    /// Of incidents: through their first alert, and those that are worse.
    Incidents,
    /// Of each alert.
    Alerts,
}

impl Default for CorrelationConfig {
    fn default() -> Self {
        Self {
            window: GroupingWindow::default(),
            graph: GraphConfig::default(),
            causal: CausalConfig::default(),
            rca: RcaConfig::default(),
            changes: ChangesConfig::default(),
            notify: Notify::Incidents,
            resolve_after: minutes(1),
            reopen_within: minutes(10),
            max_incidents: 1000,
            max_members: 200,
        }
    }
}

impl Default for GroupingWindow {
    fn default() -> Self {
        Self { gap: minutes(5), max_span: minutes(60) }
    }
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self { ttl: minutes(60), min_calls: 5, max_edges: 50_000, static_edges: Vec::new() }
    }
}

impl Default for CausalConfig {
    fn default() -> Self {
        Self { max_hops: 4, silent_hops: 1, order_tolerance: minutes(1) }
    }
}

impl Default for RcaConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            baseline: minutes(30),
            abstain_below: 0.2,
            top_k: 5,
            max_signals: 50_000,
            refine_for: minutes(10),
            changes_within: minutes(30),
            lines: true,
            metrics: RequestMetrics::default(),
        }
    }
}

impl Default for ChangesConfig {
    fn default() -> Self {
        let events =
            ["deployment*", "*.deployment", "k8s.rollout*", "config.change*", "feature_flag.change*"];
        Self { events: events.map(str::to_owned).to_vec() }
    }
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

impl Config for CorrelationConfig {
    fn validate(&self, checks: &mut Checks) {
        let short = [
            ("window.gap", self.window.gap),
            ("window.max_span", self.window.max_span),
            ("graph.ttl", self.graph.ttl),
            ("rca.window", self.rca.window),
        ];
        for (key, duration) in short {
            if duration.get() < std::time::Duration::from_secs(1) {
                checks.error(key, format!("{key} is {:?}, must be at least 1s", duration.get()));
            }
        }
        let windows = self.rca.windows();
        if !(6..=8640).contains(&windows) {
            let message = format!("rca.baseline holds {windows} of rca.window, must hold 6 to 8640");
            checks.error("rca.baseline", message);
        }
        if !(0.0..=1.0).contains(&self.rca.abstain_below) {
            let value = self.rca.abstain_below;
            checks.error("rca.abstain_below", format!("abstain_below is {value}, must be between 0 and 1"));
        }
        for (key, number, most) in [
            ("graph.max_edges", self.graph.max_edges, 10_000_000),
            ("causal.max_hops", self.causal.max_hops, 64),
            ("rca.top_k", self.rca.top_k, 100),
            ("rca.max_signals", self.rca.max_signals, 10_000_000),
            ("max_incidents", self.max_incidents, 100_000),
            ("max_members", self.max_members, 100_000),
        ] {
            if number == 0 || number > most {
                checks.error(key, format!("{key} is {number}, must be between 1 and {most}"));
            }
        }
        for (index, edge) in self.graph.static_edges.iter().enumerate() {
            if edge.client.is_empty() || edge.server.is_empty() {
                let path = format!("graph.static_edges.{index}");
                checks.error(&path, "an edge needs the names of two services, as `client` and `server`");
            }
        }
    }

    fn read_widths(&self) -> Vec<Widths> {
        vec![Widths::one(Columns::VALUES.union(Columns::CALLS), "rca.window", self.rca.window.get())]
    }
}

impl RcaConfig {
    /// Windows that are remembered.
    pub(super) fn windows(&self) -> u64 {
        let width = self.window.get().as_nanos().max(1);
        u64::try_from(self.baseline.get().as_nanos() / width).unwrap_or(u64::MAX)
    }
}
