//! All attributes of a request, and the bodies of its records, handed to one who may change them.

use model::Signal;

use super::{
    context::{Context, Depth},
    editors::{Entry, edit_map},
    fields::Access,
    item::Item,
    matching::access,
    value::{Failure, Map, Value},
    walk::{Visitor, rewritten},
};

/// One who changes attributes.
pub(crate) trait Change {
    /// Changes the attributes of a resource, scope, span, event, point or record.
    fn attributes(&self, entries: &mut Vec<Entry<'_>>);

    /// Changes the body of a record, an `AnyValue`, and what the record's attributes tell of it. Returns the new body.
    fn body(&self, body: &[u8], entries: &mut Vec<Entry<'_>>) -> Option<Vec<u8>>;
}

/// Walks through requests of a signal.
pub(crate) struct Everywhere<C> {
    signal: Signal,
    change: C,
    /// By [`Depth`]; metrics have no attributes themselves.
    maps: [Option<Access>; 4],
    body: Option<Access>,
    /// How many spans, points and records went, because what was made of them or around them could not be written.
    pub(crate) dropped: u64,
    /// The same of events within spans that stay.
    pub(crate) dropped_events: u64,
}

impl<C: Change> Everywhere<C> {
    pub(crate) fn new(signal: Signal, change: C) -> Self {
        let attributes = |context| Some(access(context, &["attributes"]));
        let (item, part) = match signal {
            Signal::Traces => (attributes(Context::Span), attributes(Context::SpanEvent)),
            Signal::Metrics => (None, attributes(Context::DataPoint)),
            Signal::Logs => (attributes(Context::Log), None),
        };
        let maps = [attributes(Context::Resource), attributes(Context::Scope), item, part];
        let body = (signal == Signal::Logs).then(|| access(Context::Log, &["body"]));
        Self { signal, change, maps, body, dropped: 0, dropped_events: 0 }
    }

    /// Changes a request and returns it written anew; none when nothing changed.
    pub(crate) fn run(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        rewritten(self.signal, request, Item::new(0), self)
    }

    fn edit(&self, depth: Depth, item: &mut Item<'_>) -> Result<(), Failure> {
        let Some(target) = &self.maps[depth as usize] else { return Ok(()) };
        let mut body = None;
        if let Some(access) = self.body.as_ref().filter(|_| depth == Depth::Item) {
            let sent = item.read(access)?.into_owned();
            body = Some((access, sent.encode()?));
        }
        let mut new = None;
        if matches!(item.read(target)?, Value::Map(Map { .. })) {
            edit_map(item, target, |entries| {
                self.change.attributes(entries);
                if let Some((access, sent)) = &body {
                    new = self.change.body(sent, entries).map(|new| (*access, new));
                }
                Ok(())
            })?;
        }
        match new {
            Some((access, new)) => item.write(access, Value::of(&new)),
            None => Ok(()),
        }
    }
}

impl<C: Change> Visitor for Everywhere<C> {
    fn deepest(&self) -> Depth {
        if self.signal == Signal::Logs { Depth::Item } else { Depth::Part }
    }

    fn drops_empty(&self) -> bool {
        false
    }

    /// What can not be changed goes: it may hold what nobody shall see.
    fn visit(&mut self, depth: Depth, item: &mut Item<'_>) -> bool {
        let stays = self.edit(depth, item).is_ok();
        self.dropped_events += u64::from(!stays && depth == Depth::Part && self.signal == Signal::Traces);
        stays
    }

    fn dropped(&mut self, items: u64) {
        self.dropped += items;
    }
}
