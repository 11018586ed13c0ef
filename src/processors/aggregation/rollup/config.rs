//! Settings.

use component::{Checks, Config, WidthSetting, Widths};
use config::Duration;
use model::Columns;
use serde::Deserialize;

/// Settings of `aggregation`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct AggregationConfig {
    /// Widths of windows, ascending; each a multiple of the first.
    pub(crate) windows: Vec<Duration>,
    /// How long after its end a window waits for late data.
    pub(crate) allowed_lateness: Duration,
    /// Series told apart; more are counted in one overflow series per metric and service.
    pub(crate) max_series: u64,
    /// How long the last value of a counter is remembered.
    pub(crate) series_expiration: Duration,
    /// Roll up metrics.
    pub(crate) metrics: bool,
    /// Roll up durations of spans.
    pub(crate) spans: bool,
}

impl Default for AggregationConfig {
    fn default() -> Self {
        Self {
            windows: vec![Duration::from_secs(10), Duration::from_secs(60)],
            allowed_lateness: Duration::from_secs(10),
            max_series: 10_000,
            series_expiration: Duration::from_secs(15 * 60),
            metrics: true,
            spans: true,
        }
    }
}

impl AggregationConfig {
    /// Series times statistics that later stages can know.
    pub(super) fn watched_limit(&self) -> usize {
        // An operation has a rate, an error ratio and three percentiles.
        5 * self.max_series as usize
    }
}

impl Config for AggregationConfig {
    fn validate(&self, checks: &mut Checks) {
        let Some(first) = self.windows.first().map(|window| window.get().as_nanos()) else {
            checks.error("windows", "windows is empty, list at least one width");
            return;
        };
        if first < 1_000_000_000 {
            checks.error("windows.0", "the first window is shorter than 1s, the pace at which windows close");
            return;
        }
        for (index, pair) in self.windows.windows(2).enumerate() {
            let (before, width) = (pair[0].get().as_nanos(), pair[1].get().as_nanos());
            if width <= before || width % first != 0 {
                let message = "each window must be longer than the one before and a multiple of the first";
                checks.error(&format!("windows.{}", index + 1), message);
            }
        }
        if self.windows.len() > 8 {
            checks.error("windows", "more than 8 windows, merge some");
        }
        if self.max_series == 0 || self.max_series > 1_000_000 {
            checks.error(
                "max_series",
                format!("max_series is {}, must be between 1 and 1000000", self.max_series),
            );
        }
        if !self.metrics && !self.spans {
            checks.warn("", "metrics and spans are both off: nothing is rolled up");
        }
    }

    fn added_widths(&self) -> Vec<Widths> {
        let all = self.windows.iter().map(|window| window.get()).collect();
        vec![Widths { columns: Columns::VALUES, key: "windows".to_owned(), all, setting: WidthSetting::List }]
    }
}
