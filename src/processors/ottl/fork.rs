//! One condition that parts a request in two: what it holds for, and the rest.

use bytes::Bytes;
use model::{KeySet, Payload, Signal, Traces};
use wire::edit::keep_spans;

use super::{
    conditions::{ErrorMode, Failures, Sieve},
    context::{Context, Depth},
    fault::Fault,
    group::Group,
    item::Item,
    syntax::{self, Call, Kind, Node, Path},
    walk::{Visitor, rewritten},
};

/// Parts requests of one signal.
pub(crate) struct Fork {
    sieve: Sieve,
    at: Depth,
    /// What is done to the part that it holds for.
    group: Option<Group>,
}

/// What a condition says of a request.
pub(crate) enum Forked {
    /// It holds for nothing.
    None,
    /// It holds for everything: nothing has to be cut.
    Whole,
    Parts {
        taken: Part,
        rest: Part,
    },
}

/// A part of a request and how many items it has.
pub(crate) struct Part {
    pub(crate) payload: Payload,
    pub(crate) items: u64,
}

/// A condition as an operator writes it: alone, or in a statement `route() where …`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule<'t> {
    Condition(&'t str),
    Statement(&'t str),
}

/// A rule that has been read, and for which signals it is meant.
struct Read<'t> {
    text: &'t str,
    node: Node,
    deletes: bool,
    context: Option<Context>,
    signals: Vec<Signal>,
}

/// What may be done in a statement.
const EDITORS: [&str; 3] = ["route", "delete_key", "delete_matching_keys"];

const NO_METADATA: &str = "the metadata of a request does not travel with its data, so that nothing can be routed by it; \
     route by an attribute, or give each sender a receiver of its own";

impl Rule<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Condition(text) | Self::Statement(text) => text,
        }
    }
}

impl Fork {
    /// The contexts that a key `context` may name.
    pub(crate) const CONTEXTS: [&'static str; 6] =
        ["resource", "scope", "span", "metric", "datapoint", "log"];
    /// Those of the collector for which there is nothing to look at.
    pub(crate) const CONTEXTS_OF_METADATA: [&'static str; 2] = ["request", "otelcol"];

    /// Reads a rule for each signal, in the order of [`Signal::ALL`]; none for one that it is not meant for. Without a
    /// context it is meant for what its paths begin with, or for the resource where they do not say.
    ///
    /// Returns doubts as well.
    ///
    /// *Errors*: what is wrong with the rule.
    pub(crate) fn of_all_signals(
        rule: Rule<'_>,
        context: Option<&str>,
        error_mode: ErrorMode,
    ) -> Result<([Option<Self>; 3], Vec<String>), String> {
        let told = |fault: Fault| fault.told(rule.text());
        let read = Read::new(rule, context).map_err(told)?;
        let mut forks = [const { None }; 3];
        let mut doubts = Vec::new();
        for &signal in &read.signals {
            let mut sieve = Sieve::new(signal, error_mode);
            doubts = sieve.resolve(read.text, &read.node, read.context).map_err(told)?;
            let at = sieve.deepest();
            if at == Depth::Part && signal == Signal::Traces {
                return Err("events of spans can not be routed apart from their spans".to_owned());
            }
            let group =
                read.deletes.then(|| group(signal, read.context, read.text, error_mode)).transpose()?;
            forks[signal as usize] = Some(Self { sieve, at, group });
        }
        Ok((forks, doubts.iter().map(|doubt| doubt.told(rule.text())).collect()))
    }

    /// Asks for the span attributes that the condition reads.
    pub(crate) fn want(&mut self, keys: &mut KeySet) {
        self.sieve.want(keys);
    }

    /// Returns what failed since it was last asked.
    pub(crate) fn take_failures(&mut self) -> Failures {
        std::mem::take(&mut self.sieve.failures)
    }

    /// Parts a request of its signal.
    ///
    /// *Cost*: what the condition looks at; one copy of a request that has both parts, none of another.
    pub(crate) fn fork(&mut self, payload: &Payload, items: u64) -> Forked {
        match payload {
            Payload::Traces(traces) => self.fork_traces(traces),
            Payload::Metrics(bytes) => self.fork_bytes(bytes, items, Payload::Metrics),
            Payload::Logs(bytes) => self.fork_bytes(bytes, items, Payload::Logs),
            _ => Forked::None,
        }
    }

    /// Runs the statement on what its condition holds for.
    pub(crate) fn edit(&mut self, payload: &mut Payload) {
        let Some(group) = &mut self.group else { return };
        match payload {
            Payload::Traces(traces) => {
                if let Some(changed) = group.run(&traces.bytes) {
                    *traces = Traces::unread(changed.into());
                }
            }
            Payload::Metrics(bytes) | Payload::Logs(bytes) => {
                if let Some(changed) = group.run(bytes) {
                    *bytes = changed.into();
                }
            }
            _ => {}
        }
        // They are those of the condition, which have been counted.
        group.failures = Failures::default();
    }

    fn fork_traces(&mut self, traces: &Traces) -> Forked {
        let rest_of = self.sieve.judge(&traces.bytes, &traces.table);
        let n_rest = rest_of.iter().filter(|stays| **stays).count();
        if n_rest == rest_of.len() {
            return Forked::None;
        }
        if n_rest == 0 {
            return Forked::Whole;
        }
        let taken_of: Vec<bool> = rest_of.iter().map(|stays| !stays).collect();
        let (mut taken, mut rest) = (traces.clone(), traces.clone());
        keep_spans(&mut taken, &taken_of);
        keep_spans(&mut rest, rest_of);
        Forked::Parts { taken: Part::of_traces(taken), rest: Part::of_traces(rest) }
    }

    fn fork_bytes(&mut self, request: &Bytes, items: u64, payload: fn(Bytes) -> Payload) -> Forked {
        self.sieve.dropped = 0;
        let (signal, item) = (self.sieve.signal(), Item::new(self.sieve.n_shared()));
        let mut first = Deciding { sieve: &mut self.sieve, at: self.at, stay: Vec::new() };
        let rest = rewritten(signal, request, item, &mut first);
        let stay = first.stay;
        if stay.iter().all(|stays| *stays) {
            return Forked::None;
        }
        if !stay.contains(&true) {
            return Forked::Whole;
        }
        let mut second = Inverse { at: self.at, stay: stay.into_iter() };
        let taken = rewritten(signal, request, Item::new(0), &mut second);
        let n_taken = self.sieve.dropped.min(items);
        let part = |bytes: Option<Vec<u8>>, items| Part {
            payload: payload(bytes.map_or_else(|| request.clone(), Bytes::from)),
            items,
        };
        Forked::Parts { taken: part(taken, n_taken), rest: part(rest, items - n_taken) }
    }
}

impl Part {
    fn of_traces(traces: Traces) -> Self {
        Self { items: traces.table.spans.len() as u64, payload: Payload::Traces(traces) }
    }
}

/// Cuts out what the condition holds for, and remembers what it said.
struct Deciding<'s> {
    sieve: &'s mut Sieve,
    at: Depth,
    stay: Vec<bool>,
}

impl Visitor for Deciding<'_> {
    fn deepest(&self) -> Depth {
        self.at
    }

    fn drops_empty(&self) -> bool {
        true
    }

    fn visit(&mut self, depth: Depth, item: &mut Item<'_>) -> bool {
        if depth != self.at {
            return true;
        }
        let stays = self.sieve.visit(depth, item);
        self.stay.push(stays);
        stays
    }

    fn dropped(&mut self, items: u64) {
        self.sieve.dropped(items);
    }
}

/// Cuts out what the condition did not hold for.
struct Inverse {
    at: Depth,
    stay: std::vec::IntoIter<bool>,
}

impl Visitor for Inverse {
    fn deepest(&self) -> Depth {
        self.at
    }

    fn drops_empty(&self) -> bool {
        true
    }

    fn visit(&mut self, depth: Depth, _: &mut Item<'_>) -> bool {
        depth != self.at || !self.stay.next().unwrap_or(true)
    }

    fn dropped(&mut self, _: u64) {}
}

impl<'t> Read<'t> {
    fn new(rule: Rule<'t>, context: Option<&str>) -> Result<Self, Fault> {
        let (text, node, editor) = match rule {
            Rule::Condition(text) => (text, syntax::condition(text)?, None),
            Rule::Statement(text) => {
                let statement = syntax::statement(text)?;
                let always = Node { at: 0, kind: Kind::Bool(true) };
                (text, statement.condition.unwrap_or(always), Some(statement.editor))
            }
        };
        let deletes = editor.as_ref().map(deletes).transpose()?.unwrap_or(false);
        let named = Named::of(&node, editor.as_ref());
        if let Some(at) = named.metadata {
            return Err(Fault::new(at, NO_METADATA));
        }
        let context = match context {
            Some(name) if Fork::CONTEXTS_OF_METADATA.contains(&name) => {
                return Err(Fault::new(0, NO_METADATA));
            }
            Some(name) => Some(Context::named(name).ok_or_else(|| Fault::new(0, "no such context"))?),
            // As in the collector, paths that do not say of what they are are of the resource.
            None if named.contexts.is_empty() => Some(Context::Resource),
            None => None,
        };
        let fits = |signal: Signal| {
            let known = Context::of(signal);
            context.iter().chain(&named.contexts).all(|context| known.contains(context))
        };
        let mut signals: Vec<Signal> = Signal::ALL.into_iter().filter(|signal| fits(*signal)).collect();
        if signals.is_empty() {
            // What is wrong with it is told for a signal that has the context.
            let of_context =
                |signal: &Signal| context.is_none_or(|context| Context::of(*signal).contains(&context));
            signals = Signal::ALL.into_iter().find(of_context).into_iter().collect();
        }
        Ok(Self { text, node, deletes, context, signals })
    }
}

/// Whether a statement does more than to choose.
fn deletes(editor: &Call) -> Result<bool, Fault> {
    match editor.name.as_str() {
        "route" if editor.arguments.is_empty() => Ok(false),
        "route" => Err(Fault::new(editor.at, "route() takes no arguments")),
        "delete_key" | "delete_matching_keys" => Ok(true),
        name => Err(Fault::new(editor.at, super::fault::unknown("editor of a route", name, &EDITORS))),
    }
}

fn group(
    signal: Signal,
    context: Option<Context>,
    text: &str,
    error_mode: ErrorMode,
) -> Result<Group, String> {
    let (group, faults, _) = Group::new(signal, context, &[], &[text.to_owned()], error_mode);
    match (faults.statements.into_iter().next(), group) {
        (None, Some(group)) => Ok(group),
        (Some((_, message)), _) => Err(message),
        (None, None) => Err("it is not known what the statement is meant for".to_owned()),
    }
}

/// What the paths of a rule begin with.
#[derive(Default)]
struct Named {
    contexts: Vec<Context>,
    /// Where something is asked of the connection that the request came over.
    metadata: Option<usize>,
}

impl Named {
    fn of(condition: &Node, editor: Option<&Call>) -> Self {
        let mut named = Self::default();
        let editor = editor.map(|call| Node { at: call.at, kind: Kind::Call(call.clone()) });
        for node in std::iter::once(condition).chain(&editor) {
            node.walk(&mut |part| {
                if let Kind::Path(path) = &part.kind {
                    named.add(path);
                }
            });
        }
        named
    }

    fn add(&mut self, path: &Path) {
        let Some(first) = path.segments.first() else { return };
        if Fork::CONTEXTS_OF_METADATA.contains(&first.name.as_str()) {
            self.metadata = self.metadata.or(Some(first.at));
        }
        if path.segments.len() > 1 {
            self.contexts.extend(Context::named(&first.name));
        }
    }
}
