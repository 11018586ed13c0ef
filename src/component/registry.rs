//! Definitions with their types erased: plain tables, one row per component.

use std::{path::PathBuf, rc::Rc, sync::Arc};

use config::{Node, Problems};
use model::{Columns, SignalSet};

use crate::{
    AuthUse, Authenticator, BatchConfig, BuildCx, Checks, Config, Delivery, Exporter, ExporterCx,
    ExporterDef, Extension, ExtensionCx, ExtensionDef, Listen, Masks, MemoryLimit, Past, Placement,
    Processor, ProcessorDef, Receiver, ReceiverCx, ReceiverDef, Route, Widths,
};

/// Every component of the program, by layer.
#[derive(Default)]
pub struct Registry {
    pub receivers: Vec<ReceiverEntry>,
    pub processors: Vec<ProcessorEntry>,
    pub connectors: Vec<ProcessorEntry>,
    pub exporters: Vec<ExporterEntry>,
    pub extensions: Vec<ExtensionEntry>,
}

/// Reads a component's section: every problem goes to the list, none stops the reading.
type Parse<T> = fn(&Node, &str, &mut Problems) -> Option<Arc<T>>;

/// A row of a table: the names a component answers to, and how its section is read.
pub struct Entry<T: ?Sized> {
    pub kind: &'static str,
    pub aliases: &'static [&'static str],
    pub parse: Parse<T>,
    /// Which keys its section takes.
    pub shape: fn() -> config::Shape,
    /// The collector's keys that it refuses.
    pub not_supported: config::NotSupportedKeys,
    /// Columns of closed windows that a processor adds; none in other tables.
    pub adds: Columns,
}

pub type ReceiverEntry = Entry<dyn ConfiguredReceiver>;
pub type ProcessorEntry = Entry<dyn ConfiguredProcessor>;
pub type ExporterEntry = Entry<dyn ConfiguredExporter>;
pub type ExtensionEntry = Entry<dyn ConfiguredExtension>;

impl<T: ?Sized> Entry<T> {
    /// Whether a configuration may call the component so.
    pub fn answers_to(&self, name: &str) -> bool {
        self.kind == name || self.aliases.contains(&name)
    }
}

fn read<C: Config>(node: &Node, path: &str, problems: &mut Problems) -> Option<C> {
    let before = problems.error_count();
    let n_before = problems.iter().count();
    let config = config::decode_telling::<C>(node, path, C::NOT_SUPPORTED, problems)?;
    let mut checks = Checks::default();
    config.validate(&mut checks);
    let told = problems.iter().skip(n_before).filter(|problem| problem.is_not_supported);
    let refused: Vec<String> = told.map(|problem| problem.path.clone()).collect();
    for finding in checks.into_findings() {
        let at = config::path_below(path, finding.path.as_str());
        let was_misread = match finding.is_absence {
            true => problems.was_misread_within(&at),
            false => problems.was_misread(&at),
        };
        if was_misread || stands_for_refused(node, path, &finding.path, &refused) {
            continue;
        }
        problems.report(node, path, &finding.path, finding.message, finding.is_warning);
    }
    (problems.error_count() == before).then_some(config)
}

/// Whether a key is missing beside one that is refused: who wrote that one in its place is told once.
fn stands_for_refused(node: &Node, path: &str, key: &str, refused: &[String]) -> bool {
    let Some((around, _)) = key.rsplit_once('.') else { return false };
    let around = config::path_below(path, around);
    let step = |node, key: &str| match key.parse::<usize>() {
        Ok(index) => Node::as_seq(node)?.get(index),
        Err(_) => node.get(key),
    };
    refused.contains(&around) && key.split('.').try_fold(node, step).is_none()
}

/// A receiver with its configuration, ready to be built on any thread.
pub trait ConfiguredReceiver: Send + Sync {
    fn auth(&self) -> Vec<AuthUse>;
    fn signals(&self) -> SignalSet;
    fn placement(&self) -> Placement;
    fn listens(&self) -> Vec<Listen>;
    fn build(&self, cx: &ReceiverCx) -> Box<dyn Receiver>;
}

/// A processor or connector with its configuration.
pub trait ConfiguredProcessor: Send + Sync {
    fn consumes(&self) -> SignalSet;
    fn supports(&self) -> SignalSet;
    fn emits(&self) -> SignalSet;
    fn reads(&self) -> Columns;
    fn adds(&self) -> Columns;
    fn hears(&self) -> Columns;
    fn read_widths(&self) -> Vec<Widths>;
    fn added_widths(&self) -> Vec<Widths>;
    fn topics(&self) -> &'static [&'static str];
    fn routes(&self) -> Option<Vec<Route>>;
    fn metadata(&self) -> Vec<String>;
    fn past(&self) -> Option<Past>;
    fn batch(&self) -> Option<BatchConfig>;
    fn memory_limit(&self) -> Option<MemoryLimit>;
    fn masks(&self) -> Masks;
    fn ingest(&self, cx: &BuildCx<'_>) -> Box<dyn Processor>;
    fn analysis(&self, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>>;
}

/// An exporter with its configuration.
pub trait ConfiguredExporter: Send + Sync {
    fn auth(&self) -> Vec<AuthUse>;
    fn signals(&self) -> SignalSet;
    fn placement(&self) -> Placement;
    fn delivery(&self) -> Delivery;
    fn listens(&self) -> Vec<Listen>;
    fn build(&self, cx: &ExporterCx) -> Rc<dyn Exporter>;
}

/// An extension with its configuration.
pub trait ConfiguredExtension: Send + Sync {
    fn auth(&self) -> Vec<AuthUse>;
    fn listens(&self) -> Vec<Listen>;
    fn storage_directory(&self) -> Option<PathBuf>;
    fn authenticator(&self) -> Option<Authenticator>;
    fn build(&self, cx: ExtensionCx) -> Box<dyn Extension>;
}

/// A definition's configuration, remembering the definition.
struct Configured<D, C> {
    config: C,
    definition: std::marker::PhantomData<fn() -> D>,
}

impl<D, C> Configured<D, C> {
    fn new(config: C) -> Self {
        Self { config, definition: std::marker::PhantomData }
    }
}

impl ReceiverEntry {
    /// Makes the row of a definition.
    pub const fn of<D: ReceiverDef>() -> Self {
        Self {
            kind: D::KIND,
            aliases: D::ALIASES,
            shape: config::shape::<D::Config>,
            not_supported: D::Config::NOT_SUPPORTED,
            adds: Columns::NONE,
            parse: |node, path, problems| {
                Some(Arc::new(Configured::<D, _>::new(read::<D::Config>(node, path, problems)?)))
            },
        }
    }
}

impl<D: ReceiverDef> ConfiguredReceiver for Configured<D, D::Config> {
    fn auth(&self) -> Vec<AuthUse> {
        self.config.auth()
    }
    fn signals(&self) -> SignalSet {
        D::SIGNALS
    }
    fn placement(&self) -> Placement {
        D::PLACEMENT
    }
    fn listens(&self) -> Vec<Listen> {
        D::listens(&self.config)
    }
    fn build(&self, cx: &ReceiverCx) -> Box<dyn Receiver> {
        D::build(&self.config, cx)
    }
}

impl ProcessorEntry {
    /// Makes the row of a definition.
    pub const fn of<D: ProcessorDef>() -> Self {
        Self {
            kind: D::KIND,
            aliases: D::ALIASES,
            shape: config::shape::<D::Config>,
            not_supported: D::Config::NOT_SUPPORTED,
            adds: D::ADDS,
            parse: |node, path, problems| {
                Some(Arc::new(Configured::<D, _>::new(read::<D::Config>(node, path, problems)?)))
            },
        }
    }
}

impl<D: ProcessorDef> ConfiguredProcessor for Configured<D, D::Config> {
    fn consumes(&self) -> SignalSet {
        D::consumes(&self.config)
    }
    fn supports(&self) -> SignalSet {
        D::supports(&self.config)
    }
    fn emits(&self) -> SignalSet {
        D::emits(&self.config)
    }
    fn reads(&self) -> Columns {
        D::reads(&self.config)
    }
    fn hears(&self) -> Columns {
        D::HEARS
    }
    fn read_widths(&self) -> Vec<Widths> {
        self.config.read_widths()
    }
    fn added_widths(&self) -> Vec<Widths> {
        self.config.added_widths()
    }
    fn topics(&self) -> &'static [&'static str] {
        D::TOPICS
    }
    fn routes(&self) -> Option<Vec<Route>> {
        D::routes(&self.config)
    }
    fn metadata(&self) -> Vec<String> {
        D::metadata(&self.config)
    }
    fn past(&self) -> Option<Past> {
        D::past(&self.config)
    }
    fn batch(&self) -> Option<BatchConfig> {
        D::batch(&self.config)
    }
    fn memory_limit(&self) -> Option<MemoryLimit> {
        D::memory_limit(&self.config)
    }
    fn masks(&self) -> Masks {
        D::masks(&self.config)
    }
    fn adds(&self) -> Columns {
        D::ADDS
    }
    fn ingest(&self, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        D::ingest(&self.config, cx)
    }
    fn analysis(&self, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        D::analysis(&self.config, cx)
    }
}

impl ExporterEntry {
    /// Makes the row of a definition.
    pub const fn of<D: ExporterDef>() -> Self {
        Self {
            kind: D::KIND,
            aliases: D::ALIASES,
            shape: config::shape::<D::Config>,
            not_supported: D::Config::NOT_SUPPORTED,
            adds: Columns::NONE,
            parse: |node, path, problems| {
                Some(Arc::new(Configured::<D, _>::new(read::<D::Config>(node, path, problems)?)))
            },
        }
    }
}

impl<D: ExporterDef> ConfiguredExporter for Configured<D, D::Config> {
    fn auth(&self) -> Vec<AuthUse> {
        self.config.auth()
    }
    fn signals(&self) -> SignalSet {
        D::SIGNALS
    }
    fn placement(&self) -> Placement {
        D::PLACEMENT
    }
    fn delivery(&self) -> Delivery {
        D::delivery(&self.config)
    }
    fn listens(&self) -> Vec<Listen> {
        D::listens(&self.config)
    }
    fn build(&self, cx: &ExporterCx) -> Rc<dyn Exporter> {
        D::build(&self.config, cx)
    }
}

impl ExtensionEntry {
    /// Makes the row of a definition.
    pub const fn of<D: ExtensionDef>() -> Self {
        Self {
            kind: D::KIND,
            aliases: D::ALIASES,
            shape: config::shape::<D::Config>,
            not_supported: D::Config::NOT_SUPPORTED,
            adds: Columns::NONE,
            parse: |node, path, problems| {
                Some(Arc::new(Configured::<D, _>::new(read::<D::Config>(node, path, problems)?)))
            },
        }
    }
}

impl<D: ExtensionDef> ConfiguredExtension for Configured<D, D::Config> {
    fn auth(&self) -> Vec<AuthUse> {
        self.config.auth()
    }
    fn listens(&self) -> Vec<Listen> {
        D::listens(&self.config)
    }
    fn storage_directory(&self) -> Option<PathBuf> {
        D::storage_directory(&self.config)
    }
    fn authenticator(&self) -> Option<Authenticator> {
        D::authenticator(&self.config)
    }
    fn build(&self, cx: ExtensionCx) -> Box<dyn Extension> {
        D::build(&self.config, cx)
    }
}
