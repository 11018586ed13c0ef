//! Conditions that drop what they hold for.

use component::Checks;
use model::{KeySet, Signal, SpanTable};
use wire::raw::{self, Raw};

use super::{
    context::{Context, Depth, inferred},
    expression::{Condition, Dialect, Resolver},
    fault::Fault,
    fields::Place,
    functions,
    item::Item,
    syntax::{self, Node},
    value::Failure,
    walk::{Visitor, rewritten},
};

/// What happens when a condition or statement fails on an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ErrorMode {
    /// It is told once and left out for the item.
    Ignore,
    /// It is left out for the item.
    Silent,
    /// The request is dropped.
    Propagate,
}

impl ErrorMode {
    pub(crate) const NAMES: [&'static str; 3] = ["ignore", "silent", "propagate"];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "ignore" => Self::Ignore,
            "silent" => Self::Silent,
            "propagate" => Self::Propagate,
            _ => return None,
        })
    }
}

/// Reads an error mode, or takes the one that holds where none is set.
pub(crate) fn error_mode(
    path: &str,
    name: Option<&str>,
    default: ErrorMode,
    checks: &mut Checks,
) -> ErrorMode {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return default };
    ErrorMode::named(name).unwrap_or_else(|| {
        checks.unknown(path, "error mode", name, &ErrorMode::NAMES);
        default
    })
}

/// What failed, how often, and whether that ends the request.
#[derive(Default, Debug)]
pub(crate) struct Failures {
    pub(crate) count: u64,
    pub(crate) ends_request: bool,
}

/// A condition with its text.
#[derive(Debug)]
pub(super) struct Told<T> {
    text: String,
    pub(super) what: T,
    /// Whether its failure has been told.
    has_failed: bool,
}

impl<T> Told<T> {
    pub(super) fn new(text: &str, what: T) -> Self {
        Self { text: text.to_owned(), what, has_failed: false }
    }

    pub(super) fn fail(&mut self, failure: Failure, mode: ErrorMode, failures: &mut Failures) {
        failures.count += 1;
        failures.ends_request |= mode == ErrorMode::Propagate;
        if mode != ErrorMode::Silent && !self.has_failed {
            self.has_failed = true;
            tracing::warn!(
                statement = self.text,
                reason = failure.0,
                "a condition or statement can not be applied to some of the telemetry; told once"
            );
        }
    }
}

/// What is read of an operator's conditions: what there is to complain about, by the place in the list.
pub(crate) type Faults = Vec<(usize, String)>;

/// Conditions for each level; what one holds for goes, with all that is within it.
pub(crate) struct Sieve {
    signal: Signal,
    /// By [`Depth`].
    levels: [Vec<Told<Condition>>; 4],
    error_mode: ErrorMode,
    deepest: Depth,
    n_shared: usize,
    pub(crate) failures: Failures,
    /// How many items went.
    pub(crate) dropped: u64,
    /// Parts that are no items: events of spans.
    kept: Vec<bool>,
}

impl Sieve {
    pub(crate) fn new(signal: Signal, error_mode: ErrorMode) -> Self {
        Self {
            signal,
            levels: [const { Vec::new() }; 4],
            error_mode,
            deepest: Depth::Resource,
            n_shared: 0,
            failures: Failures::default(),
            dropped: 0,
            kept: Vec::new(),
        }
    }

    /// Adds conditions; without a context each is meant for what its paths begin with.
    ///
    /// Returns mistakes, which leave a condition out, and doubts, which do not.
    pub(crate) fn add(&mut self, conditions: &[String], context: Option<Context>) -> (Faults, Faults) {
        let (mut faults, mut doubts) = (Vec::new(), Vec::new());
        for (index, text) in conditions.iter().enumerate() {
            match self.read(text, context) {
                Ok(found) => doubts.extend(found.iter().map(|doubt| (index, doubt.told(text)))),
                Err(fault) => faults.push((index, fault.told(text))),
            }
        }
        (faults, doubts)
    }

    fn read(&mut self, text: &str, context: Option<Context>) -> Result<Vec<Fault>, Fault> {
        self.resolve(text, &syntax::condition(text)?, context)
    }

    /// Adds a condition that has been read already.
    pub(super) fn resolve(
        &mut self,
        text: &str,
        node: &Node,
        context: Option<Context>,
    ) -> Result<Vec<Fault>, Fault> {
        let dialect = Dialect::Filter;
        let context = match context {
            Some(context) => context,
            None => inferred([node].into_iter(), self.signal, |name, context| {
                functions::is_known(name, context, dialect)
            })?,
        };
        let mut resolver = Resolver { context, dialect, n_shared: self.n_shared, doubts: Vec::new() };
        let what = resolver.condition(node)?;
        self.n_shared = resolver.n_shared;
        let depth = context.depth();
        self.deepest = self.deepest.max(depth);
        self.levels[depth as usize].push(Told::new(text, what));
        Ok(resolver.doubts)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.levels.iter().all(Vec::is_empty)
    }

    pub(super) fn deepest(&self) -> Depth {
        self.deepest
    }

    pub(super) fn n_shared(&self) -> usize {
        self.n_shared
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    /// Whether whole spans are dropped and nothing within them, so that the span table tells all.
    pub(crate) fn is_of_spans(&self) -> bool {
        self.signal == Signal::Traces && self.deepest <= Depth::Item
    }

    pub(crate) fn want(&mut self, keys: &mut KeySet) {
        if self.is_of_spans() {
            self.levels.iter_mut().flatten().for_each(|condition| condition.what.want(keys));
        }
    }

    /// Judges the spans of a request by the table; false is a span that goes, or one that loses an event.
    ///
    /// *Cost*: nothing is copied; for each span what its conditions look at, and nothing but the table where all of them
    /// look at resources and scopes.
    pub(crate) fn judge(&mut self, request: &[u8], table: &SpanTable) -> &[bool] {
        let mut kept = std::mem::take(&mut self.kept);
        kept.clear();
        let mut item = Item::new(self.n_shared);
        let (mut resource, mut scope) = (u32::MAX, u32::MAX);
        let (mut is_resource_in, mut is_scope_in) = (true, true);
        let asks_events = !self.levels[Depth::Part as usize].is_empty();
        let asks_spans = asks_events || !self.levels[Depth::Item as usize].is_empty();
        for (index, span) in table.spans.iter().enumerate() {
            if span.resource != resource {
                resource = span.resource;
                if let Some(record) = table.resources.get(resource as usize) {
                    item.open(Place::ResourceGroup, record.body.of(request));
                    item.open(Place::Resource, record.resource.of(request));
                }
                is_resource_in = self.visit(Depth::Resource, &mut item);
            }
            if span.scope != scope {
                scope = span.scope;
                if let Some(record) = table.scopes.get(scope as usize) {
                    item.open(Place::ScopeGroup, record.body.of(request));
                    item.open(Place::Scope, record.scope.of(request));
                }
                is_scope_in = is_resource_in && self.visit(Depth::Scope, &mut item);
            }
            let mut is_kept = is_resource_in && is_scope_in;
            if is_kept && asks_spans {
                item.open_span(request, span, table.values_of(index));
                is_kept = self.visit(Depth::Item, &mut item);
            }
            if is_kept && asks_events {
                is_kept = events(span.body.of(request)).all(|event| {
                    item.open(Place::Part, event);
                    self.visit(Depth::Part, &mut item)
                });
            }
            kept.push(is_kept);
        }
        self.kept = kept;
        &self.kept
    }

    /// Cuts out of a request what conditions hold for; none when nothing went.
    pub(crate) fn cut(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        rewritten(self.signal, request, Item::new(self.n_shared), self)
    }
}

fn events(span: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw::fields(span).filter_map(|(_, field)| match field.value {
        Raw::Bytes(event) if field.number == 11 => Some(event),
        _ => None,
    })
}

impl Visitor for Sieve {
    fn deepest(&self) -> Depth {
        self.deepest
    }

    fn drops_empty(&self) -> bool {
        true
    }

    #[inline]
    fn visit(&mut self, depth: Depth, item: &mut Item<'_>) -> bool {
        for condition in &mut self.levels[depth as usize] {
            match condition.what.holds(item) {
                Ok(false) => {}
                Ok(true) => return false,
                Err(failure) => {
                    condition.fail(failure, self.error_mode, &mut self.failures);
                    if self.error_mode == ErrorMode::Propagate {
                        return true;
                    }
                }
            }
        }
        true
    }

    fn dropped(&mut self, items: u64) {
        self.dropped += items;
    }
}
