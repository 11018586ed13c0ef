//! Edits of spans, led by the span table, which stays right without another walk.

use bytes::BytesMut;
use model::{KeySet, Slice, SpanRec, SpanTable, Traces};

use crate::{
    cursor::{framed_len, varint_len},
    edit::{
        AttributeEdits,
        actions::{Outcome, placed_attributes},
    },
    encode,
};

/// The field of a span that holds attributes.
const ATTRIBUTES: u32 = 9;

/// Edits of span attributes whose keys the walk looks for, so that presence is known for nothing.
#[derive(Clone, Debug)]
pub struct SpanEdits {
    edits: AttributeEdits,
    /// Slot of each key in the table's rows.
    slots: Vec<usize>,
    /// What is done to a span that has none of the keys, which is the usual case.
    blank: Outcome,
}

impl SpanEdits {
    /// Prepares edits for tables that are filled by a matcher of `keys`.
    ///
    /// *Panics*: when a key is not UTF-8, which no configuration can hold.
    pub fn new(edits: AttributeEdits, keys: &mut KeySet) -> Self {
        let text = |key| std::str::from_utf8(key).expect("keys come from strings");
        let slots: Vec<_> = edits.keys().map(|key| keys.want(text(key)).0).collect();
        let mut blank = Outcome::default();
        edits.apply(&[], ATTRIBUTES, slots.iter().map(|_| Slice::ABSENT), &mut blank);
        Self { edits, slots, blank }
    }
}

/// Splices edits into spans. One editor serves one thread; it keeps its memory between requests: as much as
/// the largest request it wrote, while nobody else holds that.
#[derive(Debug, Default)]
pub struct SpanEditor {
    plans: Vec<Plan>,
    /// Fields to append; the first are those of spans without any of the keys.
    appended: Vec<u8>,
    cuts: Vec<Slice>,
    moves: Vec<Move>,
    outcome: Outcome,
    scope_lens: Vec<usize>,
    resource_lens: Vec<usize>,
    out: BytesMut,
}

/// What happens to one span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Plan {
    appended: Slice,
    /// Range of the editor's cuts; in order.
    cuts: Slice,
    /// Range of the editor's moves.
    moves: Slice,
    cut_len: u32,
}

const UNTOUCHED: Plan = Plan { appended: EMPTY, cuts: EMPTY, moves: EMPTY, cut_len: 0 };
const EMPTY: Slice = Slice { at: 0, len: 0 };

/// A wanted attribute that changed.
#[derive(Clone, Copy, Debug)]
struct Move {
    slot: usize,
    /// Within what is appended; absent where the attribute is deleted.
    to: Slice,
}

impl SpanEditor {
    pub fn new() -> Self {
        Self::default()
    }

    /// Edits the attributes of every span and returns whether anything changed. The table then describes the
    /// new bytes, edited values included.
    ///
    /// *Cost*: one copy of the request, a few additions for each span; a look at all its attributes only for a
    /// span that loses one.
    pub fn edit(&mut self, traces: &mut Traces, edits: &SpanEdits) -> bool {
        self.edit_where(traces, edits, |_| true)
    }

    /// The same for the spans that `is_chosen` returns true for.
    pub fn edit_where(
        &mut self,
        traces: &mut Traces,
        edits: &SpanEdits,
        mut is_chosen: impl FnMut(&SpanRec) -> bool,
    ) -> bool {
        self.begin();
        let blank = self.add_plan(edits, &edits.blank);
        let mut changes = false;
        for (index, span) in traces.table.spans.iter().enumerate() {
            let plan = if is_chosen(span) { self.plan(traces, edits, index, blank) } else { UNTOUCHED };
            changes |= plan != UNTOUCHED;
            self.plans.push(plan);
        }
        if changes {
            self.write(traces);
        }
        changes
    }

    /// Appends to chosen spans fields that are encoded already: `fields_of` returns `KeyValue` messages as
    /// fields of a span ([`span_attribute`]), or nothing. None of the keys may be among the wanted ones.
    pub fn append<'f>(
        &mut self,
        traces: &mut Traces,
        mut fields_of: impl FnMut(usize, &SpanRec) -> &'f [u8],
    ) -> bool {
        self.begin();
        let mut changes = false;
        for (index, span) in traces.table.spans.iter().enumerate() {
            let fields = fields_of(index, span);
            changes |= !fields.is_empty();
            let appended = Slice { at: self.appended.len() as u32, len: fields.len() as u32 };
            self.appended.extend_from_slice(fields);
            self.plans.push(Plan { appended, ..UNTOUCHED });
        }
        if changes {
            self.write(traces);
        }
        changes
    }

    fn begin(&mut self) {
        self.plans.clear();
        self.appended.clear();
        self.cuts.clear();
        self.moves.clear();
    }

    #[inline]
    fn plan(&mut self, traces: &Traces, edits: &SpanEdits, index: usize, blank: Plan) -> Plan {
        let row = traces.table.values_of(index);
        let is_absent = |slot: &usize| row.get(*slot).is_none_or(|value| value.is_absent());
        if edits.slots.iter().all(is_absent) {
            return blank;
        }
        self.plan_present(traces, edits, index)
    }

    #[inline(never)]
    fn plan_present(&mut self, traces: &Traces, edits: &SpanEdits, index: usize) -> Plan {
        let row = traces.table.values_of(index);
        let found = edits.slots.iter().map(|slot| row.get(*slot).copied().unwrap_or(Slice::ABSENT));
        let mut outcome = std::mem::take(&mut self.outcome);
        edits.edits.apply(&traces.bytes, ATTRIBUTES, found, &mut outcome);
        let mut plan = self.add_plan(edits, &outcome);
        if outcome.cuts_any
            && let Some(span) = traces.table.spans.get(index)
        {
            let first = self.cuts.len();
            for attribute in placed_attributes(span.body.of(&traces.bytes), span.body.at as usize, ATTRIBUTES)
            {
                if edits.edits.find(attribute.key).is_some_and(|key| outcome.cut[key]) {
                    self.cuts.push(attribute.field);
                    plan.cut_len += attribute.field.len;
                }
            }
            plan.cuts = Slice { at: first as u32, len: (self.cuts.len() - first) as u32 };
        }
        self.outcome = outcome;
        plan
    }

    fn add_plan(&mut self, edits: &SpanEdits, outcome: &Outcome) -> Plan {
        if outcome.is_nothing() {
            return UNTOUCHED;
        }
        let appended = Slice { at: self.appended.len() as u32, len: outcome.appended.len() as u32 };
        self.appended.extend_from_slice(&outcome.appended);
        let first = self.moves.len();
        for (key, &slot) in edits.slots.iter().enumerate() {
            if outcome.cut[key] || !outcome.placed[key].is_absent() {
                self.moves.push(Move { slot, to: outcome.placed[key] });
            }
        }
        let moves = Slice { at: first as u32, len: (self.moves.len() - first) as u32 };
        Plan { appended, moves, ..UNTOUCHED }
    }

    /// Writes the request anew by the plans.
    fn write(&mut self, traces: &mut Traces) {
        let table = &mut *traces.table;
        let len = self.measure(table, traces.bytes.len());
        self.out.reserve(len);
        let mut writer = Writer {
            request: &traces.bytes,
            out: &mut self.out,
            copied: 0,
            resources: 0,
            scopes: 0,
            resource_lens: &self.resource_lens,
            scope_lens: &self.scope_lens,
            resource_head: Slice::ABSENT,
            scope_head: Slice::ABSENT,
        };
        for (index, plan) in self.plans.iter().enumerate() {
            let Some(&old) = table.spans.get(index) else { break };
            writer.open_before(table, old.body.at as usize);
            let cuts = range(&self.cuts, plan.cuts);
            let by = if *plan == UNTOUCHED {
                writer.distance()
            } else {
                let appended = plan.appended.of(&self.appended);
                writer.span(table, old.body, cuts, plan.cut_len as usize, appended)
            };
            let row = index * table.stride..(index + 1) * table.stride;
            let row = table.values.get_mut(row).unwrap_or_default();
            let Some(span) = table.spans.get_mut(index) else { break };
            if cuts.is_empty() {
                shift(span, by);
                row.iter_mut().for_each(|value| value.at = shifted(value.at, by));
            } else {
                shift_around(span, row, by, cuts);
            }
            let appended_at = span.body.at + span.body.len - plan.cut_len;
            span.body.len = span.body.len - plan.cut_len + plan.appended.len;
            for change in range(&self.moves, plan.moves) {
                if let Some(value) = row.get_mut(change.slot) {
                    *value = change.to.shifted(i64::from(appended_at));
                }
            }
        }
        writer.finish(table);
        traces.bytes = self.out.split().freeze();
    }

    /// Finds the new lengths of all framing messages, and of the request.
    fn measure(&mut self, table: &SpanTable, request_len: usize) -> usize {
        self.scope_lens.clear();
        self.scope_lens.extend(table.scopes.iter().map(|scope| scope.body.len as usize));
        self.resource_lens.clear();
        self.resource_lens.extend(table.resources.iter().map(|resource| resource.body.len as usize));
        for (span, plan) in table.spans.iter().zip(&self.plans) {
            let old = span.body.len as usize;
            let new = old - plan.cut_len as usize + plan.appended.len as usize;
            if let Some(len) = self.scope_lens.get_mut(span.scope as usize) {
                *len = *len + framed_len(new) - framed_len(old);
            }
        }
        for (scope, &new) in table.scopes.iter().zip(&self.scope_lens) {
            if let Some(len) = self.resource_lens.get_mut(scope.resource as usize) {
                *len = *len + framed_len(new) - framed_len(scope.body.len as usize);
            }
        }
        let resources = table.resources.iter().zip(&self.resource_lens);
        resources.fold(request_len, |len, (resource, &new)| {
            len + framed_len(new) - framed_len(resource.body.len as usize)
        })
    }
}

/// Returns an attribute as the field of a span that [`SpanEditor::append`] takes.
pub fn span_attribute(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    encode::put_bytes(&mut field, ATTRIBUTES, &crate::build::key_value(key, value));
    field
}

/// Copies a request in order, with new headers for the framing messages.
struct Writer<'a> {
    request: &'a [u8],
    out: &'a mut BytesMut,
    /// How much of the request is copied or replaced.
    copied: usize,
    /// How many resources and scopes are open or done.
    resources: usize,
    scopes: usize,
    resource_lens: &'a [usize],
    scope_lens: &'a [usize],
    /// The `Resource` and the scope that have not been copied yet, by their old places.
    resource_head: Slice,
    scope_head: Slice,
}

impl Writer<'_> {
    /// Opens every resource and scope that begins before `at`.
    #[inline]
    fn open_before(&mut self, table: &mut SpanTable, at: usize) {
        loop {
            let resource_at =
                table.resources.get(self.resources).map_or(usize::MAX, |record| record.body.at as usize);
            let scope_at = table.scopes.get(self.scopes).map_or(usize::MAX, |record| record.body.at as usize);
            if resource_at.min(scope_at) >= at {
                return;
            }
            if resource_at < scope_at {
                self.open_resource(table);
            } else {
                self.open_scope(table);
            }
        }
    }

    fn open_resource(&mut self, table: &mut SpanTable) {
        let (Some(&old), Some(&len)) =
            (table.resources.get(self.resources), self.resource_lens.get(self.resources))
        else {
            return;
        };
        self.header(table, old.body, 1, len);
        table.resources[self.resources].body = Slice { at: self.out.len() as u32, len: len as u32 };
        self.resources += 1;
        self.resource_head = old.resource;
    }

    fn open_scope(&mut self, table: &mut SpanTable) {
        let (Some(&old), Some(&len)) = (table.scopes.get(self.scopes), self.scope_lens.get(self.scopes))
        else {
            return;
        };
        self.header(table, old.body, 2, len);
        table.scopes[self.scopes].body = Slice { at: self.out.len() as u32, len: len as u32 };
        self.scopes += 1;
        self.scope_head = old.scope;
    }

    /// Copies up to the header of `old` and writes the new one.
    #[inline]
    fn header(&mut self, table: &mut SpanTable, old: Slice, number: u32, len: usize) {
        let header_at = old.at as usize - 1 - varint_len(u64::from(old.len));
        self.copy_to(table, header_at);
        let mut header = [0; 12];
        let mut rest = &mut header[..];
        encode::put_header(&mut rest, number, len);
        let header_len = 12 - rest.len();
        self.out.extend_from_slice(&header[..header_len]);
        self.copied = old.at as usize;
    }

    /// Writes an edited span and returns how far its body moved.
    fn span(
        &mut self,
        table: &mut SpanTable,
        old: Slice,
        cuts: &[Slice],
        cut_len: usize,
        appended: &[u8],
    ) -> i64 {
        self.header(table, old, 2, old.len as usize - cut_len + appended.len());
        let by = self.distance();
        for cut in cuts {
            self.out.extend_from_slice(&self.request[self.copied..cut.at as usize]);
            self.copied = (cut.at + cut.len) as usize;
        }
        let end = (old.at + old.len) as usize;
        self.out.extend_from_slice(&self.request[self.copied..end]);
        self.out.extend_from_slice(appended);
        self.copied = end;
        by
    }

    /// Returns how far the byte that is copied next moves.
    fn distance(&self) -> i64 {
        self.out.len() as i64 - self.copied as i64
    }

    /// Opens and copies what follows the last span.
    fn finish(mut self, table: &mut SpanTable) {
        self.open_before(table, usize::MAX);
        self.copy_to(table, self.request.len());
    }

    /// Copies what is not copied yet up to `at`; heads on the way learn their new places.
    #[inline]
    fn copy_to(&mut self, table: &mut SpanTable, at: usize) {
        if at <= self.copied {
            return;
        }
        let by = self.distance();
        // An empty head begins where it ends, maybe right before the next header.
        if self.resource_head.at as usize <= at {
            if let Some(record) = table.resources.get_mut(self.resources - 1) {
                record.resource = self.resource_head.shifted(by);
            }
            self.resource_head = Slice::ABSENT;
        }
        if self.scope_head.at as usize <= at {
            if let Some(record) = table.scopes.get_mut(self.scopes - 1) {
                record.scope = self.scope_head.shifted(by);
            }
            self.scope_head = Slice::ABSENT;
        }
        self.out.extend_from_slice(&self.request[self.copied..at]);
        self.copied = at;
    }
}

fn range<T>(list: &[T], range: Slice) -> &[T] {
    list.get(range.at as usize..(range.at + range.len) as usize).unwrap_or_default()
}

/// Moves all offsets of a span by one distance.
#[inline(always)]
pub(super) fn shift(span: &mut SpanRec, by: i64) {
    span.body.at = shifted(span.body.at, by);
    span.name.at = shifted(span.name.at, by);
    span.trace_state.at = shifted(span.trace_state.at, by);
    span.trace_id_at = shifted(span.trace_id_at, by);
    span.span_id_at = shifted(span.span_id_at, by);
    span.parent_id_at = shifted(span.parent_id_at, by);
}

/// Moves one offset; absent stays absent.
#[inline(always)]
fn shifted(at: u32, by: i64) -> u32 {
    if at == u32::MAX { at } else { at.wrapping_add(by as u32) }
}

/// Moves the offsets of a span that loses attributes: what stands behind a cut moves less far.
fn shift_around(span: &mut SpanRec, row: &mut [Slice], by: i64, cuts: &[Slice]) {
    let by_at = |at: u32| {
        let before = cuts.iter().filter(|cut| cut.at < at);
        by - before.map(|cut| i64::from(cut.len)).sum::<i64>()
    };
    for slice in [&mut span.name, &mut span.trace_state].into_iter().chain(row) {
        *slice = slice.shifted(by_at(slice.at));
    }
    for at in [&mut span.trace_id_at, &mut span.span_id_at, &mut span.parent_id_at] {
        *at = shifted(*at, by_at(*at));
    }
    span.body = span.body.shifted(by);
}
