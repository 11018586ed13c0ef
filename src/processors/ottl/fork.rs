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
    request::REQUEST_CONTEXTS,
    syntax::{self, Call, Kind, Node, Path},
    walk::{Visitor, rewritten},
    words::spelled_out,
};

/// Parts requests of one signal.
pub(crate) struct Fork {
    sieve: Sieve,
    at: Depth,
    /// What is done to the part that it holds for.
    group: Option<Group>,
    /// Of the last request: what each resource, item or point said, true for one that stays.
    stay: Vec<bool>,
    /// Of the last request, where that has no table: what stays of it, and how many items do not.
    rest: Option<Vec<u8>>,
    n_taken: u64,
}

/// What a condition says of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It holds for nothing.
    Nothing,
    /// It holds for everything: nothing has to be cut.
    Everything,
    Some,
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

const NO_METADATA: &str =
    "the head of a request is nothing that an item has; a route asks it in the context request or otelcol";

impl Rule<'_> {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Condition(text) | Self::Statement(text) => text,
        }
    }
}

/// How a condition without a context says what it asks for.
const SAID_OF_WHAT: &str = "as span.name, metric.name, log.body and resource.attributes[\"a\"] do; service.name and other words with dots are attributes";

impl Fork {
    /// The contexts that a key `context` may name.
    pub(crate) const CONTEXTS: [&'static str; 6] =
        ["resource", "scope", "span", "metric", "datapoint", "log"];

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
            let (stay, rest, n_taken) = (Vec::new(), None, 0);
            forks[signal as usize] = Some(Self { sieve, at, group, stay, rest, n_taken });
        }
        Ok((forks, doubts.iter().map(|doubt| doubt.told(rule.text())).collect()))
    }

    /// Reads a condition as people type it, for each signal that it is meant for: names of several words without a context
    /// are attributes. What it can not be judged of is left.
    ///
    /// *Errors*: what is wrong with it.
    pub(crate) fn of_words(text: &str) -> Result<[Option<Self>; 3], String> {
        let told = |fault: Fault| fault.told(text);
        let read = Read::new(Rule::Condition(text), None).map_err(told)?;
        let mut forks = [const { None }; 3];
        for &signal in &read.signals {
            let node = spelled_out(&read.node, signal);
            let context = read.context.filter(|_| node == read.node);
            let mut sieve = Sieve::new(signal, ErrorMode::Silent);
            sieve.resolve(text, &node, context).map_err(|fault| match context {
                Some(_) => format!("{}; say of what it is, {SAID_OF_WHAT}", fault.told(text)),
                None => fault.told(text),
            })?;
            let at = sieve.deepest();
            if at == Depth::Part && signal == Signal::Traces {
                return Err("events of spans are not shown apart from their spans".to_owned());
            }
            let (stay, rest, n_taken) = (Vec::new(), None, 0);
            forks[signal as usize] = Some(Self { sieve, at, group: None, stay, rest, n_taken });
        }
        Ok(forks)
    }

    /// Asks for the span attributes that the condition reads.
    pub(crate) fn want(&mut self, keys: &mut KeySet) {
        self.sieve.want(keys);
    }

    /// Returns what failed since it was last asked.
    pub(crate) fn take_failures(&mut self) -> Failures {
        std::mem::take(&mut self.sieve.failures)
    }

    /// Asks the condition of a request of its signal. What it says is kept for [`Fork::take`] and [`Fork::leave`].
    ///
    /// *Cost*: what the condition looks at, and for metrics and log records one copy of a request that has both parts.
    pub(crate) fn judge(&mut self, payload: &Payload) -> Verdict {
        self.rest = None;
        self.stay.clear();
        match payload {
            Payload::Traces(traces) => {
                self.stay.extend_from_slice(self.sieve.judge(&traces.bytes, &traces.table));
            }
            Payload::Metrics(request) | Payload::Logs(request) => {
                self.sieve.dropped = 0;
                let (signal, item) = (self.sieve.signal(), Item::new(self.sieve.n_shared()));
                let mut deciding = Deciding { sieve: &mut self.sieve, at: self.at, stay: &mut self.stay };
                self.rest = rewritten(signal, request, item, &mut deciding);
                self.n_taken = self.sieve.dropped;
            }
            _ => {}
        }
        match (self.stay.contains(&true), self.stay.contains(&false)) {
            (_, false) => Verdict::Nothing,
            (false, true) => Verdict::Everything,
            (true, true) => Verdict::Some,
        }
    }

    /// Cuts out of a request, which has been judged last, what the condition holds for.
    ///
    /// *Cost*: one copy of that, and of the table of all spans.
    pub(crate) fn take(&self, payload: &Payload, items: u64) -> (Payload, u64) {
        let cut = |request: &Bytes| {
            let mut inverse = Inverse { at: self.at, stay: self.stay.iter() };
            let taken = rewritten(self.sieve.signal(), request, Item::new(0), &mut inverse);
            (taken.map_or_else(|| request.clone(), Bytes::from), self.n_taken.min(items))
        };
        match payload {
            Payload::Traces(traces) => {
                let taken: Vec<bool> = self.stay.iter().map(|stays| !stays).collect();
                let mut part = traces.clone();
                keep_spans(&mut part, &taken);
                let n_taken = part.table.spans.len() as u64;
                (Payload::Traces(part), n_taken)
            }
            Payload::Metrics(request) => {
                let (part, n_taken) = cut(request);
                (Payload::Metrics(part), n_taken)
            }
            Payload::Logs(request) => {
                let (part, n_taken) = cut(request);
                (Payload::Logs(part), n_taken)
            }
            other => (other.clone(), items),
        }
    }

    /// Leaves of a request, which has been judged last, what the condition does not hold for.
    pub(crate) fn leave(&mut self, payload: &mut Payload) {
        match payload {
            Payload::Traces(traces) => {
                keep_spans(traces, &self.stay);
            }
            Payload::Metrics(request) | Payload::Logs(request) => {
                if let Some(rest) = self.rest.take() {
                    *request = rest.into();
                }
            }
            _ => {}
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
}

/// Cuts out what the condition holds for, and remembers what it said.
struct Deciding<'s> {
    sieve: &'s mut Sieve,
    at: Depth,
    stay: &'s mut Vec<bool>,
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
struct Inverse<'s> {
    at: Depth,
    stay: std::slice::Iter<'s, bool>,
}

impl Visitor for Inverse<'_> {
    fn deepest(&self) -> Depth {
        self.at
    }

    fn drops_empty(&self) -> bool {
        true
    }

    fn visit(&mut self, depth: Depth, _: &mut Item<'_>) -> bool {
        depth != self.at || !self.stay.next().copied().unwrap_or(true)
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
        if REQUEST_CONTEXTS.contains(&first.name.as_str()) {
            self.metadata = self.metadata.or(Some(first.at));
        }
        if path.segments.len() > 1 {
            self.contexts.extend(Context::named(&first.name));
        }
    }
}
