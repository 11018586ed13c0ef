//! The collector's keys, and the bound on streams.

use component::{Checks, Config};
use config::{ByteSize, Duration, NotSupported, NotSupportedKeys};
use serde::Deserialize;

use super::choice::KINDS;
use crate::ottl::regexes::compile_set;

/// Settings of `cumulativetodelta`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct CumulativeToDeltaConfig {
    /// How long a stream without points is known; 0 for ever.
    pub(crate) max_staleness: Duration,
    pub(crate) initial_value: String,
    pub(crate) include: MatchConfig,
    pub(crate) exclude: MatchConfig,
    /// Streams that are known at once.
    pub(crate) max_streams: u64,
    /// What they may take.
    pub(crate) max_bytes: ByteSize,
    /// How often they are stored; 0 before anything leaves.
    pub(crate) snapshot_interval: Duration,
}

/// Chooses metrics.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MatchConfig {
    pub(crate) match_type: String,
    pub(crate) metrics: Vec<String>,
    pub(crate) metric_types: Vec<String>,
}

/// What becomes of the first point of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Initial {
    /// It is sent when it began after this process.
    Auto,
    Keep,
    Drop,
}

const INITIAL: [&str; 3] = ["auto", "keep", "drop"];
const MATCH_TYPES: [&str; 2] = ["strict", "regexp"];
const MOST_STREAMS: u64 = 100_000_000;
const LEAST_BYTES: u64 = 1 << 20;
const LONGEST_INTERVAL: std::time::Duration = std::time::Duration::from_secs(3600);

const NO_CACHE: NotSupported =
    NotSupported::new("regexp", "patterns need no cache, as few names come often", "remove it");

impl Default for CumulativeToDeltaConfig {
    fn default() -> Self {
        Self {
            max_staleness: Duration::from_secs(3600),
            initial_value: INITIAL[0].to_owned(),
            include: MatchConfig::default(),
            exclude: MatchConfig::default(),
            max_streams: 1_000_000,
            max_bytes: ByteSize(512 << 20),
            snapshot_interval: Duration::from_secs(0),
        }
    }
}

impl Config for CumulativeToDeltaConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[("include", &[NO_CACHE]), ("exclude", &[NO_CACHE])];

    fn validate(&self, checks: &mut Checks) {
        if !INITIAL.contains(&&*self.initial_value) {
            checks.unknown("initial_value", "initial value", &self.initial_value, &INITIAL);
        }
        if !(1..=MOST_STREAMS).contains(&self.max_streams) {
            let message =
                format!("max_streams is {}, must be between 1 and {MOST_STREAMS}", self.max_streams);
            checks.error("max_streams", message);
        }
        if self.max_bytes.0 < LEAST_BYTES {
            checks.error("max_bytes", format!("max_bytes is {}, must be at least 1MiB", self.max_bytes));
        }
        let interval = self.snapshot_interval.get();
        if !interval.is_zero() && (interval.subsec_nanos() > 0 || interval > LONGEST_INTERVAL) {
            let message = format!(
                "snapshot_interval is {}, must be whole seconds, at most an hour, or 0",
                self.snapshot_interval.short()
            );
            checks.error("snapshot_interval", message);
        }
        self.include.validate("include", checks);
        self.exclude.validate("exclude", checks);
    }
}

impl MatchConfig {
    fn validate(&self, path: &str, checks: &mut Checks) {
        let at = |key: &str| format!("{path}.{key}");
        match (self.match_type.is_empty(), self.metrics.is_empty()) {
            (true, false) => {
                checks
                    .error(&at("match_type"), "match_type is missing, write strict or regexp beside metrics");
            }
            (false, true) => {
                checks.error(&at("metrics"), "metrics is missing, name those that match_type is for")
            }
            (false, false) if !MATCH_TYPES.contains(&&*self.match_type) => {
                checks.unknown(&at("match_type"), "match type", &self.match_type, &MATCH_TYPES);
            }
            _ => {}
        }
        for (index, kind) in self.metric_types.iter().enumerate() {
            if !KINDS.contains(&&*kind.to_lowercase()) {
                checks.unknown(&at(&format!("metric_types.{index}")), "type of metric", kind, &KINDS);
            }
        }
        if self.match_type == "regexp" {
            for (index, pattern) in self.metrics.iter().enumerate() {
                if let Err(problem) = compile_set(std::slice::from_ref(pattern)) {
                    checks.error(&at(&format!("metrics.{index}")), problem);
                }
            }
        }
    }
}

impl CumulativeToDeltaConfig {
    pub(super) fn initial(&self) -> Initial {
        match &*self.initial_value {
            "keep" => Initial::Keep,
            "drop" => Initial::Drop,
            _ => Initial::Auto,
        }
    }
}
