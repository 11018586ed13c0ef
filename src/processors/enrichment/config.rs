//! Settings.

use std::time::Duration;

use component::{Checks, Config};
use model::SignalSet;
use serde::Deserialize;

/// Settings of `enrichment`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct EnrichmentConfig {
    pub(super) spans: Which,
    pub(super) data_points: Which,
    pub(super) logs: Which,
    /// Of the spans that are not chosen otherwise, the part that is enriched too, by trace.
    pub(super) share: f64,
    /// For how many windows a verdict holds when no newer one comes.
    pub(super) expire_after_windows: u32,
}

/// Shards take verdicts at whole seconds, and another process may hear of them some seconds later.
const LEAST_VALIDITY: Duration = Duration::from_secs(10);

/// Which items are enriched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Which {
    None,
    /// Those of a subject with an open episode.
    Anomalous,
    /// Those of every subject with a baseline.
    All,
}

impl Default for EnrichmentConfig {
    fn default() -> Self {
        // An attribute whose value changes makes a new series of a data point, so these are left alone.
        Self {
            spans: Which::Anomalous,
            data_points: Which::None,
            logs: Which::Anomalous,
            share: 0.0,
            expire_after_windows: 3,
        }
    }
}

impl EnrichmentConfig {
    pub(super) fn signals(&self) -> SignalSet {
        let chosen = |which: Which, signal: SignalSet| match which {
            Which::None => SignalSet::NONE,
            Which::Anomalous | Which::All => signal,
        };
        let spans = if self.share > 0.0 { SignalSet::TRACES } else { chosen(self.spans, SignalSet::TRACES) };
        spans.union(chosen(self.data_points, SignalSet::METRICS)).union(chosen(self.logs, SignalSet::LOGS))
    }

    /// For how long verdicts hold that were made of windows of this width.
    pub(super) fn validity(&self, width: Duration) -> Duration {
        width.saturating_mul(self.expire_after_windows).max(LEAST_VALIDITY)
    }

    /// Whether something is told of subjects that behave as usual.
    pub(super) fn tells_usual(&self) -> bool {
        self.share > 0.0 || [self.spans, self.data_points, self.logs].contains(&Which::All)
    }
}

impl Config for EnrichmentConfig {
    fn validate(&self, checks: &mut Checks) {
        if !(0.0..=1.0).contains(&self.share) {
            checks.error("share", format!("share is {}, must be between 0 and 1", self.share));
        }
        if self.expire_after_windows == 0 {
            checks.error("expire_after_windows", "expire_after_windows is 0, must be at least 1");
        }
        if self.signals().is_empty() {
            checks.warn("", "spans, data_points and logs are all none: nothing is enriched");
        }
        if self.data_points != Which::None {
            checks.warn(
                "data_points",
                "an attribute whose value changes makes a new series of a data point each time",
            );
        }
    }
}
