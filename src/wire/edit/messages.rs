//! Edits of resources, data points and log records: the way down to them is a small tree of field numbers.

use bytes::Bytes;
use model::{Signal, Slice};

use crate::{
    cursor::{self, Raw},
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
    let mut walk =
        Walk { request, edits, patches: Patches::default(), outcome: Outcome::default(), found: Vec::new() };
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

struct Walk<'a> {
    request: &'a [u8],
    edits: &'a AttributeEdits,
    patches: Patches,
    outcome: Outcome,
    found: Vec<Slice>,
}

impl Walk<'_> {
    /// Edits a message that begins at `at` and returns by how much it grows.
    fn message(&mut self, node: &Node, body: &[u8], at: usize) -> i64 {
        match node {
            Node::Owner(number) => self.owner(*number, body, at),
            Node::Way(ways) => placed_fields(body, at)
                .map(|(field, number, raw)| match ways.iter().find(|way| way.0 == number) {
                    Some((_, node)) => self.child(node, field, number, raw),
                    None => 0,
                })
                .sum(),
            Node::Missable(number) => {
                let mut is_missing = true;
                let mut delta = 0;
                for (field, child, raw) in placed_fields(body, at) {
                    if child == 1 {
                        is_missing = false;
                        delta += self.child(&Node::Owner(*number), field, child, raw);
                    }
                }
                if is_missing { self.add_owner(*number, at + body.len()) } else { delta }
            }
        }
    }

    /// Edits a nested message together with its header.
    fn child(&mut self, node: &Node, field: Slice, number: u32, raw: Raw<'_>) -> i64 {
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

    fn owner(&mut self, number: u32, body: &[u8], at: usize) -> i64 {
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
                    self.patches.push(attribute.field.at as usize, attribute.field.len as usize, &[]);
                    grown -= i64::from(attribute.field.len);
                }
            }
        }
        if !self.outcome.appended.is_empty() {
            self.patches.push(at + body.len(), 0, &self.outcome.appended);
            grown += self.outcome.appended.len() as i64;
        }
        grown
    }

    /// Adds field 1 with what the steps add to nothing.
    fn add_owner(&mut self, number: u32, at: usize) -> i64 {
        let nothing = (0..self.edits.keys().len()).map(|_| Slice::ABSENT);
        self.edits.apply(self.request, number, nothing, &mut self.outcome);
        if self.outcome.appended.is_empty() {
            return 0;
        }
        let mut message = Vec::with_capacity(cursor::framed_len(self.outcome.appended.len()));
        encode::put_bytes(&mut message, 1, &self.outcome.appended);
        self.patches.push(at, 0, &message);
        message.len() as i64
    }
}
