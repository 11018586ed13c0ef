//! The collector's keys and ours.

use component::{Checks, Config};
use config::Duration;
use serde::Deserialize;

/// The collector's, then the names that replaced `db.name` and `db.system` in the semantic conventions 1.26 and 1.30.
const PEER_ATTRIBUTES: &[&str] = &["peer.service", "db.name", "db.system", "db.namespace", "db.system.name"];
const DATABASE_ATTRIBUTES: &[&str] = &["db.name", "db.namespace"];

/// Settings of `service_graph`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct ServiceGraphConfig {
    pub(crate) flavor: GraphFlavor,
    pub(crate) latency_histogram_buckets: Vec<Duration>,
    /// 0 means explicit buckets.
    pub(crate) exponential_histogram_max_size: u32,
    pub(crate) dimensions: Vec<String>,
    pub(crate) store: StoreConfig,
    pub(crate) cache_loop: Duration,
    pub(crate) store_expiration_loop: Duration,
    pub(crate) virtual_node_peer_attributes: Vec<String>,
    pub(crate) virtual_node_extra_label: bool,
    pub(crate) metrics_flush_interval: Duration,
    pub(crate) metrics_timestamp_offset: Duration,
    pub(crate) database_name_attributes: Vec<String>,
    /// Edges told apart; more are counted in one overflow edge.
    pub(crate) max_edges: u64,
    /// How long an edge is told without requests; 0 means for ever.
    pub(crate) series_expiration: Duration,
}

/// Whose labels the output carries; the names are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GraphFlavor {
    /// The Go collector's: the attribute `failed` on every series. Jaeger has no names of its own.
    #[default]
    #[serde(alias = "jaeger")]
    Otelcol,
    /// Tempo's: no attribute `failed`, wider buckets.
    Tempo,
}

/// Where halves of edges wait for each other.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct StoreConfig {
    pub(crate) ttl: Duration,
    pub(crate) max_items: u64,
}

impl Default for ServiceGraphConfig {
    fn default() -> Self {
        let strings = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            flavor: GraphFlavor::default(),
            latency_histogram_buckets: Vec::new(),
            exponential_histogram_max_size: 0,
            dimensions: Vec::new(),
            store: StoreConfig::default(),
            cache_loop: Duration::from_secs(60),
            store_expiration_loop: Duration::from_secs(2),
            virtual_node_peer_attributes: strings(PEER_ATTRIBUTES),
            virtual_node_extra_label: false,
            metrics_flush_interval: Duration::from_secs(60),
            metrics_timestamp_offset: Duration::default(),
            database_name_attributes: strings(DATABASE_ATTRIBUTES),
            max_edges: 10_000,
            series_expiration: Duration::from_secs(15 * 60),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(10), max_items: 100_000 }
    }
}

impl Config for ServiceGraphConfig {
    fn validate(&self, checks: &mut Checks) {
        let max_size = self.exponential_histogram_max_size;
        if max_size > 0 && !self.latency_histogram_buckets.is_empty() {
            let message = "use either `latency_histogram_buckets` or `exponential_histogram_max_size`";
            checks.error("exponential_histogram_max_size", message);
        }
        if max_size == 1 || max_size > 16_384 {
            let message =
                format!("exponential_histogram_max_size is {max_size}, must be 0 or between 2 and 16384");
            checks.error("exponential_histogram_max_size", message);
        }
        if self.latency_histogram_buckets.len() > 254 {
            checks.error("latency_histogram_buckets", "more than 254 bounds, each series pays for each");
        }
        for (path, value, most) in
            [("store.max_items", self.store.max_items, 100_000_000), ("max_edges", self.max_edges, 1_000_000)]
        {
            if value == 0 || value > most {
                checks.error(path, format!("{path} is {value}, must be between 1 and {most}"));
            }
        }
        if self.store.ttl.get().is_zero() {
            checks.error("store.ttl", "store.ttl is 0s, must be above 0s");
        }
        let mut seen = Vec::new();
        for (index, name) in self.dimensions.iter().enumerate() {
            if name.is_empty() || seen.contains(&name) {
                checks.error(
                    &format!("dimensions.{index}"),
                    format!("dimension {name:?} is empty or named twice"),
                );
            }
            seen.push(name);
        }
    }
}
