//! Edits of resources in a trace request whose table is kept right.

use model::{ResourceRec, Slice, SpanTable, Traces};

use crate::{
    cursor::Raw,
    edit::{
        AttributeEdits,
        actions::placed_fields,
        messages::{Patches, RESOURCES, patches},
    },
};

/// Edits the attributes of every resource, as [`crate::edit::edit_resources`] does, and moves the table's
/// offsets along. Returns whether anything changed.
///
/// *Cost*: one copy of the request, and a few additions for each span.
pub fn edit_trace_resources(traces: &mut Traces, edits: &AttributeEdits) -> bool {
    let patches = patches(&traces.bytes, edits, &RESOURCES);
    if patches.list.is_empty() {
        return false;
    }
    traces.bytes = patches.apply(&traces.bytes).into();
    shift_scopes(&mut traces.table, &patches);
    read_resources(&mut traces.table, &traces.bytes);
    true
}

/// No patch lies within a scope, so all of a scope moves by one distance.
fn shift_scopes(table: &mut SpanTable, patches: &Patches) {
    let mut patches = patches.list.iter().peekable();
    let mut by = 0_i64;
    let mut spans = 0;
    for (index, scope) in table.scopes.iter_mut().enumerate() {
        while let Some(patch) = patches.next_if(|patch| patch.at < scope.body.at) {
            by += patch.delta();
        }
        scope.body = scope.body.shifted(by);
        scope.scope = scope.scope.shifted(by);
        while let Some(span) = table.spans.get_mut(spans).filter(|span| span.scope as usize == index) {
            super::spans::shift(span, by);
            let row = spans * table.stride..(spans + 1) * table.stride;
            for value in table.values.get_mut(row).unwrap_or_default() {
                *value = value.shifted(by);
            }
            spans += 1;
        }
    }
}

fn read_resources(table: &mut SpanTable, request: &[u8]) {
    table.resources.clear();
    for (field, number, raw) in placed_fields(request, 0) {
        let Raw::Bytes(body) = raw else { continue };
        if number != 1 {
            continue;
        }
        let body_slice = body_of(field, body);
        let resource =
            placed_fields(body, body_slice.at as usize).find_map(|(field, number, raw)| match raw {
                Raw::Bytes(resource) if number == 1 => Some(body_of(field, resource)),
                _ => None,
            });
        table.resources.push(ResourceRec { body: body_slice, resource: resource.unwrap_or(Slice::ABSENT) });
    }
}

fn body_of(field: Slice, body: &[u8]) -> Slice {
    let len = body.len() as u32;
    Slice { at: field.at + field.len - len, len }
}
