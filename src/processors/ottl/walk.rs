//! The way through a request, from resources down to points: what is visited may be changed or dropped, and the
//! request is written anew only where that happened.

use std::ops::Range;

use model::Signal;
use wire::raw::{self, Field as Spelled, Raw};

use super::{
    context::Depth,
    fields::Place,
    item::Item,
    metrics::{DATA, SUMMARY, whole},
};

/// What is done on the way.
pub(super) trait Visitor {
    /// How far down it looks.
    fn deepest(&self) -> Depth;

    /// Whether it looks at the items of the scope that `item` stands at.
    fn looks_within(&mut self, _: &mut Item<'_>) -> bool {
        true
    }

    /// Whether what holds nothing any more goes as well.
    fn drops_empty(&self) -> bool;

    /// Whether it asks at a summary's point how those before it were left.
    fn remembers_points(&self) -> bool {
        false
    }

    /// Looks at what the item stands at; returns whether it stays.
    fn visit(&mut self, depth: Depth, item: &mut Item<'_>) -> bool;

    /// Tells how many spans, points or records went with what was dropped.
    fn dropped(&mut self, items: u64);
}

/// What became of a message.
enum Fate {
    /// As it was.
    Same,
    /// Written anew, behind all else in the buffer that was handed down.
    Written,
    Gone,
}

/// Walks through a request and returns it written anew; none when nothing changed.
pub(super) fn rewritten<'r>(
    signal: Signal,
    request: &'r [u8],
    item: Item<'r>,
    visitor: &mut impl Visitor,
) -> Option<Vec<u8>> {
    let mut walk = Walk { signal, item, visitor, spare: Vec::new() };
    let mut out = Vec::new();
    let kids = walk.kids(request, |number| number == 1, Walk::resource_group);
    let is_changed = !kids.edits.is_empty();
    if is_changed {
        kids.write(request, &mut out);
    }
    is_changed.then_some(out)
}

struct Walk<'r, 'v, V> {
    signal: Signal,
    item: Item<'r>,
    visitor: &'v mut V,
    /// Buffers for the levels below.
    spare: Vec<Kids>,
}

/// What became of the messages within a message.
#[derive(Default)]
struct Kids {
    edits: Vec<Edit>,
    /// What was written anew.
    written: Vec<u8>,
    /// How many are still there.
    left: usize,
}

/// A field that is replaced or goes.
struct Edit {
    field: Range<usize>,
    number: u32,
    /// Range of what was written; none for a field that goes.
    written: Option<Range<usize>>,
}

impl Kids {
    /// Adds the edit of a field that was not among those walked, at its place in the order.
    fn edit(&mut self, field: Range<usize>, number: u32, message: &[u8]) {
        let from = self.written.len();
        self.written.extend_from_slice(message);
        let at = self.edits.partition_point(|edit| edit.field.start < field.start);
        self.edits.insert(at, Edit { field, number, written: Some(from..self.written.len()) });
    }

    /// Copies a message with the edits.
    fn write(&self, message: &[u8], out: &mut Vec<u8>) {
        let mut copied = 0;
        for edit in &self.edits {
            out.extend_from_slice(message.get(copied..edit.field.start).unwrap_or_default());
            if let Some(written) = &edit.written {
                let body = self.written.get(written.clone()).unwrap_or_default();
                raw::put(out, Spelled { number: edit.number, value: Raw::Bytes(body) });
            }
            copied = edit.field.end;
        }
        out.extend_from_slice(message.get(copied..).unwrap_or_default());
    }
}

/// Finds a message that stands once, which the check of the request has seen to, with its place; where there is none,
/// where it would be put.
fn single(message: &[u8], number: u32) -> (Range<usize>, &[u8]) {
    let found = raw::fields(message).find_map(|(range, field)| match field.value {
        Raw::Bytes(body) if field.number == number => Some((range, body)),
        _ => None,
    });
    found.unwrap_or((0..0, &[]))
}

impl<'r, V: Visitor> Walk<'r, '_, V> {
    /// Returns what is within a message that nobody looks into.
    fn unseen(&mut self, message: &[u8]) -> Kids {
        let mut kids = self.empty_kids();
        if self.visitor.drops_empty() {
            kids.left = raw::fields(message).filter(|(_, field)| field.number == 2).count();
        }
        kids
    }

    fn empty_kids(&mut self) -> Kids {
        let mut kids = self.spare.pop().unwrap_or_default();
        kids.edits.clear();
        kids.written.clear();
        kids.left = 0;
        kids
    }

    /// Walks the messages within a message.
    fn kids(
        &mut self,
        message: &'r [u8],
        is_kid: impl Fn(u32) -> bool,
        of_kid: fn(&mut Self, &'r [u8], u32, &mut Vec<u8>) -> Fate,
    ) -> Kids {
        let mut kids = self.empty_kids();
        for (range, field) in raw::fields(message) {
            let Raw::Bytes(body) = field.value else { continue };
            if !is_kid(field.number) {
                continue;
            }
            let from = kids.written.len();
            let fate = of_kid(self, body, field.number, &mut kids.written);
            let written = match fate {
                Fate::Same => {
                    kids.left += 1;
                    continue;
                }
                Fate::Written => {
                    kids.left += 1;
                    Some(from..kids.written.len())
                }
                Fate::Gone => None,
            };
            kids.edits.push(Edit { field: range, number: field.number, written });
        }
        kids
    }

    /// Writes a message whose own fields may have changed, and what is within it as well.
    fn finish(
        &mut self,
        place: Place,
        message: &[u8],
        kids: Kids,
        within: &[u32],
        out: &mut Vec<u8>,
    ) -> Fate {
        let fate = match (self.item.changed(place), kids.edits.is_empty()) {
            (None, true) => Fate::Same,
            (None, false) => {
                kids.write(message, out);
                Fate::Written
            }
            (Some(changed), true) => {
                out.extend_from_slice(changed);
                Fate::Written
            }
            (Some(changed), false) => {
                // Its own fields of the one, what is within it of the other.
                let mut written = Vec::new();
                kids.write(message, &mut written);
                let own = raw::fields(changed).filter(|(_, field)| !within.contains(&field.number));
                let inner = raw::fields(&written).filter(|(_, field)| within.contains(&field.number));
                own.for_each(|(range, _)| out.extend_from_slice(changed.get(range).unwrap_or_default()));
                inner.for_each(|(range, _)| out.extend_from_slice(written.get(range).unwrap_or_default()));
                Fate::Written
            }
        };
        self.spare.push(kids);
        fate
    }

    /// Whether the visitor looks at what is below.
    fn goes_below(&self, depth: Depth) -> bool {
        self.visitor.deepest() > depth
    }

    fn stays(&mut self, depth: Depth) -> bool {
        self.visitor.visit(depth, &mut self.item)
    }

    fn resource_group(&mut self, message: &'r [u8], _: u32, out: &mut Vec<u8>) -> Fate {
        let (place, resource) = single(message, 1);
        self.item.open(Place::ResourceGroup, message);
        self.item.open(Place::Resource, resource);
        if !self.stays(Depth::Resource) {
            self.drop_scopes(message);
            return Fate::Gone;
        }
        let mut kids = match self.goes_below(Depth::Resource) {
            true => self.kids(message, |number| number == 2, Self::scope_group),
            false => self.unseen(message),
        };
        if self.visitor.drops_empty() && kids.left == 0 {
            self.spare.push(kids);
            return Fate::Gone;
        }
        if let Some(changed) = self.item.changed(Place::Resource) {
            kids.edit(place, 1, changed);
        }
        self.finish(Place::ResourceGroup, message, kids, &[1, 2], out)
    }

    fn scope_group(&mut self, message: &'r [u8], _: u32, out: &mut Vec<u8>) -> Fate {
        let (place, scope) = single(message, 1);
        self.item.open(Place::ScopeGroup, message);
        self.item.open(Place::Scope, scope);
        if !self.stays(Depth::Scope) {
            self.drop_items(message);
            return Fate::Gone;
        }
        let below = self.goes_below(Depth::Scope) && self.visitor.looks_within(&mut self.item);
        let mut kids = match (below, self.signal) {
            (false, _) => self.unseen(message),
            (true, Signal::Metrics) => self.kids(message, |number| number == 2, Self::metric),
            (true, Signal::Traces) => self.kids(message, |number| number == 2, Self::span),
            (true, Signal::Logs) => self.kids(message, |number| number == 2, Self::record),
        };
        self.added(message.len(), &mut kids);
        if self.visitor.drops_empty() && kids.left == 0 {
            self.spare.push(kids);
            return Fate::Gone;
        }
        if let Some(changed) = self.item.changed(Place::Scope) {
            kids.edit(place, 1, changed);
        }
        self.finish(Place::ScopeGroup, message, kids, &[1, 2], out)
    }

    fn record(&mut self, message: &'r [u8], _: u32, out: &mut Vec<u8>) -> Fate {
        self.item.open(Place::Item, message);
        if !self.stays(Depth::Item) {
            self.visitor.dropped(1);
            return Fate::Gone;
        }
        self.alone(Place::Item, out)
    }

    fn alone(&self, place: Place, out: &mut Vec<u8>) -> Fate {
        match self.item.changed(place) {
            None => Fate::Same,
            Some(changed) => {
                out.extend_from_slice(changed);
                Fate::Written
            }
        }
    }

    fn span(&mut self, message: &'r [u8], _: u32, out: &mut Vec<u8>) -> Fate {
        self.item.open(Place::Item, message);
        if !self.stays(Depth::Item) {
            self.visitor.dropped(1);
            return Fate::Gone;
        }
        let below = self.goes_below(Depth::Item);
        let kids = self.kids(message, |number| below && number == 11, Self::event);
        self.finish(Place::Item, message, kids, &[11], out)
    }

    fn event(&mut self, message: &'r [u8], _: u32, out: &mut Vec<u8>) -> Fate {
        self.item.open(Place::Part, message);
        if !self.stays(Depth::Part) {
            return Fate::Gone;
        }
        self.alone(Place::Part, out)
    }

    fn metric(&mut self, message: &'r [u8], _: u32, out: &mut Vec<u8>) -> Fate {
        self.item.open(Place::Item, message);
        let (place, number, data) = data_of(message);
        self.item.data = number;
        self.item.visited.clear();
        self.item.open(Place::Data, data);
        if !self.stays(Depth::Item) {
            self.visitor.dropped(points_of(message));
            return Fate::Gone;
        }
        let below = self.goes_below(Depth::Item);
        let kids = self.kids(data, |number| below && number == 1, Self::point);
        if below && self.visitor.drops_empty() && number != 0 && kids.left == 0 {
            self.spare.push(kids);
            return Fate::Gone;
        }
        let mut written = Vec::new();
        let fate = self.finish(Place::Data, data, kids, &[1], &mut written);
        let mut outer = self.spare.pop().unwrap_or_default();
        outer.edits.clear();
        outer.written.clear();
        if matches!(fate, Fate::Written) {
            outer.edit(place, self.item.data, &written);
        } else if self.item.data != number {
            outer.edit(place, self.item.data, data);
        }
        self.finish(Place::Item, message, outer, &DATA, out)
    }

    /// Writes the metrics that were added to a scope, whose message ends at `end`. They are visited as the others.
    fn added(&mut self, end: usize, kids: &mut Kids) {
        while let Some(metric) = self.item.next_added() {
            let from = kids.written.len();
            let (_, number, data) = data_of(&metric);
            let data = data.to_vec();
            self.item.data = number;
            self.item.visited.clear();
            self.item.open_made(Place::Item, metric);
            self.item.open_made(Place::Data, data);
            if !self.stays(Depth::Item) {
                continue;
            }
            if self.goes_below(Depth::Item) {
                let points = self.added_points();
                self.item.put(Place::Data, points);
            }
            kids.written.extend_from_slice(&whole(&self.item));
            kids.left += 1;
            kids.edits.push(Edit { field: end..end, number: 2, written: Some(from..kids.written.len()) });
        }
    }

    /// Visits the points of a metric that was added, and returns its data with what became of them.
    fn added_points(&mut self) -> Vec<u8> {
        let data = self.item.message(Place::Data).to_vec();
        let mut written = Vec::with_capacity(data.len());
        for (range, field) in raw::fields(&data) {
            match field.value {
                Raw::Bytes(point) if field.number == 1 => {
                    self.item.open_made(Place::Part, point.to_vec());
                    if self.stays(Depth::Part) {
                        let value = Raw::Bytes(self.item.message(Place::Part));
                        raw::put(&mut written, Spelled { number: 1, value });
                    }
                }
                _ => written.extend_from_slice(data.get(range).unwrap_or_default()),
            }
        }
        written
    }

    fn point(&mut self, message: &'r [u8], _: u32, out: &mut Vec<u8>) -> Fate {
        self.item.open(Place::Part, message);
        let stays = self.stays(Depth::Part);
        if self.item.data == SUMMARY && self.visitor.remembers_points() {
            let point = self.item.message(Place::Part).to_vec();
            self.item.visited.push(point);
        }
        if !stays {
            self.visitor.dropped(1);
            return Fate::Gone;
        }
        self.alone(Place::Part, out)
    }

    fn drop_scopes(&mut self, resource_group: &[u8]) {
        for (_, field) in raw::fields(resource_group) {
            if let (2, Raw::Bytes(scope_group)) = (field.number, field.value) {
                self.drop_items(scope_group);
            }
        }
    }

    fn drop_items(&mut self, scope_group: &[u8]) {
        let items = raw::fields(scope_group).filter_map(|(_, field)| match field.value {
            Raw::Bytes(item) if field.number == 2 => Some(item),
            _ => None,
        });
        let count = match self.signal {
            Signal::Metrics => items.map(points_of).sum(),
            Signal::Traces | Signal::Logs => items.count() as u64,
        };
        self.visitor.dropped(count);
    }
}

/// Finds what a metric holds: its place, the number of its field, which is 0 for none, and the message.
fn data_of(metric: &[u8]) -> (Range<usize>, u32, &[u8]) {
    let found = raw::fields(metric).filter_map(|(range, field)| match field.value {
        Raw::Bytes(data) if DATA.contains(&field.number) => Some((range, field.number, data)),
        _ => None,
    });
    found.last().unwrap_or((0..0, 0, &[]))
}

fn points_of(metric: &[u8]) -> u64 {
    let points = |data: &[u8]| raw::fields(data).filter(|(_, field)| field.number == 1).count() as u64;
    let data = raw::fields(metric).filter_map(|(_, field)| match field.value {
        Raw::Bytes(data) if DATA.contains(&field.number) => Some(data),
        _ => None,
    });
    data.map(points).sum()
}
