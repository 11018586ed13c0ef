//! What stands in no pipeline, and what stands at an odd place in one.

use config::{Collector, Component, ComponentId, ComponentKind, Pipeline, Problem, Reference};

use super::warning;

pub(super) fn check(collector: &Collector, found: &mut Vec<Problem>) {
    unused(collector, found);
    for pipeline in &collector.service.pipelines {
        debug_beside_others(pipeline, found);
        memory_limiter(pipeline, found);
        batch(pipeline, found);
    }
}

fn unused(collector: &Collector, found: &mut Vec<Problem>) {
    use ComponentKind::{Connector, Exporter, Processor, Receiver};
    let pipelines = &collector.service.pipelines;
    let is_named = |component: &Component| {
        let among = |list: &[Reference]| list.iter().any(|reference| reference.id == component.id);
        pipelines.iter().any(|line| match component.kind {
            Receiver => among(&line.receivers),
            Processor => among(&line.processors),
            Exporter => among(&line.exporters),
            _ => among(&line.receivers) || among(&line.exporters),
        })
    };
    for kind in [Receiver, Processor, Connector, Exporter] {
        for component in collector.section(kind).iter().filter(|it| !is_named(it)) {
            let message = format!("the {kind} is in no pipeline, so it does nothing");
            let help = format!(
                "name it in a pipeline of `service.pipelines`, or remove it from `{}`",
                kind.section()
            );
            found.push(warning("unused_component", &component.place, component.path(), message, help));
        }
    }
    for extension in &collector.extensions {
        if !collector.service.extensions.iter().any(|reference| reference.id == extension.id) {
            let message = "the extension is not enabled, so it does nothing";
            let help = format!("add `{}` to `service.extensions`, or remove it", extension.id);
            found.push(warning("extension_not_enabled", &extension.place, extension.path(), message, help));
        }
    }
}

fn is_a(id: &ComponentId, kind: &str) -> bool {
    id.component_type == kind
}

/// `debug` alone is somebody trying out; beside others it was forgotten.
fn debug_beside_others(pipeline: &Pipeline, found: &mut Vec<Problem>) {
    let is_quiet = |id: &ComponentId| is_a(id, "debug") || is_a(id, "nop");
    if pipeline.exporters.iter().all(|reference| is_quiet(&reference.id)) {
        return;
    }
    for debug in pipeline.exporters.iter().filter(|reference| is_a(&reference.id, "debug")) {
        let message =
            format!("exporter \"{}\" writes of all telemetry to the log, beside what goes on", debug.id);
        let help = "remove it when you have seen enough";
        found.push(warning("debug_exporter", &debug.place, pipeline.path(), message, help));
    }
}

/// Its place makes no difference here, which whoever reads the file can not know.
fn memory_limiter(pipeline: &Pipeline, found: &mut Vec<Problem>) {
    for limiter in pipeline.processors.iter().skip(1).filter(|it| is_a(&it.id, "memory_limiter")) {
        let message = format!(
            "processor \"{}\" refuses requests before every other, but does not stand first",
            limiter.id
        );
        let help = "put it first, where it acts; in a Go collector it would only act where it stands";
        found.push(warning("memory_limiter_not_first", &limiter.place, pipeline.path(), message, help));
    }
}

/// As above.
fn batch(pipeline: &Pipeline, found: &mut Vec<Problem>) {
    let before_last = pipeline.processors.split_last().map_or(&[][..], |(_, before)| before);
    for batch in before_last.iter().filter(|it| is_a(&it.id, "batch")) {
        let message =
            format!("processor \"{}\" joins what leaves the pipeline, but does not stand last", batch.id);
        let help = "put it last, where it acts; in a Go collector it would act where it stands";
        found.push(warning("batch_not_last", &batch.place, pipeline.path(), message, help));
    }
}
