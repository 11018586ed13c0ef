//! What stands around a collector that people run: a Prometheus that takes its metrics and looks at its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::{Prometheus, Version};

const SCRAPE_INTERVAL: Duration = Duration::from_secs(5);
/// Metrics are written every five seconds: what is acknowledged has arrived soon after.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(20);

/// Starts a Prometheus, beside the sender on its core.
pub(crate) fn prometheus() -> Result<Prometheus> {
    Prometheus::start(Version::Three)
}

/// Lets it scrape the collector's own metrics.
pub(crate) fn watch(prometheus: &Prometheus, own_metrics: SocketAddr) -> Result<()> {
    prometheus.scrape("collector", &[&own_metrics.to_string()], SCRAPE_INTERVAL)
}

/// Checks that the span metrics of a run are there, and the collector's own.
pub(crate) fn check_metrics(prometheus: &Prometheus, acked_spans: u64) -> Result<()> {
    let counted = |promql: &str| -> Result<f64> {
        let found = prometheus.query_until(promql, ARRIVAL_LIMIT, |found| !found.is_empty())?;
        found.first().map_or(Ok(0.0), testbed::Sample::float)
    };
    let calls = counted("sum(traces_span_metrics_calls_total)")?;
    let accepted =
        counted("sum(otelcol_receiver_accepted_spans_total) or sum(otelcol_receiver_accepted_spans)")?;
    // Those of the last interval may be missing.
    let least = acked_spans as f64 / 2.0;
    ensure!(calls >= least, "Prometheus knows {calls} spans of {acked_spans} that were acknowledged");
    ensure!(
        accepted >= least,
        "its own metrics tell {accepted} spans of {acked_spans} that were acknowledged"
    );
    Ok(())
}
