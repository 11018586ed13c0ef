//! Edits of resources, data points and log records: the way down to them is a small tree of field numbers.

use bytes::Bytes;
use model::{Signal, Slice};

use crate::{
    build::Attributes,
    cursor::{self, Fields, Raw},
    edit::{
        AttributeEdits,
        actions::{Outcome, placed_attributes, placed_fields},
    },
    encode,
};

/// Edits the attributes of every resource; one that is missing is made when a step adds to it.
///
/// Returns none when nothing changed. For trace requests with a table take [`crate::edit::edit_trace_resources`].
///
/// *Cost*: one walk over the framing and, where something changed, one copy of the request.
pub fn edit_resources(signal: Signal, request: &Bytes, edits: &AttributeEdits) -> Option<Bytes> {
    // Resources stand in the same place in all signals.
    let (Signal::Traces | Signal::Metrics | Signal::Logs) = signal;
    edit(request, edits, &RESOURCES)
}

/// Edits the attributes of every data point of a metrics request, as [`edit_resources`] does.
pub fn edit_data_points(request: &Bytes, edits: &AttributeEdits) -> Option<Bytes> {
    edit(request, edits, &DATA_POINTS)
}

/// Edits the attributes of every record of a logs request, as [`edit_resources`] does.
pub fn edit_log_records(request: &Bytes, edits: &AttributeEdits) -> Option<Bytes> {
    edit(request, edits, &LOG_RECORDS)
}

/// Appends attributes to chosen records of a logs request: `attributes_of` gets the `Resource` and the record.
///
/// Returns none when nothing was appended.
///
/// *Cost*: one walk over the framing and, where something is appended, one copy of the request.
pub fn append_to_log_records<'f>(
    request: &Bytes,
    mut attributes_of: impl FnMut(&[u8], &[u8]) -> Option<&'f Attributes>,
) -> Option<Bytes> {
    let of = |above: &[&[u8]], record: &[u8]| attributes_of(resource_in(above), record);
    append(request, &LOG_RECORDS, of)
}

/// Appends attributes to chosen data points of a metrics request: `attributes_of` gets the `Resource`, the
/// `Metric` and the data point. Otherwise as [`append_to_log_records`].
pub fn append_to_data_points<'f>(
    request: &Bytes,
    mut attributes_of: impl FnMut(&[u8], &[u8], &[u8]) -> Option<&'f Attributes>,
) -> Option<Bytes> {
    let of = |above: &[&[u8]], point: &[u8]| {
        // Request, ResourceMetrics, ScopeMetrics, Metric, and the data that holds the point.
        attributes_of(resource_in(above), above.get(3).copied().unwrap_or_default(), point)
    };
    append(request, &DATA_POINTS, of)
}

/// The `Resource` of what stands below a request and its `ResourceLogs` or `ResourceMetrics`.
fn resource_in<'a>(above: &[&'a [u8]]) -> &'a [u8] {
    let mut fields = Fields::new(above.get(1).copied().unwrap_or_default());
    let resource = fields.find_map(|field| match (field.number, field.value) {
        (1, Raw::Bytes(body)) => Some(body),
        _ => None,
    });
    resource.unwrap_or_default()
}

fn append<'f>(
    request: &Bytes,
    tree: &Node,
    attributes_of: impl FnMut(&[&[u8]], &[u8]) -> Option<&'f Attributes>,
) -> Option<Bytes> {
    let change = Append { attributes_of, fields: Vec::new() };
    let mut walk = Walk { change, patches: Patches::default(), above: Vec::new() };
    walk.message(tree, request, 0);
    (!walk.patches.list.is_empty()).then(|| walk.patches.apply(request).into())
}

fn edit(request: &Bytes, edits: &AttributeEdits, tree: &Node) -> Option<Bytes> {
    let patches = patches(request, edits, tree);
    (!patches.list.is_empty()).then(|| patches.apply(request).into())
}

/// A message on the way to the attributes.
pub(super) enum Node {
    /// Holds the attributes in this field.
    Owner(u32),
    /// Leads on through these fields.
    Way(&'static [(u32, Self)]),
    /// Leads on through field 1, and gets such a message when it has none.
    Missable(u32),
}

pub(super) static RESOURCES: Node = Node::Way(&[(1, Node::Missable(1))]);
static DATA_POINTS: Node = Node::Way(&[(1, Node::Way(&[(2, Node::Way(&[(2, METRIC)]))]))]);
const METRIC: Node = Node::Way(&[
    (5, Node::Way(&[(1, Node::Owner(7))])),
    (7, Node::Way(&[(1, Node::Owner(7))])),
    (9, Node::Way(&[(1, Node::Owner(9))])),
    (10, Node::Way(&[(1, Node::Owner(1))])),
    (11, Node::Way(&[(1, Node::Owner(7))])),
]);
static LOG_RECORDS: Node = Node::Way(&[(1, Node::Way(&[(2, Node::Way(&[(2, Node::Owner(6))]))]))]);

/// Changes to a request, in the order of their places.
#[derive(Default)]
pub(super) struct Patches {
    pub(super) list: Vec<Patch>,
    inserts: Vec<u8>,
}

/// `cut` bytes at `at` are replaced by a range of the inserts.
pub(super) struct Patch {
    pub(super) at: u32,
    cut: u32,
    insert: Slice,
}

impl Patch {
    pub(super) fn delta(&self) -> i64 {
        i64::from(self.insert.len) - i64::from(self.cut)
    }
}

pub(super) fn patches(request: &[u8], edits: &AttributeEdits, tree: &Node) -> Patches {
    let change = Steps { request, edits, outcome: Outcome::default(), found: Vec::new() };
    let mut walk = Walk { change, patches: Patches::default(), above: Vec::new() };
    walk.message(tree, request, 0);
    walk.patches
}

impl Patches {
    pub(super) fn apply(&self, request: &[u8]) -> Vec<u8> {
        let delta: i64 = self.list.iter().map(Patch::delta).sum();
        let mut out = Vec::with_capacity((request.len() as i64 + delta).max(0) as usize);
        let mut copied = 0;
        for patch in &self.list {
            let at = patch.at as usize;
            out.extend_from_slice(request.get(copied..at).unwrap_or_default());
            out.extend_from_slice(patch.insert.of(&self.inserts));
            copied = at + patch.cut as usize;
        }
        out.extend_from_slice(request.get(copied..).unwrap_or_default());
        out
    }

    fn push(&mut self, at: usize, cut: usize, insert: &[u8]) {
        let insert_at = self.inserts.len() as u32;
        self.inserts.extend_from_slice(insert);
        let insert = Slice { at: insert_at, len: insert.len() as u32 };
        self.list.push(Patch { at: at as u32, cut: cut as u32, insert });
    }
}

/// What is done to a message that holds attributes.
trait Change {
    /// Changes a message that begins at `at` and holds attributes in field `number`; returns by how much it
    /// grows. `above` are the messages around it, the request first.
    fn owner(&mut self, above: &[&[u8]], number: u32, body: &[u8], at: usize, patches: &mut Patches) -> i64;

    /// Changes a message that is not there and would stand at `at`.
    fn missing(&mut self, number: u32, at: usize, patches: &mut Patches) -> i64;
}

struct Walk<'a, C> {
    change: C,
    patches: Patches,
    above: Vec<&'a [u8]>,
}

impl<'a, C: Change> Walk<'a, C> {
    /// Changes what is below a message that begins at `at` and returns by how much it grows.
    fn message(&mut self, node: &Node, body: &'a [u8], at: usize) -> i64 {
        match node {
            Node::Owner(number) => self.change.owner(&self.above, *number, body, at, &mut self.patches),
            Node::Way(ways) => {
                self.above.push(body);
                let grown = placed_fields(body, at)
                    .map(|(field, number, raw)| match ways.iter().find(|way| way.0 == number) {
                        Some((_, node)) => self.child(node, field, number, raw),
                        None => 0,
                    })
                    .sum();
                self.above.pop();
                grown
            }
            Node::Missable(number) => {
                let mut is_missing = true;
                let mut delta = 0;
                for (field, child, raw) in placed_fields(body, at) {
                    if child == 1 {
                        is_missing = false;
                        delta += self.child(&Node::Owner(*number), field, child, raw);
                    }
                }
                match is_missing {
                    true => self.change.missing(*number, at + body.len(), &mut self.patches),
                    false => delta,
                }
            }
        }
    }

    /// Changes a nested message together with its header.
    fn child(&mut self, node: &Node, field: Slice, number: u32, raw: Raw<'a>) -> i64 {
        let Raw::Bytes(body) = raw else { return 0 };
        let header_len = field.len as usize - body.len();
        let index = self.patches.list.len();
        // Its place in the order is here, its length is known below.
        self.patches.push(field.at as usize, 0, &[]);
        let grown = self.message(node, body, field.at as usize + header_len);
        if self.patches.list.len() == index + 1 {
            self.patches.list.truncate(index);
            return 0;
        }
        let mut header = Vec::with_capacity(12);
        encode::put_header(&mut header, number, (body.len() as i64 + grown) as usize);
        let insert_at = self.patches.inserts.len() as u32;
        self.patches.inserts.extend_from_slice(&header);
        let patch = &mut self.patches.list[index];
        patch.cut = header_len as u32;
        patch.insert = Slice { at: insert_at, len: header.len() as u32 };
        grown + patch.delta()
    }
}

/// The same steps for every message.
struct Steps<'a> {
    request: &'a [u8],
    edits: &'a AttributeEdits,
    outcome: Outcome,
    found: Vec<Slice>,
}

impl Change for Steps<'_> {
    fn owner(&mut self, _: &[&[u8]], number: u32, body: &[u8], at: usize, patches: &mut Patches) -> i64 {
        self.found.clear();
        self.found.resize(self.edits.keys().len(), Slice::ABSENT);
        for attribute in placed_attributes(body, at, number) {
            if let Some(key) = self.edits.find(attribute.key)
                && self.found[key].is_absent()
            {
                self.found[key] = attribute.value;
            }
        }
        self.edits.apply(self.request, number, self.found.iter().copied(), &mut self.outcome);
        let mut grown = 0;
        if self.outcome.cuts_any {
            for attribute in placed_attributes(body, at, number) {
                if self.edits.find(attribute.key).is_some_and(|key| self.outcome.cut[key]) {
                    patches.push(attribute.field.at as usize, attribute.field.len as usize, &[]);
                    grown -= i64::from(attribute.field.len);
                }
            }
        }
        if !self.outcome.appended.is_empty() {
            patches.push(at + body.len(), 0, &self.outcome.appended);
            grown += self.outcome.appended.len() as i64;
        }
        grown
    }

    /// Adds field 1 with what the steps add to nothing.
    fn missing(&mut self, number: u32, at: usize, patches: &mut Patches) -> i64 {
        let nothing = (0..self.edits.keys().len()).map(|_| Slice::ABSENT);
        self.edits.apply(self.request, number, nothing, &mut self.outcome);
        if self.outcome.appended.is_empty() {
            return 0;
        }
        let mut message = Vec::with_capacity(cursor::framed_len(self.outcome.appended.len()));
        encode::put_bytes(&mut message, 1, &self.outcome.appended);
        patches.push(at, 0, &message);
        message.len() as i64
    }
}

/// Attributes of its own for each message that is chosen.
struct Append<F> {
    attributes_of: F,
    fields: Vec<u8>,
}

impl<'f, F: FnMut(&[&[u8]], &[u8]) -> Option<&'f Attributes>> Change for Append<F> {
    fn owner(&mut self, above: &[&[u8]], number: u32, body: &[u8], at: usize, patches: &mut Patches) -> i64 {
        let Some(attributes) = (self.attributes_of)(above, body) else { return 0 };
        self.fields.clear();
        attributes.write(&mut self.fields, number);
        if !self.fields.is_empty() {
            patches.push(at + body.len(), 0, &self.fields);
        }
        self.fields.len() as i64
    }

    fn missing(&mut self, _: u32, _: usize, _: &mut Patches) -> i64 {
        0
    }
}
