//! Requests without some of their items, and with others in their place.

use bytes::Bytes;

use crate::{
    build::key_value,
    cursor::{Fields, Raw, framed_len},
    edit::actions::placed_fields,
    encode,
    view::KeyValue,
};

/// What becomes of a span, metric or log record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Keep,
    Drop,
    /// Its place is taken by what was written.
    Replace,
}

/// A request that lost items or has others in their place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rewritten {
    /// Empty when nothing is left.
    pub bytes: Bytes,
    pub dropped: u64,
}

/// Asks for every item of a request, in order, what becomes of it: `decide` gets the item's message and writes there
/// what replaces it. Scopes and resources that lose their last item go too. Works for requests of all signals.
///
/// Returns none when every item is kept.
///
/// *Cost*: one walk over the framing and, where something changes, one copy of what stays.
pub fn rewrite_items(
    request: &[u8],
    mut decide: impl FnMut(&[u8], &mut Vec<u8>) -> Fate,
) -> Option<Rewritten> {
    let mut plan = Plan::default();
    for resource in Fields::bodies(request, RESOURCES) {
        plan.resource(resource, &mut decide);
    }
    plan.changes.then(|| Rewritten { dropped: plan.dropped, bytes: plan.write(request).into() })
}

/// All signals use these field numbers.
const RESOURCES: u32 = 1;
const SCOPES: u32 = 2;
const ITEMS: u32 = 2;

/// What becomes of each item, and how long the messages around them get; in the order of the request.
#[derive(Default)]
struct Plan {
    items: Vec<Item>,
    scopes: Vec<Group>,
    resources: Vec<Group>,
    replacements: Vec<u8>,
    dropped: u64,
    changes: bool,
}

struct Item {
    fate: Fate,
    /// Where in the replacements its own ends.
    until: usize,
}

/// A `ScopeSpans`, a `ResourceSpans` or one of their siblings.
struct Group {
    /// The length of its new body; none when it goes.
    len: Option<usize>,
    /// How many groups or items stand in it.
    members: usize,
}

impl Plan {
    fn resource(&mut self, body: &[u8], decide: &mut impl FnMut(&[u8], &mut Vec<u8>) -> Fate) {
        let (mut len, mut members, mut kept) = (0, 0, 0);
        for (field, number, raw) in placed_fields(body, 0) {
            match raw {
                Raw::Bytes(scope) if number == SCOPES => {
                    members += 1;
                    if let Some(scope_len) = self.scope(scope, decide) {
                        kept += 1;
                        len += framed_len(scope_len);
                    }
                }
                _ => len += field.len as usize,
            }
        }
        let stays = kept > 0 || members == 0;
        self.resources.push(Group { len: stays.then_some(len), members });
    }

    fn scope(&mut self, body: &[u8], decide: &mut impl FnMut(&[u8], &mut Vec<u8>) -> Fate) -> Option<usize> {
        let (mut len, mut members, mut kept) = (0, 0, 0);
        for (field, number, raw) in placed_fields(body, 0) {
            let Some(item) = item_of(number, raw) else {
                len += field.len as usize;
                continue;
            };
            members += 1;
            let from = self.replacements.len();
            let fate = decide(item, &mut self.replacements);
            self.changes |= fate != Fate::Keep;
            match fate {
                Fate::Keep => len += field.len as usize,
                Fate::Drop => {
                    self.replacements.truncate(from);
                    self.dropped += 1;
                }
                Fate::Replace => len += framed_len(self.replacements.len() - from),
            }
            kept += usize::from(fate != Fate::Drop);
            self.items.push(Item { fate, until: self.replacements.len() });
        }
        let stays = kept > 0 || members == 0;
        self.scopes.push(Group { len: stays.then_some(len), members });
        stays.then_some(len)
    }

    fn write(&self, request: &[u8]) -> Vec<u8> {
        let mut writer =
            Writer { plan: self, items: 0, scopes: 0, resources: 0, replaced: 0, out: Vec::new() };
        let replaced = self.replacements.len();
        writer.out.reserve(if self.dropped > 0 { replaced } else { request.len() + replaced });
        for (field, number, raw) in placed_fields(request, 0) {
            match raw {
                Raw::Bytes(body) if number == RESOURCES => writer.resource(body),
                _ => writer.out.extend_from_slice(field.of(request)),
            }
        }
        writer.out
    }
}

fn item_of(number: u32, raw: Raw<'_>) -> Option<&[u8]> {
    match raw {
        Raw::Bytes(item) if number == ITEMS => Some(item),
        _ => None,
    }
}

struct Writer<'a> {
    plan: &'a Plan,
    /// How many of each are done.
    items: usize,
    scopes: usize,
    resources: usize,
    /// How much of the replacements is written.
    replaced: usize,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn resource(&mut self, body: &[u8]) {
        let Some(group) = self.plan.resources.get(self.resources) else { return };
        self.resources += 1;
        let Some(len) = group.len else {
            for _ in 0..group.members {
                self.skip_scope();
            }
            return;
        };
        encode::put_header(&mut self.out, RESOURCES, len);
        for (field, number, raw) in placed_fields(body, 0) {
            match raw {
                Raw::Bytes(scope) if number == SCOPES => self.scope(scope),
                _ => self.out.extend_from_slice(field.of(body)),
            }
        }
    }

    fn scope(&mut self, body: &[u8]) {
        let Some(len) = self.plan.scopes.get(self.scopes).and_then(|group| group.len) else {
            return self.skip_scope();
        };
        self.scopes += 1;
        encode::put_header(&mut self.out, SCOPES, len);
        for (field, number, raw) in placed_fields(body, 0) {
            if item_of(number, raw).is_some() {
                self.item(field.of(body));
            } else {
                self.out.extend_from_slice(field.of(body));
            }
        }
    }

    fn item(&mut self, whole: &[u8]) {
        let Some(item) = self.plan.items.get(self.items) else { return };
        self.items += 1;
        let from = std::mem::replace(&mut self.replaced, item.until);
        match item.fate {
            Fate::Keep => self.out.extend_from_slice(whole),
            Fate::Drop => {}
            Fate::Replace => {
                let body = self.plan.replacements.get(from..item.until).unwrap_or_default();
                encode::put_bytes(&mut self.out, ITEMS, body);
            }
        }
    }

    /// Leaves out a scope, all of whose items are dropped.
    fn skip_scope(&mut self) {
        if let Some(group) = self.plan.scopes.get(self.scopes) {
            self.items += group.members;
        }
        self.scopes += 1;
    }
}

/// Returns a `ResourceSpans`, a `ScopeSpans` or one of their siblings without what is repeated in it: what its members
/// have in common, as [`crate::build::GroupsWriter`] takes it.
pub fn head_of(group: &[u8]) -> Vec<u8> {
    let fields = placed_fields(group, 0).filter(|(_, number, raw)| item_of(*number, *raw).is_none());
    fields.flat_map(|(field, ..)| field.of(group)).copied().collect()
}

/// Writes a message whose field `number`, which is not repeated, has another value: text, bytes or a message. In a
/// message whose fields ascend it stands in its place.
pub fn put_field(message: &[u8], number: u32, value: &[u8], out: &mut Vec<u8>) {
    let mut is_written = false;
    for (field, known, _) in placed_fields(message, 0) {
        if known >= number && !is_written {
            encode::put_bytes(out, number, value);
            is_written = true;
        }
        if known != number {
            out.extend_from_slice(field.of(message));
        }
    }
    if !is_written {
        encode::put_bytes(out, number, value);
    }
}

/// Writes a message, which holds attributes in field `number`, with other values for some keys: the body of an
/// `AnyValue`, or none for an attribute that goes. Of duplicates the first is meant; a key that is not there is added
/// behind the others.
pub fn put_attributes(message: &[u8], number: u32, changes: &[(&str, Option<&[u8]>)], out: &mut Vec<u8>) {
    let mut done = vec![false; changes.len()];
    for (field, known, raw) in placed_fields(message, 0) {
        let change = match raw {
            Raw::Bytes(body) if known == number => {
                let key = KeyValue::of(body).key;
                let is_meant = |at: &usize| !done[*at] && changes[*at].0.as_bytes() == key;
                (0..changes.len()).find(is_meant)
            }
            _ => None,
        };
        let Some(at) = change else {
            out.extend_from_slice(field.of(message));
            continue;
        };
        done[at] = true;
        if let (key, Some(value)) = changes[at] {
            encode::put_bytes(out, number, &key_value(key.as_bytes(), value));
        }
    }
    for ((key, value), _) in changes.iter().zip(done).filter(|(_, done)| !done) {
        if let Some(value) = value {
            encode::put_bytes(out, number, &key_value(key.as_bytes(), value));
        }
    }
}

#[cfg(test)]
mod tests;
