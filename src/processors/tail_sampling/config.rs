//! The collector's keys, and the bound in bytes.

use component::{Checks, Config};
use config::{ByteSize, Duration, NotSupported, NotSupportedKeys};
use serde::Deserialize;

use super::policy::PolicyConfig;

/// Settings of `tail_sampling`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct TailSamplingConfig {
    /// How long a trace waits for its spans, from its first one on.
    pub(crate) decision_wait: Duration,
    /// How long it waits from its root on, when that is shorter; 0 for no difference.
    pub(crate) decision_wait_after_root_received: Duration,
    /// Traces that are known at once, those that were decided included.
    pub(crate) num_traces: u64,
    /// What spans that wait may take.
    pub max_bytes: ByteSize,
    pub(crate) block_on_overflow: bool,
    /// A hint of the collector's that nothing here depends on.
    pub(crate) expected_new_traces_per_sec: u64,
    pub(crate) policies: Vec<PolicyConfig>,
    pub(crate) decision_cache: DecisionCacheConfig,
    pub(crate) sample_on_first_match: bool,
    /// `trace-complete`.
    pub(crate) sampling_strategy: String,
    pub(crate) drop_pending_traces_on_shutdown: bool,
    /// Larger traces are dropped at once; 0 for no such limit.
    pub(crate) maximum_trace_size_bytes: u64,
}

/// How many decisions are remembered beyond the traces that are known.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DecisionCacheConfig {
    pub(crate) sampled_cache_size: u64,
    pub(crate) non_sampled_cache_size: u64,
}

const COMPLETE: &str = "trace-complete";
const MOST_TRACES: u64 = 10_000_000;
const LEAST_BYTES: u64 = 1 << 20;
const LONGEST_WAIT_SECS: u64 = 86_400;

impl Default for TailSamplingConfig {
    fn default() -> Self {
        Self {
            decision_wait: Duration::from_secs(30),
            decision_wait_after_root_received: Duration::default(),
            num_traces: 50_000,
            max_bytes: ByteSize(512 << 20),
            block_on_overflow: false,
            expected_new_traces_per_sec: 0,
            policies: Vec::new(),
            decision_cache: DecisionCacheConfig::default(),
            sample_on_first_match: false,
            sampling_strategy: COMPLETE.to_owned(),
            drop_pending_traces_on_shutdown: false,
            maximum_trace_size_bytes: 0,
        }
    }
}

impl Config for TailSamplingConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[(
        "",
        &[NotSupported::new(
            "tail_storage",
            "spans wait in memory",
            "remove it, and bound what may wait with max_bytes",
        )],
    )];

    fn validate(&self, checks: &mut Checks) {
        self.check_bounds(checks);
        if self.block_on_overflow {
            let message = "block_on_overflow is true, but a stage never makes senders wait: when there is no room the \
                           oldest traces are dropped and counted, so raise num_traces and max_bytes";
            checks.warn("block_on_overflow", message);
        }
        if self.sampling_strategy != COMPLETE {
            let strategy = &self.sampling_strategy;
            let message = match &**strategy {
                "span-ingest" => "sampling_strategy span-ingest is not supported, as traces are decided as a whole; \
                                  remove it, and shorten decision_wait or set decision_wait_after_root_received"
                    .to_owned(),
                _ => format!("{strategy:?} is no sampling_strategy, write {COMPLETE}"),
            };
            checks.error("sampling_strategy", message);
        }
        if self.policies.is_empty() {
            checks.warn("policies", "there are no policies, so no trace is ever sampled; add one");
        }
        let mut names: Vec<&str> = Vec::new();
        for (index, policy) in self.policies.iter().enumerate() {
            let path = format!("policies.{index}");
            if policy.name.is_empty() {
                checks.error(&format!("{path}.name"), "name is missing, name the policy");
            } else if names.contains(&&*policy.name) {
                let message =
                    format!("there is a policy named {:?} already, choose another name", policy.name);
                checks.error(&format!("{path}.name"), message);
            }
            names.push(&policy.name);
            policy.validate(&path, super::policy::Place::Top, checks);
        }
        let conditions = super::policy::compile(&self.policies).conditions.len();
        if conditions > super::conditions::MOST {
            let most = super::conditions::MOST;
            let message =
                format!("policies have {conditions} conditions on spans, at most {most} can be told apart");
            checks.error("policies", message);
        }
    }
}

impl TailSamplingConfig {
    fn check_bounds(&self, checks: &mut Checks) {
        let wait = self.decision_wait.get().as_secs();
        if wait > LONGEST_WAIT_SECS {
            let message =
                format!("decision_wait is {}, at most a day is possible", self.decision_wait.short());
            checks.error("decision_wait", message);
        }
        let after_root = self.decision_wait_after_root_received;
        if after_root >= self.decision_wait && after_root != Duration::default() {
            let message = format!(
                "decision_wait_after_root_received is {}, which is not below decision_wait and changes nothing",
                after_root.short()
            );
            checks.warn("decision_wait_after_root_received", message);
        }
        if !(1..=MOST_TRACES).contains(&self.num_traces) {
            let message = format!("num_traces is {}, must be between 1 and {MOST_TRACES}", self.num_traces);
            checks.error("num_traces", message);
        }
        if self.max_bytes.0 < LEAST_BYTES {
            checks.error("max_bytes", format!("max_bytes is {}, must be at least 1MiB", self.max_bytes));
        }
        let cache = &self.decision_cache;
        for (key, size) in [
            ("decision_cache.sampled_cache_size", cache.sampled_cache_size),
            ("decision_cache.non_sampled_cache_size", cache.non_sampled_cache_size),
        ] {
            if size > MOST_TRACES * 10 {
                checks.error(key, format!("{key} is {size}, must be at most {}", MOST_TRACES * 10));
            }
        }
        if self.maximum_trace_size_bytes > self.max_bytes.0 {
            let message = format!(
                "maximum_trace_size_bytes is {}, which is above max_bytes ({}) and never reached",
                self.maximum_trace_size_bytes, self.max_bytes
            );
            checks.warn("maximum_trace_size_bytes", message);
        }
    }

    /// Whole seconds, as the collector counts them.
    pub(super) fn wait_secs(&self) -> u64 {
        self.decision_wait.get().as_secs().max(1)
    }

    /// Whole seconds from the root on; none when that makes no difference.
    pub(super) fn wait_after_root_secs(&self) -> Option<u64> {
        let wait = self.decision_wait_after_root_received.get();
        (!wait.is_zero()).then_some(wait.as_secs())
    }
}
