//! What types can not say of `service::telemetry`. What is accepted and has no effect is told too.

use std::path::Path;

use super::{Periodic, PullExporter, Reader, Sampler, ScrapeTranslation, SpanProcessor, Telemetry, resource};
use crate::{KeyPath, Node, NotSupported, NotSupportedKeys, Problems, Severity};

/// The collector's keys that are refused.
pub(super) const NOT_SUPPORTED: NotSupportedKeys = &[
    (
        "metrics",
        &[NotSupported::new(
            "address",
            "it was taken out of the collector too",
            "write `readers: [{pull: {exporter: {prometheus: {host: localhost, port: 8888}}}}]`",
        )],
    ),
    ("metrics.readers.*.pull", READER),
    ("metrics.readers.*.periodic", READER),
    ("traces.sampler.parent_based", PARENT),
    ("traces.sampler.parent_based.root.parent_based", PARENT),
];

const READER: &[NotSupported] = &[
    NotSupported::new("producers", "self-metrics have one source", "remove it"),
    NotSupported::new("cardinality_limits", "every self-metric has a bounded number of series", "remove it"),
];

const PARENT: &[NotSupported] = &[
    NotSupported::new("remote_parent_sampled", NO_REMOTE_PARENT, "remove it"),
    NotSupported::new("remote_parent_not_sampled", NO_REMOTE_PARENT, "remove it"),
    NotSupported::new("local_parent_sampled", "a part is kept when the whole is", "remove it"),
    NotSupported::new("local_parent_not_sampled", "a part is kept when the whole is", "remove it"),
];

const NO_REMOTE_PARENT: &str = "own spans never continue a caller's trace";

/// Checks the section, which is written at `node`.
pub(super) fn check(telemetry: &Telemetry, node: &Node, problems: &mut Problems) {
    let mut report = Report { node, problems };
    check_targets(telemetry, &mut report);
    check_logs(telemetry, &mut report);
    check_metrics(telemetry, &mut report);
    check_traces(telemetry, &mut report);
    check_resource(&mut report);
}

struct Report<'a> {
    node: &'a Node,
    problems: &'a mut Problems,
}

impl Report<'_> {
    fn error(&mut self, path: impl KeyPath, message: impl Into<String>) {
        self.problems.at(self.node, Telemetry::PATH, path, message);
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.problems.at(self.node, Telemetry::PATH, path, message).severity = Severity::Warning;
    }

    fn is_written(&self, section: &str, key: &str) -> bool {
        self.node.get(section).is_some_and(|section| section.get(key).is_some())
    }
}

fn check_targets(telemetry: &Telemetry, report: &mut Report<'_>) {
    for (path, signal, exporter) in telemetry.push_exporters() {
        if let Err(problem) = exporter.target(signal) {
            report.error(format!("{path}.{}", problem.key).as_str(), problem.message);
        }
    }
}

fn check_logs(telemetry: &Telemetry, report: &mut Report<'_>) {
    let logs = &telemetry.logs;
    for (index, path) in logs.output_paths.iter().enumerate() {
        if let Err(message) = check_output(path) {
            report.error(format!("logs.output_paths.{index}").as_str(), message);
        }
    }
    check_processors("logs", &logs.processors, report);
    if !logs.initial_fields.is_empty() {
        let message = "initial_fields are not added to lines; for records over OTLP write them below service.telemetry.resource";
        report.warn("logs.initial_fields", message);
    }
    if logs.development {
        report.warn("logs.development", "development has no effect, remove it");
    }
    if logs.sampling.enabled && report.is_written("logs", "sampling") {
        report.warn("logs.sampling", "lines are never sampled: none is written per item; remove it");
    }
    if logs.error_output_paths != ["stderr"] {
        report.warn("logs.error_output_paths", "problems of the log itself go to standard error, remove it");
    }
}

fn check_output(path: &str) -> Result<(), String> {
    if matches!(path, "stdout" | "stderr") {
        return Ok(());
    }
    let file = Path::new(path);
    if path.is_empty() || file.is_dir() {
        return Err(format!("{path:?} is not a file, write stdout, stderr or the path of a file"));
    }
    match file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) if !parent.is_dir() => {
            Err(format!("the directory {} does not exist, make it or log elsewhere", parent.display()))
        }
        _ => Ok(()),
    }
}

fn check_processors(section: &str, processors: &[SpanProcessor], report: &mut Report<'_>) {
    for (index, processor) in processors.iter().enumerate() {
        let SpanProcessor::Batch(batch) = processor else { continue };
        let path = format!("{section}.processors.{index}.batch");
        let sizes = [
            ("max_queue_size", batch.max_queue_size),
            ("max_export_batch_size", batch.max_export_batch_size),
        ];
        for (key, size) in sizes {
            if size == Some(0) {
                report.error(format!("{path}.{key}").as_str(), format!("{key} is 0, must be above 0"));
            }
        }
        if let (Some(queue), Some(largest)) = (batch.max_queue_size, batch.max_export_batch_size)
            && largest > queue
        {
            let message =
                format!("max_export_batch_size is {largest}, must not exceed max_queue_size ({queue})");
            report.error(format!("{path}.max_export_batch_size").as_str(), message);
        }
    }
}

fn check_metrics(telemetry: &Telemetry, report: &mut Report<'_>) {
    for (index, reader) in telemetry.metrics.readers.iter().enumerate() {
        match reader {
            Reader::Periodic(Periodic { interval: 0, .. }) => {
                let path = format!("metrics.readers.{index}.periodic.interval");
                report.error(path.as_str(), "interval is 0, must be above 0 milliseconds");
            }
            Reader::Periodic(_) => {}
            Reader::Pull(pull) => {
                let PullExporter::Prometheus(prometheus) = &pull.exporter;
                let path = format!("metrics.readers.{index}.pull.exporter.prometheus");
                if prometheus.host.is_empty() {
                    report.error(
                        format!("{path}.host").as_str(),
                        "host is empty, write localhost or an address",
                    );
                }
                if prometheus.with_resource_constant_labels.is_some() {
                    let message = "with_resource_constant_labels has no effect: the resource is on target_info; remove it";
                    report.warn(&format!("{path}.with_resource_constant_labels"), message);
                }
                if matches!(
                    prometheus.translation_strategy,
                    Some(ScrapeTranslation::NoTranslation | ScrapeTranslation::NoUTF8EscapingWithSuffixes)
                ) {
                    let message = "names with dots are not offered, write UnderscoreEscapingWithSuffixes or UnderscoreEscapingWithoutSuffixes";
                    report.error(format!("{path}.translation_strategy").as_str(), message);
                }
            }
        }
    }
    if !telemetry.metrics.views.is_empty() {
        let message = "views have no effect: every self-metric is told as it is; remove them, and drop or rename where they are scraped";
        report.warn("metrics.views", message);
    }
}

fn check_traces(telemetry: &Telemetry, report: &mut Report<'_>) {
    let traces = &telemetry.traces;
    check_processors("traces", &traces.processors, report);
    if !traces.propagators.is_empty() {
        let message = "propagators have no effect: own spans never continue a caller's trace; remove them";
        report.warn("traces.propagators", message);
    }
    if let Some(sampler) = &traces.sampler {
        check_sampler(sampler, "traces.sampler", report);
    }
}

fn check_sampler(sampler: &Sampler, path: &str, report: &mut Report<'_>) {
    match sampler {
        Sampler::AlwaysOn(_) | Sampler::AlwaysOff(_) => {}
        Sampler::TraceIdRatioBased(sampler) => {
            if !(0.0..=1.0).contains(&sampler.ratio) {
                let message = format!("ratio is {}, must be between 0 and 1", sampler.ratio);
                report.error(format!("{path}.trace_id_ratio_based.ratio").as_str(), message);
            }
        }
        Sampler::ParentBased(parent) => {
            if let Some(root) = &parent.root {
                check_sampler(root, &format!("{path}.parent_based.root"), report);
            }
        }
    }
}

fn check_resource(report: &mut Report<'_>) {
    let is_declarative = report.is_written("resource", "attributes");
    for key in resource::NOT_ATTRIBUTES {
        if is_declarative && report.is_written("resource", key) {
            let message =
                format!("{key} has no effect: nothing is detected; write what you know as attributes");
            report.warn(&format!("resource.{key}"), message);
        }
    }
}
