//! Cuts spans out of a request, led by the span table, which stays right without another walk.

use model::{ResourceRec, ScopeRec, Slice, SpanRec, SpanTable, Traces};

use super::spans::shift;
use crate::{
    cursor::{framed_len, varint_len},
    encode,
};

/// Leaves the spans that `is_kept` is true for by their index, and cuts the others out. A scope without a span goes,
/// and a resource without a scope. The table then describes the new bytes.
///
/// Returns how many spans went; with none nothing is written, though a scope had no span before.
///
/// *Cost*: one copy of what is left, a few additions for each span; records move within the table.
pub fn keep_spans(traces: &mut Traces, is_kept: &[bool]) -> usize {
    let table = &mut *traces.table;
    let n_spans = table.spans.len();
    let kept = |index: usize| is_kept.get(index).copied().unwrap_or(true);
    let dropped = is_kept.iter().take(n_spans).filter(|is_kept| !**is_kept).count();
    if dropped == 0 {
        return 0;
    }
    let sizes = Sizes::new(table, &kept, traces.bytes.len());
    let mut cutter = Cutter::new(&traces.bytes, sizes.request);
    // Records move to the front of their lists, none before it was read.
    let (mut next_scope, mut next_span, mut left) = (0, 0, 0);
    for index in 0..table.resources.len() {
        let resource = table.resources[index];
        let Some(len) = sizes.resources[index] else {
            cutter.skip(table, resource.body);
            continue;
        };
        let new_resource = cutter.n_resources as u32;
        let body = cutter.header(table, resource.body, 1, len);
        cutter.open_resource(table, body, resource.resource);
        while let Some(&scope) = table.scopes.get(next_scope).filter(|scope| scope.resource as usize <= index)
        {
            let scope_index = next_scope;
            next_scope += 1;
            if (scope.resource as usize) < index {
                // It went with its resource.
                continue;
            }
            let Some(len) = sizes.scopes[scope_index] else {
                cutter.skip(table, scope.body);
                continue;
            };
            let new_scope = cutter.n_scopes as u32;
            let body = cutter.header(table, scope.body, 2, len);
            cutter.open_scope(table, body, scope.scope, new_resource);
            // Spans of scopes that went lie before this one.
            while table.spans.get(next_span).is_some_and(|span| (span.scope as usize) < scope_index) {
                next_span += 1;
            }
            while let Some(&span) = table.spans.get(next_span).filter(|it| it.scope as usize == scope_index) {
                if kept(next_span) {
                    let by = cutter.distance();
                    table.spans[left] = SpanRec { resource: new_resource, scope: new_scope, ..span };
                    shift(&mut table.spans[left], by);
                    for column in 0..table.stride {
                        let value = table.values[next_span * table.stride + column].shifted(by);
                        table.values[left * table.stride + column] = value;
                    }
                    left += 1;
                } else {
                    cutter.skip(table, span.body);
                }
                next_span += 1;
            }
            cutter.copy_to(table, end_of(scope.body));
        }
        cutter.copy_to(table, end_of(resource.body));
    }
    cutter.copy_to(table, traces.bytes.len());
    debug_assert_eq!(cutter.out.len(), sizes.request, "the lengths were measured");
    table.resources.truncate(cutter.n_resources);
    table.scopes.truncate(cutter.n_scopes);
    table.spans.truncate(left);
    table.values.truncate(left * table.stride);
    traces.bytes = cutter.out.into();
    dropped
}

fn end_of(slice: Slice) -> usize {
    slice.at as usize + slice.len as usize
}

/// New lengths; none for what goes.
struct Sizes {
    scopes: Vec<Option<usize>>,
    resources: Vec<Option<usize>>,
    request: usize,
}

impl Sizes {
    fn new(table: &SpanTable, kept: &impl Fn(usize) -> bool, request_len: usize) -> Self {
        let mut scope_lens: Vec<_> = table.scopes.iter().map(|scope| scope.body.len as usize).collect();
        let mut scope_spans = vec![0_usize; table.scopes.len()];
        for (index, span) in table.spans.iter().enumerate() {
            let scope = span.scope as usize;
            if kept(index) {
                scope_spans[scope] += 1;
            } else {
                scope_lens[scope] -= framed_len(span.body.len as usize);
            }
        }
        let mut resource_lens: Vec<_> =
            table.resources.iter().map(|resource| resource.body.len as usize).collect();
        let mut resource_scopes = vec![0_usize; table.resources.len()];
        for (index, scope) in table.scopes.iter().enumerate() {
            let resource = scope.resource as usize;
            resource_lens[resource] -= framed_len(scope.body.len as usize);
            if scope_spans[index] > 0 {
                resource_scopes[resource] += 1;
                resource_lens[resource] += framed_len(scope_lens[index]);
            }
        }
        let mut request = request_len;
        for (index, resource) in table.resources.iter().enumerate() {
            request -= framed_len(resource.body.len as usize);
            if resource_scopes[index] > 0 {
                request += framed_len(resource_lens[index]);
            }
        }
        let of = |lens: Vec<usize>, counts: Vec<usize>| {
            lens.into_iter().zip(counts).map(|(len, count)| (count > 0).then_some(len)).collect()
        };
        Self { scopes: of(scope_lens, scope_spans), resources: of(resource_lens, resource_scopes), request }
    }
}

/// Copies what is left, in order.
struct Cutter<'a> {
    request: &'a [u8],
    out: Vec<u8>,
    /// How much of the request is copied or left out.
    copied: usize,
    /// The `Resource` and the scope that have not been copied yet, by their old places.
    resource_head: Slice,
    scope_head: Slice,
    /// How many are written; the heads are of the last.
    n_resources: usize,
    n_scopes: usize,
}

impl<'a> Cutter<'a> {
    fn new(request: &'a [u8], len: usize) -> Self {
        Self {
            request,
            out: Vec::with_capacity(len),
            copied: 0,
            resource_head: Slice::ABSENT,
            scope_head: Slice::ABSENT,
            n_resources: 0,
            n_scopes: 0,
        }
    }

    /// Notes a resource whose header is written, with the place where its head stood.
    fn open_resource(&mut self, table: &mut SpanTable, body: Slice, head: Slice) {
        table.resources[self.n_resources] = ResourceRec { body, resource: Slice::ABSENT };
        self.n_resources += 1;
        self.resource_head = head;
    }

    fn open_scope(&mut self, table: &mut SpanTable, body: Slice, head: Slice, resource: u32) {
        table.scopes[self.n_scopes] = ScopeRec { body, scope: Slice::ABSENT, resource };
        self.n_scopes += 1;
        self.scope_head = head;
    }

    /// Copies up to the header of `old`, writes the new one and returns where the new body stands.
    fn header(&mut self, table: &mut SpanTable, old: Slice, number: u32, len: usize) -> Slice {
        self.copy_to(table, header_of(old));
        encode::put_header(&mut self.out, number, len);
        self.copied = old.at as usize;
        Slice { at: self.out.len() as u32, len: len as u32 }
    }

    /// Leaves out a message and its header.
    fn skip(&mut self, table: &mut SpanTable, old: Slice) {
        self.copy_to(table, header_of(old));
        self.copied = end_of(old);
    }

    /// How far the byte that is copied next moves.
    fn distance(&self) -> i64 {
        self.out.len() as i64 - self.copied as i64
    }

    /// Copies what is not copied yet up to `at`; heads on the way learn their new places.
    fn copy_to(&mut self, table: &mut SpanTable, at: usize) {
        // A head of no length may begin where nothing is left to copy.
        let by = self.distance();
        if self.resource_head.at as usize <= at {
            if let Some(record) = self.n_resources.checked_sub(1).and_then(|at| table.resources.get_mut(at)) {
                record.resource = self.resource_head.shifted(by);
            }
            self.resource_head = Slice::ABSENT;
        }
        if self.scope_head.at as usize <= at {
            if let Some(record) = self.n_scopes.checked_sub(1).and_then(|at| table.scopes.get_mut(at)) {
                record.scope = self.scope_head.shifted(by);
            }
            self.scope_head = Slice::ABSENT;
        }
        if at > self.copied {
            self.out.extend_from_slice(self.request.get(self.copied..at).unwrap_or_default());
            self.copied = at;
        }
    }
}

fn header_of(body: Slice) -> usize {
    body.at as usize - 1 - varint_len(u64::from(body.len))
}
