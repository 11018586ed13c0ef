//! Whether what pipelines name exists. Messages are the collector's, word for word: people search for
//! them.

use super::collector::{Collector, Component, ComponentKind, HelpForType, Pipeline, Reference};
use crate::{Node, Problem, Problems, did_you_mean};

pub(super) fn check_references(
    tree: &Node,
    collector: &Collector,
    help_for_type: HelpForType<'_>,
    problems: &mut Problems,
) {
    check_sections(tree, collector, problems);
    check_ambiguity(collector, problems);
    let check = Check { collector, help_for_type };
    check.extensions(problems);
    for pipeline in &collector.service.pipelines {
        check.pipeline(pipeline, problems);
    }
    check_connectors(collector, problems);
}

fn check_sections(tree: &Node, collector: &Collector, problems: &mut Problems) {
    let mut missing = |section: &str, is_empty: bool, message: &str| {
        let section = tree.get(section);
        // Of a wrong type, it has been told about.
        if is_empty && section.is_none_or(|section| section.is_null() || section.as_map().is_some()) {
            problems.push(Problem::error(Some(section.unwrap_or(tree).place.clone()), "", message));
        }
    };
    missing("receivers", collector.receivers.is_empty(), "no receiver configuration specified in config");
    missing("exporters", collector.exporters.is_empty(), "no exporter configuration specified in config");
    missing("service", collector.service.pipelines.is_empty(), "service must have at least one pipeline");
}

/// A connector stands among receivers and among exporters, so its id must be its own.
fn check_ambiguity(collector: &Collector, problems: &mut Problems) {
    for connector in &collector.connectors {
        for kind in [ComponentKind::Exporter, ComponentKind::Receiver] {
            let id = &connector.id;
            if find(collector.section(kind), id).is_some() {
                let message = format!(
                    "ambiguous ID: Found both \"{id}\" {kind} and \"{id}\" connector. Change one of the components' IDs to eliminate ambiguity (e.g. rename \"{id}\" connector to \"{id}/connector\")"
                );
                problems.push(Problem::error(Some(connector.place.clone()), connector.path(), message));
            }
        }
    }
}

/// Checks what is named against what is configured.
struct Check<'a> {
    collector: &'a Collector,
    help_for_type: HelpForType<'a>,
}

impl Check<'_> {
    fn extensions(&self, problems: &mut Problems) {
        for reference in &self.collector.service.extensions {
            if find(&self.collector.extensions, &reference.id).is_none() {
                self.report_unknown("service::extensions", ComponentKind::Extension, reference, problems);
            }
        }
    }

    fn pipeline(&self, pipeline: &Pipeline, problems: &mut Problems) {
        let path = pipeline.path();
        for (list, kind) in [
            (&pipeline.receivers, ComponentKind::Receiver),
            (&pipeline.processors, ComponentKind::Processor),
            (&pipeline.exporters, ComponentKind::Exporter),
        ] {
            for (at, reference) in list.iter().enumerate() {
                if list.iter().take(at).any(|earlier| earlier.id == reference.id) {
                    let message = format!("references {kind} \"{}\" multiple times", reference.id);
                    problems.push(Problem::error(Some(reference.place.clone()), path.clone(), message));
                } else if !is_configured(kind, reference, self.collector) {
                    self.report_unknown(&path, kind, reference, problems);
                }
            }
        }
    }

    fn report_unknown(
        &self,
        path: &str,
        kind: ComponentKind,
        reference: &Reference,
        problems: &mut Problems,
    ) {
        let message = format!("references {kind} \"{}\" which is not configured", reference.id);
        let help = self.help_for(kind, reference);
        problems.push(Problem::error(Some(reference.place.clone()), path, message).with_help(help));
    }

    fn help_for(&self, kind: ComponentKind, reference: &Reference) -> String {
        let connectors = if takes_connectors(kind) { self.collector.connectors.as_slice() } else { &[] };
        let ids: Vec<String> = self
            .collector
            .section(kind)
            .iter()
            .chain(connectors)
            .map(|component| component.id.to_string())
            .collect();
        let name = reference.id.to_string();
        if let Some(near) = did_you_mean(&name, &ids) {
            return format!("did you mean `{near}`?");
        }
        if let Some(other) = misplaced(reference, kind, self.collector) {
            return format!("`{name}` is configured as {}", with_article(other));
        }
        // To add what does not exist would only lead to the next error.
        let of_type = (self.help_for_type)(kind, &reference.id.component_type);
        of_type.unwrap_or_else(|| format!("add `{name}:` to `{}`", kind.section()))
    }
}

fn is_configured(kind: ComponentKind, reference: &Reference, collector: &Collector) -> bool {
    let is_connector = takes_connectors(kind) && find(&collector.connectors, &reference.id).is_some();
    is_connector || find(collector.section(kind), &reference.id).is_some()
}

fn takes_connectors(kind: ComponentKind) -> bool {
    matches!(kind, ComponentKind::Receiver | ComponentKind::Exporter)
}

/// Returns the kind under which an id stands, where it is not the one that is wanted.
fn misplaced(reference: &Reference, wanted: ComponentKind, collector: &Collector) -> Option<ComponentKind> {
    use ComponentKind::{Connector, Exporter, Extension, Processor, Receiver};
    [Receiver, Processor, Connector, Exporter, Extension]
        .into_iter()
        .find(|kind| *kind != wanted && find(collector.section(*kind), &reference.id).is_some())
}

fn with_article(kind: ComponentKind) -> String {
    let article = if matches!(kind, ComponentKind::Exporter | ComponentKind::Extension) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// A connector with one end open would lose all it is given, or give nothing.
fn check_connectors(collector: &Collector, problems: &mut Problems) {
    for connector in &collector.connectors {
        let uses = |list: fn(&Pipeline) -> &[Reference]| -> Vec<String> {
            let pipelines = collector.service.pipelines.iter();
            pipelines
                .filter(|pipeline| list(pipeline).iter().any(|reference| reference.id == connector.id))
                .map(|pipeline| format!("\"{}\"", pipeline.id))
                .collect()
        };
        let as_exporter = uses(|pipeline| &pipeline.exporters);
        let as_receiver = uses(|pipeline| &pipeline.receivers);
        let (used_as, pipelines, missing) = match (as_exporter.is_empty(), as_receiver.is_empty()) {
            (false, true) => (ComponentKind::Exporter, as_exporter, ComponentKind::Receiver),
            (true, false) => (ComponentKind::Receiver, as_receiver, ComponentKind::Exporter),
            _ => continue,
        };
        let message = format!(
            "connector \"{}\" used as {used_as} in pipeline {} but not used as {missing} in any pipeline",
            connector.id,
            pipelines.join(", ")
        );
        problems.push(
            Problem::error(Some(connector.place.clone()), connector.path(), message).with_help(format!(
                "add `{}` to the {} of a pipeline",
                connector.id,
                missing.section()
            )),
        );
    }
}

fn find<'c>(section: &'c [Component], id: &super::id::ComponentId) -> Option<&'c Component> {
    section.iter().find(|component| component.id == *id)
}
