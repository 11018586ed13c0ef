//! From a configuration to a plan, with every problem on the way.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use component::{
    Checks, Config, ConfiguredExporter, ConfiguredExtension, ConfiguredProcessor, ConfiguredReceiver,
    MemoryLimit, Registry, Sizer,
};
use config::{
    Collector, Component, ComponentId, ComponentKind, ConfigUri, Document, Environment, FileRead, Pipeline,
    Problem, Problems, Reference, did_you_mean, instead_of,
};
use model::{Columns, SignalSet};

use crate::queue::Batching;

use super::{
    Output, Place, Plan, PlannedBatch, PlannedExporter, PlannedExtension, PlannedNode, PlannedPipeline,
    PlannedReceiver, Settings, Written,
    addresses::check_addresses,
    auth::{authenticators, check_auth},
    routes::{Routes, signals_of},
    settings::EngineConfig,
    widths::check_widths,
    written::fingerprint,
};

/// What a configuration amounts to.
pub struct Loaded {
    /// None when there is an error among the problems.
    pub plan: Option<Plan>,
    /// What the program shall tell of itself; none when there is no plan.
    pub telemetry: Option<config::Telemetry>,
    /// Every file and folder that was looked at.
    pub files: Vec<FileRead>,
    /// The sections, as far as they could be read.
    pub collector: Collector,
    /// Merged and expanded; none if nothing could be read.
    pub tree: Option<config::Node>,
    pub problems: Problems,
}

/// Reads a configuration and plans it. `validate` and the start both call this.
pub fn load(uris: &[ConfigUri], environment: &dyn Environment, registry: &Registry) -> Loaded {
    load_with(uris, environment, registry, |collector, parts, problems| {
        check_widths(collector, &parts.processors, problems);
    })
}

/// Like [`load`], for windows that the caller makes and gives to [`crate::Offline`]: whether others would come to the
/// stages that wait for some of a certain width is not asked.
pub fn load_for_given_windows(
    uris: &[ConfigUri],
    environment: &dyn Environment,
    registry: &Registry,
) -> Loaded {
    load_with(uris, environment, registry, |_, _, _| {})
}

fn load_with(
    uris: &[ConfigUri],
    environment: &dyn Environment,
    registry: &Registry,
    check: impl FnOnce(&Collector, &Parts, &mut Problems),
) -> Loaded {
    FileRead::take_all();
    let Document { collector, tree, mut problems } =
        Document::load_with(uris, environment, &|kind, name| help_for_missing(kind, name, registry));
    let mut files = FileRead::take_all();
    let parts = Parts::read(&collector, registry, &mut problems);
    let of_components: Vec<_> = parts.written.values().flat_map(|written| written.files()).cloned().collect();
    files.extend_from_slice(&of_components);
    let engine = engine_config(&collector, &mut problems);
    let lines = Lines::connect(&collector, &parts, registry, &mut problems);
    let routes = Routes::read(&collector, &parts.connectors, &mut problems);
    check(&collector, &parts, &mut problems);
    check_auth(&collector, &parts, &mut problems);
    check_addresses(&collector, &parts, &engine, &mut problems);
    if problems.has_errors() {
        return Loaded { plan: None, telemetry: None, collector, tree, files, problems };
    }
    let hash = fingerprint(tree.as_ref(), &of_components);
    let plan = lines.into_plan(&collector, parts, &routes, &engine, hash);
    let telemetry = Some(collector.service.telemetry.clone());
    Loaded { plan: Some(plan), telemetry, collector, tree, files, problems }
}

fn engine_config(collector: &Collector, problems: &mut Problems) -> EngineConfig {
    const PATH: &str = "service::trueline";
    let Some(node) = &collector.service.trueline else { return EngineConfig::default() };
    let Some(engine) = config::decode::<EngineConfig>(node, PATH, problems) else {
        return EngineConfig::default();
    };
    let mut checks = Checks::default();
    engine.validate(&mut checks);
    for finding in checks.into_findings() {
        problems.report(node, PATH, &finding.path, finding.message, finding.is_warning);
    }
    engine
}

/// Every component with its settings read, whether it is used or not.
pub(super) struct Parts {
    pub(super) receivers: BTreeMap<String, Arc<dyn ConfiguredReceiver>>,
    processors: BTreeMap<String, Arc<dyn ConfiguredProcessor>>,
    connectors: BTreeMap<String, Arc<dyn ConfiguredProcessor>>,
    pub(super) exporters: BTreeMap<String, Arc<dyn ConfiguredExporter>>,
    pub(super) extensions: BTreeMap<String, Arc<dyn ConfiguredExtension>>,
    /// By path: `receivers::otlp`.
    written: BTreeMap<String, Arc<Written>>,
}

impl Parts {
    fn read(collector: &Collector, registry: &Registry, problems: &mut Problems) -> Self {
        let mut written = BTreeMap::new();
        let mut reading = Reading { written: &mut written, problems };
        let receivers = reading.read(&collector.receivers, &registry.receivers);
        let processors = reading.read(&collector.processors, &registry.processors);
        let connectors = reading.read(&collector.connectors, &registry.connectors);
        let exporters = reading.read(&collector.exporters, &registry.exporters);
        let extensions = reading.read(&collector.extensions, &registry.extensions);
        Self { receivers, processors, connectors, exporters, extensions, written }
    }

    fn written(&self, kind: ComponentKind, id: &str) -> Arc<Written> {
        let path = format!("{}::{id}", kind.section());
        self.written.get(&path).map(Arc::clone).expect("what is planned has been read")
    }
}

/// What is noted while components are read.
struct Reading<'a> {
    written: &'a mut BTreeMap<String, Arc<Written>>,
    problems: &'a mut Problems,
}

impl Reading<'_> {
    fn read<T: ?Sized>(
        &mut self,
        components: &[Component],
        table: &[component::Entry<T>],
    ) -> BTreeMap<String, Arc<T>> {
        let mut parts = BTreeMap::new();
        for component in components {
            let (name, path) = (component.id.component_type.as_str(), component.path());
            let Some(row) = table.iter().find(|row| row.answers_to(name)) else {
                // What the type would have said of its secrets is not known.
                config::hide_below(name, &component.settings);
                self.problems.push(unknown_type(component, table));
                continue;
            };
            if let Some(part) = (row.parse)(&component.settings, &path, self.problems) {
                parts.insert(component.id.to_string(), part);
            }
            self.written.insert(path, Arc::new(Written::of(component, FileRead::take_all())));
        }
        parts
    }
}

fn unknown_type<T: ?Sized>(component: &Component, table: &[component::Entry<T>]) -> Problem {
    let ComponentId { component_type, .. } = &component.id;
    let section = component.kind.section();
    let message = format!("unknown type: \"{component_type}\" for id: \"{}\"", component.id);
    let help = help_for_type(component.kind, component_type, table);
    Problem::error(Some(component.place.clone()), section, message).with_help(help)
}

/// Says what to write instead of a type that is in no table of its section.
fn help_for_type<T: ?Sized>(kind: ComponentKind, name: &str, table: &[component::Entry<T>]) -> String {
    if let Some(instead) = instead_of(kind, name) {
        return instead.to_owned();
    }
    let names = table.iter().flat_map(|row| std::iter::once(row.kind).chain(row.aliases.iter().copied()));
    let mut valid: Vec<_> = table.iter().map(|row| row.kind).collect();
    valid.sort_unstable();
    let near = did_you_mean(name, names).map(|near| format!("did you mean `{near}`? "));
    format!("{}valid values: {}", near.unwrap_or_default(), valid.join(", "))
}

/// The same for a component that a pipeline names and nobody has configured; none where it can be added.
fn help_for_missing(kind: ComponentKind, name: &str, registry: &Registry) -> Option<String> {
    fn among<T: ?Sized>(kind: ComponentKind, name: &str, table: &[component::Entry<T>]) -> Option<String> {
        let is_known = table.iter().any(|row| row.answers_to(name));
        (!is_known).then(|| match instead_of(kind, name) {
            Some(instead) => instead.to_owned(),
            None => format!("there is no {kind} of this type; {}", help_for_type(kind, name, table)),
        })
    }
    let is_end = matches!(kind, ComponentKind::Receiver | ComponentKind::Exporter);
    if is_end && registry.connectors.iter().any(|row| row.answers_to(name)) {
        return Some(format!("it is a connector: add `{name}:` to `connectors`"));
    }
    match kind {
        ComponentKind::Receiver => among(kind, name, &registry.receivers),
        ComponentKind::Processor => among(kind, name, &registry.processors),
        ComponentKind::Connector => among(kind, name, &registry.connectors),
        ComponentKind::Exporter => among(kind, name, &registry.exporters),
        ComponentKind::Extension => among(kind, name, &registry.extensions),
    }
}

/// The pipelines, as far as they can be connected.
struct Lines {
    pipelines: Vec<Line>,
    /// By connector: the pipelines that it feeds.
    connectors: BTreeMap<String, Vec<usize>>,
}

struct Line {
    id: String,
    signals: SignalSet,
    receivers: Vec<String>,
    processors: Vec<String>,
    /// Exporters and connectors, in the order in which they are listed.
    ends: Vec<End>,
}

enum End {
    Exporter(String),
    Connector(String),
}

impl Lines {
    fn connect(collector: &Collector, parts: &Parts, registry: &Registry, problems: &mut Problems) -> Self {
        let mut lines = Self { pipelines: Vec::new(), connectors: BTreeMap::new() };
        for (index, pipeline) in collector.service.pipelines.iter().enumerate() {
            let line = Line::connect(pipeline, collector, parts, registry, problems);
            for receiver in &pipeline.receivers {
                if is_connector(collector, &receiver.id) {
                    lines.connectors.entry(receiver.id.to_string()).or_default().push(index);
                }
            }
            lines.pipelines.push(line);
        }
        lines
    }

    fn into_plan(
        self,
        collector: &Collector,
        parts: Parts,
        routes: &Routes,
        engine: &EngineConfig,
        hash: String,
    ) -> Plan {
        let used_exporters = used(&self, |end| match end {
            End::Exporter(id) => Some(id.as_str()),
            End::Connector(_) => None,
        });
        let memory_limits = memory_limits(&self, &parts);
        let mut nodes = Vec::new();
        let mut stages = Vec::new();
        for (pipeline, line) in self.pipelines.iter().enumerate() {
            let mut of_line = Vec::new();
            for (stage, id) in line.processors.iter().enumerate() {
                of_line.push(nodes.len());
                nodes.push(PlannedNode {
                    key: format!("pipeline/{}/{id}", line.id),
                    id: id.clone(),
                    configured: Arc::clone(&parts.processors[id]),
                    written: parts.written(ComponentKind::Processor, id),
                    place: Place::Stage { pipeline, stage },
                    since: None,
                });
            }
            stages.push(of_line);
        }
        let mut connector_nodes = BTreeMap::new();
        for (id, outputs) in &self.connectors {
            connector_nodes.insert(id.as_str(), nodes.len());
            nodes.push(PlannedNode {
                key: format!("connector/{id}"),
                id: id.clone(),
                configured: Arc::clone(&parts.connectors[id]),
                written: parts.written(ComponentKind::Connector, id),
                place: Place::Connector { outputs: outputs.clone(), routes: routes.of(id) },
                since: None,
            });
        }
        let output = |end: &End| match end {
            End::Exporter(id) => used_exporters.iter().position(|used| used == id).map(Output::Exporter),
            End::Connector(id) => connector_nodes.get(id.as_str()).copied().map(Output::Connector),
        };
        let pipelines: Vec<_> = self
            .pipelines
            .iter()
            .zip(stages)
            .map(|(line, stages)| PlannedPipeline {
                id: line.id.clone(),
                signals: line.signals,
                stages,
                outputs: line.ends.iter().filter_map(output).collect(),
                batch: planned_batch(line, &parts),
                memory_limits: places_of(&memory_limits, line),
            })
            .collect();
        let order = order(&pipelines, &nodes);
        let state_directory = state_directory(collector, &parts);
        let authenticators = authenticators(collector, &parts);
        Plan {
            receivers: planned_receivers(&self, &parts),
            exporters: used_exporters
                .into_iter()
                .map(|id| PlannedExporter {
                    configured: Arc::clone(&parts.exporters[&id]),
                    written: parts.written(ComponentKind::Exporter, &id),
                    id,
                })
                .collect(),
            extensions: planned_extensions(collector, &parts),
            pipelines,
            nodes,
            order,
            memory_limits,
            settings: Settings::new(engine, state_directory),
            authenticators,
            hash,
        }
    }
}

fn is_connector(collector: &Collector, id: &ComponentId) -> bool {
    collector.connectors.iter().any(|connector| connector.id == *id)
}

impl Line {
    fn connect(
        pipeline: &Pipeline,
        collector: &Collector,
        parts: &Parts,
        registry: &Registry,
        problems: &mut Problems,
    ) -> Self {
        let signals = signals_of(pipeline);
        let check = Check { pipeline, signals, registry };
        let receivers = check.receivers(collector, parts, problems);
        let processors = check.processors(parts, problems);
        let ends = check.ends(collector, parts, problems);
        Self { id: pipeline.id.to_string(), signals, receivers, processors, ends }
    }
}

/// Checks that what a pipeline connects fits together.
struct Check<'a> {
    pipeline: &'a Pipeline,
    signals: SignalSet,
    registry: &'a Registry,
}

impl Check<'_> {
    fn receivers(&self, collector: &Collector, parts: &Parts, problems: &mut Problems) -> Vec<String> {
        let mut receivers = Vec::new();
        for reference in &self.pipeline.receivers {
            let id = reference.id.to_string();
            if is_connector(collector, &reference.id) {
                if let Some(connector) = parts.connectors.get(&id) {
                    self.expect(connector.emits(), ComponentKind::Connector, "emits", reference, problems);
                }
            } else if let Some(receiver) = parts.receivers.get(&id) {
                self.expect(receiver.signals(), ComponentKind::Receiver, "receives", reference, problems);
                receivers.push(id);
            }
        }
        receivers
    }

    fn processors(&self, parts: &Parts, problems: &mut Problems) -> Vec<String> {
        let mut processors = Vec::new();
        let mut columns = Columns::NONE;
        for reference in &self.pipeline.processors {
            if let Some(processor) = parts.processors.get(&reference.id.to_string()) {
                let (reads, hears) = (processor.reads(), processor.hears());
                if reads.union(hears).is_empty() {
                    self.expect(processor.supports(), ComponentKind::Processor, "reads", reference, problems);
                } else if reads.is_empty() && processor.consumes().is_empty() && !hears.meets(columns) {
                    // What it takes may come from any of several stages; without one it has nothing to do.
                    self.expect_columns(hears, reference, problems);
                }
                self.expect_columns(reads.without(columns), reference, problems);
                self.warn_of_what_is_lost(processor.as_ref(), reference, problems);
                columns = columns.union(processor.adds());
                processors.push(reference.id.to_string());
            }
        }
        processors
    }

    /// What a stage reads of closed windows must have been put there by stages before it.
    fn expect_columns(&self, missing: Columns, reference: &Reference, problems: &mut Problems) {
        if missing.is_empty() {
            return;
        }
        let id = &reference.id;
        let message =
            format!("processor \"{id}\" needs {missing}; nothing before it in the pipeline adds them");
        let adds = |row: &&component::ProcessorEntry| row.adds.without(missing) != row.adds;
        let names: Vec<_> = self.registry.processors.iter().filter(adds).map(|row| row.kind).collect();
        problems.push(
            Problem::error(Some(reference.place.clone()), self.pipeline.path(), message)
                .with_help(format!("put {} before it", names.join(" and "))),
        );
    }

    /// What a stage makes of its own accord, and not of what it takes, ends where the pipeline does not carry
    /// it. The stage may still be wanted for what it adds to windows.
    fn warn_of_what_is_lost(
        &self,
        processor: &dyn ConfiguredProcessor,
        reference: &Reference,
        problems: &mut Problems,
    ) {
        let lost = processor.emits().without(processor.consumes()).without(self.signals);
        if lost.is_empty() {
            return;
        }
        let message = format!(
            "processor \"{}\" makes {lost}, the pipeline carries {}: they are dropped",
            reference.id, self.signals
        );
        problems.push(
            Problem::warning(Some(reference.place.clone()), self.pipeline.path(), message).with_help(
                "name the pipeline after no signal, so that it carries all: `telemetry`; or turn them off in the processor",
            ),
        );
    }

    fn ends(&self, collector: &Collector, parts: &Parts, problems: &mut Problems) -> Vec<End> {
        let mut ends = Vec::new();
        for reference in &self.pipeline.exporters {
            let id = reference.id.to_string();
            if is_connector(collector, &reference.id) {
                if let Some(connector) = parts.connectors.get(&id) {
                    self.expect(connector.consumes(), ComponentKind::Connector, "reads", reference, problems);
                    ends.push(End::Connector(id));
                }
            } else if let Some(exporter) = parts.exporters.get(&id) {
                self.expect(exporter.signals(), ComponentKind::Exporter, "takes", reference, problems);
                ends.push(End::Exporter(id));
            }
        }
        ends
    }

    /// A component in a pipeline must share a signal with it, or nothing would ever reach it.
    fn expect(
        &self,
        offered: SignalSet,
        kind: ComponentKind,
        verb: &str,
        reference: &Reference,
        problems: &mut Problems,
    ) {
        if !offered.intersection(self.signals).is_empty() {
            return;
        }
        let message = format!(
            "{kind} \"{}\" {verb} {offered}, the pipeline carries {}: telemetry type is not supported",
            reference.id, self.signals
        );
        problems.push(
            Problem::error(Some(reference.place.clone()), self.pipeline.path(), message)
                .with_help(format!("move it to a pipeline of {offered}")),
        );
    }
}

/// What pipelines end in, each once, in the order in which it is first named.
fn used(lines: &Lines, which: impl Fn(&End) -> Option<&str>) -> Vec<String> {
    let mut used: Vec<String> = Vec::new();
    for id in lines.pipelines.iter().flat_map(|line| &line.ends).filter_map(which) {
        if !used.iter().any(|known| known == id) {
            used.push(id.to_owned());
        }
    }
    used
}

/// Returns what `memory_limiter`s in pipelines allow, each once.
fn memory_limits(lines: &Lines, parts: &Parts) -> Vec<(String, MemoryLimit)> {
    let ids = lines.pipelines.iter().flat_map(|line| &line.processors);
    let limits: BTreeMap<_, _> =
        ids.filter_map(|id| Some((id.clone(), parts.processors[id].memory_limit()?))).collect();
    limits.into_iter().collect()
}

fn places_of(memory_limits: &[(String, MemoryLimit)], line: &Line) -> Vec<usize> {
    let place = |id: &String| memory_limits.iter().position(|(known, _)| known == id);
    line.processors.iter().filter_map(place).collect()
}

/// Returns the last `batch` of a pipeline: one before it has no say in how large requests leave.
fn planned_batch(line: &Line, parts: &Parts) -> Option<PlannedBatch> {
    let mut ids = line.processors.iter().rev();
    ids.find_map(|id| {
        let config = parts.processors[id].batch()?;
        Some(PlannedBatch { id: id.clone(), batching: Batching::new(config, Sizer::Items) })
    })
}

fn planned_receivers(lines: &Lines, parts: &Parts) -> Vec<PlannedReceiver> {
    let mut planned: Vec<PlannedReceiver> = Vec::new();
    for (index, line) in lines.pipelines.iter().enumerate() {
        for id in &line.receivers {
            let configured = &parts.receivers[id];
            let signals = configured.signals().intersection(line.signals);
            match planned.iter_mut().find(|receiver| receiver.id == *id) {
                Some(receiver) => {
                    receiver.signals = receiver.signals.union(signals);
                    receiver.pipelines.push(index);
                }
                None => planned.push(PlannedReceiver {
                    id: id.clone(),
                    configured: Arc::clone(configured),
                    written: parts.written(ComponentKind::Receiver, id),
                    signals,
                    pipelines: vec![index],
                }),
            }
        }
    }
    planned
}

fn planned_extensions(collector: &Collector, parts: &Parts) -> Vec<PlannedExtension> {
    let used = collector.service.extensions.iter().map(|reference| reference.id.to_string());
    let planned = |id: String| {
        let configured = Arc::clone(parts.extensions.get(&id)?);
        let written = parts.written(ComponentKind::Extension, &id);
        Some(PlannedExtension { id, configured, written })
    };
    used.filter_map(planned).collect()
}

fn state_directory(collector: &Collector, parts: &Parts) -> Option<PathBuf> {
    let used = collector.service.extensions.iter();
    used.filter_map(|reference| parts.extensions.get(&reference.id.to_string()))
        .find_map(|part| part.storage_directory())
}

/// Puts every node after those that feed it. Circles have been refused before.
fn order(pipelines: &[PlannedPipeline], nodes: &[PlannedNode]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut waiting: Vec<usize> = (0..pipelines.len()).collect();
    while !waiting.is_empty() {
        let fed_by_waiting = |pipeline: usize| {
            waiting.iter().any(|&other| {
                pipelines[other].outputs.iter().any(|output| match output {
                    Output::Connector(node) => feeds(&nodes[*node], pipeline),
                    Output::Exporter(_) => false,
                })
            })
        };
        let ready: Vec<usize> =
            waiting.iter().copied().filter(|&pipeline| !fed_by_waiting(pipeline)).collect();
        if ready.is_empty() {
            break;
        }
        for &pipeline in &ready {
            order.extend(&pipelines[pipeline].stages);
        }
        waiting.retain(|pipeline| !ready.contains(pipeline));
        // A connector beats when all that feed it have.
        let all_fed = |node: usize| {
            !waiting.iter().any(|&pipeline| pipelines[pipeline].outputs.contains(&Output::Connector(node)))
        };
        for (node, planned) in nodes.iter().enumerate() {
            let is_connector = matches!(planned.place, Place::Connector { .. });
            if is_connector && !order.contains(&node) && all_fed(node) {
                order.push(node);
            }
        }
    }
    order
}

fn feeds(node: &PlannedNode, pipeline: usize) -> bool {
    match &node.place {
        Place::Connector { outputs, .. } => outputs.contains(&pipeline),
        Place::Stage { .. } => false,
    }
}
