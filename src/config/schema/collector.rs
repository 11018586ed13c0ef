//! Reads the sections; what refers to what is checked elsewhere.

use std::fmt;

use super::{
    cycles::check_cycles,
    id::{ComponentId, PipelineId},
    references::check_references,
    telemetry::Telemetry,
};
use crate::{
    ConfigUri, Entry, Environment, Node, Place, Problem, Problems, Value, did_you_mean, load, problem::join,
};

/// A configuration as far as it can be read, and all that is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub collector: Collector,
    /// Merged and expanded; none if nothing could be read.
    pub tree: Option<Node>,
    pub problems: Problems,
}

/// The collector's sections, in the order they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collector {
    pub receivers: Vec<Component>,
    pub processors: Vec<Component>,
    pub connectors: Vec<Component>,
    pub exporters: Vec<Component>,
    pub extensions: Vec<Component>,
    pub service: Service,
}

/// A component with its settings, which the registry of its kind will decode.
///
/// Two are equal wherever they are written: a reload keeps what did not change.
#[derive(Clone, Debug)]
pub struct Component {
    pub kind: ComponentKind,
    pub id: ComponentId,
    /// Where its id is written.
    pub place: Place,
    /// Null if nothing was written below the id.
    pub settings: Node,
}

impl PartialEq for Component {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.id, &self.settings) == (other.kind, &other.id, &other.settings)
    }
}

impl Component {
    /// Returns where the settings stand: `receivers::otlp/2`.
    pub fn path(&self) -> String {
        format!("{}::{}", self.kind.section(), self.id)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ComponentKind {
    Receiver,
    Processor,
    Connector,
    Exporter,
    Extension,
}

impl ComponentKind {
    /// Returns the section's key.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Receiver => "receivers",
            Self::Processor => "processors",
            Self::Connector => "connectors",
            Self::Exporter => "exporters",
            Self::Extension => "extensions",
        }
    }
}

impl fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.section().trim_end_matches('s'))
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    pub extensions: Vec<Reference>,
    pub pipelines: Vec<Pipeline>,
    pub telemetry: Telemetry,
    /// What the collector does not have: the engine's settings, under `service::trueline`.
    pub trueline: Option<Node>,
}

/// An id that is used, and where.
#[derive(Clone, Debug)]
pub struct Reference {
    pub id: ComponentId,
    pub place: Place,
}

/// Uses are the same wherever they are written.
impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// Two are equal wherever they are written, as components are.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub id: PipelineId,
    /// Where its id is written.
    pub place: Place,
    /// Receivers, and connectors that feed it.
    pub receivers: Vec<Reference>,
    pub processors: Vec<Reference>,
    /// Exporters, and connectors that it feeds.
    pub exporters: Vec<Reference>,
}

impl PartialEq for Pipeline {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.receivers == other.receivers
            && self.processors == other.processors
            && self.exporters == other.exporters
    }
}

impl Pipeline {
    /// Returns where it stands: `service::pipelines::traces`.
    pub fn path(&self) -> String {
        format!("service::pipelines::{}", self.id)
    }
}

/// Says what to write instead of a type that does not exist in a section; none for one that does.
pub type HelpForType<'a> = &'a dyn Fn(ComponentKind, &str) -> Option<String>;

impl Document {
    /// Reads, merges and expands what `uris` name, and checks all that needs no knowledge of a
    /// component: `validate` and the start use this alike.
    pub fn load(uris: &[ConfigUri], environment: &dyn Environment) -> Self {
        Self::load_with(uris, environment, &|_, _| None)
    }

    /// Does the same, and says what to write instead of missing components whose types do not exist.
    pub fn load_with(
        uris: &[ConfigUri],
        environment: &dyn Environment,
        help_for_type: HelpForType<'_>,
    ) -> Self {
        let mut problems = Problems::default();
        let tree = load(uris, environment, &mut problems);
        let collector = match &tree {
            Some(tree) => Collector::read(tree, help_for_type, &mut problems),
            None => Collector::default(),
        };
        Self { collector, tree, problems }
    }
}

const SECTIONS: &[&str] = &["receivers", "processors", "exporters", "connectors", "extensions", "service"];
const SERVICE_KEYS: &[&str] = &["extensions", "pipelines", "telemetry", "trueline"];
const PIPELINE_KEYS: &[&str] = &["receivers", "processors", "exporters"];

impl Collector {
    /// Reads the sections of a merged and expanded tree.
    pub fn read(tree: &Node, help_for_type: HelpForType<'_>, problems: &mut Problems) -> Self {
        let is_empty = tree.is_null() || tree.as_map().is_some_and(|map| map.entries.is_empty());
        if is_empty {
            problems.push(Problem::error(Some(tree.place.clone()), "", "empty configuration file"));
            return Self::default();
        }
        check_keys(tree, "", SECTIONS, problems);
        let mut section = |kind| components(tree, kind, problems);
        let collector = Self {
            receivers: section(ComponentKind::Receiver),
            processors: section(ComponentKind::Processor),
            connectors: section(ComponentKind::Connector),
            exporters: section(ComponentKind::Exporter),
            extensions: section(ComponentKind::Extension),
            service: service(tree, problems),
        };
        check_references(tree, &collector, help_for_type, problems);
        check_cycles(&collector, problems);
        collector
    }

    pub fn section(&self, kind: ComponentKind) -> &[Component] {
        match kind {
            ComponentKind::Receiver => &self.receivers,
            ComponentKind::Processor => &self.processors,
            ComponentKind::Connector => &self.connectors,
            ComponentKind::Exporter => &self.exporters,
            ComponentKind::Extension => &self.extensions,
        }
    }
}

/// Refuses keys in the collector's words, which people search for.
fn check_keys(node: &Node, path: &str, valid: &[&str], problems: &mut Problems) {
    let entries = node.as_map().map_or(&[][..], |map| &map.entries);
    for entry in entries.iter().filter(|entry| !valid.contains(&entry.key.name.as_str())) {
        let name = &entry.key.name;
        let message = format!("'{}' has invalid keys: {name}", path.replace("::", "."));
        let list = valid.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let help = match did_you_mean(name, valid.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? valid keys: {list}"),
            None => format!("valid keys: {list}"),
        };
        problems.push(Problem::error(Some(entry.key.place.clone()), "", message).with_help(help));
    }
}

fn components(tree: &Node, kind: ComponentKind, problems: &mut Problems) -> Vec<Component> {
    let section = kind.section();
    let Some(node) = tree.get(section) else { return Vec::new() };
    let mut components: Vec<Component> = Vec::new();
    for entry in entries(node, section, "a map of components", problems) {
        let place = entry.key.place.clone();
        let id: ComponentId = match entry.key.name.parse() {
            Ok(id) => id,
            Err(error) => {
                problems.push(Problem::error(Some(place), section, error.to_string()));
                continue;
            }
        };
        // Keys differ; ids may not, as spaces in them do not count.
        if components.iter().any(|component| component.id == id) {
            problems.push(Problem::error(Some(place), section, format!("duplicate name \"{id}\"")));
            continue;
        }
        components.push(Component { kind, id, place, settings: entry.value.clone() });
    }
    components
}

/// Returns a map's entries; of anything else but nothing, says that a map was expected.
fn entries<'n>(node: &'n Node, path: &str, expected: &str, problems: &mut Problems) -> &'n [Entry] {
    match &node.value {
        Value::Map(map) => &map.entries,
        Value::Null => &[],
        _ => {
            let message = format!("expected {expected}, found {}", node.describe());
            problems.push(Problem::error(Some(node.place.clone()), path, message));
            &[]
        }
    }
}

fn service(tree: &Node, problems: &mut Problems) -> Service {
    let Some(node) = tree.get("service") else { return Service::default() };
    if entries(node, "service", "a map", problems).is_empty() {
        return Service::default();
    }
    check_keys(node, "service", SERVICE_KEYS, problems);
    let extensions = references(node, "extensions", "service", problems);
    let pipelines = node.get("pipelines").map_or(Vec::new(), |pipelines| {
        entries(pipelines, "service::pipelines", "a map of pipelines", problems)
            .iter()
            .filter_map(|entry| pipeline(entry, problems))
            .collect()
    });
    let telemetry = node.get("telemetry").and_then(|telemetry| Telemetry::read(telemetry, problems));
    Service {
        extensions,
        pipelines,
        telemetry: telemetry.unwrap_or_default(),
        trueline: node.get("trueline").cloned(),
    }
}

fn pipeline(entry: &Entry, problems: &mut Problems) -> Option<Pipeline> {
    let place = entry.key.place.clone();
    let id: PipelineId = match entry.key.name.parse() {
        Ok(id) => id,
        Err(error) => {
            problems.push(Problem::error(Some(place), "service::pipelines", error.to_string()));
            return None;
        }
    };
    let path = join("service::pipelines", &id.text);
    let node = &entry.value;
    entries(node, &path, "a map", problems);
    check_keys(node, &path, PIPELINE_KEYS, problems);
    let mut list = |key| references(node, key, &path, problems);
    let (receivers, processors, exporters) = (list("receivers"), list("processors"), list("exporters"));
    for kind in [ComponentKind::Receiver, ComponentKind::Exporter] {
        if names_none(node, kind.section()) {
            let message = format!("must have at least one {kind}");
            problems.push(Problem::error(Some(place.clone()), path.clone(), message));
        }
    }
    Some(Pipeline { id, place, receivers, processors, exporters })
}

/// Whether a pipeline's list is absent or empty, rather than wrong.
fn names_none(pipeline: &Node, key: &str) -> bool {
    match pipeline.get(key).map(|list| &list.value) {
        Some(Value::Seq(items)) => items.is_empty(),
        Some(Value::Null) => true,
        Some(_) => false,
        None => pipeline.is_null() || pipeline.as_map().is_some(),
    }
}

/// Reads a list of ids.
fn references(owner: &Node, key: &str, path: &str, problems: &mut Problems) -> Vec<Reference> {
    let Some(node) = owner.get(key) else { return Vec::new() };
    let path = join(path, key);
    let mut found = Vec::new();
    match &node.value {
        Value::Null => {}
        Value::Seq(items) => {
            for item in items {
                match item.as_str() {
                    Some(text) => found.push((text, &item.place)),
                    None => {
                        let message = format!("expected the id of a component, found {}", item.describe());
                        problems.push(Problem::error(Some(item.place.clone()), path.clone(), message));
                    }
                }
            }
        }
        _ => {
            let message = format!("expected a list of ids, found {}", node.describe());
            problems.push(
                Problem::error(Some(node.place.clone()), path.clone(), message)
                    .with_help(format!("write `{key}: [first, second]`")),
            );
        }
    }
    let mut references = Vec::new();
    for (text, place) in found {
        match text.parse::<ComponentId>() {
            Ok(id) => references.push(Reference { id, place: place.clone() }),
            Err(error) => problems.push(Problem::error(Some(place.clone()), path.clone(), error.to_string())),
        }
    }
    references
}
