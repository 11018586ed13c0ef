//! Limits on memory beside what the stages of their pipelines may hold.

use component::QueueConfig;
use config::{ByteSize, Collector, Component, ComponentId, Node, Pipeline, Problem, Value};
use processors::tail_sampling::TailSamplingConfig;

use super::{delivery::is_off, warning};

/// By all their names.
const QUEUED_BY_DEFAULT: [&str; 4] = ["otlp", "otlp_grpc", "otlphttp", "otlp_http"];

/// A limit that is passed long before what waits is as much as it may be: requests are refused, and what waits is not dropped.
pub(super) fn check(collector: &Collector, found: &mut Vec<Problem>) {
    for pipeline in &collector.service.pipelines {
        let limiters = pipeline.processors.iter().filter(|it| it.id.component_type == "memory_limiter");
        for limiter in limiters.filter_map(|it| known(&collector.processors, &it.id)) {
            let Some(limit) = limiter.settings.get("limit_mib") else { continue };
            let Value::Int(mib @ 1..) = limit.value else { continue };
            let holders = holders(collector, pipeline);
            let sum: u64 = holders.iter().map(|(_, bytes)| bytes).sum();
            if i128::from(sum) <= mib << 20 {
                continue;
            }
            let each: Vec<_> =
                holders.iter().map(|(what, bytes)| format!("{what} {}", ByteSize(*bytes))).collect();
            let message = format!(
                "limit_mib is {mib}, and in pipeline \"{}\" more may wait: {}; requests are refused before that much does",
                pipeline.id,
                each.join(", ")
            );
            let help =
                "raise the limit, or lower these max_bytes until they fit with room for what is in flight";
            let path = limiter.path() + "::limit_mib";
            found.push(warning("memory_limit_below_bounds", &limit.place, path, message, help));
        }
    }
}

fn known<'a>(all: &'a [Component], id: &ComponentId) -> Option<&'a Component> {
    all.iter().find(|component| component.id == *id)
}

/// What may wait in a pipeline: the setting that says so, and how much. *Units*: bytes.
fn holders(collector: &Collector, pipeline: &Pipeline) -> Vec<(String, u64)> {
    let waiting = pipeline.processors.iter().filter(|it| it.id.component_type == "tail_sampling");
    let waiting = waiting.filter_map(|it| known(&collector.processors, &it.id)).map(|stage| {
        (
            stage.path() + "::max_bytes",
            bytes_of(stage.settings.get("max_bytes"), TailSamplingConfig::default().max_bytes),
        )
    });
    let exporters = pipeline.exporters.iter().filter_map(|it| known(&collector.exporters, &it.id));
    let queues = exporters.filter_map(|exporter| {
        let queue = exporter.settings.get("sending_queue");
        let kind = exporter.id.component_type.as_str();
        let has_one = queue.is_some() || QUEUED_BY_DEFAULT.contains(&kind);
        let most = bytes_of(queue.and_then(|queue| queue.get("max_bytes")), QueueConfig::default().max_bytes);
        (has_one && !is_off(queue)).then(|| (exporter.path() + "::sending_queue::max_bytes", most))
    });
    waiting.chain(queues).collect()
}

fn bytes_of(setting: Option<&Node>, default: ByteSize) -> u64 {
    match setting.map(|node| &node.value) {
        Some(Value::Int(bytes)) => u64::try_from(*bytes).unwrap_or(u64::MAX),
        Some(Value::String(text)) => ByteSize::parse(text).unwrap_or(default).0,
        _ => default.0,
    }
}
