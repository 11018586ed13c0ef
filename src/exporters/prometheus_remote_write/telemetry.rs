//! What the exporter tells of itself.

use component::{Counter, Telemetry};

use super::encode::Counts;

/// Counters under the collector's names.
pub(super) struct Metrics {
    sent_batches: Counter,
    pub failed_translations: Counter,
    translated_time_series: Counter,
    written_samples: Counter,
    written_histograms: Counter,
    written_exemplars: Counter,
    pub merged_points: Counter,
    telemetry: Telemetry,
    rejected: std::cell::RefCell<std::collections::BTreeMap<&'static str, Counter>>,
}

impl Metrics {
    pub(super) fn new(telemetry: Telemetry) -> Self {
        let counter = |name: &str, description, unit| {
            telemetry.counter(&format!("otelcol_exporter_prometheusremotewrite_{name}"), description, unit)
        };
        Self {
            sent_batches: counter("sent_batches", "Number of remote write requests sent.", "{batch}"),
            failed_translations: counter(
                "failed_translations",
                "Number of data points that Prometheus has no form for.",
                "{datapoint}",
            ),
            translated_time_series: counter(
                "translated_time_series",
                "Number of time series made of data points.",
                "{timeseries}",
            ),
            written_samples: counter(
                "written_samples",
                "Number of samples the server has taken.",
                "{sample}",
            ),
            written_histograms: counter(
                "written_histograms",
                "Number of native histograms the server has taken.",
                "{histogram}",
            ),
            written_exemplars: counter(
                "written_exemplars",
                "Number of exemplars the server has taken.",
                "{exemplar}",
            ),
            merged_points: counter(
                "merged_points",
                "Number of data points of several sources with the same labels that were made one.",
                "{datapoint}",
            ),
            rejected: std::cell::RefCell::default(),
            telemetry,
        }
    }

    pub(super) fn translated(&self, counts: Counts) {
        self.translated_time_series.add(counts.time_series);
    }

    pub(super) fn attempted(&self) {
        self.sent_batches.add(1);
    }

    pub(super) fn written(&self, samples: u64, histograms: u64, exemplars: u64) {
        self.written_samples.add(samples);
        self.written_histograms.add(histograms);
        self.written_exemplars.add(exemplars);
    }

    /// Counts data points that the server refused or that never left, by why.
    pub(super) fn rejected(&self, reason: &'static str, points: u64) {
        let mut rejected = self.rejected.borrow_mut();
        let counter = rejected.entry(reason).or_insert_with(|| {
            self.telemetry.with("reason", reason).counter(
                "otelcol_exporter_prometheusremotewrite_rejected_points",
                "Number of data points dropped, by reason.",
                "{datapoint}",
            )
        });
        counter.add(points);
    }
}
